seg_unit_test(pca RANKS 1 2 3 7 LIBRARIES seg_embed seg_table seg_store seg_comm seg_kernel seg_base)
