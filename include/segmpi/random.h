/* Counter-based random numbers: Random123's Philox4x32-10, keyed by (seed, purpose), counted by
 * (row, draw).  A number depends on these four alone, never on ranks or on the order of calls.
 * Source: Salmon et al., SC11.  Local, thread-safe. */
#pragma once

#include <stdint.h>

/* One purpose per use, so that no two uses share numbers.  Values are part of the file format:
 * never renumber. */
typedef enum seg_purpose {
    SEG_RANDOM_SEEDING = 1,  /* k-means starting centers */
    SEG_RANDOM_SWAP = 2,     /* center swaps */
    SEG_RANDOM_SAMPLE = 3,   /* samples of rows */
    SEG_RANDOM_GENERATE = 4, /* synthetic clients */
    SEG_RANDOM_TEST = 5,
    SEG_RANDOM_WEIGHTS = 6,   /* of a network, before training */
    SEG_RANDOM_SHUFFLE = 7,   /* order of clients in training */
    SEG_RANDOM_BOOTSTRAP = 8, /* draws with replacement */
    SEG_RANDOM_GAP = 9,       /* references of the gap statistic */
    SEG_RANDOM_RESAMPLE = 10  /* draws with replacement, for an elbow */
} seg_purpose;

typedef struct seg_random {
    uint64_t seed;
    uint32_t purpose;
} seg_random;

/* Two independent 64-bit words. */
typedef struct seg_random_pair {
    uint64_t a, b;
} seg_random_pair;

/* counter = (row, draw); draw's upper bits may carry a restart or trial number. */
seg_random_pair seg_random_bits(seg_random key, int64_t row, uint64_t draw);

/* The key as Philox takes it, for a kernel that does the counting itself. */
uint64_t seg_random_word(seg_random key);

/* Uniform on (0, 1): (52 random bits + 0.5) * 2^-52, never 0 or 1. */
double seg_random_unit(uint64_t bits);
double seg_random_uniform(seg_random key, int64_t row, uint64_t draw);
/* One of n things from range number s of `size` equal ranges, size <= n, size < 2^31. */
int64_t seg_random_of_range(seg_random key, int64_t s, int64_t size, int64_t n, uint64_t draw);

/* Standard normal (inverse-free Box-Muller on one pair). */
double seg_random_normal(seg_random key, int64_t row, uint64_t draw);
