seg_unit_test(keep RANKS 1 2 3 LIBRARIES seg_cluster seg_embed seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
