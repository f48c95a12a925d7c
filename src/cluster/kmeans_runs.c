/* Storage of runs that share passes: everything is allocated before the first pass, so that an
 * iteration cannot fail. */
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/memory.h"

/* Integers that one iteration adds up for a run of k clusters: sums, counts, clients moved. */
int64_t kmeans_delta_size(int k, int d)
{
    return (int64_t)k * (d + 1) + 1;
}

static void point_into_storage(kmeans_runs *runs)
{
    int64_t cells = (int64_t)runs->k_most * runs->d;
    int64_t packed = seg_kernels_packed_size(runs->k_most, runs->d);
    int64_t lanes = runs->m->n_tiles * SEG_LANES;

    for (int r = 0; r < runs->n; r++)
        runs->run[r] = (kmeans_run) {
            .centers = runs->centers + r * cells,
            .centers_before = runs->centers_before + r * cells,
            .packed = runs->packed + r * packed,
            .sum = runs->sums + r * (cells + runs->k_most),
            .count = runs->sums + r * (cells + runs->k_most) + cells,
            .label = runs->labels + 2 * r * lanes,
            .slack = runs->labels + (2 * r + 1) * lanes,
            .drop = runs->drops + (int64_t)r * runs->k_most,
        };
}

seg_status kmeans_runs_init(kmeans_runs *runs)
{
    seg_status status = SEG_OK;
    const seg_matrix *m = runs->m;
    int n = runs->n, k_most = runs->k_most;
    size_t cells = (size_t)k_most * (size_t)m->d;

    runs->d = m->d;
    SEG_TRY_OR_DONE(seg_fault("runs_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *runs->run, &runs->run));
    SEG_TRY_OR_DONE(seg_alloc(n, cells * sizeof *runs->centers, &runs->centers));
    SEG_TRY_OR_DONE(seg_alloc(n, cells * sizeof *runs->centers_before, &runs->centers_before));
    SEG_TRY_OR_DONE(
        seg_alloc(n * seg_kernels_packed_size(k_most, m->d), sizeof *runs->packed, &runs->packed));
    SEG_TRY_OR_DONE(seg_alloc(n, (cells + (size_t)k_most) * sizeof *runs->sums, &runs->sums));
    SEG_TRY_OR_DONE(seg_alloc(2 * n * m->n_tiles, SEG_LANES * sizeof *runs->labels, &runs->labels));
    SEG_TRY_OR_DONE(seg_alloc(n, (size_t)k_most * sizeof *runs->drops, &runs->drops));
    SEG_TRY_OR_DONE(seg_alloc(m->d + 1, SEG_BOUNDS_ROOM * sizeof *runs->room, &runs->room));
    SEG_TRY_OR_DONE(seg_alloc(k_most, sizeof *runs->shift, &runs->shift));
    SEG_TRY_OR_DONE(
        seg_alloc(n * kmeans_delta_size(k_most, m->d) + 1, sizeof *runs->delta, &runs->delta));
    SEG_TRY_OR_DONE(seg_alloc(SEG_BLOCK_ROWS, sizeof *runs->before, &runs->before));
    SEG_TRY_OR_DONE(seg_alloc(kmeans_record_size(m->d), 1, &runs->farthest));
    SEG_TRY_OR_DONE(seg_alloc(k_most, sizeof *runs->taken, &runs->taken));
    point_into_storage(runs);
done:
    if (status != SEG_OK) kmeans_runs_release(runs);
    return status;
}

void kmeans_runs_release(kmeans_runs *runs)
{
    seg_free(runs->run);
    seg_free(runs->centers);
    seg_free(runs->centers_before);
    seg_free(runs->packed);
    seg_free(runs->sums);
    seg_free(runs->labels);
    seg_free(runs->drops);
    seg_free(runs->room);
    seg_free(runs->shift);
    seg_free(runs->delta);
    seg_free(runs->before);
    seg_free(runs->farthest);
    seg_free(runs->taken);
    *runs = (kmeans_runs) { 0 };
}

static void begin(kmeans_run *run)
{
    run->n_iter = 0;
    run->fixed = false;
    run->active = true;
    run->bounds = KMEANS_BOUNDS_NONE;
}

void kmeans_run_start(kmeans_runs *runs, int r, int k, const double *centers)
{
    kmeans_run *run = &runs->run[r];
    size_t cells = (size_t)k * (size_t)runs->d;

    run->k = k;
    begin(run);
    memcpy(run->centers, centers, cells * sizeof *centers);
    seg_kernels_pack(k, runs->d, run->centers, run->packed);
    memset(run->sum, 0, cells * sizeof *run->sum);
    memset(run->count, 0, (size_t)k * sizeof *run->count);
    for (int64_t i = 0; i < runs->m->n_tiles * SEG_LANES; i++)
        run->label[i] = SEG_NO_LABEL;
}

void kmeans_run_copy(kmeans_runs *runs, int from, int to)
{
    const kmeans_run *source = &runs->run[from];
    kmeans_run *run = &runs->run[to];
    size_t k = (size_t)source->k, cells = k * (size_t)runs->d;

    run->k = source->k;
    run->cost = source->cost;
    begin(run);
    memcpy(run->centers, source->centers, cells * sizeof *run->centers);
    memcpy(run->sum, source->sum, cells * sizeof *run->sum);
    memcpy(run->count, source->count, k * sizeof *run->count);
    memcpy(run->label, source->label, (size_t)(runs->m->n_tiles * SEG_LANES) * sizeof *run->label);
    seg_kernels_pack(run->k, runs->d, run->centers, run->packed);
}

void kmeans_run_set_center(kmeans_runs *runs, int r, int j, const float *center)
{
    kmeans_run *run = &runs->run[r];

    for (int t = 0; t < runs->d; t++)
        run->centers[(int64_t)j * runs->d + t] = (double)center[t];
    seg_kernels_pack(run->k, runs->d, run->centers, run->packed);
}
