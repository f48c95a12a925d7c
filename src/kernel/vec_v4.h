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

static inline vec vec_sqrt(vec x)
{
    return _mm512_sqrt_ps(x);
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

static inline vec_int vec_int_sub_to_zero(vec_int x, vec_int y)
{
    return _mm512_max_epi32(_mm512_sub_epi32(x, y), _mm512_setzero_si512());
}

/* Without optimisation GCC's gather is a macro that converts an unsigned mask to a signed one. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static inline vec_int vec_int_look_up(const int32_t *table, int n, vec_int index)
{
    if (n > 32) return _mm512_i32gather_epi32(index, table, 4);
    __mmask16 low = (__mmask16)((1u << (n < 16 ? n : 16)) - 1);
    __mmask16 high = (__mmask16)((1u << (n > 16 ? n - 16 : 0)) - 1);
    return _mm512_permutex2var_epi32(_mm512_maskz_loadu_epi32(low, table), index,
                                     _mm512_maskz_loadu_epi32(high, table + 16));
}
#pragma GCC diagnostic pop

/* The lanes of the mask side by side; may write 16. */
static inline void vec_pack(float *p, vec x, unsigned mask)
{
    __m512 packed = _mm512_maskz_compress_ps((__mmask16)mask, x);
    int n = __builtin_popcount(mask);

    if (n <= 4)
        _mm_storeu_ps(p, _mm512_castps512_ps128(packed));
    else if (n <= 8)
        _mm256_storeu_ps(p, _mm512_castps512_ps256(packed));
    else
        _mm512_storeu_ps(p, packed);
}

static inline vec_int vec_int_xor(vec_int x, vec_int y)
{
    return _mm512_xor_si512(x, y);
}

/* first, first + 1, ... */
static inline vec_int vec_int_count(uint32_t first)
{
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return _mm512_add_epi32(_mm512_set1_epi32((int32_t)first), lanes);
}

/* Products of unsigned lanes: the lower 32 bits, and the upper ones in *high. */
static inline vec_int vec_int_multiply(vec_int x, uint32_t by, vec_int *high)
{
    const __mmask16 odd_lanes = 0xaaaa;
    __m512i factor = _mm512_set1_epi32((int32_t)by);
    __m512i even = _mm512_mul_epu32(x, factor);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), factor);
    *high = _mm512_mask_blend_epi32(odd_lanes, _mm512_srli_epi64(even, 32), odd);
    return _mm512_mask_blend_epi32(odd_lanes, even, _mm512_slli_epi64(odd, 32));
}

/* What the upper 31 bits of unsigned lanes lack of all ones. */
static inline vec vec_upper_rest(vec_int x)
{
    __m512i rest = _mm512_xor_si512(x, _mm512_set1_epi32(-1));
    return _mm512_cvtepi32_ps(_mm512_srli_epi32(rest, 1));
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
