/* A sample of clients for the silhouette over all pairs where there are too many: stratified by
 * cluster, so that small clusters are seen too. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/quality.h"
#include "segmpi/random.h"

/* How many of `size` clients of a cluster out of n in k clusters. */
static int64_t share_of(int64_t size, int64_t n, int k)
{
    int64_t half = SEG_SILHOUETTE_SAMPLE / 2;
    int64_t share = (half * size + n - 1) / n + half / k + 1;

    return share < size ? share : size;
}

/* True if client number i of a cluster of `size` is drawn when `share` of them are. */
static bool is_drawn(seg_random key, int64_t i, int64_t share, int64_t size, int cluster)
{
    int64_t s = ((i + 1) * share - 1) / size; /* the range that it lies in */

    return seg_random_of_range(key, s, share, size, (uint64_t)cluster + 1) == i;
}

/* Local.  The drawn ones of this rank's rows, and their labels: row and drawn [*count], owned by
 * the caller.  rows [k] of each cluster that count; before [k] those of lower ranks, counted on. */
static seg_status draw_own(const seg_matrix *m, int k, const int32_t *label, seg_random key,
                           const int64_t *rows, int64_t *before, int64_t **row, int32_t **drawn,
                           int64_t *count)
{
    int64_t most = SEG_SILHOUETTE_SAMPLE + 2 * (int64_t)k;

    *count = 0;
    SEG_TRY(seg_fault("strata_alloc", SEG_ERR_MEMORY));
    if (most > m->rows.count) most = m->rows.count;
    SEG_TRY(seg_alloc(most, sizeof **row, row));
    SEG_TRY(seg_alloc(most, sizeof **drawn, drawn));
    for (int64_t i = 0; i < m->rows.count; i++) {
        int j = label[i];
        if (seg_matrix_weight(m, i) == 0) continue;
        int64_t share = share_of(rows[j], m->rows.total, k);
        if (!is_drawn(key, before[j]++, share, rows[j], j)) continue;
        (*row)[*count] = i;
        (*drawn)[(*count)++] = j;
    }
    return SEG_OK;
}

seg_status seg_silhouette_sample(seg_comm *comm, const seg_matrix *m, int k, const int32_t *label,
                                 uint64_t seed, int64_t *size, seg_matrix *sample,
                                 int32_t **sample_label)
{
    seg_status status = SEG_OK;
    const seg_random key = { .seed = seed, .purpose = SEG_RANDOM_SAMPLE };
    int64_t *before = NULL, *rows, *row = NULL, count, bytes;
    int32_t *drawn = NULL;

    *sample = (seg_matrix) { 0 };
    *sample_label = NULL;
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(2 * (int64_t)k, sizeof *before, &before)));
    rows = before + k;
    memset(size, 0, (size_t)k * sizeof *size);
    for (int64_t i = 0; i < m->rows.count; i++) {
        int32_t weight = seg_matrix_weight(m, i);
        size[label[i]] += weight;
        before[label[i]] += weight > 0;
    }
    memcpy(rows, before, (size_t)k * sizeof *rows);
    seg_sum_int64(comm, size, k);
    seg_sum_int64(comm, rows, k);
    seg_exscan_int64(comm, before, k);
    SEG_TRY_OR_DONE(
        seg_agree(comm, draw_own(m, k, label, key, rows, before, &row, &drawn, &count)));
    SEG_TRY_OR_DONE(
        seg_gather_bytes(comm, drawn, count * (int64_t)sizeof *drawn, sample_label, &bytes));
    SEG_TRY_OR_DONE(seg_matrix_gather(comm, m, count, row, sample));
done:
    if (status != SEG_OK) {
        seg_free(*sample_label);
        *sample_label = NULL;
    }
    seg_free(before);
    seg_free(row);
    seg_free(drawn);
    return status;
}
