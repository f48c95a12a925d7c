/* Exact, order-free sums of doubles: an integer with 32-bit digits in int64 limbs that covers the
 * whole range of double, so a sum is the same bits in any order and on any number of ranks. Source:
 * Kulisch's long accumulator; the final rounding is correct (to nearest, ties to even).  Values
 * that are not finite set a flag: the sum is then NaN.
 *
 * One seg_exact is about 560 bytes; an addition costs about three integer additions. */
#pragma once

#include <stdint.h>

#include "segmpi/comm.h"

#define SEG_EXACT_LIMBS 70

typedef struct seg_exact {
    int64_t limb[SEG_EXACT_LIMBS]; /* value = sum limb[i] * 2^(32 i - 1088) */
    int64_t additions;             /* since the last carry */
    int64_t not_finite;
} seg_exact;

/* Local.  `sum` starts as all zeros. */
void seg_exact_add(seg_exact *sum, double value);
/* Adds a * b exactly (two parts by fma); not_finite if it overflows; products below 2^-1022 lose
 * their tail. */
void seg_exact_add_product(seg_exact *sum, double a, double b);
/* Adds value * 2^exponent. */
void seg_exact_add_int64(seg_exact *sum, int64_t value, int exponent);
void seg_exact_add_exact(seg_exact *sum, const seg_exact *other);

/* Collective: sums over all ranks, in place, for `n` accumulators. */
void seg_exact_sum(seg_comm *comm, seg_exact *sums, int64_t n);

/* Local.  Correctly rounded; *low (may be NULL) = correctly rounded remainder, so that the result
 * is a double-double. */
double seg_exact_value(const seg_exact *sum, double *low);
