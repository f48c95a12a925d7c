/* Numbers about columns, exact and the same on any number of ranks.  NaN is missing and skipped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/exact.h"
#include "segmpi/table.h"

/* Moments of d columns: added block by block (local), then summed over ranks (collective), then
 * read off (local). */
typedef struct seg_moments {
    int d;
    int64_t *count;    /* [d] values that are present; owned */
    int64_t *missing;  /* [d]; owned */
    double *min;       /* [d]; INFINITY if count is 0; owned */
    double *max;       /* [d]; owned */
    seg_exact *sum;    /* [d] of values; owned */
    seg_exact *square; /* [d] of their squares, for a variance; NULL: not wanted; owned */
} seg_moments;

seg_status seg_moments_init(seg_moments *m, int d, bool squares);
void seg_moments_release(seg_moments *m);
/* x [n][d]; weight [n], NULL: every row counts once. */
void seg_moments_add(seg_moments *m, int64_t n, const double *x, const int32_t *weight);
void seg_moments_sum(seg_comm *comm, seg_moments *m); /* collective */
double seg_moments_mean(const seg_moments *m, int t); /* NaN if count is 0 */
double seg_moments_variance(const seg_moments *m,
                            int t); /* population; about the mean; NaN if count is 0 */

/* Collective.  One pass over the table: moments of the clients of each group; group [rows.count]
 * below n_groups.  m [n_groups]: empty ones, to be released by the caller, also after a failure. */
seg_status seg_moments_of_groups(seg_comm *comm, seg_table *table, int n_groups,
                                 const int32_t *group, seg_moments *m);
/* Local, after the sum over ranks; both with squares.  Adds the clients of `from`, of the same
 * columns. */
void seg_moments_merge(seg_moments *to, const seg_moments *from);
/* Local, with squares.  Counts the missing cells of column t as cells that hold `value`. */
void seg_moments_fill(seg_moments *m, int t, double value);

/* Collective.  Exact order statistics of the present values of each column: rank_of [d][q] (0-based
 * among the sorted present values; -1: not wanted, gives NaN) -> value [d][q].  All columns and
 * ranks together by counting refinement on the ordered bit pattern of the doubles: a few integer
 * all-reduces.  -0 counts as 0. */
seg_status seg_order_statistics(seg_comm *comm, seg_table *table, int q, const int64_t *rank_of,
                                double *value);

/* Groups of clients, which may overlap: a client with label l belongs to n_of_label groups. */
typedef struct seg_groups {
    int n; /* groups */
    int n_labels;
    const int32_t *label; /* [rows.count] of this rank's rows; NULL: 0 for all */
    int n_of_label;
    const int *of_label; /* [labels][n_of_label], each below n */
} seg_groups;

/* Collective.  The same for each group: rank_of [n][d][q] -> value [n][d][q], in the same passes.
 */
seg_status seg_group_order_statistics(seg_comm *comm, seg_table *table, const seg_groups *groups,
                                      int q, const int64_t *rank_of, double *value);

/* Local.  Bytes that this allocates for q ranks of d columns, those of each group counted, besides
 * slices of the table. */
int64_t seg_order_statistics_memory(int64_t d, int q);

/* Collective.  Exact quantiles of each column, by numpy's linear method: count [d] of its present
 * values, probability [q] -> value [d][q], NaN where there are none. */
seg_status seg_quantiles(seg_comm *comm, seg_table *table, const int64_t *count, int q,
                         const double *probability, double *value);

/* numpy's linear method: position (n - 1) * p between order statistics lower = floor and lower + 1.
 */
typedef struct seg_quantile_position {
    int64_t lower, upper;
    double weight; /* of upper */
} seg_quantile_position;
seg_quantile_position seg_quantile_at(int64_t n, double p);
double seg_quantile_between(double lower, double upper,
                            double weight); /* numpy's lerp, the same bits */

/* Local.  Adjusted Rand index of two labellings from their contingency table [n_a][n_b]: 1 for
 * equal ones, about 0 for unrelated ones. */
double seg_adjusted_rand(int n_a, int n_b, const int64_t *table);
