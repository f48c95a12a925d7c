seg_unit_test(comm RANKS 1 2 3 7 LIBRARIES seg_comm seg_base)
