/* Clients that every rank holds: those of chosen rows, or a sample by row number. */
#include <string.h>

#include "segmpi/matrix.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"

/* Local.  cells [count][d + 1], the last the bits of the weight, owned by the caller. */
static seg_status copy_rows(const seg_matrix *m, int64_t count, const int64_t *row, float **cells)
{
    size_t width = (size_t)m->d + 1;

    SEG_TRY(seg_fault("gather_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(count, width * sizeof **cells, cells));
    float *to = *cells;
    for (int64_t i = 0; i < count; i++, to += width) {
        if (i % SEG_MATRIX_WANTED == 0) seg_matrix_want(m, count - i, row + i);
        int32_t weight = seg_matrix_weight(m, row[i]);
        const float *x = &m->x[row[i] / SEG_LANES * m->d * SEG_LANES + row[i] % SEG_LANES];
        for (int t = 0; t < m->d; t++)
            to[t] = x[(int64_t)t * SEG_LANES];
        memcpy(to + m->d, &weight, sizeof weight);
    }
    seg_matrix_rest(m);
    return SEG_OK;
}

/* Local.  cells [n][d + 1] -> *all. */
static seg_status build(const seg_matrix *m, int64_t n, const float *cells, seg_matrix *all)
{
    seg_rows rows = { .total = n, .first = 0, .count = n };

    SEG_TRY(seg_matrix_init(all, rows, m->d, m->grid, m->max_abs));
    if (m->weight) {
        SEG_TRY(seg_matrix_add_weights(all));
        all->total_weight = 0;
    }
    for (int64_t i = 0; i < n; i++, cells += m->d + 1) {
        for (int t = 0; t < m->d; t++)
            all->x[(i / SEG_LANES * m->d + t) * SEG_LANES + i % SEG_LANES] = cells[t];
        if (!m->weight) continue;
        memcpy(&all->weight[i], cells + m->d, sizeof *all->weight);
        all->total_weight += all->weight[i];
    }
    return SEG_OK;
}

seg_status seg_matrix_gather(seg_comm *comm, const seg_matrix *m, int64_t count, const int64_t *row,
                             seg_matrix *all)
{
    seg_status status = SEG_OK;
    int64_t row_bytes = (m->d + 1) * (int64_t)sizeof(float), bytes;
    float *own = NULL, *cells = NULL;

    *all = (seg_matrix) { 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, copy_rows(m, count, row, &own)));
    SEG_TRY_OR_DONE(seg_gather_bytes(comm, own, count * row_bytes, &cells, &bytes));
    SEG_TRY_OR_DONE(seg_agree(comm, build(m, bytes / row_bytes, cells, all)));
done:
    seg_free(own);
    seg_free(cells);
    return status;
}

/* Local.  The drawn ones of this rank's rows, counted from its first: [*count], owned by the
 * caller. */
static seg_status draw_own(const seg_matrix *m, int64_t size, seg_random key, int64_t **row,
                           int64_t *count)
{
    *count = 0;
    SEG_TRY(seg_fault("sample_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(size < m->rows.count ? size : m->rows.count, sizeof **row, row));
    for (int64_t s = 0; s < size; s++) {
        int64_t at = seg_random_of_range(key, s, size, m->rows.total, 0) - m->rows.first;
        if (at >= 0 && at < m->rows.count) (*row)[(*count)++] = at;
    }
    return SEG_OK;
}

seg_status seg_matrix_sample(seg_comm *comm, const seg_matrix *m, int64_t most, uint64_t seed,
                             seg_matrix *sample)
{
    seg_status status = SEG_OK;
    seg_random key = { .seed = seed, .purpose = SEG_RANDOM_SAMPLE };
    int64_t count, *row = NULL;

    *sample = (seg_matrix) { 0 };
    SEG_TRY_OR_DONE(seg_agree(
        comm, draw_own(m, most < m->rows.total ? most : m->rows.total, key, &row, &count)));
    SEG_TRY_OR_DONE(seg_matrix_gather(comm, m, count, row, sample));
done:
    seg_free(row);
    return status;
}
