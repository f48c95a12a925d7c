seg_unit_test(base LIBRARIES seg_base)
