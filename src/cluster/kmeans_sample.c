/* A sample of clients that every rank holds in full: one client from each of equal ranges of rows.
 */
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/memory.h"

/* Row number s of the sample of `size` out of n. */
static int64_t row_of(int64_t s, int64_t size, int64_t n, seg_random key)
{
    int64_t low = s * n / size, high = (s + 1) * n / size;
    int64_t row = low + (int64_t)(seg_random_uniform(key, s, 0) * (double)(high - low));

    return row < high ? row : high - 1;
}

/* Local.  The sampled ones of this rank's rows, in order: cells [*count][d], owned by the caller.
 */
static seg_status pick_own(const seg_matrix *m, int64_t size, seg_random key, float **cells,
                           int64_t *count)
{
    size_t d = (size_t)m->d;

    *count = 0;
    SEG_TRY(seg_fault("sample_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(size < m->rows.count ? size : m->rows.count, d * sizeof **cells, cells));
    for (int64_t s = 0; s < size; s++) {
        int64_t at = row_of(s, size, m->rows.total, key) - m->rows.first;
        if (at < 0 || at >= m->rows.count) continue;
        const float *x = &m->x[at / SEG_LANES * m->d * SEG_LANES + at % SEG_LANES];
        for (int t = 0; t < m->d; t++)
            (*cells)[*count * m->d + t] = x[(int64_t)t * SEG_LANES];
        ++*count;
    }
    return SEG_OK;
}

/* Local.  cells [size][d] -> *sample. */
static seg_status build(const seg_matrix *m, int64_t size, const float *cells, seg_matrix *sample)
{
    seg_rows rows = { .total = size, .first = 0, .count = size };

    SEG_TRY(seg_matrix_init(sample, rows, m->d, m->grid, m->max_abs));
    for (int64_t i = 0; i < size; i++)
        for (int t = 0; t < m->d; t++)
            sample->x[(i / SEG_LANES * m->d + t) * SEG_LANES + i % SEG_LANES] = cells[i * m->d + t];
    return SEG_OK;
}

seg_status kmeans_sample(seg_comm *comm, const seg_matrix *m, uint64_t seed, seg_matrix *sample)
{
    seg_status status = SEG_OK;
    seg_random key = { .seed = seed, .purpose = SEG_RANDOM_SAMPLE };
    int64_t n = m->rows.total, size = n < KMEANS_SAMPLE_ROWS ? n : KMEANS_SAMPLE_ROWS;
    int64_t count, bytes;
    float *own = NULL, *all = NULL;

    *sample = (seg_matrix) { 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, pick_own(m, size, key, &own, &count)));
    SEG_TRY_OR_DONE(seg_gather_bytes(comm, own, count * m->d * (int64_t)sizeof *own, &all, &bytes));
    SEG_TRY_OR_DONE(seg_agree(comm, build(m, size, all, sample)));
done:
    seg_free(own);
    seg_free(all);
    return status;
}
