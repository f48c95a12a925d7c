/* Inside stats/. */
#pragma once

#include <stdint.h>

#include "segmpi/reference.h"

/* Bits of a number that order as the numbers do; -0 counts as 0.  Never 0. */
uint64_t stats_key(double value);

/* Local.  Storage of a reference, counts 0, edges not filled. */
seg_status stats_reference_init(seg_reference *r, int d, const char *const *names, int n_segments);
