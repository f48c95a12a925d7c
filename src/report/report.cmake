# The page's style sheet is a file, compiled in.
seg_folder(report seg_model seg_segment seg_quality seg_cluster seg_embed seg_prep seg_stats seg_table seg_store
           seg_comm seg_kernel seg_base m)

set(file ${CMAKE_CURRENT_LIST_DIR}/report.css)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
file(READ ${file} bytes HEX)
string(REGEX REPLACE "(..)" "(char)0x\\1," bytes "${bytes}")
file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/report_style.c
     CONTENT "extern const char page_style[];\nconst char page_style[] = { ${bytes}0 };\n")
target_sources(seg_report PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/report_style.c)
