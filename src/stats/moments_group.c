/* Moments of groups of clients: of each group from one pass, of unions and of filled gaps by
 * addition. */
#include <math.h>

#include "segmpi/memory.h"
#include "segmpi/stats.h"

/* Local: this rank's rows. */
static seg_status add_rows(seg_table *table, int n_groups, const int32_t *group, seg_moments *m)
{
    seg_status status = SEG_OK;
    int64_t rows = seg_table_rows(table).count;
    int d = seg_table_columns(table);
    double *x = NULL;

    SEG_TRY_OR_DONE(seg_fault("groups_alloc", SEG_ERR_MEMORY));
    for (int g = 0; g < n_groups; g++)
        SEG_TRY_OR_DONE(seg_moments_init(&m[g], d, true));
    SEG_TRY_OR_DONE(seg_alloc(SEG_SLICE_ROWS, (size_t)d * sizeof *x, &x));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY_OR_DONE(seg_table_read(table, at, n, x));
        const int32_t *weight = seg_table_weights(table);
        for (int64_t i = 0; i < n; i++)
            seg_moments_add(&m[group[at + i]], 1, &x[i * d], weight ? &weight[i] : NULL);
    }
done:
    seg_free(x);
    return status;
}

seg_status seg_moments_of_groups(seg_comm *comm, seg_table *table, int n_groups,
                                 const int32_t *group, seg_moments *m)
{
    SEG_TRY(seg_agree(comm, add_rows(table, n_groups, group, m)));
    for (int g = 0; g < n_groups; g++)
        seg_moments_sum(comm, &m[g]);
    return SEG_OK;
}

void seg_moments_merge(seg_moments *to, const seg_moments *from)
{
    for (int t = 0; t < to->d; t++) {
        to->count[t] += from->count[t];
        to->missing[t] += from->missing[t];
        to->min[t] = fmin(to->min[t], from->min[t]);
        to->max[t] = fmax(to->max[t], from->max[t]);
        seg_exact_add_exact(&to->sum[t], &from->sum[t]);
        seg_exact_add_exact(&to->square[t], &from->square[t]);
    }
}

void seg_moments_fill(seg_moments *m, int t, double value)
{
    double n = (double)m->missing[t];
    double square = value * value, rest = fma(value, value, -square);

    if (m->missing[t] == 0) return;
    m->count[t] += m->missing[t];
    m->missing[t] = 0;
    m->min[t] = fmin(m->min[t], value);
    m->max[t] = fmax(m->max[t], value);
    seg_exact_add_product(&m->sum[t], n, value);
    seg_exact_add_product(&m->square[t], n, square);
    seg_exact_add_product(&m->square[t], n, rest);
}
