/* The level that runs; built for the baseline, so that it can run before it knows the
 * CPU. */
#include <stdlib.h>
#include <string.h>

#include "kernel_internal.h"

/* GCC and Clang look at CPUID and, by XGETBV, at whether the OS keeps the wide registers. */
static bool supported(const seg_kernels *level)
{
#if SEG_KERNEL_X86
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi2");

    if (level == &seg_kernels_v3) return v3;
    if (level == &seg_kernels_v4) return v3 && __builtin_cpu_supports("avx512f");
#endif
    return level == &seg_kernels_ref;
}

/* Best first. */
static const seg_kernels *const levels[] = {
#if SEG_KERNEL_X86
    &seg_kernels_v4,
    &seg_kernels_v3,
#endif
    &seg_kernels_ref,
};

#define N_LEVELS (sizeof levels / sizeof *levels)

const seg_kernels *seg_kernels_named(const char *name)
{
    for (size_t i = 0; i < N_LEVELS; i++)
        if (strcmp(levels[i]->name, name) == 0) return supported(levels[i]) ? levels[i] : NULL;
    return NULL;
}

const seg_kernels *seg_kernels_choose(void)
{
    const char *wanted = getenv("SEGMPI_SIMD");
    size_t best = 0;

    if (wanted) return seg_kernels_named(wanted);
    while (!supported(levels[best]))
        best++;
    return levels[best];
}
