seg_unit_test(migration RANKS 1 2 3 7 LIBRARIES seg_segment seg_cluster seg_embed seg_prep seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
