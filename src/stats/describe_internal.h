/* The parts of a description.  Each is filled row by row on every rank (_add: x [n][d], weight [n]
 * or NULL where every client counts once), summed over ranks (_sum, collective) and read off. */
#pragma once

#include "segmpi/describe.h"
#include "segmpi/stats.h"

/* ---- arrays, for storage and file alike ---- */

typedef struct describe_array {
    const char *name; /* in the file */
    size_t place;     /* of the pointer in seg_describe */
    seg_type type;
    const char *dims;
    bool full;
    const char *long_name;
} describe_array;

extern const describe_array describe_arrays[];
extern const int describe_n_arrays;

int64_t describe_length(const char *dims, int d); /* cells of an array; d where it is `relation` */
void *describe_data(const seg_describe *out, const describe_array *array);

/* Local.  All arrays: numbers NaN, counts 0. */
seg_status describe_init(seg_describe *out, int d, int64_t rows, const char *const *names,
                         bool full);

/* ---- gaps and zeros ---- */

/* Clients, gaps and zeros. */
void describe_gaps_add(seg_describe *out, int64_t n, const double *x, const int32_t *weight);
void describe_gaps_sum(seg_comm *comm, seg_describe *out);

/* ---- distinct values ---- */

typedef struct describe_distinct {
    int d;
    int64_t *count; /* [d] in the set; more than SEG_DISTINCT_CAP: no longer filled */
    uint64_t *slot; /* [d][slots] keys, 0 is empty; owned */
} describe_distinct;

seg_status describe_distinct_init(describe_distinct *s, int d);
void describe_distinct_release(describe_distinct *s);
void describe_distinct_add(describe_distinct *s, int64_t n, const double *x, const int32_t *weight);
seg_status describe_distinct_sum(seg_comm *comm, describe_distinct *s, int64_t *distinct);

/* ---- deviations from the mean: their products and powers ---- */

/* An exact sum of multiples of 2^-126: the value is the sum of limb[i] * 2^(21 (i - 6)). */
#define DESCRIBE_LIMBS 8
typedef struct describe_wide {
    int64_t limb[DESCRIBE_LIMBS];
} describe_wide;

typedef struct describe_products {
    int d;
    double *center;             /* [d] */
    int *exponent;              /* [d] u = (x - center) * 2^-exponent is within -1 .. 1 */
    describe_wide *sum;         /* [d] of u */
    describe_wide *product;     /* [d (d + 1) / 2] of u times another u, upper triangle */
    describe_wide *lost_sum;    /* [d][d] of u of the second where the first is missing */
    describe_wide *lost_square; /* [d][d] of its square */
    seg_exact *cube, *fourth;   /* [d] of powers of u; NULL if not wanted */
    double *u;                  /* [SEG_BLOCK_ROWS][d] one block, 0 where missing */
    double *slices, *some;      /* [SEG_BLOCK_ROWS][width] of the block, of some of its clients */
    double *moments;            /* [width][width] of the slices */
    int32_t *client;            /* [SEG_BLOCK_ROWS] with gaps */
    int *column;                /* [d] with gaps */
    double *gap;                /* [columns][clients] 1 for a gap */
    double *powers;             /* [clients][d][8] slices and squares */
    double *lost;               /* [columns][d][8] their sums */
    double *power;              /* [4][d] cubes, their tail, fourths, their tail */
} describe_products;

/* With cubes and fourth powers if `shape`. */
seg_status describe_products_init(describe_products *p, int d, bool shape);
void describe_products_release(describe_products *p);
/* Column t is about `center` and lies between `least` and `most`. */
void describe_products_scale(describe_products *p, int t, double least, double center, double most);
void describe_products_clear(describe_products *p); /* all sums 0, without cubes and fourths */
void describe_products_add(describe_products *p, int64_t n, const double *x, const int32_t *weight);
void describe_products_sum(seg_comm *comm, describe_products *p);
/* Local.  Of the `both` clients who have s and t. */
double describe_products_correlation(const describe_products *p, int s, int t, int64_t both);
/* Local.  Fills std, skewness and kurtosis of column t, and a mean that is not finite yet. */
void describe_products_read(const describe_products *p, int t, seg_describe *out);

/* ---- columns that others make up ---- */

/* Local.  From correlation, mean and std. */
seg_status describe_relations_find(seg_describe *out);
void describe_relations_add(seg_describe *out, int64_t n, const double *x, const int32_t *weight);
void describe_relations_sum(seg_comm *comm, seg_describe *out);

/* ---- histograms and outliers ---- */

/* Collective.  Edges from extremes and quantiles. */
void describe_bins_set(seg_comm *comm, seg_describe *out);
void describe_bins_add(seg_describe *out, int64_t n, const double *x, const int32_t *weight);
void describe_bins_sum(seg_comm *comm, seg_describe *out);

/* ---- Spearman ---- */

typedef struct describe_ranks {
    int d;
    int64_t size, total; /* clients in the sample, in the table */
    uint64_t seed;
    int64_t next;    /* number in the sample of the client to come */
    int64_t count;   /* this rank's clients so far */
    int64_t room;    /* and all of them */
    bool weighted;   /* other weights than 1 */
    int32_t *weight; /* [room]; owned */
    double *x;       /* [d][room] their cells, and at last twice their average ranks; owned */
} describe_ranks;

seg_status describe_ranks_init(describe_ranks *r, seg_rows rows, int d,
                               const seg_describe_opts *opts);
void describe_ranks_release(describe_ranks *r);
/* `first` is the number of the first row in the table. */
void describe_ranks_add(describe_ranks *r, int64_t first, int64_t n, const double *x,
                        const int32_t *weight);
/* Collective.  Fills spearman [d][d]; overwrites the cells. */
seg_status describe_ranks_correlate(seg_comm *comm, describe_ranks *r, double *spearman);
