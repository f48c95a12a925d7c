/* What a fit or an elbow will need, before it is run: memory of the rank with most rows, size of
 * the output. */
#include "model_internal.h"
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

/* Rows of the rank that has most. */
static int64_t most_rows(int64_t n, int n_ranks)
{
    int64_t most = 0;

    for (int rank = 0; rank < n_ranks; rank++)
        most = larger(most, seg_rows_of(n, rank, n_ranks).count);
    return most;
}

/* Clients that all ranks hold, with their labels; sweeps over a sample of them. */
static int64_t assessment_memory(int64_t n, int64_t rows, int64_t d, const seg_elbow_opts *opts)
{
    int64_t n_k = opts->sweep.k_max - opts->sweep.k_min + 1, cells = n_k * opts->sweep.k_max;
    int64_t held = n <= SEG_SILHOUETTE_ROWS ? n : SEG_SILHOUETTE_SAMPLE + 2 * opts->sweep.k_max;
    int64_t sampled = n < SEG_ELBOW_SAMPLE ? n : SEG_ELBOW_SAMPLE;
    int64_t silhouette = held * (12 * (d + 1) + 8) + cells * SEG_LANES * 8 + 4 * rows;
    int64_t again =
        3 * sampled * 4 * (d + 1) + seg_sweep_memory(sampled, sampled, (int)d, &opts->sweep);

    if (n <= SEG_SILHOUETTE_ROWS) silhouette += 4 * n_k * n;
    if (opts->n_bootstraps > 0) again += 4 * n_k * sampled;
    if (opts->n_bootstraps == 0 && opts->n_references == 0) again = 0;
    return larger(silhouette, again);
}

static int most_clusters(const seg_fit_opts *opts)
{
    return opts->choose_k ? opts->elbow.sweep.k_max : opts->kmeans.n_clusters;
}

/* Choosing k, if that is asked for, and the fit. */
static int64_t clusters_memory(int64_t n, int64_t rows, int width, const seg_fit_opts *opts)
{
    seg_kmeans_opts kmeans = opts->kmeans;
    int64_t choosing = 0;

    kmeans.n_clusters = most_clusters(opts);
    if (opts->choose_k && !opts->elbow_path)
        choosing = larger(seg_sweep_memory(n, rows, width, &opts->elbow.sweep),
                          assessment_memory(n, rows, width, &opts->elbow));
    return larger(choosing, seg_kmeans_memory(n, rows, width, &kmeans));
}

/* Of an autoencoder: its size, and the operations of its training: two for each weight and client
 * forward, four backward. */
static void plan_training(const seg_fit_opts *opts, int64_t n, int d, int64_t *weights,
                          double *flops)
{
    const seg_ae_opts *ae = &opts->embed.autoencoder;

    if (opts->embed.method != SEG_EMBED_AUTOENCODER) return;
    *weights = seg_ae_size(ae, d);
    *flops = 6.0 * (double)*weights * (double)n * ae->epochs;
}

seg_fit_plan seg_model_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts)
{
    int64_t n = seg_table_rows(table).total, d = seg_table_columns(table);
    int64_t rows = most_rows(n, n_ranks);
    int64_t matrix = (rows + SEG_LANES) * d * (int64_t)sizeof(float);
    int64_t width = seg_embedding_width((int)d, &opts->embed); /* of what is clustered */
    int64_t kmeans = clusters_memory(n, rows, (int)width, opts);
    bool embedded = opts->embed.method != SEG_EMBED_NONE;
    int64_t code = embedded ? (rows + SEG_LANES) * width * (int64_t)sizeof(float) : 0;
    int64_t embedding = embedded ? seg_embedding_memory(rows, (int)d, &opts->embed) : 0;
    int k = most_clusters(opts), label_bytes = (k <= INT16_MAX + 1 ? 2 : 4) + (k <= SEG_REFINE_MAX);
    int64_t segments =
        12 * rows + seg_segments_memory(n, rows, (int)d, k, opts->segments.n_segments);

    seg_fit_plan plan = {
        .n = n,
        .d = (int)d,
        .memory = larger(prep_memory(d),
                         SEG_SLICE_ROWS * d * 8 + matrix + code +
                             larger(larger(pca_memory(d), embedding), larger(kmeans, segments))),
        .output_bytes = n * (label_bytes + 2 * (int64_t)sizeof(float)) +
                        seg_picture_bytes(n, (int)d, opts->segments.n_segments),
    };
    plan_training(opts, n, (int)d, &plan.weights, &plan.flops);
    return plan;
}

seg_elbow_plan seg_model_sweep_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts)
{
    int64_t n = seg_table_rows(table).total, d = seg_table_columns(table);
    int64_t rows = most_rows(n, n_ranks), slice = SEG_SLICE_ROWS * d * 8;
    int64_t matrix = (rows + SEG_LANES) * d * (int64_t)sizeof(float), embedding = 0;
    int width = seg_embedding_width((int)d, &opts->embed);
    int64_t swept = (rows + SEG_LANES) * width * (int64_t)sizeof(float);
    int64_t sweep = seg_sweep_memory(n, rows, width, &opts->elbow.sweep);
    int64_t runs = larger(sweep, assessment_memory(n, rows, width, &opts->elbow));

    if (opts->embed.method != SEG_EMBED_NONE)
        embedding = matrix + swept +
                    larger(pca_memory(d), seg_embedding_memory(rows, (int)d, &opts->embed));
    seg_elbow_plan plan = {
        .n = n,
        .d = (int)d,
        .n_k = opts->elbow.sweep.k_max - opts->elbow.sweep.k_min + 1,
        .n_groups = seg_sweep_groups(rows, width, &opts->elbow.sweep),
        .sweep = sweep,
        .memory = larger(prep_memory(d), slice + larger(larger(matrix, embedding), swept + runs)),
    };
    plan_training(opts, n, (int)d, &plan.weights, &plan.flops);
    return plan;
}
