seg_unit_test(autoencoder RANKS 1 2 3 7 LIBRARIES seg_embed seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
target_include_directories(test_autoencoder PRIVATE ${PROJECT_SOURCE_DIR}/src/embed)
seg_unit_test(embedding RANKS 1 2 3 7 LIBRARIES seg_embed seg_stats seg_table seg_store seg_comm seg_kernel seg_base)
