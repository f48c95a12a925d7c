seg_unit_test(stats RANKS 1 2 3 7 LIBRARIES seg_stats seg_table seg_store seg_comm seg_base)
seg_unit_test(reference RANKS 1 2 3 7 LIBRARIES seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
