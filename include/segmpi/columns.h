/* Which columns a file has, for who wants to name them.  Local. */
#pragma once

#include "segmpi/store.h"

/* Names of the columns of the table in a file; `dataset` as in seg_table_opts.  names [*n], one
 * block, owned (seg_free). */
seg_status seg_table_list(seg_input *in, const char *dataset, int *n, char ***names);
