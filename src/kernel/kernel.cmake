# One body, compiled once per SIMD level as an object library with the level's own flags and nothing but kernels inside;
# the choice is built for the baseline, so that it runs everywhere.
add_library(seg_kernel STATIC kernel/kernel_choose.c kernel/kernel_pack.c kernel/kernel_blas.c)
target_include_directories(seg_kernel PUBLIC ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(seg_kernel PUBLIC seg_flags PRIVATE PkgConfig::LAPACKE PkgConfig::OPENBLAS m)

# seg_kernel_level(LEVEL FLAGS...): kernel_body.c against vec_LEVEL.h
function(seg_kernel_level level)
  add_library(seg_kernel_${level} OBJECT kernel/kernel_body.c kernel/kernel_bins.c)
  target_include_directories(seg_kernel_${level} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_compile_definitions(seg_kernel_${level} PRIVATE SEG_VEC_HEADER="vec_${level}.h")
  target_compile_options(seg_kernel_${level} PRIVATE ${ARGN})
  target_link_libraries(seg_kernel_${level} PRIVATE seg_flags)
  target_sources(seg_kernel PRIVATE $<TARGET_OBJECTS:seg_kernel_${level}>)
endfunction()

# nobody looks at floating-point exceptions, so comparisons may be vectorised
set_source_files_properties(kernel/kernel_bins.c PROPERTIES COMPILE_OPTIONS -fno-trapping-math)

seg_kernel_level(ref)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  seg_kernel_level(v3 -mavx2 -mfma -mbmi2)
  seg_kernel_level(v4 -mavx512f -mavx2 -mfma -mpopcnt)
endif()
