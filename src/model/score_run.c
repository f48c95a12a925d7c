/* Scoring on one screen: rows to labels, read back, and what is known of all of them. */
#include <inttypes.h>

#include "model_internal.h"
#include "score_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/stop.h"
#include "segmpi/timer.h"

#define STEP (8 * SCORE_CHUNK) /* rows between two agreements */
/* A model of few columns, a window on what is read back, and freed memory that the system has not
 * got back. */
#define BESIDE ((int64_t)6 << 20)

seg_status seg_score_model_open(const char *path, seg_model *model, char id[SEG_MODEL_ID])
{
    seg_status status = seg_fault("score_model", SEG_ERR_IO);

    *model = (seg_model) { 0 };
    if (status == SEG_OK) status = seg_model_load(path, model, id);
    if (status != SEG_OK) seg_error_while("reading the model");
    return status;
}

void seg_score_summary_release(seg_score_summary *summary)
{
    seg_free(summary->cluster_size);
    seg_reference_release(&summary->reference);
    *summary = (seg_score_summary) { 0 };
}

/* All ranks agree as often as the one with the most rows: an error on one ends all soon.  A stop
 * waits for the end of a step, so that counts and rows fit, and a run that goes on gets somewhere.
 */
static seg_status score_rows(seg_comm *comm, scorer *s, seg_output *out)
{
    int64_t most = scorer_left(s);

    seg_max_int64(comm, &most, 1);
    seg_progress_begin("scoring", most, "clients per rank");
    for (; most > 0; most -= STEP) {
        s->last = scorer_rows(s, STEP, out);
        seg_stop_hold(false);
        seg_status status = seg_agree(comm, s->last);
        seg_stop_hold(true);
        SEG_TRY(status);
    }
    seg_progress_end(NULL);
    return SEG_OK;
}

static int64_t bytes_of_row(const scorer *s)
{
    int64_t bytes = s->features.d * (int64_t)sizeof(double) + s->array[SCORE_ID].row_bytes;

    for (int i = 0; i < SCORE_ARRAYS; i++)
        bytes += s->array[i].row_bytes;
    return bytes;
}

/* Over all ranks. */
static void sum_up(seg_comm *comm, const scorer *s, double seconds, seg_score_summary *summary)
{
    const int n_labels = s->count.n_clusters + s->count.n_segments;
    int64_t counts[] = { s->count.n, s->count.imputed_cells, s->count.outliers, s->count.redone };

    seg_sum_int64(comm, counts, 4);
    seg_sum_int64(comm, s->count.cluster_size, n_labels);
    *summary = s->count;
    for (int i = 0; i < s->count.reference.n_segments; i++) /* they are sums already */
        summary->reference.segment_count[i] =
            seg_comm_rank(comm) == 0 ? s->count.segment_size[i] : 0;
    seg_reference_sum(comm, &summary->reference);
    summary->n = counts[0];
    summary->imputed_cells = counts[1];
    summary->outliers = counts[2];
    summary->redone = counts[3];
    summary->bytes = summary->n * bytes_of_row(s);
    summary->seconds = seconds;
    seg_max_double(comm, &summary->seconds, 1);
}

/* Collective.  What can only be written when the rows are known, and the names: first that of the
 * scores, so that a new CSV file never stands beside old ones. */
static seg_status finish(seg_comm *comm, const scorer *s, const seg_reference *reference,
                         seg_csv_output *csv, seg_provenance *provenance, seg_output *out)
{
    const seg_scoring *scoring = s->scoring;

    provenance->rows_read = provenance->rows_kept = seg_table_rows(scoring->table).total;
    provenance->input_fingerprint = seg_table_fingerprint_of(comm, scoring->table, s->content);
    SEG_TRY(seg_output_resume(comm, out, SEG_OK));
    SEG_TRY(seg_agree(comm, score_write_small(reference, provenance, out)));
    SEG_TRY(seg_output_commit(comm, out, SEG_OK));
    if (!scoring->csv_path) return SEG_OK;
    seg_status status = seg_csv_output_commit(comm, csv);
    if (status != SEG_OK) seg_error_while("naming the CSV file of scores that are written");
    return status;
}

seg_status seg_score_run(seg_comm *comm, const seg_kernels *kernels, const seg_scoring *scoring,
                         seg_provenance *provenance, seg_output *out, seg_score_summary *summary)
{
    seg_status status = SEG_OK;
    scorer s = { 0 };
    seg_csv_output csv = { .part.file = -1 };
    double begin;

    *summary = (seg_score_summary) { 0 };
    seg_stop_hold(true); /* until there is something to keep */
    SEG_TRY_OR_DONE(score_partial_check(comm, scoring));
    SEG_TRY_OR_DONE(seg_agree(comm, scorer_init(kernels, scoring, &s)));
    seg_phase_begin("sample");
    SEG_TRY_OR_DONE(score_gate(comm, &s));
    SEG_TRY_OR_DONE(seg_output_start_rows(comm, out, score_declare(scoring, s.array, out)));
    seg_phase_begin("scoring");
    begin = seg_time_now();
    if (scoring->resume) SEG_TRY_OR_DONE(score_partial_load(comm, &s, out));
    status = score_rows(comm, &s, out);
    if (status == SEG_ERR_INTERRUPTED) status = score_partial_save(comm, &s, out);
    SEG_TRY_OR_DONE(status);
    seg_phase_begin("syncing");
    SEG_TRY_OR_DONE(seg_output_end_rows(comm, out, SEG_OK));
    sum_up(comm, &s, seg_time_now() - begin, summary);
    s.count = (seg_score_summary) { 0 }; /* the summary owns it */
    seg_phase_begin("reading back");
    SEG_TRY_OR_DONE(score_check(comm, &s, out));
    if (scoring->csv_path) {
        seg_phase_begin("writing CSV");
        SEG_TRY_OR_DONE(seg_csv_output_open(comm, scoring->csv_path, scoring->force, &csv));
        SEG_TRY_OR_DONE(score_csv_write(comm, &s, out, &csv));
    }
    score_warn(&scoring->model->reference, &summary->reference);
    seg_phase_begin("checking");
    SEG_TRY_OR_DONE(finish(comm, &s, &summary->reference, &csv, provenance, out));
    if (seg_comm_rank(comm) == 0) score_partial_remove(scoring);
    summary->memory = SEG_PROGRAM_BYTES + seg_memory_peak();
    seg_max_int64(comm, &summary->memory, 1);
done:
    seg_phase_end();
    seg_csv_output_release(&csv);
    if (status != SEG_OK) seg_score_summary_release(summary);
    scorer_release(&s);
    return status;
}

seg_plan seg_score_plan(const seg_scoring *scoring)
{
    const seg_model *model = scoring->model;
    const seg_rows rows = seg_table_rows(scoring->table);
    const int64_t n = rows.total, d = model->prep.d;
    const seg_embedding *e = &model->embedding;
    const int64_t width = e->opts.method == SEG_EMBED_NONE ? 0 : model->kmeans.d;
    const int64_t network =
        e->opts.method == SEG_EMBED_AUTOENCODER ? seg_ae_apply_memory(&e->autoencoder.opts) : 0;
    score_array arrays[SCORE_ARRAYS];
    int64_t row_bytes = 0;

    score_layout(scoring, arrays);
    for (int i = 0; i < SCORE_ARRAYS; i++)
        row_bytes += arrays[i].row_bytes;
    return (seg_plan) {
        .n = n,
        .d = (int)d,
        .memory = SEG_PROGRAM_BYTES + BESIDE + model_bytes(d) + network + SCORE_CHUNK * row_bytes +
                  SEG_SLICE_ROWS * (2 * d * 8 + 4 * (d + width) + 4) +
                  SEG_BLOCK_ROWS * (d + model->kmeans.d + scoring->components) * 8 +
                  SCORE_ARRAYS * seg_rows_blocks(rows.count) * (int64_t)sizeof(uint64_t),
        .output_bytes = n * row_bytes,
    };
}
