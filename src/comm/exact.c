/* Kulisch's long accumulator: the value is sum limb[i] * 2^(32 i - 1088).  Between carries a limb
 * may hold any int64; a carry leaves 0 <= limb < 2^32 in all but the last, which holds the sign.
 * The lowest bit of a double is 2^-1074, that of a product is taken down to 2^-1088 (below, fma
 * rounds its tail to 2^-1074), and 2^1024 lies in limb 66: three limbs are left for carries. */
#include "segmpi/exact.h"

#include <float.h>
#include <math.h>
#include <string.h>

void seg_exact_carry(seg_exact *sum)
{
    for (int i = 0; i + 1 < SEG_EXACT_LIMBS; i++) {
        int64_t low = sum->limb[i] & 0xFFFFFFFF;
        sum->limb[i + 1] += (sum->limb[i] - low) / ((int64_t)1 << 32);
        sum->limb[i] = low;
    }
    sum->additions = 0;
}

void seg_exact_add_any_product(seg_exact *sum, double a, double b)
{
    double high = a * b;

    seg_exact_add(sum, high);
    if (isfinite(high)) seg_exact_add(sum, fma(a, b, -high));
}

void seg_exact_add_int64(seg_exact *sum, int64_t value, int exponent)
{
    uint64_t magnitude = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;

    seg_exact_add_bits(sum, value < 0 ? -1 : 0, magnitude, exponent + SEG_EXACT_OFFSET);
}

void seg_exact_add_exact(seg_exact *sum, const seg_exact *other)
{
    seg_exact normal = *other;

    seg_exact_carry(&normal);
    seg_exact_carry(sum);
    for (int i = 0; i < SEG_EXACT_LIMBS; i++)
        sum->limb[i] += normal.limb[i];
    sum->not_finite |= normal.not_finite;
    sum->additions = 1;
}

void seg_exact_sum(seg_comm *comm, seg_exact *sums, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        seg_exact_carry(&sums[i]);
    /* limb, additions and not_finite are int64 and all add up */
    seg_sum_int64(comm, (int64_t *)sums, n * (int64_t)(sizeof *sums / sizeof(int64_t)));
    for (int64_t i = 0; i < n; i++)
        seg_exact_carry(&sums[i]);
}

/* The magnitude's `count` bits from bit position `at` downward (at - count + 1 .. at) of carried
 * limbs. */
static uint64_t bits_of(const seg_exact *magnitude, int at, int count)
{
    uint64_t bits = 0;

    for (int position = at; position > at - count; position--) {
        int64_t limb = position < 0 ? 0 : magnitude->limb[position / 32];
        bits = bits << 1 | (uint64_t)(position < 0 ? 0 : limb >> position % 32 & 1);
    }
    return bits;
}

/* True if any bit below position `at` is set. */
static int any_below(const seg_exact *magnitude, int at)
{
    for (int i = 0; i < at / 32; i++)
        if (magnitude->limb[i] != 0) return 1;
    return at > 0 && (magnitude->limb[at / 32] & (((int64_t)1 << at % 32) - 1)) != 0;
}

/* Nearest double of a non-negative carried sum, ties to even. */
static double round_magnitude(const seg_exact *magnitude)
{
    int top = SEG_EXACT_LIMBS * 32 - 1;

    while (top >= 0 && (magnitude->limb[top / 32] >> top % 32 & 1) == 0)
        top--;
    if (top < 0) return 0;

    int lowest = top - 52; /* of a 53-bit mantissa, but not below 2^-1074 */
    if (lowest < SEG_EXACT_OFFSET - 1074) lowest = SEG_EXACT_OFFSET - 1074;
    uint64_t mantissa = bits_of(magnitude, top, top - lowest + 1);
    uint64_t half = bits_of(magnitude, lowest - 1, 1);
    if (half && (any_below(magnitude, lowest - 1) || (mantissa & 1))) mantissa++;
    return ldexp((double)mantissa, lowest - SEG_EXACT_OFFSET);
}

static double round_sum(const seg_exact *sum)
{
    seg_exact s = *sum;

    seg_exact_carry(&s);
    if (s.limb[SEG_EXACT_LIMBS - 1] >= 0) return round_magnitude(&s);
    for (int i = 0; i < SEG_EXACT_LIMBS; i++)
        s.limb[i] = -s.limb[i];
    seg_exact_carry(&s);
    return -round_magnitude(&s);
}

double seg_exact_value(const seg_exact *sum, double *low)
{
    if (low) *low = 0;
    if (sum->not_finite) return NAN;

    double value = round_sum(sum);
    if (low && isfinite(value)) {
        seg_exact rest = *sum;
        seg_exact_add(&rest, -value);
        *low = round_sum(&rest);
    }
    return value;
}
