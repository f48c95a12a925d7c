seg_unit_test(matrix LIBRARIES seg_table seg_comm seg_base)
