seg_unit_test(kmeans RANKS 1 2 3 7 LIBRARIES seg_cluster seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
seg_unit_test(kmeans_draws RANKS 1 3 LIBRARIES seg_cluster seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
target_include_directories(test_kmeans_draws PRIVATE ${PROJECT_SOURCE_DIR}/src/cluster)
