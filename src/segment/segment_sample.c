/* A sample of clients that every rank holds in full: one client from each of equal ranges of rows,
 * so that it does not depend on ranks. */
#include <math.h>

#include "segment_internal.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"

/* Columns of one table of `count` clients from local row `first` on, with filled gaps. */
static seg_status read_part(const segment_sample *sample, const segment_part *part, int64_t first,
                            int64_t count, double *buffer, double *row)
{
    SEG_TRY(seg_table_read(part->table, first, count, buffer));
    for (int64_t i = 0; i < count; i++)
        for (int t = 0; t < part->d; t++) {
            double value = buffer[i * part->d + t];
            row[i * (sample->d + 1) + part->offset + t] = isnan(value) ? part->fill[t] : value;
        }
    return SEG_OK;
}

/* Local.  `count` neighbouring clients from local row `first` on. */
static seg_status read_run(const segment_sample *sample, const seg_segments_input *in,
                           const segment_sums *sums, int64_t first, int64_t count, double *buffer,
                           double *row)
{
    for (int p = 0; p < sums->n_parts; p++)
        SEG_TRY(read_part(sample, &sums->part[p], first, count, buffer, row));
    for (int64_t i = 0; i < count; i++)
        row[(i + 1) * (sample->d + 1) - 1] = in->kmeans->label[first + i];
    return SEG_OK;
}

/* Local.  The sampled ones of this rank's clients, in order; neighbours are read together.
 * *own [*count][d + 1], owned by the caller. */
static seg_status read_own(const segment_sample *sample, const seg_segments_input *in,
                           const segment_sums *sums, seg_random key, double **own, int64_t *count)
{
    seg_status status = SEG_OK;
    seg_rows rows = in->matrix->rows;
    double *buffer = NULL;
    int64_t first = 0, run = 0;

    *count = 0;
    SEG_TRY_OR_DONE(seg_fault("segment_sample_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(sample->n < rows.count ? sample->n : rows.count,
                              ((size_t)sample->d + 1) * sizeof **own, own));
    SEG_TRY_OR_DONE(seg_alloc(SEG_BLOCK_ROWS, (size_t)sample->d * sizeof *buffer, &buffer));
    for (int64_t s = 0; s <= sample->n; s++) {
        int64_t at =
            s < sample->n ? seg_random_of_range(key, s, sample->n, rows.total, 0) - rows.first : -1;
        bool is_own = at >= 0 && at < rows.count;
        if (run > 0 && (!is_own || at != first + run || run == SEG_BLOCK_ROWS)) {
            SEG_TRY_OR_DONE(
                read_run(sample, in, sums, first, run, buffer, &(*own)[*count * (sample->d + 1)]));
            *count += run;
            run = 0;
        }
        if (is_own && run++ == 0) first = at;
    }
done:
    seg_free(buffer);
    return status;
}

seg_status segment_sample_draw(seg_comm *comm, const seg_segments_input *in,
                               const segment_sums *sums, uint64_t seed, segment_sample *sample)
{
    seg_status status = SEG_OK;
    seg_random key = { .seed = seed, .purpose = SEG_RANDOM_SAMPLE }; /* of seg_matrix_sample() */
    int64_t count, bytes;
    double *own = NULL;

    *sample = (segment_sample) { .d = sums->part[0].d + sums->part[1].d };
    SEG_TRY_OR_DONE(seg_matrix_sample(comm, in->matrix, SAMPLE_MOST, seed, &sample->m));
    sample->n = sample->m.rows.total;
    sample->space = &sample->m;
    if (in->space != in->matrix) {
        SEG_TRY_OR_DONE(seg_matrix_sample(comm, in->space, SAMPLE_MOST, seed, &sample->code));
        sample->space = &sample->code;
    }
    SEG_TRY_OR_DONE(seg_agree(comm, read_own(sample, in, sums, key, &own, &count)));
    SEG_TRY_OR_DONE(seg_gather_bytes(comm, own, count * (sample->d + 1) * (int64_t)sizeof *own,
                                     &sample->row, &bytes));
done:
    seg_free(own);
    return status;
}

void segment_sample_release(segment_sample *sample)
{
    seg_matrix_release(&sample->m);
    seg_matrix_release(&sample->code);
    seg_free(sample->row);
    *sample = (segment_sample) { 0 };
}
