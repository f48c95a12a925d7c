/* Dense algebra by CBLAS and LAPACKE, and what OpenBLAS makes of this CPU.
 *
 * OpenBLAS 0.3.21 (Debian 12) takes server CPUs that are newer than itself for a Prescott, at a
 * fifth of the speed (OpenMathLib/OpenBLAS#4267). */
#include <cblas.h>
#include <lapacke.h>
#undef I

#include <stdio.h>
#include <string.h>

#include "kernel_internal.h"

void seg_blas_second_moments(int n, int d, const double *a, double *c)
{
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, d, n, 1, a, d, 0, c, d);
    for (int s = 0; s < d; s++)
        for (int t = 0; t < s; t++)
            c[(int64_t)s * d + t] = c[(int64_t)t * d + s];
}

void seg_blas_multiply(int m, int n, int l, const double *a, const double *b, double *c)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, l, 1, a, l, b, n, 0, c, n);
}

void seg_blas_sgemm(bool transpose_a, bool transpose_b, int m, int n, int l, const float *a,
                    const float *b, float beta, float *c)
{
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, m, n, l, 1, a, transpose_a ? m : l, b,
                transpose_b ? l : n, beta, c, n);
}

int seg_lapack_eigen(int d, double *a, double *values, double *vectors)
{
    /* Ascending in vectors[0]; column-major, so that each eigenvector is a row of ours. */
    double *ascending = vectors;
    int info = (int)LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', d, a, d, ascending);

    if (info != 0) return info;
    for (int j = 0; j < d; j++)
        values[j] = ascending[d - 1 - j];
    for (int j = 0; j < d; j++)
        memcpy(vectors + (int64_t)j * d, a + (int64_t)(d - 1 - j) * d, (size_t)d * sizeof *a);
    return 0;
}

void seg_blas_init(void)
{
    openblas_set_num_threads(1);
}

const char *seg_blas_core(void)
{
    return openblas_get_corename();
}

const char *seg_blas_better_core(void)
{
#if SEG_KERNEL_X86
    /* What OpenBLAS computes with SSE or AVX; any other name is at least AVX2, or newer than this
     * list. */
    static const char *const lesser[] = { "Katmai",     "Coppermine", "Northwood",  "Prescott",
                                          "Banias",     "Atom",       "Core2",      "Penryn",
                                          "Dunnington", "Nehalem",    "Athlon",     "Opteron",
                                          "Barcelona",  "Nano",       "Bobcat",     "Sandybridge",
                                          "Bulldozer",  "Piledriver", "Steamroller" };
    bool is_lesser = false;

    for (size_t i = 0; i < sizeof lesser / sizeof *lesser; i++)
        is_lesser = is_lesser || strcmp(seg_blas_core(), lesser[i]) == 0;
    if (!is_lesser || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return NULL;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
        return "SkylakeX";
    return __builtin_cpu_is("amd") ? "Zen" : "Haswell";
#else
    return NULL;
#endif
}

const char *seg_blas_library(void)
{
    static char line[80];
    char name[24] = "", version[24] = "";

    (void)sscanf(openblas_get_config(), "%23s %23s", name, version);
    (void)snprintf(line, sizeof line, "%s %s, core %s", name, version, seg_blas_core());
    return line;
}
