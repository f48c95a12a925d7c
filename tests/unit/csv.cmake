seg_unit_test(csv LIBRARIES seg_table seg_store seg_comm seg_base)
seg_unit_test(csv_number LIBRARIES seg_table seg_store seg_comm seg_base)
seg_unit_test(csv_schema LIBRARIES seg_table seg_store seg_comm seg_base)
seg_unit_test(csv_import RANKS 1 2 3 7 LIBRARIES seg_table seg_store seg_comm seg_base)
