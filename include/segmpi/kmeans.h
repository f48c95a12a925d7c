/* K-means by Lloyd's algorithm on many fits at once: all restarts (and, in a sweep, all k) advance
 * together, one pass over the data and one integer all-reduce per iteration serve them all.  Greedy
 * k-means++ by exponential race, exact incremental sums, then center swaps on the best restart. The
 * same bits on any number of ranks and at any SIMD level.  Names as in scikit-learn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/keep.h"
#include "segmpi/kernels.h"
#include "segmpi/matrix.h"
#include "segmpi/store.h"

typedef enum seg_init_method {
    SEG_INIT_KMEANSPP,
    SEG_INIT_RANDOM,
    SEG_INIT_CENTERS
} seg_init_method;

typedef struct seg_kmeans_opts {
    int n_clusters;
    seg_init_method init;
    const double *init_centers; /* [n_clusters][d] scaled, for SEG_INIT_CENTERS; borrowed */
    int n_init;
    int max_iter;
    double tol; /* relative to the mean variance of the columns, as in scikit-learn */
    uint64_t seed;
    bool swaps;               /* center swaps on the best restart */
    const seg_keeper *keeper; /* of the state of the search; NULL: none; borrowed */
} seg_kmeans_opts;

seg_kmeans_opts seg_kmeans_defaults(void); /* k 8, k-means++, 10, 300, 1e-4, 0, swaps */

typedef struct seg_kmeans {
    int n_clusters; /* at most what was asked: fewer if there are fewer distinct clients (warned) */
    int d;
    double *cluster_centers; /* [k][d], scaled; owned */
    int64_t *cluster_size;   /* [k], descending; owned */
    double inertia; /* sum of squared distances of the matrix to the written centers, exact but for
                       the last rounding */
    double total_inertia; /* sum of squared distances to the mean */
    double total_squares; /* sum of squares of the matrix */
    int n_iter;           /* Lloyd iterations over all clients of the run that won */
    int n_init;
    double *restart_inertia; /* [n_init] at the end of each restart; owned */
    int n_swap_rounds;
    int n_swaps;      /* rounds that lowered the cost */
    int64_t n_redone; /* clients whose label was decided in float64 */
    bool converged;

    /* of this rank's rows, in the order of the matrix; owned */
    int32_t *label;  /* [rows.count] */
    float *distance; /* [rows.count] Euclidean, to the own center */
    float *margin;   /* [rows.count] 1 - distance / distance to the second center: 0 between two
                        clusters, 1 at the center; 1 for k = 1 */
} seg_kmeans;

/* Collective.  SEG_ERR_DATA if k is larger than the number of clients.  Clusters are numbered by
 * size, largest first, ties by the first center coordinates.  `kmeans` is empty on failure. */
seg_status seg_kmeans_fit(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                          const seg_kmeans_opts *opts, seg_kmeans *kmeans);
/* Collective.  The clusters of `kmeans` as they look in another matrix of the same clients: *seen
 * borrows all but its centers, which are the means of the clients there (owned by the caller,
 * seg_free); its inertias are about them. */
seg_status seg_kmeans_view(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                           const seg_kmeans *kmeans, seg_kmeans *seen);
/* Local.  Bytes that a fit of `total_rows` clients allocates at its peak on a rank with `rows` of
 * them, its result included. */
int64_t seg_kmeans_memory(int64_t total_rows, int64_t rows, int d, const seg_kmeans_opts *opts);
/* Centers, sizes, figures: group kmeans/ (with cluster_centers only in scaled units; the model adds
 * original ones), on the dimensions `cluster` and `columns`.  Local. */
seg_status seg_kmeans_write(const seg_kmeans *kmeans, const char *columns, seg_output *out);
seg_status seg_kmeans_read(seg_input *in, seg_kmeans *kmeans);
void seg_kmeans_release(seg_kmeans *kmeans);

/* Labels by given centers, the float64 answer at float32 speed: clients whose gap is below the
 * rigorous error bound are redone in float64. */
typedef struct seg_labeller {
    int k, d;
    const double *centers;            /* [k][d], borrowed */
    double relative, absolute, shift; /* what float32 costs */
    float *packed;                    /* the centers for the kernels; owned */
} seg_labeller;

/* Local. */
seg_status seg_labeller_init(int k, int d, const double *centers, seg_labeller *l);
void seg_labeller_release(seg_labeller *l); /* accepts an empty one */
/* Local, cannot fail.  label, distance, margin [rows.count], filled.  Returns the number of clients
 * that were redone. */
int64_t seg_labeller_apply(const seg_labeller *l, const seg_kernels *kernels, const seg_matrix *m,
                           int32_t *label, float *distance, float *margin);
/* Collective.  Labels, distances and margins of the matrix for given centers [k][d].  label,
 * distance, margin [rows.count], filled; distance and margin may be NULL. *n_redone over all ranks.
 */
seg_status seg_kmeans_assign(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m, int k,
                             const double *centers, int32_t *label, float *distance, float *margin,
                             int64_t *n_redone);
