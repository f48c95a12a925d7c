/* Independent chains of fused multiply-adds, as many as a core has to have under way: what it can
 * do at most at one SIMD level.  Built once per level, against the kernels' own vocabulary. */
#include SEG_VEC_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

enum { CHAINS = VEC_CENTERS, LANES = 16 };

double JOIN(bench_fma_, SEG_LEVEL)(int64_t n, float *result);

/* Multiply-adds of single numbers that were made. */
double JOIN(bench_fma_, SEG_LEVEL)(int64_t n, float *result)
{
    vec sum[CHAINS];
    const vec shrink = vec_set(*result), add = vec_set(1);

    for (int c = 0; c < CHAINS; c++)
        sum[c] = vec_set((float)c);
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < CHAINS; c++)
            sum[c] = vec_fma(sum[c], shrink, add);
    for (int c = 1; c < CHAINS; c++)
        sum[0] = vec_max(sum[0], sum[c]);
    float lanes[LANES];
    vec_store(lanes, sum[0]);
    *result = lanes[0];
    return (double)n * CHAINS * LANES;
}
