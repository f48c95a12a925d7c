# The corpus of each fuzz target, replayed by any compiler; with SEG_FUZZ and clang the fuzzer itself (fuzz/README.md).
option(SEG_FUZZ "Build the fuzzers (clang only)" OFF)

add_executable(fuzz_replay_csv fuzz/fuzz_replay.c fuzz/fuzz_csv.c)
target_link_libraries(fuzz_replay_csv PRIVATE seg_table seg_store seg_comm seg_base m)
file(GLOB corpus CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/csv/*)
add_test(NAME fuzz_csv COMMAND fuzz_replay_csv ${corpus})
set_tests_properties(fuzz_csv PROPERTIES TIMEOUT 120 ENVIRONMENT "${SEG_TEST_ENVIRONMENT};FUZZ_EXHAUSTIVE=1")

if(SEG_FUZZ)
  target_compile_options(seg_flags INTERFACE -fsanitize=fuzzer-no-link) # coverage of the code under test
  target_link_options(seg_flags INTERFACE -fsanitize=fuzzer-no-link)
  add_executable(fuzz_csv fuzz/fuzz_csv.c)
  target_link_options(fuzz_csv PRIVATE -fsanitize=fuzzer)
  target_link_libraries(fuzz_csv PRIVATE seg_table seg_store seg_comm seg_base m)
endif()
