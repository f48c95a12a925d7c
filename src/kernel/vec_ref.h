/* The vocabulary of the kernel body, plain C: loops over the 16 lanes, for any CPU. */
#pragma once

#include <math.h>
#include <stdint.h>

#include "segmpi/tile.h"

#define SEG_LEVEL   ref
#define VEC_CENTERS 8

typedef struct vec {
    float lane[SEG_LANES];
} vec;

typedef struct vec_int { /* labels, rounded values */
    int32_t lane[SEG_LANES];
} vec_int;

typedef int64_t vec_wide; /* sums of vec_int */
typedef vec_int vec_mask;

static inline vec vec_load(const float *p)
{
    vec x;
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = p[i];
    return x;
}

static inline void vec_store(float *p, vec x)
{
    for (int i = 0; i < SEG_LANES; i++)
        p[i] = x.lane[i];
}

static inline vec vec_set(float value)
{
    vec x;
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = value;
    return x;
}

static inline vec vec_sub(vec x, vec y)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] -= y.lane[i];
    return x;
}

static inline vec vec_mul(vec x, vec y)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] *= y.lane[i];
    return x;
}

static inline vec vec_fma(vec x, vec y, vec z)
{
    for (int i = 0; i < SEG_LANES; i++)
        z.lane[i] = fmaf(x.lane[i], y.lane[i], z.lane[i]);
    return z;
}

static inline vec vec_min(vec x, vec y)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = x.lane[i] < y.lane[i] ? x.lane[i] : y.lane[i];
    return x;
}

static inline vec vec_max(vec x, vec y)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = x.lane[i] > y.lane[i] ? x.lane[i] : y.lane[i];
    return x;
}

static inline vec_mask vec_less(vec x, vec y)
{
    vec_mask mask;
    for (int i = 0; i < SEG_LANES; i++)
        mask.lane[i] = x.lane[i] < y.lane[i];
    return mask;
}

static inline vec_int vec_int_set(int32_t value)
{
    vec_int x;
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = value;
    return x;
}

static inline vec_int vec_int_pick(vec_mask mask, vec_int yes, vec_int no)
{
    for (int i = 0; i < SEG_LANES; i++)
        no.lane[i] = mask.lane[i] ? yes.lane[i] : no.lane[i];
    return no;
}

static inline vec_int vec_int_load(const uint16_t *p)
{
    vec_int x;
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = p[i];
    return x;
}

static inline void vec_int_store(uint16_t *p, vec_int x)
{
    for (int i = 0; i < SEG_LANES; i++)
        p[i] = (uint16_t)x.lane[i];
}

static inline unsigned vec_int_differ(vec_int x, vec_int y)
{
    unsigned bits = 0;
    for (int i = 0; i < SEG_LANES; i++)
        bits |= (unsigned)(x.lane[i] != y.lane[i]) << i;
    return bits;
}

static inline vec_int vec_round(vec x)
{
    vec_int rounded;
    for (int i = 0; i < SEG_LANES; i++)
        rounded.lane[i] = (int32_t)lrintf(x.lane[i]);
    return rounded;
}

static inline vec_wide vec_wide_zero(void)
{
    return 0;
}

static inline vec_wide vec_wide_add(vec_wide sum, vec_int x)
{
    for (int i = 0; i < SEG_LANES; i++)
        sum += x.lane[i];
    return sum;
}

static inline int64_t vec_wide_total(vec_wide sum)
{
    return sum;
}
