/* The bins of a column, compiled once per level: plain loops that the compiler vectorises as widely
 * as the level allows. */
#include "kernel_internal.h"
#include SEG_VEC_HEADER

#include <math.h>
#include <string.h>

_Static_assert(SEG_BINS == 10, "nine edges");

#define BINS_OF(level)   seg_kernel_bins_##level
#define BINS(level)      BINS_OF(level)
#define LOCATE_OF(level) seg_kernel_locate_##level
#define LOCATE(level)    LOCATE_OF(level)

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

/* Negative doubles have the other bits turned, so that integers order as the values do. */
static inline int64_t key_of(double value)
{
    double plain = value + 0.0; /* -0 becomes 0 */
    int64_t bits;

    memcpy(&bits, &plain, sizeof bits);
    return isnan(plain) ? INT64_MIN : bits ^ (bits >> 63 & INT64_MAX);
}

void LOCATE(SEG_LEVEL)(int64_t n, int stride, const double *restrict x,
                       const seg_intervals *intervals, int64_t *restrict key,
                       int64_t *restrict place)
{
    const int64_t *restrict low = intervals->low, *restrict high = intervals->high;
    const int64_t *restrict shift = intervals->shift;
    const int bits = intervals->bits;

    for (int64_t i = 0; i < n; i++) {
        key[i] = key_of(x[i * stride]);
        place[i] = 0;
    }
    for (int j = 0; j < intervals->n; j++)
        for (int64_t i = 0; i < n; i++)
            place[i] += key[i] > high[j] ? 1 : 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = place[i], from = low[j];
        const uint64_t bin = ((uint64_t)key[i] - (uint64_t)from) >> shift[j];

        place[i] = key[i] < from ? -1 : (j << bits) + (int64_t)bin;
    }
}
