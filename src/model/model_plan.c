/* What a fit or an elbow will need, before it is run: memory of the rank with most rows, size of
 * the output. */
#include "model_internal.h"
#include "segmpi/exact.h"
#include "segmpi/memory.h"

#define SWEEP_BYTES 1000000000 /* for the fits of a sweep where no limit is given */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Passes over the table before there is a matrix. */
static int64_t passes_memory(int d)
{
    const seg_describe_opts statistics = { .full = false };

    return larger(seg_prep_memory(d), seg_describe_memory(0, 1, d, &statistics));
}

int64_t model_bytes(int64_t d)
{
    return 4 * d * d * (int64_t)sizeof(double);
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
static void plan_training(const seg_fit_opts *opts, seg_plan *plan)
{
    const seg_ae_opts *ae = &opts->embed.autoencoder;

    if (opts->embed.method != SEG_EMBED_AUTOENCODER) return;
    plan->weights = seg_ae_size(ae, plan->d);
    plan->output_bytes += plan->weights * (int64_t)sizeof(float);
    plan->flops = 6.0 * (double)plan->weights * (double)plan->n * ae->epochs;
}

static int64_t cells_bytes(int64_t rows, int64_t d)
{
    return (rows + SEG_LANES) * d * (int64_t)sizeof(float);
}

/* Bytes of memory that the cells of a matrix take. */
static int64_t held_of(int64_t rows, int64_t d, const seg_place *place)
{
    return seg_place_memory(place, cells_bytes(rows, d));
}

/* Bytes of files that hold cells. */
static int64_t scratch_bytes(int64_t rows, int d, const seg_fit_opts *opts)
{
    const seg_place *places[] = { &opts->matrix, &opts->code };
    const int width[] = { d, seg_embedding_width(d, &opts->embed) };
    int64_t bytes = 0;

    for (int i = 0; i < (opts->embed.method == SEG_EMBED_NONE ? 1 : 2); i++) {
        int64_t cells = cells_bytes(rows, width[i]);
        if (seg_place_memory(places[i], cells) < cells) bytes += cells - places[i]->held;
    }
    return bytes;
}

/* Of the prepared matrix and its code, with their weights. */
static int64_t matrices_memory(const seg_table *table, int64_t rows, const seg_fit_opts *opts)
{
    bool embedded = opts->embed.method != SEG_EMBED_NONE;
    int64_t d = seg_table_columns(table), width = seg_embedding_width((int)d, &opts->embed);
    int64_t weights = seg_table_weights(table) ? rows * (int64_t)sizeof(int32_t) : 0;
    int64_t code = embedded ? held_of(rows, width, &opts->code) + weights : 0;

    return held_of(rows, d, &opts->matrix) + weights + code;
}

seg_plan seg_model_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts)
{
    int64_t n = seg_table_rows(table).total, d = seg_table_columns(table);
    int64_t rows = most_rows(n, n_ranks);
    int64_t width = seg_embedding_width((int)d, &opts->embed); /* of what is clustered */
    int64_t kmeans = clusters_memory(n, rows, (int)width, opts);
    bool embedded = opts->embed.method != SEG_EMBED_NONE;
    int64_t embedding = embedded ? seg_embedding_memory(rows, (int)d, &opts->embed) : 0;
    int k = most_clusters(opts), label_bytes = (k <= INT16_MAX + 1 ? 2 : 4) + (k <= SEG_REFINE_MAX);
    int64_t errors = opts->embed.method == SEG_EMBED_AUTOENCODER ? 4 * rows : 0;
    int64_t segments =
        12 * rows + seg_segments_memory(n, rows, (int)d, k, opts->segments.n_segments);
    int64_t beside = larger(larger(pca_memory(d), embedding), errors + larger(kmeans, segments));

    seg_plan plan = {
        .n = n,
        .d = (int)d,
        .memory = SEG_PROGRAM_BYTES +
                  larger(passes_memory((int)d),
                         SEG_SLICE_ROWS * d * 8 + matrices_memory(table, rows, opts) + beside),
        .scratch = scratch_bytes(rows, (int)d, opts),
        .output_bytes = n * (label_bytes + 2 * (int64_t)sizeof(float)) +
                        seg_picture_bytes(n, (int)d, opts->segments.n_segments) + model_bytes(d),
    };
    plan_training(opts, &plan);
    return plan;
}

/* Of the arrays in elbow.h5; centers of features stand in original units too. */
static int64_t sweep_bytes(int64_t width, bool of_features, const seg_elbow_opts *opts)
{
    int64_t n_k = opts->sweep.k_max - opts->sweep.k_min + 1;
    int64_t of_a_cluster = width * (of_features ? 2 : 1) + 1 + (opts->n_bootstraps > 0);

    return 8 * n_k * (opts->sweep.k_max * of_a_cluster + opts->sweep.kmeans.n_init + SEG_N_INDICES);
}

/* The prepared matrix is there until its code is. */
seg_plan seg_model_sweep_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts)
{
    int64_t n = seg_table_rows(table).total, d = seg_table_columns(table);
    int64_t rows = most_rows(n, n_ranks);
    int width = seg_embedding_width((int)d, &opts->embed);
    bool embedded = opts->embed.method != SEG_EMBED_NONE;
    int64_t both = matrices_memory(table, rows, opts);
    int64_t swept = embedded ? both - held_of(rows, d, &opts->matrix) : both;
    int64_t sweep = seg_sweep_memory(n, rows, width, &opts->elbow.sweep);
    int64_t runs = larger(sweep, assessment_memory(n, rows, width, &opts->elbow));

    if (embedded) both += larger(pca_memory(d), seg_embedding_memory(rows, (int)d, &opts->embed));
    seg_plan plan = {
        .n = n,
        .d = (int)d,
        .n_groups = seg_sweep_groups(&opts->elbow.sweep),
        .sweep = sweep,
        .memory = SEG_PROGRAM_BYTES + larger(seg_prep_memory((int)d),
                                             SEG_SLICE_ROWS * d * 8 + larger(both, swept + runs)),
        .scratch = scratch_bytes(rows, (int)d, opts),
        .output_bytes = sweep_bytes(width, !embedded, &opts->elbow),
    };
    plan_training(opts, &plan);
    return plan;
}

/* ---- a limit ---- */

static int64_t memory_of(const seg_table *table, int n_ranks, const seg_fit_opts *opts)
{
    return opts->sweep_alone ? seg_model_sweep_plan(table, n_ranks, opts).memory
                             : seg_model_plan(table, n_ranks, opts).memory;
}

/* As many k at once as keep to the limit, at least one; what the run takes then. */
static int64_t fit_together(const seg_table *table, int n_ranks, seg_fit_opts *opts)
{
    seg_sweep_opts *sweep = &opts->elbow.sweep;

    sweep->together = sweep->k_max - sweep->k_min + 1;
    while (sweep->together > 1 && memory_of(table, n_ranks, opts) > opts->memory_limit)
        sweep->together--;
    return memory_of(table, n_ranks, opts);
}

/* The same where no limit is given. */
static void sweep_together(const seg_table *table, int n_ranks, seg_fit_opts *opts)
{
    int64_t n = seg_table_rows(table).total, rows = most_rows(n, n_ranks);
    int width = seg_embedding_width(seg_table_columns(table), &opts->embed);
    seg_sweep_opts *sweep = &opts->elbow.sweep;

    sweep->together = sweep->k_max - sweep->k_min + 1;
    while (sweep->together > 1 && seg_sweep_memory(n, rows, width, sweep) > SWEEP_BYTES)
        sweep->together--;
}

/* Fewer k at once cost passes over memory, a file costs reading it in each pass: so it comes last,
 * and holds what memory does not. */
seg_status seg_model_settle(const seg_table *table, int n_ranks, seg_fit_opts *opts)
{
    int64_t rows = most_rows(seg_table_rows(table).total, n_ranks);
    int width = seg_embedding_width(seg_table_columns(table), &opts->embed);
    int64_t code = opts->embed.method == SEG_EMBED_NONE ? 0 : cells_bytes(rows, width);
    const seg_place memory = { 0 }, file = { .folder = opts->scratch };

    opts->matrix = opts->code = memory;
    if (opts->memory_limit == 0) {
        sweep_together(table, n_ranks, opts);
        return SEG_OK;
    }
    if (fit_together(table, n_ranks, opts) <= opts->memory_limit) return SEG_OK;
    opts->matrix = opts->code = file;
    int64_t least = fit_together(table, n_ranks, opts), spare = opts->memory_limit - least;
    if (spare < 0)
        return SEG_FAIL(
            SEG_ERR_MEMORY,
            "--memory-limit is less than a rank takes with its clients in a file: %lld; "
            "with more ranks or a lower --n-init it takes less",
            (long long)least);
    opts->code.held = spare < code ? spare : code; /* what is clustered is read most */
    opts->matrix.held = spare - opts->code.held;
    return SEG_OK;
}
