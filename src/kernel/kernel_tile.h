/* Distances of the 16 clients of a tile to the centers, for the kernels of one level.
 *
 * One lane is one client.  Up to 8 centers at a time keep their sums in registers while the columns
 * of the tile pass by.  Where that takes long, lines some tiles ahead are prefetched: by itself the
 * hardware stops at each page.  For one client the operations are the same in the same order at
 * every level: sum = fma(diff, diff, sum), column by column, cluster by cluster. */
#pragma once

#include "segmpi/kernels.h"
#include SEG_VEC_HEADER

#define INLINE      static inline __attribute__((always_inline))
#define GROUP       SEG_CENTER_GROUP
#define BATCH       (VEC_CENTERS / 2)
#define BYTES_AHEAD 8192

/* The address may lie beyond the array: a prefetch cannot fault. */
INLINE void prefetch(const float *x)
{
    __builtin_prefetch((const void *)((uintptr_t)x + BYTES_AHEAD));
}

/* Differences first: a sum that waits for its own difference stalls the pipeline. */
INLINE void add_squares(int width, vec value, const float *centers, vec *sum)
{
    vec diff[BATCH];

#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        diff[c] = vec_sub(value, vec_set(centers[c]));
#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        sum[c] = vec_fma(diff[c], diff[c], sum[c]);
}

/* Squared distances of 16 of the clients x [d][lanes] to `width` of the centers [d][stride].  A
 * constant width keeps the sums in registers. */
INLINE void distances_some(int d, int width, int stride, int lanes, bool ahead, const float *x,
                           const float *centers, vec *d2)
{
    vec sum[VEC_CENTERS];

#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        sum[c] = vec_set(0);
    for (int t = 0; t < d; t++, x += lanes, centers += stride) {
        vec value = vec_load(x);
        if (ahead) prefetch(x);
#pragma GCC unroll 8
        for (int c = 0; c < width; c += BATCH)
            add_squares(width - c < BATCH ? width - c : BATCH, value, centers + c, sum + c);
    }
#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        d2[c] = sum[c];
}

/* The same for a group of `width` centers, in as many passes over the tile as the registers ask
 * for, of equal widths. */
INLINE void distances_of(int d, int width, int lanes, const float *x, const float *centers, vec *d2)
{
    int passes = (width + VEC_CENTERS - 1) / VEC_CENTERS, each = (width + passes - 1) / passes;
    bool ahead = width > 4 && lanes == SEG_LANES;

    distances_some(d, each, width, lanes, ahead, x, centers, d2);
    if (passes > 1)
        distances_some(d, width - each, width, lanes, false, x, centers + each, d2 + each);
}

INLINE void distances(int d, int width, const float *x, const float *centers, vec *d2)
{
    distances_of(d, width, SEG_LANES, x, centers, d2);
}

/* The same for the last group, 1 to 8 centers. */
INLINE void distances_last(int d, int width, int lanes, const float *x, const float *centers,
                           vec *d2)
{
    switch (width) {
    case 1:
        distances_of(d, 1, lanes, x, centers, d2);
        break;
    case 2:
        distances_of(d, 2, lanes, x, centers, d2);
        break;
    case 3:
        distances_of(d, 3, lanes, x, centers, d2);
        break;
    case 4:
        distances_of(d, 4, lanes, x, centers, d2);
        break;
    case 5:
        distances_of(d, 5, lanes, x, centers, d2);
        break;
    case 6:
        distances_of(d, 6, lanes, x, centers, d2);
        break;
    case 7:
        distances_of(d, 7, lanes, x, centers, d2);
        break;
    default:
        distances_of(d, 8, lanes, x, centers, d2);
        break;
    }
}
