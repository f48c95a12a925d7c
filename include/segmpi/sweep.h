/* A sweep: k-means for every k of a range, all restarts of all k advancing together in shared
 * passes over the data, one integer all-reduce per iteration.  Seeds for k are the first of those
 * for k + 1, and a restart of k is the same, bit for bit, as that of a fit with this k alone. */
#pragma once

#include "segmpi/kmeans.h"

typedef struct seg_sweep_opts {
    int k_min, k_max;
    seg_kmeans_opts kmeans; /* n_clusters is not used */
    int together;           /* values of k whose fits share passes; 0: all */
} seg_sweep_opts;

/* The best run for one k. */
typedef struct seg_sweep_fit {
    int k;                    /* asked for */
    int n_clusters;           /* found: fewer where there are fewer distinct clients */
    double *cluster_centers;  /* [n_clusters][d], scaled, largest cluster first; owned */
    int64_t *cluster_size;    /* [n_clusters]; owned */
    double *restart_inertia;  /* [n_init]; owned */
    double inertia;           /* of the written centers, as in seg_kmeans */
    double restart_agreement; /* mean adjusted Rand index of the other restarts with the best one;
                                 NaN for a single restart */
    int n_iter, n_swap_rounds, n_swaps;
    bool converged;
} seg_sweep_fit;

typedef struct seg_sweep {
    int n_k, d, n_init;
    double total_inertia;
    seg_sweep_fit *fit; /* [n_k], k_min first; owned */
} seg_sweep;

/* Collective.  SEG_ERR_DATA if k_max is larger than the number of clients.  `sweep` is empty on
 * failure. */
seg_status seg_sweep_run(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                         const seg_sweep_opts *opts, seg_sweep *sweep);
/* Local.  Storage for its results.  After a failure there is still memory to release. */
seg_status seg_sweep_init(seg_sweep *sweep, int k_min, int k_max, int d, int n_init);
void seg_sweep_release(seg_sweep *sweep);
/* Local.  Groups of k that share passes. */
int seg_sweep_groups(const seg_sweep_opts *opts);
/* Local.  Bytes that a sweep allocates at its peak on a rank with `rows` of `total_rows` clients.
 */
int64_t seg_sweep_memory(int64_t total_rows, int64_t rows, int d, const seg_sweep_opts *opts);
