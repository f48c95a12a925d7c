seg_unit_test(quality RANKS 1 2 3 7 LIBRARIES seg_quality seg_table seg_store seg_comm seg_kernel seg_base)
seg_unit_test(gap RANKS 1 LIBRARIES seg_quality seg_table seg_store seg_comm seg_kernel seg_base)
