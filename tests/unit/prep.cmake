seg_unit_test(prep RANKS 1 2 3 7 LIBRARIES seg_prep seg_stats seg_table seg_store seg_comm seg_base)
