/* The vocabulary of the kernel body in AVX2 and FMA: half a tile at a time. */
#pragma once

#if !defined(__AVX2__) || !defined(__FMA__)
#error "needs -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <stdint.h>

#define SEG_LEVEL v3
#define VEC_LANES 8

typedef __m256 vec;
typedef __m256i vec_int;  /* labels, rounded values: 8 of 32 bits */
typedef __m256i vec_wide; /* sums of vec_int: 4 of 64 bits */
typedef __m256 vec_mask;

static inline vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void vec_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}

static inline vec vec_set(float a)
{
    return _mm256_set1_ps(a);
}

static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

static inline vec vec_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline vec vec_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

static inline vec_mask vec_less(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

static inline vec_int vec_int_set(int32_t a)
{
    return _mm256_set1_epi32(a);
}

static inline vec_int vec_int_pick(vec_mask mask, vec_int yes, vec_int no)
{
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(mask));
}

static inline vec_int vec_int_load(const uint16_t *p)
{
    return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
}

static inline void vec_int_store(uint16_t *p, vec_int a)
{
    __m128i low = _mm256_castsi256_si128(a), high = _mm256_extracti128_si256(a, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(low, high));
}

static inline unsigned vec_int_differ(vec_int a, vec_int b)
{
    __m256 equal = _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
    return (unsigned)_mm256_movemask_ps(equal) ^ 0xffu;
}

static inline vec_int vec_round(vec a)
{
    return _mm256_cvtps_epi32(a);
}

static inline vec_wide vec_wide_zero(void)
{
    return _mm256_setzero_si256();
}

static inline vec_wide vec_wide_add(vec_wide sum, vec_int a)
{
    __m256i low = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(a));
    __m256i high = _mm256_cvtepi32_epi64(_mm256_extracti128_si256(a, 1));
    return _mm256_add_epi64(sum, _mm256_add_epi64(low, high));
}

static inline int64_t vec_wide_total(vec_wide sum)
{
    int64_t part[4];
    _mm256_storeu_si256((__m256i *)part, sum);
    return part[0] + part[1] + part[2] + part[3];
}
