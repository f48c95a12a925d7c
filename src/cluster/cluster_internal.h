/* Inside cluster/: runs of Lloyd's algorithm that share passes, and what is learned once about the
 * matrix. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/kmeans.h"
#include "segmpi/random.h"

/* Local.  Zeroed storage for all but the rows. */
seg_status kmeans_alloc(seg_kmeans *kmeans, int k, int d, int n_init);

/* ---- totals of the matrix, learned in one pass ---- */

typedef struct kmeans_totals {
    double squares[2]; /* sum of all squared cells, a double-double: exact to 106 bits */
    double inertia;    /* sum of squared distances to the mean */
} kmeans_totals;

/* Collective. */
seg_status kmeans_totals_fit(seg_comm *comm, const seg_matrix *m, kmeans_totals *totals);

/* Local.  Sum of squared distances to `centers` [k][d] of clients with counts [k] and exact sums
 * [k][d] (in units of 2^-grid): squares - 2 sum(c S) + sum(n |c|^2), rounded once. */
double kmeans_inertia(const seg_matrix *m, const kmeans_totals *totals, int k,
                      const double *centers, const int64_t *sum, const int64_t *count);

/* ---- runs ---- */

/* One run of Lloyd's algorithm: a restart, a value of k, or a trial of a center swap. */
typedef struct kmeans_run {
    int k;           /* falls where there are fewer distinct clients */
    double *centers; /* [k][d], of the clients as they are labelled */
    float *packed;   /* `centers` for the kernels */
    int64_t *sum;    /* [k][d] of the clients of each cluster, in units of 2^-grid */
    int64_t *count;  /* [k] */
    uint16_t *label; /* [n_tiles * 16], of this rank's rows */
    double cost;     /* inertia of clients about the centers of their labels */
    int n_iter;
    bool fixed; /* no client moved in the last iteration */
    bool active;
} kmeans_run;

typedef struct kmeans_runs {
    int n, k_most, d;
    kmeans_run *run; /* [n] */

    /* storage that the runs point into, and workspace; owned */
    double *centers;
    float *packed;
    int64_t *sums;
    uint16_t *labels;
    int64_t *delta; /* what one iteration adds to sums, counts; clients moved: summed over ranks */
    uint16_t *before; /* [SEG_BLOCK_ROWS] */
    char *farthest;   /* record of the farthest client */
    int64_t *taken;   /* [k_most] rows that became centers in this iteration */
} kmeans_runs;

/* Local.  Storage for n runs of up to k_most clusters: no run is active. */
seg_status kmeans_runs_init(kmeans_runs *runs, const seg_matrix *m, int n, int k_most);
void kmeans_runs_release(kmeans_runs *runs); /* accepts an empty one */

/* Local.  Run r begins at `centers` [k][d], without labels. */
void kmeans_run_start(kmeans_runs *runs, const seg_matrix *m, int r, int k, const double *centers);
/* Local.  Run `to` begins as a copy of run `from`. */
void kmeans_run_copy(kmeans_runs *runs, const seg_matrix *m, int from, int to);
/* Local.  Center j of run r moves to `center` [d]; the labels stay until the next iteration. */
void kmeans_run_set_center(kmeans_runs *runs, int r, int j, const float *center);

/* Integers that one iteration adds up over ranks for a run of k clusters. */
int64_t kmeans_delta_size(int k, int d);

/* When a run stops: at a fixed point, after max_iter iterations, or when the centers' squared
 * shifts sum to at most `shift`. */
typedef struct kmeans_stop {
    int max_iter;
    double shift; /* negative: at a fixed point only */
} kmeans_stop;

/* Collective.  Advances all active runs together, one pass and one all-reduce per iteration, until
 * each has stopped.  At the end `cost` of each is known and none is active. */
void kmeans_lloyd(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                  const kmeans_totals *totals, kmeans_stop stop, kmeans_runs *runs);

/* ---- steps of a fit ---- */

/* Collective.  Starting centers of `n_init` restarts: seeds [n_init][k][d] and how many were found
 * for each, n_seeds [n_init], fewer than k where there are fewer distinct clients.  Those for k are
 * the first of those for k + 1.  Both filled. */
seg_status kmeans_seed(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                       const seg_kmeans_opts *opts, const kmeans_totals *totals, double *seeds,
                       int *n_seeds);

/* What the search for better centers did. */
typedef struct kmeans_search {
    int n_rounds, n_swaps; /* rounds tried, and those that lowered the cost */
} kmeans_search;

/* Collective.  At most KMEANS_SAMPLE_ROWS clients drawn by row number, the same on every rank,
 * which holds all of them: *sample, owned by the caller (seg_matrix_release). */
#define KMEANS_SAMPLE_ROWS 16384
seg_status kmeans_sample(seg_comm *comm, const seg_matrix *m, uint64_t seed, seg_matrix *sample);

/* Collective.  Improves `centers` [k][d] of a run on `sample` in place, by swapping single centers;
 * *k falls where the sample has fewer distinct clients. */
seg_status kmeans_swap(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *sample,
                       uint64_t seed, int max_iter, int *k, double *centers, kmeans_search *search);

/* Collective.  Fills label, distance and margin (where not NULL) and n_redone of `kmeans` by the
 * float64 answer for its centers; sums [kmeans_delta_size()], filled: sums [k][d] of the clusters
 * in units of 2^-grid, then counts [k]. */
seg_status kmeans_label(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        seg_kmeans *kmeans, int64_t *sums);

/* ---- draws by squared distance ---- */

/* The client that a draw has found so far, its values behind it. */
static inline int64_t kmeans_record_size(int d)
{
    return (int64_t)sizeof(seg_rival) + ((int64_t)d * (int64_t)sizeof(float) + 7) / 8 * 8;
}

static inline float *kmeans_record_values(char *record)
{
    return (float *)(void *)(record + sizeof(seg_rival));
}

/* Local.  Forgets n records. */
void kmeans_records_clear(int d, int n, char *records);
/* Local.  Records of the first `count` rows from row `first` of this rank on that beat n_trials
 * records in an exponential race: least -log(u) / d2, u keyed by (key, row, draw + trial).  Values
 * are not filled in. */
void kmeans_race(seg_random key, const seg_matrix *m, int64_t first, int64_t count, const float *d2,
                 uint64_t draw, int n_trials, char *records);
/* Collective.  The least of all ranks, with the client's values. */
void kmeans_race_end(seg_comm *comm, const seg_matrix *m, int n, char *records);
