/* What a table looks like before anything is learned from it: moments, quantiles, shape, outliers,
 * histograms, correlations, columns that others make up, gaps that come together.  Exact and the
 * same bits on any number of ranks.  Missing cells (NaN, and infinite ones) are skipped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/store.h"
#include "segmpi/table.h"

#define SEG_QUANTILES      7
#define SEG_HISTOGRAM_BINS 32
#define SEG_DISTINCT_CAP   10000 /* distinct values of a column are counted up to here */

extern const double seg_describe_probabilities[SEG_QUANTILES]; /* 0.01 .. 0.99 */

typedef struct seg_describe_opts {
    bool full;             /* false: what is marked (f) below is left out */
    int64_t spearman_rows; /* rows in Spearman's correlation at most, a sample by row number where
                              there are more; 0: none; below 2^31 */
    uint64_t seed;         /* of that sample */
} seg_describe_opts;

typedef enum seg_bin_scale { SEG_BINS_LINEAR, SEG_BINS_ASINH } seg_bin_scale;

/* In the units of the columns.  Everything is owned.  NaN where a figure does not exist. */
typedef struct seg_describe {
    int d;
    int64_t rows; /* of the table */
    int64_t n;    /* clients: rows, each counted as often as its weight says */
    bool full;
    char **names;
    int64_t infinite; /* cells that are taken as missing */

    int64_t *count;              /* [d] values present */
    int64_t *missing;            /* [d] */
    int64_t *zeros;              /* [d] */
    int64_t *co_missing;         /* [d][d] clients who miss both */
    int64_t *zero_where_missing; /* [d][d] clients who miss the first and have 0 in the second */
    double *mean;                /* [d] */
    double *std;                 /* [d] with n - 1 */
    double *min, *max;           /* [d] */
    double *skewness, *kurtosis; /* [d] as pandas: G1 and G2, corrected for bias */
    double *quantile;            /* [d][SEG_QUANTILES] numpy's linear method, exact */
    double *correlation;         /* [d][d] Pearson, over the clients who have both, as pandas */

    int64_t *distinct;     /* (f) [d] -1: more than SEG_DISTINCT_CAP */
    int64_t *iqr_outliers; /* (f) [d] beyond 1.5 interquartile ranges from the quartiles */
    int64_t *z_outliers;   /* (f) [d] beyond 3 std from the mean */
    double *spearman; /* (f) [d][d] over the clients who have both, ties by average ranks, as pandas
                       */
    int64_t spearman_rows; /* (f) rows in it, a sample if fewer than all; 0: not computed */
    double *bin_edges;     /* (f) [d][SEG_HISTOGRAM_BINS + 1] a bin holds its lower edge, the last
                              one both */
    int64_t *bin_count;    /* (f) [d][SEG_HISTOGRAM_BINS] */
    int8_t *bin_scale;     /* (f) [d] seg_bin_scale */

    /* (f) Columns that others make up: column = intercept + sum of coefficient * other. */
    int n_relations;
    int32_t *relation_column;
    double *relation_coefficient; /* [n_relations][d], 0 for who takes no part */
    double *relation_intercept;
    double *relation_explained; /* share of the column's variance (R squared) */
    int64_t *relation_equal;    /* clients for whom it holds to 1e-6 with whole coefficients and no
                                   intercept; 0: the coefficients are those of least squares */
} seg_describe;

/* Collective.  Three passes over the table (two without `full`) and those of the quantiles.
 * A table without rows: counts 0, all else NaN.  `out` is empty on failure. */
seg_status seg_describe_run(seg_comm *comm, seg_table *table, const seg_describe_opts *opts,
                            seg_describe *out);
void seg_describe_release(seg_describe *d); /* accepts an empty one */
/* Local.  Bytes that the rank with most rows allocates at its peak, and those of the file. */
int64_t seg_describe_memory(int64_t n, int n_ranks, int d, const seg_describe_opts *opts);
int64_t seg_describe_bytes(int d);

/* Local.  To and from the group `group` ("" is the root); the root has the dimension `feature`. */
seg_status seg_describe_write(const seg_describe *d, const char *group, seg_output *out);
seg_status seg_describe_read(seg_input *in, const char *group, seg_describe *d);

/* Gaps in one column that go with a zero or a gap in another. */
typedef struct seg_gap {
    int missing, other;
    bool other_missing; /* the other cell is missing too; otherwise it is 0 */
    int64_t clients;    /* for whom both are so */
    double share;       /* of the gaps; with zeros, of those whose other cell is known */
    double lift;        /* that share over the same share among all clients */
} seg_gap;

/* Local.  Those with a share of at least half, a lift of at least 2 and 10 clients, the largest
 * share first; at most `most`; returns their number. */
int seg_describe_gaps(const seg_describe *d, int most, seg_gap *gaps);
