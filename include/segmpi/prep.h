/* Stages on raw columns: fill gaps, cap outliers, transform, scale; together the preparation that
 * turns a table into a matrix.  Each stage has the same verbs: _fit (collective), _apply (local),
 * _write, _read (local, store). */
#pragma once

#include "segmpi/matrix.h"
#include "segmpi/stats.h"
#include "segmpi/store.h"
#include "segmpi/table.h"

typedef enum seg_impute_method {
    SEG_IMPUTE_MEDIAN,
    SEG_IMPUTE_MEAN,
    SEG_IMPUTE_CONSTANT
} seg_impute_method;
typedef enum seg_outlier_method {
    SEG_OUTLIER_NONE,
    SEG_OUTLIER_QUANTILE,
    SEG_OUTLIER_IQR,
    SEG_OUTLIER_Z
} seg_outlier_method;
/* Of filled and capped values; odd functions, so that negative values have an image too. */
typedef enum seg_transform {
    SEG_TRANSFORM_NONE,
    SEG_TRANSFORM_LOG1P, /* sign(x) log(1 + |x|) */
    SEG_TRANSFORM_SQRT   /* sign(x) sqrt(|x|) */
} seg_transform;
/* What is subtracted, and what is divided by (1 where that would be 0), of transformed values. */
typedef enum seg_scale_method {
    SEG_SCALE_STANDARD, /* mean, population standard deviation */
    SEG_SCALE_NONE,     /* 0, 1 */
    SEG_SCALE_ROBUST,   /* median, interquartile range */
    SEG_SCALE_MINMAX    /* minimum, range */
} seg_scale_method;

typedef struct seg_prep_opts {
    seg_impute_method impute;
    double impute_value; /* for SEG_IMPUTE_CONSTANT, in the unit of the column */
    seg_outlier_method outliers;
    double outlier_parameter; /* quantile: P in (0, 0.5), caps at P and 1 - P; iqr: F (fence q1 - F
                                 iqr, q3 + F iqr); z: S */
    seg_scale_method scale;
    const char *transform; /* none, log1p or sqrt for all columns, or COLUMN=METHOD,...; NULL: none;
                              borrowed by seg_prep_fit(), NULL in what was learned */
} seg_prep_opts;

/* Median fill, cap at the 1st and 99th percentile, standard scaling. */
seg_prep_opts seg_prep_defaults(void);

/* Everything learned, in original units unless said otherwise.  Arrays [d], one block, owned. */
typedef struct seg_prep {
    seg_prep_opts opts;
    int d;
    char **names;     /* [d]; owned */
    int64_t n;        /* clients it was learned from, each as often as it counts */
    int64_t *missing; /* cells filled */
    int64_t *capped;  /* cells changed by the cap */
    double *fill_value;
    double *lower_bound; /* -INFINITY when capping is off */
    double *upper_bound;
    double *mean;    /* what scaling subtracts, in transformed units */
    double *scale;   /* what it divides by */
    int *transform;  /* seg_transform of each column */
    int *grid;       /* z is rounded to multiples of 2^-grid */
    double *max_abs; /* largest |z| */
} seg_prep;

/* Collective.  Learns impute -> cap -> transform -> scale from the table.  SEG_ERR_DATA for an
 * all-missing column (naming it and --exclude-columns), an empty table, or values too large to
 * scale.  A constant column gets scale 1 and a warning (its z is 0).  `prep` is empty on failure.
 */
seg_status seg_prep_fit(seg_comm *comm, seg_table *table, const seg_prep_opts *opts,
                        seg_prep *prep);
/* Local.  Bytes that it allocates for d columns. */
int64_t seg_prep_memory(int d);
/* Local.  Reads this rank's rows and fills `m` (owned by the caller, seg_matrix_release), whose
 * cells go where `place` says; NULL: in memory. */
seg_status seg_prep_apply(const seg_prep *prep, seg_table *table, const seg_place *place,
                          seg_matrix *m);
/* Local.  The same for rows in memory: x [n][d] original units -> z [n][d], in place, not rounded
 * to the grid. */
void seg_prep_apply_rows(const seg_prep *prep, int64_t n, double *x);
/* Local.  Back from z to original units for k points [k][d] (centers): the transform undone on
 * z * scale + mean. */
void seg_prep_invert(const seg_prep *prep, int k, const double *z, double *original);
/* Local.  The same for one value of column t. */
double seg_prep_original(const seg_prep *prep, int t, double z);
seg_status seg_prep_write(const seg_prep *prep, seg_output *out); /* group preprocessing/ */
seg_status seg_prep_read(seg_input *in, seg_prep *prep);
void seg_prep_release(seg_prep *prep);
