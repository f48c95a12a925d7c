# The preload library that makes file operations fail; flags of its own, as it takes the C library's names.
add_library(segmpi_shim SHARED ${CMAKE_CURRENT_LIST_DIR}/shim.c)
set_target_properties(segmpi_shim PROPERTIES C_EXTENSIONS ON)
target_compile_options(segmpi_shim PRIVATE -Wall -Wextra -Wshadow $<$<BOOL:${SEG_WERROR}>:-Werror> -U_FORTIFY_SOURCE)
target_link_libraries(segmpi_shim PRIVATE ${CMAKE_DL_LIBS})

seg_pytest(fault_faults 900 ${CMAKE_CURRENT_LIST_DIR}/test_faults.py)
seg_pytest(fault_system_calls 300 ${CMAKE_CURRENT_LIST_DIR}/test_system_calls.py)
seg_pytest(fault_allocations 300 ${CMAKE_CURRENT_LIST_DIR}/test_allocations.py)
seg_pytest(fault_durability 300 ${CMAKE_CURRENT_LIST_DIR}/test_durability.py)
seg_pytest(fault_outputs 300 ${CMAKE_CURRENT_LIST_DIR}/test_outputs.py)
seg_pytest(fault_deadline 300 ${CMAKE_CURRENT_LIST_DIR}/test_deadline.py)
seg_pytest(fault_resume 300 ${CMAKE_CURRENT_LIST_DIR}/test_resume.py)
set_tests_properties(fault_faults PROPERTIES COST 500) # the longest begins first
