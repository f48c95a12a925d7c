/* How good are these labels: indices of one labelling of the matrix, and what is made of many fits
 * (gap, stability).  Definitions are scikit-learn's where it has them; a client counts where its
 * label says, as often as its weight, and centers are the means of the labels.  Sums over clients
 * are exact, so the same bits on any number of ranks and at any SIMD level.  src/quality/README.md
 * says in words what each index means and when it misleads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/kernels.h"
#include "segmpi/matrix.h"

/* Of one labelling.  NaN where an index is not defined: all but the first and the last for a single
 * cluster, calinski_harabasz for as many clusters as clients. */
typedef struct seg_quality {
    int n_clusters;            /* that have clients */
    double variance_explained; /* share of the sum of squares that lies between clusters */
    double davies_bouldin;
    double calinski_harabasz;
    double silhouette_simplified; /* mean over clients of the silhouette by distances to centers */
    double smallest_share;        /* of the clients, in the smallest cluster */
} seg_quality;

/* Collective.  label [rows.count] of this rank's rows, 0 <= label < k. */
seg_status seg_quality_fit(seg_comm *comm, const seg_matrix *m, int k, const int32_t *label,
                           seg_quality *quality);

/* ---- silhouette over all pairs ---- */

/* A silhouette over all pairs looks at up to this many clients; of more, at a sample. */
#define SEG_SILHOUETTE_ROWS   20000
#define SEG_SILHOUETTE_SAMPLE 10000

/* Collective.  Mean silhouettes of n_k labellings of the same clients, which every rank holds:
 * `all` as seg_matrix_gather() makes it, label[i] [n] with 0 <= label < k[i].  All distances are
 * computed once for all labellings.  size[i][j]: weight of cluster j in the table that `all` is a
 * sample of, stratified by labelling i; NULL: `all` is all.  silhouette [n_k], filled; NaN if fewer
 * than two clusters have clients or each client is its own.  A client alone in its cluster counts
 * 0. */
seg_status seg_silhouette(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *all,
                          int n_k, const int *k, const int32_t *const *label,
                          const int64_t *const *size, double *silhouette);

/* Collective.  A sample stratified by cluster, on every rank: about SEG_SILHOUETTE_SAMPLE clients,
 * half of them in proportion to the number in each cluster, half the same number from each; from
 * equal ranges of the cluster's clients in order of rows.  *sample and *sample_label [rows.total]
 * owned by the caller.  size [k], filled: weight of each cluster in the whole matrix. */
seg_status seg_silhouette_sample(seg_comm *comm, const seg_matrix *m, int k, const int32_t *label,
                                 uint64_t seed, int64_t *size, seg_matrix *sample,
                                 int32_t **sample_label);

/* ---- gap statistic: is the cost lower than that of clients without clusters? ---- */

/* Where reference clients are drawn: evenly from a box along these directions. */
typedef struct seg_gap_box {
    int n_axes;
    const double *axes;   /* [n_axes][d] orthonormal; NULL: the columns */
    const double *origin; /* [d] with axes */
} seg_gap_box;

/* Local.  Reference number b: as many clients as `sample`, which this rank holds whole, drawn
 * evenly from the box that holds it.  *reference owned by the caller (seg_matrix_release). */
seg_status seg_gap_reference(const seg_matrix *sample, const seg_gap_box *box, uint64_t seed, int b,
                             seg_matrix *reference);
/* Local.  From costs of the sample [n_k] and of n_b references [n_b][n_k]: gap [n_k] = mean of
 * log(reference) - log(cost), error [n_k] = standard deviation over references * sqrt(1 + 1 / n_b).
 */
void seg_gap_of(int n_k, int n_b, const double *cost, const double *reference, double *gap,
                double *error);
/* Local.  Tibshirani's rule: the first i with gap[i] >= gap[i + 1] - error[i + 1]; -1 if none. */
int seg_gap_first(int n_k, const double *gap, const double *error);

/* ---- stability: does a cluster come back in other fits? ---- */

/* Local.  jaccard [n_a], filled: for each cluster of labelling a the largest of common clients /
 * clients of either, over the clusters of b; NaN for an empty one.  table [n_a][n_b]: clients. */
void seg_jaccard_best(int n_a, int n_b, const int64_t *table, double *jaccard);
