/* The vocabulary of the kernel body in AVX-512: 16 lanes in one register. */
#pragma once

#if !defined(__AVX512F__)
#error "needs -mavx512f"
#endif

#include <immintrin.h>
#include <stdint.h>

#define SEG_LEVEL   v4
#define VEC_CENTERS 8 /* whose sums fit the registers at once */

typedef __m512 vec;
typedef __m512i vec_int;  /* labels, rounded values: 16 of 32 bits */
typedef __m512i vec_wide; /* sums of vec_int: 8 of 64 bits */
typedef __mmask16 vec_mask;

static inline vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void vec_store(float *p, vec x)
{
    _mm512_storeu_ps(p, x);
}

static inline vec vec_set(float value)
{
    return _mm512_set1_ps(value);
}

static inline vec vec_sub(vec x, vec y)
{
    return _mm512_sub_ps(x, y);
}

static inline vec vec_mul(vec x, vec y)
{
    return _mm512_mul_ps(x, y);
}

static inline vec vec_fma(vec x, vec y, vec z)
{
    return _mm512_fmadd_ps(x, y, z);
}

static inline vec vec_min(vec x, vec y)
{
    return _mm512_min_ps(x, y);
}

static inline vec vec_max(vec x, vec y)
{
    return _mm512_max_ps(x, y);
}

static inline vec_mask vec_less(vec x, vec y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ);
}

static inline vec_int vec_int_set(int32_t value)
{
    return _mm512_set1_epi32(value);
}

static inline vec_int vec_int_pick(vec_mask mask, vec_int yes, vec_int no)
{
    return _mm512_mask_mov_epi32(no, mask, yes);
}

static inline vec_int vec_int_load(const uint16_t *p)
{
    return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
}

static inline void vec_int_store(uint16_t *p, vec_int x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(x));
}

static inline unsigned vec_int_differ(vec_int x, vec_int y)
{
    return _mm512_cmpneq_epi32_mask(x, y);
}

static inline vec_int vec_round(vec x)
{
    return _mm512_cvtps_epi32(x);
}

static inline vec_wide vec_wide_zero(void)
{
    return _mm512_setzero_si512();
}

static inline vec_wide vec_wide_add(vec_wide sum, vec_int x)
{
    __m512i low = _mm512_cvtepi32_epi64(_mm512_castsi512_si256(x));
    __m512i high = _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(x, 1));
    return _mm512_add_epi64(sum, _mm512_add_epi64(low, high));
}

static inline int64_t vec_wide_total(vec_wide sum)
{
    return _mm512_reduce_add_epi64(sum);
}
