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

/* ---- sums over clients that count more or less often ---- */

/* Clients of a block of tiles that changed cluster, as for the kernel `move`. */
typedef struct kmeans_moves {
    const uint16_t *moved, *before, *after;
    int64_t *sum, *count; /* [k][d], [k] */
} kmeans_moves;

/* Local.  n tiles from `tile` on: exact sums and counts, each client as often as it counts. */
void kmeans_move(const seg_kernels *kernels, const seg_matrix *m, int64_t tile, int64_t n,
                 const kmeans_moves *moves);
/* Local.  The same for clients who had no cluster: label [n * 16]. */
void kmeans_add(const seg_kernels *kernels, const seg_matrix *m, int64_t tile, int64_t n,
                const uint16_t *label, int64_t *sum, int64_t *count);
/* Local.  The kernel `potential` for one candidate, each client as often as it counts; for a matrix
 * with weights. */
void kmeans_potential(const seg_kernels *kernels, const seg_matrix *m, int64_t tile, int64_t n,
                      const float *candidate, const float *d2, float scale, int64_t *sum);

/* ---- runs ---- */

typedef enum kmeans_bounds_state {
    KMEANS_BOUNDS_NONE,
    KMEANS_BOUNDS_BEGIN, /* the next pass finds each client's slack */
    KMEANS_BOUNDS_KEPT
} kmeans_bounds_state;

/* One run of Lloyd's algorithm: a restart, a value of k, or a trial of a center swap. */
typedef struct kmeans_run {
    int k;           /* falls where there are fewer distinct clients */
    double *centers; /* [k][d], of the clients as they are labelled */
    int k_before;    /* with the centers before the last step: what its labels, sums and centers */
    double *centers_before; /* follow from; 0: no step yet */
    float *packed;          /* `centers` for the kernels */
    int64_t *sum;           /* [k][d] of the clients of each cluster, in units of 2^-grid */
    int64_t *count;         /* [k] */
    uint16_t *label;        /* [n_tiles * 16], of this rank's rows */
    kmeans_bounds_state bounds;
    uint16_t *slack; /* [n_tiles * 16] see seg_bounds */
    int32_t *drop;   /* [k] */
    double cost;     /* inertia of clients about the centers of their labels */
    int n_iter;
    bool fixed; /* no client moved in the last iteration */
    bool active;
} kmeans_run;

typedef struct kmeans_runs {
    const seg_kernels *kernels;
    const seg_matrix *m;
    const kmeans_totals *totals;
    int n, k_most, d;
    bool are_counted;           /* as progress, when they stop */
    struct kmeans_search *kept; /* the search whose state is kept between steps; NULL: none */
    kmeans_run *run;            /* [n] */

    /* storage that the runs point into, and workspace; owned */
    double *centers;
    double *centers_before;
    float *packed;
    int64_t *sums;
    uint16_t *labels; /* and slack */
    int32_t *drops;
    float *room;      /* for the kernels */
    double *shift;    /* [k_most] */
    int64_t *delta;   /* what one iteration adds to sums, counts; clients moved; behind those of all
                         runs, what ranks ask for: summed over ranks */
    uint16_t *before; /* [SEG_BLOCK_ROWS] */
    char *farthest;   /* record of the farthest client */
    int64_t *taken;   /* [k_most] rows that became centers in this iteration */
} kmeans_runs;

/* Local.  Storage for runs->n runs of up to runs->k_most clusters on runs->m: no run is active.
 * Those three, kernels and totals are set by the caller and borrowed. */
seg_status kmeans_runs_init(kmeans_runs *runs);
void kmeans_runs_release(kmeans_runs *runs); /* accepts an empty one */

/* Local.  Run r begins at `centers` [k][d], without labels. */
void kmeans_run_start(kmeans_runs *runs, int r, int k, const double *centers);
/* Local.  Run `to` begins as a copy of run `from`. */
void kmeans_run_copy(kmeans_runs *runs, int from, int to);
/* Local.  Center j of run r moves to `center` [d]; the labels stay until the next iteration. */
void kmeans_run_set_center(kmeans_runs *runs, int r, int j, const float *center);

/* Integers that one iteration adds up over ranks for a run of k clusters. */
int64_t kmeans_delta_size(int k, int d);

/* Local.  What the next pass of a run may leave out. */
seg_bounds kmeans_bounds(const kmeans_runs *runs, const kmeans_run *run);
/* Local.  The centers of a run go from `packed` to `centers`; moved_share: of all clients, those
 * that changed cluster in the last pass. */
void kmeans_bounds_step(kmeans_runs *runs, kmeans_run *run, double moved_share);

/* When a run stops: at a fixed point, after max_iter iterations, or when the centers' squared
 * shifts sum to at most `shift`. */
typedef struct kmeans_stop {
    int max_iter;
    double shift; /* negative: at a fixed point only */
} kmeans_stop;

/* Collective.  Advances all active runs together, one pass and one all-reduce per iteration, until
 * each has stopped.  At the end `cost` of each is known and none is active.  It fails only if the
 * run is asked to stop, or cannot keep its state. */
seg_status kmeans_lloyd(seg_comm *comm, kmeans_runs *runs, kmeans_stop stop);

/* ---- steps of a fit ---- */

#define KMEANS_SAMPLE_ROWS 16384 /* clients on which center swaps are searched */

/* What the search for better centers did. */
typedef struct kmeans_swaps {
    int n_rounds, n_gains; /* rounds tried, and those that lowered the cost */
} kmeans_swaps;

/* Collective on `self`, one rank alone.  Improves `centers` [k][d] of a run on `sample` in place,
 * by swapping single centers; *k falls where the sample has fewer distinct clients. */
seg_status kmeans_swap(seg_comm *self, const seg_kernels *kernels, const seg_matrix *sample,
                       const seg_kmeans_opts *opts, int *k, double *centers, kmeans_swaps *swaps);

/* Collective.  Fills label, distance and margin (each where not NULL) and n_redone of `kmeans` by
 * the float64 answer for its centers; sums [kmeans_delta_size()], filled: sums [k][d] of the
 * clusters in units of 2^-grid, then counts [k]. */
seg_status kmeans_label(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        seg_kmeans *kmeans, int64_t *sums);

/* ---- the best run for each k ---- */

/* The best run for one k, and how it was found. */
typedef struct kmeans_best {
    int k;                   /* asked for; set by the caller */
    double *restart_inertia; /* [n_init], filled; the caller's */
    int restart;             /* the cheapest one */
    int run;                 /* that one, or the challenger that beat it */
    int n_iter; /* over all clients: of the restart, and of the swapped centers if they won */
    kmeans_swaps swaps;
} kmeans_best;

/* How far a search has come. */
typedef enum kmeans_phase {
    KMEANS_FRESH,
    KMEANS_RESTARTS,  /* all restarts run */
    KMEANS_SETTLE,    /* each k's best one runs to its fixed point */
    KMEANS_SWAPS,     /* better centers are searched on the sample */
    KMEANS_CHALLENGE, /* what was found runs against the best */
    KMEANS_FOUND
} kmeans_phase;

/* A search over groups of n_k values of k up to k_most: what it works on (borrowed, set by the
 * caller), what is learned once, and its memory (owned). */
typedef struct kmeans_search {
    const seg_kernels *kernels;
    const seg_matrix *m;
    const seg_kmeans_opts *opts; /* n_clusters is not used */
    int k_most, n_k;

    kmeans_totals totals;
    kmeans_runs runs; /* for each k of a group: n_init restarts, then a challenger */
    seg_matrix sample;
    double *seeds;   /* [n_init][k_most][d] */
    int *n_seeds;    /* [n_init] found: fewer than k_most where there are fewer distinct clients */
    int64_t *found;  /* [n_k][3 + k_most * d] results of swaps as integers */
    int64_t *sums;   /* [kmeans_delta_size()] */
    double *centers; /* [k_most][d] */

    /* state between steps (kmeans_state.c) */
    int64_t phase;           /* kmeans_phase of the group */
    int n_best;              /* values of k in the group */
    kmeans_best *best;       /* [n_best] borrowed */
    int64_t *run_state;      /* [runs][KMEANS_RUN_STATE] */
    int64_t *best_state;     /* [n_k][KMEANS_BEST_STATE] */
    double *restart_inertia; /* [n_k][n_init] */
} kmeans_search;

#define KMEANS_RUN_STATE  4
#define KMEANS_BEST_STATE 5

/* Collective.  Keeps the state of a group, each under a name of its own; `asked` as in seg_keep().
 */
seg_status kmeans_search_keep(seg_comm *comm, kmeans_search *s, int64_t asked);
/* Collective.  The group goes on from a state that was kept, or is KMEANS_FRESH. */
seg_status kmeans_search_restore(seg_comm *comm, kmeans_search *s);

/* Collective.  After a failure there is still memory to release. */
seg_status kmeans_search_init(seg_comm *comm, kmeans_search *s);
void kmeans_search_release(kmeans_search *s);
/* Collective.  Fills s->seeds and s->n_seeds.  Seeds for k are the first of those for k + 1. */
seg_status kmeans_seed(seg_comm *comm, kmeans_search *s);
/* Local.  Bytes of n runs. */
int64_t kmeans_runs_memory(int64_t n, int64_t rows, int k, int d);
/* Local.  Bytes that a search allocates at its peak. */
int64_t kmeans_search_memory(int64_t total_rows, int64_t rows, int d, const seg_kmeans_opts *opts,
                             int k_most, int n_k);
/* The number of the first restart of the k number i of a group; its challenger is n_init further
 * on. */
int kmeans_first_run(const kmeans_search *s, int i);
/* Collective.  The best runs for best[i].k, i < n_k, all in shared passes: best [n_k], filled. */
seg_status kmeans_search_run(seg_comm *comm, kmeans_search *s, int n_k, kmeans_best *best);
/* Collective.  The best run as a result: clusters in order, labels, inertia of the centers written.
 */
seg_status kmeans_search_finish(seg_comm *comm, kmeans_search *s, const kmeans_best *best,
                                seg_kmeans *kmeans);

/* ---- draws by squared distance ---- */

/* The client that a draw has found so far; behind it its values and its weight. */
static inline int64_t kmeans_record_size(int d)
{
    return (int64_t)sizeof(seg_rival) + (((int64_t)d + 1) * (int64_t)sizeof(float) + 7) / 8 * 8;
}

static inline float *kmeans_record_values(char *record)
{
    return (float *)(void *)(record + sizeof(seg_rival));
}

static inline int32_t *kmeans_record_weight(int d, char *record)
{
    return (int32_t *)(void *)(kmeans_record_values(record) + d);
}

/* Local.  Forgets n records. */
void kmeans_records_clear(int d, int n, char *records);
/* Who races, and how draws are counted. */
typedef struct kmeans_racing {
    const seg_kernels *kernels;
    const seg_matrix *m;
    seg_random key;
} kmeans_racing;

/* Local.  Records of the first `count` rows from row `first` (a multiple of 16) of this rank on
 * that beat n_trials records in an exponential race: least -log(u) / (weight d2), u keyed by (key,
 * row, draw + trial); d2, with room for whole tiles, NULL: all 1.  Values are not filled in. */
void kmeans_race(const kmeans_racing *racing, int64_t first, int64_t count, const float *d2,
                 uint64_t draw, int n_trials, char *records);
/* Collective.  The least of all ranks, with the client's values. */
void kmeans_race_end(seg_comm *comm, const seg_matrix *m, int n, char *records);
