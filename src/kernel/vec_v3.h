/* The vocabulary of the kernel body in AVX2 and FMA: 16 lanes in two halves. */
#pragma once

#if !defined(__AVX2__) || !defined(__FMA__)
#error "needs -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <stdint.h>

#define SEG_LEVEL   v3
#define VEC_CENTERS 4 /* whose sums fit the registers at once */

typedef struct vec {
    __m256 a, b;
} vec;

typedef struct vec_int { /* labels, rounded values */
    __m256i a, b;
} vec_int;

typedef __m256i vec_wide; /* sums of vec_int: 4 of 64 bits */
typedef vec vec_mask;

static inline vec vec_load(const float *p)
{
    return (vec) { _mm256_loadu_ps(p), _mm256_loadu_ps(p + 8) };
}

static inline void vec_store(float *p, vec x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

static inline vec vec_set(float value)
{
    return (vec) { _mm256_set1_ps(value), _mm256_set1_ps(value) };
}

static inline vec vec_sub(vec x, vec y)
{
    return (vec) { _mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b) };
}

static inline vec vec_mul(vec x, vec y)
{
    return (vec) { _mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b) };
}

static inline vec vec_sqrt(vec x)
{
    return (vec) { _mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b) };
}

static inline vec vec_fma(vec x, vec y, vec z)
{
    return (vec) { _mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b) };
}

static inline vec vec_min(vec x, vec y)
{
    return (vec) { _mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b) };
}

static inline vec vec_max(vec x, vec y)
{
    return (vec) { _mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b) };
}

static inline vec_mask vec_less(vec x, vec y)
{
    return (vec) { _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ) };
}

static inline vec_int vec_int_set(int32_t value)
{
    return (vec_int) { _mm256_set1_epi32(value), _mm256_set1_epi32(value) };
}

static inline vec_int vec_int_pick(vec_mask mask, vec_int yes, vec_int no)
{
    return (vec_int) { _mm256_blendv_epi8(no.a, yes.a, _mm256_castps_si256(mask.a)),
                       _mm256_blendv_epi8(no.b, yes.b, _mm256_castps_si256(mask.b)) };
}

static inline vec_int vec_int_load(const uint16_t *p)
{
    return (vec_int) { _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)),
                       _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 8))) };
}

static inline void vec_int_store(uint16_t *p, vec_int x)
{
    /* packs within each 128 bits: a low, b low, a high, b high */
    __m256i packed = _mm256_packus_epi32(x.a, x.b);
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(packed, 0xd8));
}

static inline unsigned vec_int_differ(vec_int x, vec_int y)
{
    __m256 a = _mm256_castsi256_ps(_mm256_cmpeq_epi32(x.a, y.a));
    __m256 b = _mm256_castsi256_ps(_mm256_cmpeq_epi32(x.b, y.b));
    return 0xffffu ^ (unsigned)(_mm256_movemask_ps(a) | _mm256_movemask_ps(b) << 8);
}

static inline vec_int vec_int_sub_to_zero(vec_int x, vec_int y)
{
    const __m256i zero = _mm256_setzero_si256();
    return (vec_int) { _mm256_max_epi32(_mm256_sub_epi32(x.a, y.a), zero),
                       _mm256_max_epi32(_mm256_sub_epi32(x.b, y.b), zero) };
}

static inline vec_int vec_int_look_up(const int32_t *table, int n, vec_int index)
{
    (void)n;
    return (vec_int) { _mm256_i32gather_epi32(table, index.a, 4),
                       _mm256_i32gather_epi32(table, index.b, 4) };
}

/* The lanes of the mask side by side; writes 8. */
static inline void vec_pack_half(float *p, __m256 x, unsigned mask)
{
    uint64_t wide = _pdep_u64(mask, 0x0101010101010101u) * 0xff;
    __m128i lanes = _mm_cvtsi64_si128((long long)_pext_u64(0x0706050403020100u, wide));
    _mm256_storeu_ps(p, _mm256_permutevar8x32_ps(x, _mm256_cvtepu8_epi32(lanes)));
}

/* The same; writes up to 16. */
static inline void vec_pack(float *p, vec x, unsigned mask)
{
    vec_pack_half(p, x.a, mask & 0xff);
    vec_pack_half(p + __builtin_popcount(mask & 0xff), x.b, mask >> 8);
}

static inline vec_int vec_int_xor(vec_int x, vec_int y)
{
    return (vec_int) { _mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b) };
}

/* first, first + 1, ... */
static inline vec_int vec_int_count(uint32_t first)
{
    const __m256i lanes = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    __m256i a = _mm256_add_epi32(_mm256_set1_epi32((int32_t)first), lanes);
    return (vec_int) { a, _mm256_add_epi32(a, _mm256_set1_epi32(8)) };
}

static inline __m256i vec_int_multiply_half(__m256i x, __m256i factor, __m256i *high)
{
    enum { ODD_LANES = 0xaa };
    __m256i even = _mm256_mul_epu32(x, factor);
    __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), factor);
    *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, ODD_LANES);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), ODD_LANES);
}

/* Products of unsigned lanes: the lower 32 bits, and the upper ones in *high. */
static inline vec_int vec_int_multiply(vec_int x, uint32_t by, vec_int *high)
{
    __m256i factor = _mm256_set1_epi32((int32_t)by);
    vec_int low;
    low.a = vec_int_multiply_half(x.a, factor, &high->a);
    low.b = vec_int_multiply_half(x.b, factor, &high->b);
    return low;
}

/* What the upper 31 bits of unsigned lanes lack of all ones. */
static inline vec vec_upper_rest(vec_int x)
{
    vec_int rest = vec_int_xor(x, vec_int_set(-1));
    return (vec) { _mm256_cvtepi32_ps(_mm256_srli_epi32(rest.a, 1)),
                   _mm256_cvtepi32_ps(_mm256_srli_epi32(rest.b, 1)) };
}

static inline vec_int vec_round(vec x)
{
    return (vec_int) { _mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b) };
}

static inline vec_wide vec_wide_zero(void)
{
    return _mm256_setzero_si256();
}

static inline vec_wide vec_wide_add(vec_wide sum, vec_int x)
{
    __m256i low = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(x.a)),
                                   _mm256_cvtepi32_epi64(_mm256_castsi256_si128(x.b)));
    __m256i high = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_extracti128_si256(x.a, 1)),
                                    _mm256_cvtepi32_epi64(_mm256_extracti128_si256(x.b, 1)));
    return _mm256_add_epi64(sum, _mm256_add_epi64(low, high));
}

static inline int64_t vec_wide_total(vec_wide sum)
{
    int64_t part[4];
    _mm256_storeu_si256((__m256i *)part, sum);
    return part[0] + part[1] + part[2] + part[3];
}
