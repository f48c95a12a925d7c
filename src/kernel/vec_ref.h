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

static inline vec vec_sqrt(vec x)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = sqrtf(x.lane[i]);
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

static inline vec_int vec_int_sub_to_zero(vec_int x, vec_int y)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] = x.lane[i] > y.lane[i] ? x.lane[i] - y.lane[i] : 0;
    return x;
}

static inline vec_int vec_int_look_up(const int32_t *table, int n, vec_int index)
{
    (void)n;
    for (int i = 0; i < SEG_LANES; i++)
        index.lane[i] = table[index.lane[i]];
    return index;
}

/* The lanes of the mask side by side; may write 16. */
static inline void vec_pack(float *p, vec x, unsigned mask)
{
    for (int i = 0; i < SEG_LANES; i++)
        if (mask >> i & 1) *p++ = x.lane[i];
}

static inline vec_int vec_int_xor(vec_int x, vec_int y)
{
    for (int i = 0; i < SEG_LANES; i++)
        x.lane[i] ^= y.lane[i];
    return x;
}

/* first, first + 1, ... */
static inline vec_int vec_int_count(uint32_t first)
{
    vec_int x;
    for (uint32_t i = 0; i < SEG_LANES; i++)
        x.lane[i] = (int32_t)(first + i);
    return x;
}

/* Products of unsigned lanes: the lower 32 bits, and the upper ones in *high. */
static inline vec_int vec_int_multiply(vec_int x, uint32_t by, vec_int *high)
{
    for (int i = 0; i < SEG_LANES; i++) {
        uint64_t product = (uint64_t)(uint32_t)x.lane[i] * by;
        x.lane[i] = (int32_t)(uint32_t)product;
        high->lane[i] = (int32_t)(uint32_t)(product >> 32);
    }
    return x;
}

/* What the upper 31 bits of unsigned lanes lack of all ones. */
static inline vec vec_upper_rest(vec_int x)
{
    vec rest;
    for (int i = 0; i < SEG_LANES; i++)
        rest.lane[i] = (float)(~(uint32_t)x.lane[i] >> 1);
    return rest;
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
