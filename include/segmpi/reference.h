/* The training base as a yardstick for drift: the deciles of each feature, and how many clients lie
 * between them, miss the feature, or belong to each segment; the same counts of any other table.
 * `fit` learns it, `score` counts what it has scored, `compare` needs no rows. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/describe.h"
#include "segmpi/store.h"
#include "segmpi/table.h"

#define SEG_REFERENCE_BINS 10

/* Values in the units of the columns, as they come: gaps not filled, nothing capped.  Owned. */
typedef struct seg_reference {
    int d;
    int n_segments;     /* 0: there are none */
    int64_t n;          /* clients, each as often as it counts */
    char **names;       /* [d] */
    double *bin_edges;  /* [d][SEG_REFERENCE_BINS + 1] -inf, the nine deciles of the training base,
                           inf; bin b holds the values with edge b < x <= edge b + 1 */
    double *min, *max;  /* [d] of the values counted; INFINITY and -INFINITY if there are none */
    int64_t *bin_count; /* [d][SEG_REFERENCE_BINS] */
    int64_t *missing;   /* [d] */
    int64_t *segment_count; /* [n_segments] */
} seg_reference;

/* Collective.  Deciles and counts of a table that `statistics` describes; size [n_segments] of its
 * segments.  `r` is empty on failure. */
seg_status seg_reference_fit(seg_comm *comm, seg_table *table, const seg_describe *statistics,
                             int n_segments, const int64_t *size, seg_reference *r);
void seg_reference_release(seg_reference *r); /* accepts an empty one */

/* To count another table by the same yardstick: an empty copy, then the rows in any pieces on any
 * ranks, then the sum. */
seg_status seg_reference_copy(const seg_reference *base, seg_reference *r); /* local; counts 0 */
/* Local.  x [n][d], NaN = missing; weight [n], NULL: every row counts once. */
void seg_reference_add(seg_reference *r, int64_t n, const double *x, const int32_t *weight);
/* Local.  The segments of n rows, each below n_segments. */
void seg_reference_add_segments(seg_reference *r, int64_t n, const int8_t *segment,
                                const int32_t *weight);
void seg_reference_sum(seg_comm *comm, seg_reference *r); /* collective */

/* Local.  Group reference/, with dimensions of its own.  Read: empty if the file has none. */
seg_status seg_reference_write(const seg_reference *r, seg_output *out);
seg_status seg_reference_read(seg_input *in, seg_reference *r);

/* ---- how far apart two counts are ---- */

/* Population stability index: the sum over bins of (p - q) ln(p / q), with the shares p and q of
 * two bases. A bin that is empty in one base counts as half a client there, one that is empty in
 * both is left out.  Where both are samples of one population, PSI / (1/n + 1/m) has about a
 * chi-square distribution with bins - 1 degrees of freedom (Yurdakul and Naranjo, Statistical
 * properties of the population stability index, 2020). */
typedef struct seg_psi {
    double psi;      /* NaN if a base is empty */
    double critical; /* what chance alone exceeds in one of 20 comparisons of so many clients */
} seg_psi;

/* Rules of thumb. */
#define SEG_PSI_MODERATE 0.10
#define SEG_PSI_LARGE    0.25

typedef enum seg_drift {
    SEG_DRIFT_NONE,     /* there is no index */
    SEG_DRIFT_STABLE,   /* below 0.10 */
    SEG_DRIFT_CHANCE,   /* larger, but no more than chance may do with so few clients */
    SEG_DRIFT_MODERATE, /* from 0.10 on */
    SEG_DRIFT_LARGE     /* from 0.25 on */
} seg_drift;

/* Local. */
seg_drift seg_drift_of(seg_psi psi);
seg_psi seg_psi_of(int n_bins, const int64_t *old, const int64_t *new);
/* Local.  Of feature t of r and feature u of s, which count by the same yardstick, with a bin for
 * missing. */
seg_psi seg_reference_psi(const seg_reference *r, int t, const seg_reference *s, int u);
/* Local.  The value that a chi-square variable exceeds with probability 1 - p. */
double seg_chi_square_quantile(int degrees, double p);
