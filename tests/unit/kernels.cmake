seg_unit_test(kernels LIBRARIES seg_kernel seg_base)
