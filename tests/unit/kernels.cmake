seg_unit_test(kernels LIBRARIES seg_kernel seg_base)
seg_unit_test(kernel_bins LIBRARIES seg_kernel seg_base)
