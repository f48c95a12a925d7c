/* The bins of a column, compiled once per level: a plain loop that the compiler vectorises as
 * widely as the level allows. */
#include "kernel_internal.h"
#include SEG_VEC_HEADER

#include <math.h>

_Static_assert(SEG_BINS == 10, "nine edges");

#define BINS_OF(level) seg_kernel_bins_##level
#define BINS(level)    BINS_OF(level)

void BINS(SEG_LEVEL)(int64_t n, int stride, const double *restrict x, const double *restrict edge,
                     int64_t *restrict bin)
{
    for (int64_t i = 0; i < n; i++) {
        const double value = x[i * stride];
        int64_t below = isnan(value) ? SEG_BINS : 0;

        below += value > edge[0] ? 1 : 0;
        below += value > edge[1] ? 1 : 0;
        below += value > edge[2] ? 1 : 0;
        below += value > edge[3] ? 1 : 0;
        below += value > edge[4] ? 1 : 0;
        below += value > edge[5] ? 1 : 0;
        below += value > edge[6] ? 1 : 0;
        below += value > edge[7] ? 1 : 0;
        below += value > edge[8] ? 1 : 0;
        bin[i] = below;
    }
}
