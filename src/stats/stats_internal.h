/* Inside stats/. */
#pragma once

#include <stdint.h>

/* Bits of a number that order as the numbers do; -0 counts as 0.  Never 0. */
uint64_t stats_key(double value);
