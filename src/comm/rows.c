/* Rows are dealt in whole blocks. */
#include "segmpi/rows.h"

int64_t seg_rows_blocks(int64_t n)
{
    return (n + SEG_BLOCK_ROWS - 1) / SEG_BLOCK_ROWS;
}

seg_rows seg_rows_of(int64_t total, int rank, int size)
{
    int64_t blocks = seg_rows_blocks(total);
    int64_t share = blocks / size, rest = blocks % size;
    /* floor(rank * blocks / size) without the product, which could overflow */
    int64_t begin = rank * share + rank * rest / size;
    int64_t end = (rank + 1) * share + (rank + 1) * rest / size;
    int64_t first = begin * SEG_BLOCK_ROWS, last = end * SEG_BLOCK_ROWS;

    if (last > total) last = total;
    return (seg_rows) { .total = total, .first = first, .count = last > first ? last - first : 0 };
}
