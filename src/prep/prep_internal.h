/* Inside prep/. */
#pragma once

#include "segmpi/prep.h"

/* Local.  Storage for d columns that changes nothing yet: no fill, no cap, mean 0, scale 1. */
seg_status seg_prep_init(seg_prep *prep, int d, const char *const *names);

/* Local.  Fills and caps x [n][d] in place; capped [d] += cells that the cap changed, each as often
 * as its row counts (weight [n], NULL: once). */
void seg_prep_fill_and_cap(const seg_prep *prep, int64_t n, double *x, const int32_t *weight,
                           int64_t *capped);

/* Local.  The transform of column t; and the cap before it. */
double seg_prep_transform(const seg_prep *prep, int t, double value);
void seg_prep_transform_rows(const seg_prep *prep, int64_t n, double *x); /* x [n][d] */
double seg_prep_finish(const seg_prep *prep, int t, double filled);

/* Local.  prep->transform from the option's text, with the names of the columns.  SEG_ERR_USAGE for
 * what it does not name. */
seg_status seg_prep_parse_transform(seg_prep *prep, const char *text);
