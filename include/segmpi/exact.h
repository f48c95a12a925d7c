/* Exact, order-free sums of doubles: an integer with 32-bit digits in int64 limbs that covers the
 * whole range of double, so a sum is the same bits in any order and on any number of ranks. Source:
 * Kulisch's long accumulator; the final rounding is correct (to nearest, ties to even).  Values
 * that are not finite set a flag: the sum is then NaN.
 *
 * One seg_exact is about 560 bytes; an addition costs about three integer additions. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "segmpi/comm.h"

#define SEG_EXACT_LIMBS  70
#define SEG_EXACT_OFFSET 1088
#define SEG_EXACT_BIAS   1075 /* a double is its mantissa, an integer, * 2^(exponent bits - 1075) */
#define SEG_EXACT_CARRY  ((int64_t)1 << 29) /* additions of less than 2^32 each stay below 2^62 */

typedef struct seg_exact {
    int64_t limb[SEG_EXACT_LIMBS]; /* value = sum limb[i] * 2^(32 i - SEG_EXACT_OFFSET) */
    int64_t additions;             /* since the last carry */
    int64_t not_finite;
} seg_exact;

__extension__ typedef unsigned __int128 seg_exact_wide;

/* Local.  Leaves 0 <= limb < 2^32 in all but the last. */
void seg_exact_carry(seg_exact *sum);

/* Local.  Adds magnitude * 2^(position - SEG_EXACT_OFFSET), negative if sign is -1 and not 0. */
static inline void seg_exact_add_bits(seg_exact *sum, int64_t sign, uint64_t magnitude,
                                      int position)
{
    int64_t *limb = sum->limb + (position >> 5);
    const int shift = position & 31;
    const uint64_t low = magnitude << shift, high = magnitude >> 1 >> (63 - shift);

    limb[0] += ((int64_t)(low & 0xFFFFFFFF) ^ sign) - sign;
    limb[1] += ((int64_t)(low >> 32) ^ sign) - sign;
    limb[2] += ((int64_t)high ^ sign) - sign;
    if (++sum->additions >= SEG_EXACT_CARRY) seg_exact_carry(sum);
}

/* Local.  `sum` starts as all zeros. */
static inline void seg_exact_add(seg_exact *sum, double value)
{
    uint64_t bits, mantissa;

    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7FF);
    mantissa = bits & 0xFFFFFFFFFFFFF;
    if (exponent == 0x7FF) {
        sum->not_finite = 1;
        return;
    }
    if (exponent == 0)
        exponent = 1; /* subnormal */
    else
        mantissa |= (uint64_t)1 << 52;
    seg_exact_add_bits(sum, -(int64_t)(bits >> 63), mantissa,
                       exponent + SEG_EXACT_OFFSET - SEG_EXACT_BIAS);
}

/* Local.  The same as seg_exact_add_product(), for all that its integers do not cover. */
void seg_exact_add_any_product(seg_exact *sum, double a, double b);

/* Adds a * b exactly, as a product of integers; not_finite if it overflows; products below 2^-1022
 * may lose their tail. */
static inline void seg_exact_add_product(seg_exact *sum, double a, double b)
{
    uint64_t x, y;

    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    int of_x = (int)(x >> 52 & 0x7FF), of_y = (int)(y >> 52 & 0x7FF);
    const uint64_t m = (x & 0xFFFFFFFFFFFFF) | (uint64_t)(of_x > 0) << 52;
    const uint64_t n = (y & 0xFFFFFFFFFFFFF) | (uint64_t)(of_y > 0) << 52;
    const seg_exact_wide product = (seg_exact_wide)m * n;
    of_x += of_x == 0; /* subnormal */
    of_y += of_y == 0;
    const int position = product == 0 ? 0 : of_x + of_y + SEG_EXACT_OFFSET - 2 * SEG_EXACT_BIAS;
    if (position < 0 || position > SEG_EXACT_OFFSET + 1023 - 105 || of_x == 0x7FF ||
        of_y == 0x7FF) {
        seg_exact_add_any_product(sum, a, b);
        return;
    }
    const int64_t sign = -(int64_t)((x ^ y) >> 63);
    seg_exact_add_bits(sum, sign, (uint64_t)product, position);
    seg_exact_add_bits(sum, sign, (uint64_t)(product >> 64), position + 64);
}

/* Adds value * 2^exponent. */
void seg_exact_add_int64(seg_exact *sum, int64_t value, int exponent);
void seg_exact_add_exact(seg_exact *sum, const seg_exact *other);

/* Collective: sums over all ranks, in place, for `n` accumulators. */
void seg_exact_sum(seg_comm *comm, seg_exact *sums, int64_t n);

/* Local.  Correctly rounded; *low (may be NULL) = correctly rounded remainder, so that the result
 * is a double-double. */
double seg_exact_value(const seg_exact *sum, double *low);
