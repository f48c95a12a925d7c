# One body (kernel_body.c), one object library per SIMD level, nothing but kernels inside; the choice is built for the
# baseline, so that it runs everywhere.
add_library(seg_kernel STATIC kernel/kernel_choose.c kernel/kernel_pack.c kernel/kernel_blas.c)
target_include_directories(seg_kernel PUBLIC ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(seg_kernel PUBLIC seg_flags PRIVATE PkgConfig::LAPACKE PkgConfig::OPENBLAS seg_base m)
