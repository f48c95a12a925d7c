# The corpus of each fuzz target, replayed by any compiler; with SEG_FUZZ and clang the fuzzers too (fuzz/README.md).
option(SEG_FUZZ "Build the fuzzers (clang only)" OFF)
if(SEG_FUZZ)
  target_compile_options(seg_flags INTERFACE -fsanitize=fuzzer-no-link) # coverage of the code under test
  target_link_options(seg_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# One small file of each format.
set(SEG_GOLDEN ${CMAKE_CURRENT_BINARY_DIR}/golden)
file(ARCHIVE_EXTRACT INPUT ${CMAKE_CURRENT_SOURCE_DIR}/golden/1.0.tar.gz DESTINATION ${SEG_GOLDEN})

# seg_fuzz(NAME LIBRARIES...): fuzz/fuzz_NAME.c with its corpus fuzz/NAME/.
function(seg_fuzz name)
  add_executable(fuzz_replay_${name} fuzz/fuzz_replay.c fuzz/fuzz_${name}.c)
  set(targets fuzz_replay_${name})
  if(SEG_FUZZ)
    add_executable(fuzz_${name} fuzz/fuzz_${name}.c)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    list(APPEND targets fuzz_${name})
  endif()
  foreach(target ${targets})
    target_link_libraries(${target} PRIVATE ${ARGN} seg_comm seg_base m)
    target_include_directories(${target} SYSTEM PRIVATE ${HDF5_C_INCLUDE_DIRS})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE FUZZ_GOLDEN="${SEG_GOLDEN}")
  endforeach()
  file(GLOB corpus CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}/*)
  add_test(NAME fuzz_${name} COMMAND fuzz_replay_${name} ${corpus})
  set_tests_properties(fuzz_${name} PROPERTIES TIMEOUT 120 ENVIRONMENT
                                               "${SEG_TEST_ENVIRONMENT};FUZZ_EXHAUSTIVE=1")
endfunction()

seg_fuzz(csv seg_table seg_store)
seg_fuzz(exclude seg_table seg_store)
seg_fuzz(options seg_cli)
seg_fuzz(catalog seg_segment)
seg_fuzz(comparison seg_report)
set(hdf5 ${HDF5_C_HL_LIBRARIES} ${HDF5_C_LIBRARIES} MPI::MPI_C)
seg_fuzz(seal seg_store ${hdf5})
seg_fuzz(model seg_report seg_store ${hdf5})

# Damage of every kind of file (unit/test_store_damage.c): a slice.
set(formats clients.h5 describe.h5 elbow.h5 model.h5 code.h5 scores.h5 stopped.h5.checkpoint-000001)
list(TRANSFORM formats PREPEND ${SEG_GOLDEN}/)
add_test(NAME fuzz_damage COMMAND test_store_damage 500 ${formats})
set_tests_properties(fuzz_damage PROPERTIES TIMEOUT 120 ENVIRONMENT "${SEG_TEST_ENVIRONMENT}")
