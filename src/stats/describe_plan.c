/* What describing a table needs, before it is done. */
#include "describe_internal.h"
#include "segmpi/exact.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t products_bytes(int64_t d)
{
    int64_t width = 3 * d + 1, sums = 2 * d * d + d * (d + 1) / 2 + d;

    return SEG_BLOCK_ROWS * (d + 2 * width + d + 8 * d) * 8 + (width * width + 8 * d * d) * 8 +
           sums * (int64_t)sizeof(describe_wide) + 2 * d * (int64_t)sizeof(seg_exact);
}

/* With `size` rows in the sample, `own` of them on the rank. */
static int64_t ranks_bytes(int64_t size, int64_t own, int64_t d)
{
    return own * (4 * d + 8 + 2 * 8 + 16 + 4) + size * 16 + SEG_BLOCK_ROWS * d * 8 +
           products_bytes(d) + products_bytes(2);
}

int64_t seg_describe_memory(int64_t n, int n_ranks, int d, const seg_describe_opts *opts)
{
    int64_t blocks = (seg_rows_blocks(n) + n_ranks - 1) / n_ranks, pairs = (int64_t)d * d;
    int64_t rows = blocks * SEG_BLOCK_ROWS < n ? blocks * SEG_BLOCK_ROWS : n;
    int64_t slices = 2 * (int64_t)SEG_SLICE_ROWS * d * 8;
    int64_t basis = slices + 8 * 8 * pairs + 4 * (int64_t)d * (int64_t)sizeof(seg_exact);
    int64_t peak = larger(seg_order_statistics_memory(d, 2 * SEG_QUANTILES), products_bytes(d));

    if (!opts->full) return basis + peak;
    int64_t size = n < opts->spearman_rows ? n : opts->spearman_rows;
    int64_t own = n == 0 ? 0 : (int64_t)((double)rows / (double)n * (double)size);
    peak = larger(peak, (int64_t)d << 17); /* of distinct values */
    return basis + own * (d * 8 + 4) + larger(peak, ranks_bytes(size, own, d));
}

int64_t seg_describe_bytes(int d)
{
    int64_t bytes = 0;

    for (int i = 0; i < describe_n_arrays; i++)
        bytes +=
            describe_length(describe_arrays[i].dims, d) * seg_type_size(describe_arrays[i].type, 0);
    return bytes;
}
