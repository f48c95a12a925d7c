/* The yardstick for drift: learned from the training base, and counts by it.  Integers only, so the
 * order of rows and the number of ranks do not matter. */
#include "segmpi/reference.h"

#include <math.h>
#include <string.h>

#include "segmpi/kernels.h"
#include "segmpi/memory.h"
#include "segmpi/stats.h"
#include "segmpi/text.h"
#include "stats_internal.h"

#define BINS    SEG_REFERENCE_BINS
#define EDGES   (BINS + 1)
#define DECILES (BINS - 1)
#define PIECE   128

_Static_assert(BINS == SEG_BINS, "the kernel counts by deciles");

/* One block: bin_edges, min, max; and one of counts: bin_count, missing, segment_count. */
seg_status stats_reference_init(seg_reference *r, int d, const char *const *names, int n_segments)
{
    *r = (seg_reference) { .d = d, .n_segments = n_segments };
    SEG_TRY(seg_fault("reference_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d, (EDGES + 2) * sizeof(double), &r->bin_edges));
    SEG_TRY(seg_alloc((int64_t)d * (BINS + 1) + n_segments, sizeof(int64_t), &r->bin_count));
    r->min = r->bin_edges + (int64_t)d * EDGES;
    r->max = r->min + d;
    r->missing = r->bin_count + (int64_t)d * BINS;
    r->segment_count = r->missing + d;
    for (int t = 0; t < d; t++) {
        r->min[t] = INFINITY;
        r->max[t] = -INFINITY;
    }
    return seg_texts_duplicate(d, names, &r->names);
}

void seg_reference_release(seg_reference *r)
{
    seg_free(r->names);
    seg_free(r->bin_edges);
    seg_free(r->bin_count);
    *r = (seg_reference) { 0 };
}

seg_status seg_reference_copy(const seg_reference *base, seg_reference *r)
{
    seg_status status =
        stats_reference_init(r, base->d, (const char *const *)base->names, base->n_segments);

    if (status != SEG_OK)
        seg_reference_release(r);
    else
        memcpy(r->bin_edges, base->bin_edges, (size_t)base->d * EDGES * sizeof(double));
    return status;
}

/* ---- counting ---- */

/* Column t of n rows, at most PIECE. */
static void count_column(seg_reference *r, const seg_kernels *kernels, int t, int64_t n,
                         const double *x, const int32_t *weight)
{
    double least = r->min[t], most = r->max[t];
    int64_t bin[PIECE], count[BINS + 1] = { 0 };

    kernels->bins(n, r->d, x + t, &r->bin_edges[(int64_t)t * EDGES + 1], bin);
    for (int64_t i = 0; i < n; i++) {
        const double value = x[i * r->d + t];
        if (weight && weight[i] == 0) continue;
        count[bin[i]] += weight ? weight[i] : 1;
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    for (int b = 0; b < BINS; b++)
        r->bin_count[(int64_t)t * BINS + b] += count[b];
    r->missing[t] += count[BINS];
    r->min[t] = least;
    r->max[t] = most;
}

void seg_reference_add(seg_reference *r, int64_t n, const double *x, const int32_t *weight)
{
    const seg_kernels *kernels = seg_kernels_choose();

    for (int64_t i = 0; i < n; i++)
        r->n += weight ? weight[i] : 1;
    for (int64_t i = 0; i < n; i += PIECE) { /* of rows, so that they stay in the cache */
        const int64_t rows = n - i < PIECE ? n - i : PIECE;
        for (int t = 0; t < r->d; t++)
            count_column(r, kernels, t, rows, x + i * r->d, weight ? weight + i : NULL);
    }
}

void seg_reference_add_segments(seg_reference *r, int64_t n, const int8_t *segment,
                                const int32_t *weight)
{
    for (int64_t i = 0; i < n; i++)
        r->segment_count[segment[i]] += weight ? weight[i] : 1;
}

void seg_reference_sum(seg_comm *comm, seg_reference *r)
{
    seg_sum_int64(comm, &r->n, 1);
    seg_sum_int64(comm, r->bin_count, (int64_t)r->d * (BINS + 1) + r->n_segments);
    seg_min_double(comm, r->min, r->d);
    seg_max_double(comm, r->max, r->d);
    for (int t = 0; t < r->d; t++) { /* -0 and 0 are equal, and either may have won */
        r->min[t] += 0.0;
        r->max[t] += 0.0;
    }
}

/* ---- learning ---- */

/* Collective.  Deciles of the values present. */
static seg_status find_edges(seg_comm *comm, seg_table *table, const int64_t *present,
                             seg_reference *r)
{
    static const double deciles[DECILES] = { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9 };
    double *const edges = r->bin_edges;

    SEG_TRY(seg_quantiles(comm, table, present, DECILES, deciles, edges));
    for (int t = r->d - 1; t >= 0; t--) { /* from [d][DECILES] to [d][EDGES], the last first */
        double *edge = &edges[(int64_t)t * EDGES];
        memmove(edge + 1, &edges[(int64_t)t * DECILES], DECILES * sizeof *edge);
        edge[0] = -INFINITY;
        edge[BINS] = INFINITY;
    }
    return SEG_OK;
}

/* Local. */
static seg_status count_rows(seg_table *table, seg_reference *r)
{
    seg_status status = SEG_OK;
    int64_t rows = seg_table_rows(table).count;
    double *x = NULL;

    SEG_TRY_OR_DONE(seg_fault("reference_rows", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(SEG_SLICE_ROWS, (size_t)r->d * sizeof *x, &x));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY_OR_DONE(seg_table_read(table, at, n, x));
        seg_reference_add(r, n, x, seg_table_weights(table));
    }
done:
    seg_free(x);
    return status;
}

seg_status seg_reference_fit(seg_comm *comm, seg_table *table, const seg_describe *statistics,
                             int n_segments, const int64_t *size, seg_reference *r)
{
    seg_status status = SEG_OK;

    SEG_TRY_OR_DONE(
        seg_agree(comm, stats_reference_init(r, statistics->d,
                                             (const char *const *)statistics->names, n_segments)));
    SEG_TRY_OR_DONE(find_edges(comm, table, statistics->count, r));
    SEG_TRY_OR_DONE(seg_agree(comm, count_rows(table, r)));
    seg_reference_sum(comm, r);
    for (int j = 0; j < n_segments; j++)
        r->segment_count[j] = size[j];
done:
    if (status != SEG_OK) seg_reference_release(r);
    return status;
}
