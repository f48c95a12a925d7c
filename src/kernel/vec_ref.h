/* The vocabulary of the kernel body, plain C: one lane at a time, for any CPU. */
#pragma once

#include <math.h>
#include <stdint.h>

#define SEG_LEVEL ref
#define VEC_LANES 1

typedef float vec;
typedef int32_t vec_int;  /* labels, rounded values */
typedef int64_t vec_wide; /* sums of vec_int */
typedef int vec_mask;

static inline vec vec_load(const float *p)
{
    return *p;
}

static inline void vec_store(float *p, vec a)
{
    *p = a;
}

static inline vec vec_set(float a)
{
    return a;
}

static inline vec vec_sub(vec a, vec b)
{
    return a - b;
}

static inline vec vec_mul(vec a, vec b)
{
    return a * b;
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return fmaf(a, b, c);
}

static inline vec vec_min(vec a, vec b)
{
    return a < b ? a : b;
}

static inline vec vec_max(vec a, vec b)
{
    return a > b ? a : b;
}

static inline vec_mask vec_less(vec a, vec b)
{
    return a < b;
}

static inline vec_int vec_int_set(int32_t a)
{
    return a;
}

static inline vec_int vec_int_pick(vec_mask mask, vec_int yes, vec_int no)
{
    return mask ? yes : no;
}

static inline vec_int vec_int_load(const uint16_t *p)
{
    return *p;
}

static inline void vec_int_store(uint16_t *p, vec_int a)
{
    *p = (uint16_t)a;
}

static inline unsigned vec_int_differ(vec_int a, vec_int b)
{
    return a != b;
}

static inline vec_int vec_round(vec a)
{
    return (int32_t)lrintf(a);
}

static inline vec_wide vec_wide_zero(void)
{
    return 0;
}

static inline vec_wide vec_wide_add(vec_wide sum, vec_int a)
{
    return sum + a;
}

static inline int64_t vec_wide_total(vec_wide sum)
{
    return sum;
}
