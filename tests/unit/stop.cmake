seg_unit_test(stop RANKS 1 3 LIBRARIES seg_comm seg_base)
