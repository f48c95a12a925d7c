seg_unit_test(blas LIBRARIES seg_kernel seg_base)
