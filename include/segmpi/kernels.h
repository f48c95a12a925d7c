/* Inner loops over tiles of 16 clients, one table of functions per SIMD level, chosen at run time.
 * Local, cannot fail, never allocate.  Every level gives the same bits: one lane is one client, and
 * for one client the operations are the same in the same order, with explicit fused multiply-add.
 *
 * Shapes.  x [n_tiles][d][16] float, 64-byte aligned; padding lanes of the last tile hold 0 and are
 * computed like others; callers ignore them.  label, d2, best, second [n_tiles * 16].  centers:
 * packed by seg_kernels_pack(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segmpi/tile.h"

#define SEG_CENTERS_MAX 65535 /* clusters */
#define SEG_BINS        10    /* deciles */
#define SEG_NO_LABEL    65535 /* label of a client before its first assignment */

/* What is known of clients since they were last compared with all centers, in units of length:
 * Hamerly's bounds, as one number.  A client's slack is at most what its own center is nearer than
 * any other, in whole units; while it is above 0 the label stands. */
typedef struct seg_bounds {
    const int32_t *drop; /* [k] how much slack the last move of the centers can have cost the
                            clients of each cluster, at least; NULL: there is no slack yet */
    float units;         /* units per unit length */
    float doubt;         /* relative error of a distance, at least */
    float *room;         /* [d + 1][SEG_BOUNDS_ROOM], workspace */
} seg_bounds;

/* Intervals of doubles, disjoint and ascending, each cut into bins of 2^shift keys.  The key of a
 * double is the integer of its bits that orders as the values do; -0 is 0, NaN has INT64_MIN. */
typedef struct seg_intervals {
    int n;
    int bits;             /* an interval has at most 2^bits bins */
    const int64_t *low;   /* [n + 1] least key, the last one INT64_MAX: no double has it */
    const int64_t *high;  /* [n] largest key */
    const int64_t *shift; /* [n + 1] */
} seg_intervals;

#define SEG_BOUNDS_ROOM 272 /* not a power of two: rows would share lines of the cache */

typedef struct seg_kernels {
    const char *name; /* "ref", "v3", "v4" */

    /* Nearest of k centers by squared distance, ties to the lowest.  label in and out; moved[tile]
     * gets bit `lane` where the label changed, and `before` the labels that such a tile had.  moved
     * [n_tiles], before [n_tiles * 16]. */
    void (*assign)(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                   uint16_t *label, uint16_t *before, uint16_t *moved);

    /* The same labels, but only clients without slack are compared with the centers; n_tiles <=
     * SEG_BLOCK_TILES.  slack [n_tiles * 16] in and out.  Source: Hamerly, Making k-means even
     * faster, SDM 2010. */
    void (*assign_doubtful)(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                            const seg_bounds *bounds, uint16_t *label, uint16_t *slack,
                            uint16_t *before, uint16_t *moved);

    /* Nearest center and the squared distances to it and to the second nearest (INFINITY for k =
     * 1). */
    void (*nearest)(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                    uint16_t *label, float *best, float *second);

    /* d2 = min(d2, squared distance to `center` [d]). */
    void (*closer)(int d, const float *center, int64_t n_tiles, const float *x, float *d2);

    /* d2 = squared distance to `center` [d]. */
    void (*distance)(int d, const float *center, int64_t n_tiles, const float *x, float *d2);

    /* sum[c] += over all lanes of rint(min(d2, squared distance to candidate c) * scale), clamped
     * to 2^30: exact integers, so order-free. candidates: packed like centers, n_candidates of
     * them.  scale: a power of two.  Padding lanes must have d2 = 0. */
    void (*potential)(int d, int n_candidates, const float *candidates, int64_t n_tiles,
                      const float *x, const float *d2, float scale, int64_t *sum);

    /* Incremental sums of clients that changed cluster: for every lane in moved[tile], subtracts x
     * * 2^grid from the row of `before` (unless SEG_NO_LABEL) and adds it to the row of `after`.
     * Values are multiples of 2^-grid[t], grid in -126..127, below 2^63 of them, so this is exact.
     * sum [k][d], count [k]. */
    void (*move)(int d, int64_t n_tiles, const float *x, const uint16_t *moved,
                 const uint16_t *before, const uint16_t *after, const int *grid, int64_t *sum,
                 int64_t *count);

    /* Which clients, from `row` on, may have 1 - u <= limit * d2, u being seg_random_unit() of the
     * first or second word of seg_random_bits(., row, draw): bits [n_tiles] for limit[0] and the
     * first, limit[1] and the second.  The upper 31 bits decide, so nobody is left out if the limit
     * is given a relative margin of 2^-20.  key: seg_random_word(); row: a multiple
     * of 16. */
    void (*draws)(uint64_t key, int64_t row, uint64_t draw, int64_t n_tiles, const float *d2,
                  const float limit[2], uint16_t *first, uint16_t *second);

    /* Distances in double, for all pairs of clients: dist [n][16] from the clients of a tile x
     * [d][16] to the n clients from row `first` of the tiles y on. */
    void (*pairs)(int d, const double *x, int64_t first, int64_t n, const float *y, double *dist);

    /* bin [n] of the values x[i * stride]: how many of the ascending edges [SEG_BINS - 1] are below
     * it; SEG_BINS if it is not a number. */
    void (*bins)(int64_t n, int stride, const double *x, const double *edge, int64_t *bin);

    /* The keys of x[i * stride], and where they fall: place [n] = (interval << bits) + bin, or -1.
     */
    void (*locate)(int64_t n, int stride, const double *x, const seg_intervals *intervals,
                   int64_t *key, int64_t *place);

    /* Adds the rows of dist [n][16] to the rows of sum [][16] that the labels name. */
    void (*spread)(int64_t n, const int32_t *label, const double *dist, double *sum);
} seg_kernels;

/* The best level that this CPU and OS support, or the one that SEGMPI_SIMD names (ref, v3, v4);
 * NULL if SEGMPI_SIMD names none or one that the CPU lacks. */
const seg_kernels *seg_kernels_choose(void);
/* Level by name, NULL if unknown or not supported here. */
const seg_kernels *seg_kernels_named(const char *name);

/* Centers [k][d] double, rounded to float, in the order that the kernels read: groups of
 * SEG_CENTER_GROUP centers, [group][t][c]; the last group may be narrower and has no padding.
 * packed: seg_kernels_packed_size(k, d) floats, filled. */
#define SEG_CENTER_GROUP 8
int64_t seg_kernels_packed_size(int k, int d);
void seg_kernels_pack(int k, int d, const double *centers, float *packed);
/* How far each of the packed centers has to go to where `centers` [k][d] would be packed: shift
 * [k], filled. */
void seg_kernels_shifts(int k, int d, const double *centers, const float *packed, double *shift);

/* Dense algebra, one thread. */
/* c [d][d] = a' a for a [n][d], both triangles filled. */
void seg_blas_second_moments(int n, int d, const double *a, double *c);
/* c [m][n] = a [m][l] * b [l][n], row-major. */
void seg_blas_multiply(int m, int n, int l, const double *a, const double *b, double *c);
/* c [m][n] = op(a) op(b) + beta c in float32, row-major; a is [m][l], or [l][m] transposed; b
 * [l][n], or [n][l] transposed. */
void seg_blas_sgemm(bool transpose_a, bool transpose_b, int m, int n, int l, const float *a,
                    const float *b, float beta, float *c);
/* Eigenvalues, descending, and eigenvectors (rows of `vectors` [d][d]) of the symmetric a [d][d],
 * which is destroyed.  LAPACK's dsyevd. Returns 0, or LAPACK's info. */
int seg_lapack_eigen(int d, double *a, double *values, double *vectors);

/* One thread, for good. */
void seg_blas_init(void);
/* Name of the core that OpenBLAS computes for, e.g. "SkylakeX". */
const char *seg_blas_core(void);
/* The core that this CPU offers where OpenBLAS chose a lesser one: a value for OPENBLAS_CORETYPE;
 * NULL if the choice is fine. */
const char *seg_blas_better_core(void);
/* One line: name, version and core of the BLAS library. */
const char *seg_blas_library(void);
