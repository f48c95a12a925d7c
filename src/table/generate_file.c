/* Synthetic clients: generator -> clients.h5 and, if asked, the same clients as CSV. */
#include <math.h>

#include "generate_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/table.h"
#include "segmpi/timer.h"

static seg_status declare(seg_output *out, int64_t n, const seg_provenance *provenance)
{
    SEG_TRY(seg_output_dim(out, "client", n));
    SEG_TRY(seg_output_names(out, "feature", SEG_GENERATE_COLUMNS, seg_generate_names));
    SEG_TRY(seg_output_texts(out, "feature_original", "feature", seg_generate_names));
    SEG_TRY(seg_output_rows(out, "features", SEG_FLOAT64, 0, "client,feature"));
    SEG_TRY(seg_output_rows(out, "ids/client_id", SEG_INT64, 0, "client"));
    SEG_TRY(seg_output_rows(out, "ids/source_row", SEG_INT64, 0, "client"));
    return seg_provenance_write(provenance, out);
}

/* One slice in memory. */
typedef struct slice {
    double *x;         /* [SEG_SLICE_ROWS][SEG_GENERATE_COLUMNS], owned */
    int64_t *id, *row; /* [SEG_SLICE_ROWS], owned */
} slice;

static seg_status slice_init(slice *s)
{
    SEG_TRY(seg_fault("generate_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS * SEG_GENERATE_COLUMNS, sizeof *s->x, &s->x));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, sizeof *s->id, &s->id));
    return seg_alloc(SEG_SLICE_ROWS, sizeof *s->row, &s->row);
}

static void slice_release(slice *s)
{
    seg_free(s->x);
    seg_free(s->id);
    seg_free(s->row);
}

static seg_status write_slice(const seg_generator *g, int64_t first, int64_t count, slice *s,
                              seg_output *out)
{
    int64_t cell[SEG_GENERATE_COLUMNS];

    if (count <= 0) return SEG_OK;
    SEG_TRY(seg_fault("generate_rows", SEG_ERR_IO));
    for (int64_t i = 0; i < count; i++) {
        double *x = s->x + i * SEG_GENERATE_COLUMNS;
        seg_generator_client(g, first + i, cell);
        for (int t = 0; t < SEG_GENERATE_COLUMNS; t++)
            x[t] =
                cell[t] == SEG_GENERATE_MISSING ? NAN : (double)cell[t] / (double)SEG_GENERATE_UNIT;
        s->id[i] = first + i + 1;
        s->row[i] = first + i;
    }
    SEG_TRY(seg_output_write(out, "features", first, count, s->x));
    SEG_TRY(seg_output_write(out, "ids/client_id", first, count, s->id));
    return seg_output_write(out, "ids/source_row", first, count, s->row);
}

/* Collective.  Each rank its own rows, slice by slice. */
static seg_status write_rows(seg_comm *comm, const seg_generator *g, int64_t n, seg_output *out)
{
    const seg_rows rows = seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm));
    seg_status status = SEG_OK;
    slice s = { 0 };
    int64_t most = rows.count; /* rows of any rank */

    seg_max_int64(comm, &most, 1);
    SEG_TRY_OR_DONE(seg_agree(comm, slice_init(&s)));
    seg_progress_begin("generating", most, "clients per rank");
    for (int64_t done = 0; done < most; done += SEG_SLICE_ROWS) {
        const int64_t left = rows.count - done;
        const int64_t count = left < SEG_SLICE_ROWS ? left : SEG_SLICE_ROWS;

        SEG_TRY_OR_DONE(seg_agree(comm, write_slice(g, rows.first + done, count, &s, out)));
        seg_progress_set(done + SEG_SLICE_ROWS < most ? done + SEG_SLICE_ROWS : most);
    }
    seg_progress_end(NULL);
done:
    slice_release(&s);
    return status;
}

seg_status seg_generate(seg_comm *comm, int64_t n, uint64_t seed, seg_provenance *provenance,
                        seg_output *out, const char *csv_path, bool force)
{
    seg_status status = SEG_OK;
    seg_csv_output csv = { .part.file = -1 };
    seg_generator g;

    if (n < 1) return SEG_FAIL(SEG_ERR_USAGE, "the number of clients must be at least 1");
    seg_generator_init(&g, seed);
    provenance->seed = seed;
    provenance->input_name = "generated";
    provenance->rows_read = provenance->rows_kept = n;

    if (csv_path) SEG_TRY_OR_DONE(seg_csv_output_open(comm, csv_path, force, &csv));
    SEG_TRY_OR_DONE(seg_output_start_rows(comm, out, declare(out, n, provenance)));
    seg_phase_begin("generating");
    SEG_TRY_OR_DONE(write_rows(comm, &g, n, out));
    seg_phase_begin("writing CSV");
    if (csv_path) SEG_TRY_OR_DONE(seg_generate_csv_write(comm, &g, n, &csv));
    seg_phase_begin("checking and syncing");
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, SEG_OK));
    if (csv_path) status = seg_csv_output_commit(comm, &csv);
    if (status != SEG_OK) seg_error_while("naming the CSV file of clients that are written");
    seg_phase_end();
done:
    seg_csv_output_release(&csv);
    return status;
}
