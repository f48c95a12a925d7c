seg_unit_test(messages RANKS 1 3 64 LIBRARIES seg_cluster seg_stats seg_table seg_store seg_comm seg_kernel seg_base MPI::MPI_C)
