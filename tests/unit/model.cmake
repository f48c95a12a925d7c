seg_unit_test(model_values LIBRARIES seg_model seg_store seg_comm seg_base ${HDF5_C_HL_LIBRARIES} ${HDF5_C_LIBRARIES} MPI::MPI_C)
target_include_directories(test_model_values SYSTEM PRIVATE ${HDF5_C_INCLUDE_DIRS})
target_include_directories(test_model_values PRIVATE ${PROJECT_SOURCE_DIR}/src/store)
target_compile_definitions(test_model_values PRIVATE GOLDEN="${CMAKE_CURRENT_BINARY_DIR}/golden")
