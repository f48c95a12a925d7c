/* One rank's rows: read, prepared, embedded, labelled and written, slice by slice, by the same
 * kernels and in the same blocks as in a fit, so that its labels come out again to the bit. */
#include <math.h>
#include <string.h>

#include "score_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

/* ---- storage ---- */

/* Bounds of the preparation; where it has none, the 1st and 99th percentile of the training base,
 * if the model knows them. */
static void find_bounds(const seg_model *model, double *lower, double *upper)
{
    const int d = model->prep.d;

    memcpy(lower, model->prep.lower_bound, (size_t)d * sizeof *lower);
    memcpy(upper, model->prep.upper_bound, (size_t)d * sizeof *upper);
    if (model->prep.opts.outliers != SEG_OUTLIER_NONE || model->statistics.d != d) return;
    for (int t = 0; t < d; t++) {
        lower[t] = model->statistics.quantile[t * SEG_QUANTILES];
        upper[t] = model->statistics.quantile[(t + 1) * SEG_QUANTILES - 1];
    }
}

/* A matrix for one slice; its number of rows is set for each. */
static seg_status slice_matrix(int d, const int *grid, const double *max_abs, seg_matrix *m)
{
    const seg_rows rows = { SEG_SLICE_ROWS, 0, SEG_SLICE_ROWS };

    return seg_matrix_init(m, rows, d, grid, max_abs);
}

static seg_status init_slice(scorer *s)
{
    const seg_model *model = s->scoring->model;
    const seg_embedding *e = &model->embedding;
    const int d = model->prep.d, width = model->kmeans.d;

    SEG_TRY(seg_fault("score_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)d * sizeof *s->x, &s->x));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, sizeof *s->label, &s->label));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, (size_t)d * sizeof *s->z, &s->z));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS,
                      (size_t)(width > s->scoring->components ? width : s->scoring->components) *
                          sizeof *s->y,
                      &s->y));
    SEG_TRY(slice_matrix(d, model->prep.grid, model->prep.max_abs, &s->features));
    if (e->opts.method == SEG_EMBED_NONE) return SEG_OK;
    SEG_TRY(slice_matrix(width, e->grid, e->max_abs, &s->code));
    return seg_embedding_workspace(e, &s->work);
}

static seg_status init(scorer *s)
{
    const seg_model *model = s->scoring->model;
    const seg_kmeans *kmeans = &model->kmeans;
    seg_score_summary *count = &s->count;
    const int d = model->prep.d, n_segments = model->segments.n_segments;

    count->n_clusters = kmeans->n_clusters;
    count->n_segments = n_segments;
    SEG_TRY(seg_alloc(count->n_clusters + n_segments, sizeof *count->cluster_size,
                      &count->cluster_size));
    count->segment_size = count->cluster_size + count->n_clusters;
    if (model->reference.d > 0) SEG_TRY(seg_reference_copy(&model->reference, &count->reference));
    SEG_TRY(seg_alloc(seg_rows_blocks(seg_table_rows(s->scoring->table).count), 1, &s->done));
    SEG_TRY(seg_alloc(2 * d, sizeof *s->bounds, &s->bounds));
    find_bounds(model, s->bounds, s->bounds + d);
    s->lower = s->bounds;
    s->upper = s->bounds + d;
    for (int i = 0; i < SCORE_ARRAYS; i++)
        if (s->array[i].row_bytes > 0)
            SEG_TRY(seg_alloc(SCORE_CHUNK, (size_t)s->array[i].row_bytes, &s->data[i]));
    SEG_TRY(
        seg_labeller_init(kmeans->n_clusters, kmeans->d, kmeans->cluster_centers, &s->labeller));
    return init_slice(s);
}

seg_status scorer_init(const seg_kernels *kernels, const seg_scoring *scoring, scorer *s)
{
    *s = (scorer) { .kernels = kernels, .scoring = scoring };
    score_layout(scoring, s->array);
    return init(s);
}

void scorer_release(scorer *s)
{
    for (int i = 0; i < SCORE_ARRAYS; i++)
        seg_free(s->data[i]);
    seg_labeller_release(&s->labeller);
    seg_free(s->x);
    seg_free(s->z);
    seg_free(s->y);
    seg_free(s->work);
    seg_free(s->label);
    seg_matrix_release(&s->features);
    seg_matrix_release(&s->code);
    seg_free(s->bounds);
    seg_free(s->done);
    seg_score_summary_release(&s->count);
    *s = (scorer) { 0 };
}

/* ---- one slice ---- */

static uint8_t at_most_255(int n)
{
    return (uint8_t)(n < 255 ? n : 255);
}

/* Cells as they come, before they are filled and capped. */
static void count_cells(scorer *s, int64_t at, int64_t n)
{
    const int d = s->features.d;
    const double *lower = s->lower, *upper = s->upper;
    uint8_t *imputed = (uint8_t *)s->data[SCORE_IMPUTED] + at;
    uint8_t *outlier = (uint8_t *)s->data[SCORE_OUTLIER] + at;

    for (int64_t i = 0; i < n; i++) {
        const double *x = s->x + i * d;
        int missing = 0, outside = 0;
        for (int t = 0; t < d; t++) {
            if (x[t] >= lower[t] && x[t] <= upper[t]) continue;
            if (isnan(x[t]))
                missing++;
            else
                outside++;
        }
        imputed[i] = at_most_255(missing);
        outlier[i] = at_most_255(outside);
        s->count.imputed_cells += missing;
        s->count.outliers += outside > 0;
    }
}

static void set_rows(seg_matrix *m, int64_t n)
{
    m->rows.count = n;
    m->n_tiles = (n + SEG_LANES - 1) / SEG_LANES;
}

/* The code of the slice, block by block; the error of the autoencoder where the file has it. */
static void embed(scorer *s, int64_t at, int64_t n)
{
    float *error = (float *)(void *)s->data[SCORE_ERROR];

    set_rows(&s->code, n);
    for (int64_t i = 0; i < n; i += SEG_BLOCK_ROWS) {
        const int64_t rows = n - i < SEG_BLOCK_ROWS ? n - i : SEG_BLOCK_ROWS;
        seg_matrix_get(&s->features, i, rows, s->z);
        seg_embedding_rows(&s->scoring->model->embedding, rows, s->z, s->work, s->y,
                           error ? error + at + i : NULL);
        seg_matrix_set(&s->code, i, rows, s->y);
    }
}

/* Coordinates of what was clustered. */
static void project(scorer *s, const seg_matrix *m, int64_t at, int64_t n)
{
    const int c = s->scoring->components;
    float *pc = (float *)(void *)s->data[SCORE_COMPONENTS] + at * c;

    for (int64_t i = 0; i < n; i += SEG_BLOCK_ROWS) {
        const int64_t rows = n - i < SEG_BLOCK_ROWS ? n - i : SEG_BLOCK_ROWS;
        seg_matrix_get(m, i, rows, s->z);
        seg_pca_apply(&s->scoring->model->pca, rows, s->z, c, s->y);
        for (int64_t cell = 0; cell < rows * c; cell++)
            pc[i * c + cell] = (float)s->y[cell];
    }
}

/* Labels in the types of the file. */
static void store_labels(scorer *s, int64_t at, int64_t n)
{
    const int *segment_of = s->scoring->model->segments.cluster_to_segment;
    int8_t *segment = (int8_t *)s->data[SCORE_SEGMENT];
    const bool narrow = s->array[SCORE_CLUSTER].type == SEG_INT16;

    for (int64_t i = 0; i < n; i++) {
        const int32_t label = s->label[i];
        if (narrow)
            ((int16_t *)(void *)s->data[SCORE_CLUSTER])[at + i] = (int16_t)label;
        else
            ((int32_t *)(void *)s->data[SCORE_CLUSTER])[at + i] = label;
        s->count.cluster_size[label]++;
        if (!segment) continue;
        segment[at + i] = (int8_t)segment_of[label];
        s->count.segment_size[segment_of[label]]++;
    }
}

/* Distances that float32 does not hold come from values that no unit explains. */
static seg_status check_distances(const scorer *s, int64_t row, int64_t n, const float *distance)
{
    const seg_prep *prep = &s->scoring->model->prep;
    char name[100];

    for (int64_t i = 0; i < n; i++) {
        if (distance[i] < INFINITY) continue;
        int worst = 0;
        for (int t = 1; t < prep->d; t++)
            if (fabs(s->x[i * prep->d + t]) > fabs(s->x[i * prep->d + worst])) worst = t;
        return SEG_FAIL(SEG_ERR_DATA, "row %lld: '%s' is too far from all that the model knows",
                        (long long)(row + i + 1),
                        seg_text_clean(prep->names[worst], name, sizeof name));
    }
    return SEG_OK;
}

/* n rows of this rank from `first` on, to place `at` of the chunk. */
static seg_status score_slice(scorer *s, int64_t first, int64_t at, int64_t n)
{
    const seg_model *model = s->scoring->model;
    seg_table *table = s->scoring->table;
    const seg_matrix *m = &s->features;
    float *distance = (float *)(void *)s->data[SCORE_DISTANCE] + at;

    SEG_TRY(seg_table_read(table, first, n, s->x));
    seg_table_hash(table, first, n, s->x, s->content);
    count_cells(s, at, n);
    if (s->count.reference.d > 0) seg_reference_add(&s->count.reference, n, s->x, NULL);
    seg_prep_apply_rows(&model->prep, n, s->x);
    set_rows(&s->features, n);
    seg_matrix_set(&s->features, 0, n, s->x);
    if (model->embedding.opts.method != SEG_EMBED_NONE) {
        embed(s, at, n);
        m = &s->code;
    }
    s->count.redone += seg_labeller_apply(&s->labeller, s->kernels, m, s->label, distance,
                                          (float *)(void *)s->data[SCORE_MARGIN] + at);
    SEG_TRY(check_distances(s, seg_table_rows(table).first + first, n, distance));
    store_labels(s, at, n);
    if (s->scoring->components > 0) project(s, m, at, n);
    s->count.n += n;
    return SEG_OK;
}

/* ---- one chunk ---- */

static seg_status score_chunk(scorer *s, int64_t first, int64_t n, seg_output *out)
{
    const int64_t row = seg_table_rows(s->scoring->table).first + first;

    seg_table_ahead(s->scoring->table, first + n, SCORE_CHUNK);
    for (int64_t at = 0; at < n; at += SEG_SLICE_ROWS)
        SEG_TRY(score_slice(s, first + at, at, n - at < SEG_SLICE_ROWS ? n - at : SEG_SLICE_ROWS));
    if (s->data[SCORE_ID])
        SEG_TRY(seg_table_read_ids(s->scoring->table, first, n, s->data[SCORE_ID]));
    score_sums_add(s, row, n, s->data, &s->sums);
    for (int i = 0; i < SCORE_ARRAYS; i++)
        if (s->data[i]) SEG_TRY(seg_output_write(out, s->array[i].path, row, n, s->data[i]));
    return SEG_OK;
}

/* Rows from s->next on that are to be scored together: up to a chunk, and none that is done. */
static int64_t chunk_of(const scorer *s, int64_t rows)
{
    int64_t at = s->next;

    while (at < rows && at - s->next < SCORE_CHUNK && !s->done[at / SEG_BLOCK_ROWS])
        at += SEG_BLOCK_ROWS;
    return (at < rows ? at : rows) - s->next;
}

int64_t scorer_left(const scorer *s)
{
    const int64_t rows = seg_table_rows(s->scoring->table).count;
    int64_t left = 0;

    for (int64_t at = s->next; at < rows; at += SEG_BLOCK_ROWS)
        if (!s->done[at / SEG_BLOCK_ROWS])
            left += rows - at < SEG_BLOCK_ROWS ? rows - at : SEG_BLOCK_ROWS;
    return left;
}

seg_status scorer_rows(scorer *s, int64_t most, seg_output *out)
{
    const int64_t rows = seg_table_rows(s->scoring->table).count;

    while (most > 0 && s->next < rows) {
        const int64_t n = chunk_of(s, rows);
        SEG_TRY(seg_fault("score_rows", SEG_ERR_IO));
        if (n > 0) SEG_TRY(score_chunk(s, s->next, n, out));
        s->next += n > 0 ? n : SEG_BLOCK_ROWS; /* a block that is done */
        most -= n;
        seg_progress_add(n);
    }
    return SEG_OK;
}
