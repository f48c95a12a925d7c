seg_unit_test(describe RANKS 1 2 3 7 LIBRARIES seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
seg_unit_test(describe_pairs RANKS 1 2 3 7 LIBRARIES seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
