/* What a fit will need, before it is run: memory of the rank with most rows, size of the output. */
#include "segmpi/exact.h"
#include "segmpi/model.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Passes over the table hold a slice as it stands in the file and a slice of columns; counting
 * quantiles needs at most 2^18 bins of three integers where columns are few. */
static int64_t prep_memory(int64_t d)
{
    const seg_describe_opts statistics = { .full = false };
    int64_t bins = larger((int64_t)1 << 18, 64 * 10 * d);

    return larger(2 * (int64_t)SEG_SLICE_ROWS * d * 8 + bins * 24,
                  seg_describe_memory(0, 1, (int)d, &statistics));
}

static int64_t pca_memory(int64_t d)
{
    return SEG_BLOCK_ROWS * d * 8 + d * (d + 1) / 2 * (int64_t)sizeof(seg_exact) + 4 * d * d * 8;
}

seg_fit_plan seg_model_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts)
{
    int64_t n = seg_table_rows(table).total, d = seg_table_columns(table);
    int64_t blocks = (seg_rows_blocks(n) + n_ranks - 1) / n_ranks;
    int64_t rows = blocks * SEG_BLOCK_ROWS < n ? blocks * SEG_BLOCK_ROWS : n;
    int64_t matrix = (rows + SEG_LANES) * d * (int64_t)sizeof(float);
    int64_t width = seg_embedding_width((int)d, &opts->embed); /* of what is clustered */
    int64_t kmeans = seg_kmeans_memory(n, rows, (int)width, &opts->kmeans);
    int64_t code = width == d ? 0 : (rows + SEG_LANES) * width * (int64_t)sizeof(float);
    int label_bytes = (opts->kmeans.n_clusters <= INT16_MAX + 1 ? 2 : 4) +
                      (opts->kmeans.n_clusters <= SEG_REFINE_MAX);

    return (seg_fit_plan) {
        .n = n,
        .d = (int)d,
        .memory = larger(prep_memory(d),
                         SEG_SLICE_ROWS * d * 8 + matrix + code + larger(pca_memory(d), kmeans)),
        .output_bytes = n * (label_bytes + 2 * (int64_t)sizeof(float)),
    };
}
