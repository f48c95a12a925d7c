# The built-in catalog and dictionary of columns: the files of data/, compiled in, so that a program that was copied
# elsewhere still has them.
seg_folder(segment seg_cluster seg_embed seg_prep seg_stats seg_table seg_store seg_comm seg_kernel seg_base m)

set(built_in ${CMAKE_CURRENT_BINARY_DIR}/segment_builtin.c)
set(code "extern const char segment_builtin_catalog[], segment_builtin_schema[];\n")
foreach(kind catalog schema)
  set(file ${PROJECT_SOURCE_DIR}/data/${kind}/card_holders.ini)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "(char)0x\\1," bytes "${bytes}")
  string(APPEND code "const char segment_builtin_${kind}[] = { ${bytes}0 };\n")
endforeach()
file(GENERATE OUTPUT ${built_in} CONTENT "${code}")
target_sources(seg_segment PRIVATE ${built_in})
