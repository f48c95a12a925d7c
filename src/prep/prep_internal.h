/* Inside prep/. */
#pragma once

#include "segmpi/prep.h"

/* Local.  Storage for d columns that changes nothing yet: no fill, no cap, mean 0, scale 1. */
seg_status seg_prep_init(seg_prep *prep, int d, const char *const *names);

/* Local.  Fills and caps x [n][d] in place; capped [d] += cells that the cap changed. */
void seg_prep_fill_and_cap(const seg_prep *prep, int64_t n, double *x, int64_t *capped);
