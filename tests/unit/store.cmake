seg_unit_test(store RANKS 1 2 3 7 LIBRARIES seg_store seg_comm seg_base)
if(SEG_FAULTS)
  seg_unit_test(store_faults RANKS 1 2 3 7 LIBRARIES seg_store seg_comm seg_base)
endif()
