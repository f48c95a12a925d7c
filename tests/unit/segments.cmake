seg_unit_test(catalog LIBRARIES seg_segment seg_comm seg_base)
target_include_directories(test_catalog PRIVATE ${PROJECT_SOURCE_DIR}/src/segment)
seg_unit_test(merges LIBRARIES seg_segment seg_comm seg_base)
target_include_directories(test_merges PRIVATE ${PROJECT_SOURCE_DIR}/src/segment)
seg_unit_test(segments RANKS 1 2 3 7 LIBRARIES seg_segment seg_cluster seg_embed seg_prep seg_stats seg_table seg_store seg_comm
              seg_kernel seg_base)
seg_unit_test(stats_groups RANKS 1 2 3 7 LIBRARIES seg_stats seg_table seg_store seg_comm seg_base)
