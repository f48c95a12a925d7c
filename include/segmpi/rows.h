/* Who owns which rows.  Rows are cut into global blocks of SEG_BLOCK_ROWS, whatever the number of
 * ranks; a rank owns a contiguous run of whole blocks, possibly none.  Local. */
#pragma once

#include <stdint.h>

#include "segmpi/tile.h"

typedef struct seg_rows {
    int64_t total; /* of all ranks */
    int64_t first; /* this rank's first row, a multiple of SEG_BLOCK_ROWS unless it owns none */
    int64_t count; /* this rank's rows */
} seg_rows;

/* Blocks are dealt as evenly as whole blocks can be: rank r owns blocks [r B / size, (r + 1) B /
 * size). */
seg_rows seg_rows_of(int64_t total, int rank, int size);

/* Number of blocks that cover n rows. */
int64_t seg_rows_blocks(int64_t n);
