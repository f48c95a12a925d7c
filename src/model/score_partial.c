/* A run that is asked to stop: what it has scored is kept beside the output, as scores that miss
 * blocks, with a list of the blocks that are there and all counts so far.  Another run copies these
 * blocks into its own output, checked by their checksums, and scores the others; until its output
 * is there the partial scores stay as they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "score_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/stop.h"

#define FORMAT "partial scores"
#define GROUP  "partial/"

/* ---- counts, as one list of whole numbers ---- */

/* Places of all that is counted; the same order in every run. */
static int places_of(scorer *s, int64_t *place[], int64_t n[])
{
    seg_score_summary *c = &s->count;
    seg_reference *r = &c->reference;
    int m = 0;
    struct {
        int64_t *place, n;
    } all[] = {
        { &c->n, 1 },
        { &c->imputed_cells, 1 },
        { &c->outliers, 1 },
        { &c->redone, 1 },
        { s->sums.half, 4 },
        { s->content, 2 },
        { c->cluster_size, (int64_t)c->n_clusters + c->n_segments },
        { &r->n, 1 },
        { r->bin_count, (int64_t)r->d * SEG_REFERENCE_BINS },
        { r->missing, r->d },
    };

    for (; m < (int)(sizeof all / sizeof *all); m++) {
        place[m] = all[m].place;
        n[m] = all[m].n;
    }
    return m;
}

#define PLACES 10

static int64_t list_length(scorer *s)
{
    int64_t *place[PLACES], n[PLACES], length = 0;

    for (int i = places_of(s, place, n) - 1; i >= 0; i--)
        length += n[i];
    return length;
}

/* To the list, or back from it. */
static void copy_counts(scorer *s, int64_t *list, bool back)
{
    int64_t *place[PLACES], n[PLACES];
    const int m = places_of(s, place, n);

    for (int i = 0; i < m; list += n[i], i++) {
        if (n[i] == 0) continue;
        if (back)
            memcpy(place[i], list, (size_t)n[i] * sizeof *list);
        else
            memcpy(list, place[i], (size_t)n[i] * sizeof *list);
    }
}

/* ---- saving ---- */

/* Rank 0. */
static seg_status check_place(const char *path)
{
    seg_input *in = NULL;

    SEG_TRY(seg_fault("partial_place", SEG_ERR_IO));
    seg_status status = seg_input_open_sealed(path, &in);
    if (status == SEG_ERR_NOINPUT) {
        seg_error_clear();
        return SEG_OK;
    }
    if (status == SEG_OK) status = seg_input_expect(in, FORMAT);
    seg_input_close(in);
    if (status != SEG_OK)
        seg_error_while("looking for partial scores in '%s'; move what stands there", path);
    return status;
}

seg_status score_partial_check(seg_comm *comm, const seg_scoring *scoring)
{
    return seg_agree(comm, seg_comm_rank(comm) == 0 ? check_place(scoring->partial_path) : SEG_OK);
}

/* Blocks of the table that are done, 1 or 0, of this rank. */
static void mark_blocks(const scorer *s, int64_t *done)
{
    const seg_rows rows = seg_table_rows(s->scoring->table);
    const int64_t first = rows.first / SEG_BLOCK_ROWS;

    for (int64_t b = 0; b < seg_rows_blocks(rows.count); b++)
        done[first + b] = s->done[b] || b * SEG_BLOCK_ROWS < s->next;
}

/* Rank 0. */
static seg_status write_small(const scorer *s, int64_t n_blocks, const int64_t *done,
                              int64_t n_counts, const int64_t *counts, seg_output *out)
{
    const seg_reference *r = &s->count.reference;

    SEG_TRY(seg_fault("partial_write", SEG_ERR_IO));
    SEG_TRY(seg_output_attr_text(out, "", "format", FORMAT));
    SEG_TRY(seg_output_attr_text(out, "", "identity", s->scoring->identity));
    SEG_TRY(seg_output_dim(out, GROUP "block", n_blocks));
    SEG_TRY(seg_output_dim(out, GROUP "number", n_counts));
    SEG_TRY(seg_output_dim(out, GROUP "feature", r->d));
    SEG_TRY(seg_output_array(out, GROUP "done", SEG_INT64, "block", done));
    SEG_TRY(seg_output_array(out, GROUP "counts", SEG_INT64, "number", counts));
    SEG_TRY(seg_output_array(out, GROUP "min", SEG_FLOAT64, "feature", r->min));
    return seg_output_array(out, GROUP "max", SEG_FLOAT64, "feature", r->max);
}

/* Local.  What this rank has failed with goes before what is to be kept. */
static seg_status start_saving(const scorer *s, int64_t n_blocks, int64_t **done, int64_t n_counts,
                               int64_t **counts)
{
    if (s->last != SEG_OK) return SEG_FAIL(s->last, "scoring failed while it was to stop");
    SEG_TRY(seg_fault("partial_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(n_blocks, sizeof **done, done));
    return seg_alloc(n_counts, sizeof **counts, counts);
}

/* Collective. */
static seg_status save(seg_comm *comm, scorer *s, seg_output *out)
{
    const int64_t n_blocks = seg_rows_blocks(seg_table_rows(s->scoring->table).total);
    const int64_t n_counts = list_length(s);
    seg_reference *r = &s->count.reference;
    seg_status status = SEG_OK;
    int64_t *done = NULL, *counts = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, start_saving(s, n_blocks, &done, n_counts, &counts)));
    mark_blocks(s, done);
    seg_max_int64(comm, done, n_blocks);
    copy_counts(s, counts, false);
    seg_sum_int64(comm, counts, n_counts);
    seg_min_double(comm, r->min, r->d);
    seg_max_double(comm, r->max, r->d);
    SEG_TRY_OR_DONE(seg_output_divert(comm, out, s->scoring->partial_path));
    SEG_TRY_OR_DONE(seg_output_end_rows(comm, out, SEG_OK));
    SEG_TRY_OR_DONE(seg_output_resume(comm, out, SEG_OK));
    SEG_TRY_OR_DONE(
        seg_output_commit(comm, out, write_small(s, n_blocks, done, n_counts, counts, out)));
done:
    seg_free(done);
    seg_free(counts);
    return status;
}

seg_status score_partial_save(seg_comm *comm, scorer *s, seg_output *out)
{
    char reason[32];

    (void)snprintf(reason, sizeof reason, "%s", seg_stop_reason());
    if (s->last == SEG_OK) seg_error_clear(); /* the others' stop; a failure of its own stays */
    seg_status status = save(comm, s, out);
    if (status == SEG_OK)
        return SEG_FAIL(SEG_ERR_INTERRUPTED,
                        "stopped by %s; the same command with --resume goes on from '%s'", reason,
                        s->scoring->partial_path);
    seg_error_while("keeping what is scored");
    return status;
}

/* ---- going on ---- */

/* Rank 0.  *found is false if there is nothing to go on from. */
static seg_status open_partial(const scorer *s, seg_input **in)
{
    char identity[17];
    char model_id[SEG_MODEL_ID];
    const char *path = s->scoring->partial_path, *what = NULL;

    SEG_TRY(seg_input_open_sealed(path, in));
    SEG_TRY(seg_input_expect(*in, FORMAT));
    SEG_TRY(seg_input_attr_text(*in, "", "model_id", model_id, sizeof model_id));
    SEG_TRY(seg_input_attr_text(*in, "", "identity", identity, sizeof identity));
    if (strcmp(model_id, s->scoring->model_id) != 0) what = "another model";
    if (!what && strcmp(identity, s->scoring->identity) != 0)
        what = "other options or clients, or to another "
               "build of segmpi, BLAS library or CPU";
    if (!what) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA,
                    "'%s' belongs to %s; leave --resume out to start afresh, or remove it", path,
                    what);
}

/* Local.  Its arrays are those of the output: their rows go to this rank's memory. */
static seg_status check_arrays(const scorer *s, seg_input *in)
{
    const int64_t n = seg_table_rows(s->scoring->table).total;
    seg_shape shape;

    for (int i = 0; i < SCORE_ARRAYS; i++) {
        const score_array *a = &s->array[i];
        if (!s->data[i]) continue;
        SEG_TRY(seg_input_shape(in, a->path, &shape));
        int64_t bytes = seg_type_size(shape.type, shape.width);
        for (int j = 1; j < shape.rank; j++)
            bytes *= shape.dim[j];
        if (shape.rank == 0 || shape.dim[0] != n || shape.type != a->type || bytes != a->row_bytes)
            return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' has not the shape that belongs to the rest",
                            a->path, seg_input_path(in));
    }
    return SEG_OK;
}

/* Local.  Rows [first, first + n) of the table, from the partial scores to the output. */
static seg_status copy_rows(scorer *s, seg_input *in, int64_t first, int64_t n, seg_output *out)
{
    for (int i = 0; i < SCORE_ARRAYS; i++) {
        const score_array *a = &s->array[i];
        if (!s->data[i]) continue;
        SEG_TRY(seg_input_read(in, a->path, a->type, first, n, s->data[i]));
        SEG_TRY(seg_output_write(out, a->path, first, n, s->data[i]));
    }
    return SEG_OK;
}

/* Local.  The blocks of this rank that are there. */
static seg_status copy_blocks(scorer *s, seg_input *in, const int64_t *done, seg_output *out)
{
    const seg_rows rows = seg_table_rows(s->scoring->table);

    for (int64_t at = 0, n; at < rows.count; at += n) {
        const int64_t first = rows.first + at, most = rows.count - at;
        n = 0;
        while (n < most && n < SCORE_CHUNK && done[(first + n) / SEG_BLOCK_ROWS]) {
            s->done[(at + n) / SEG_BLOCK_ROWS] = 1;
            n += SEG_BLOCK_ROWS;
        }
        if (n > most) n = most;
        if (n > 0)
            SEG_TRY(copy_rows(s, in, first, n, out));
        else
            n = SEG_BLOCK_ROWS;
    }
    return SEG_OK;
}

/* Local.  Every rank reads; the counts go on with rank 0. */
static seg_status load(const seg_comm *comm, scorer *s, seg_output *out)
{
    const int64_t n_blocks = seg_rows_blocks(seg_table_rows(s->scoring->table).total);
    const int64_t n_counts = list_length(s);
    seg_reference *r = &s->count.reference;
    seg_status status = SEG_OK;
    seg_input *in = NULL;
    int64_t *done = NULL, *counts = NULL;

    SEG_TRY_OR_DONE(seg_fault("partial_load", SEG_ERR_IO));
    SEG_TRY_OR_DONE(open_partial(s, &in));
    SEG_TRY_OR_DONE(check_arrays(s, in));
    SEG_TRY_OR_DONE(seg_alloc(n_blocks, sizeof *done, &done));
    SEG_TRY_OR_DONE(seg_alloc(n_counts, sizeof *counts, &counts));
    SEG_TRY_OR_DONE(seg_input_array(in, GROUP "done", SEG_INT64, n_blocks, 0, done));
    SEG_TRY_OR_DONE(seg_input_array(in, GROUP "counts", SEG_INT64, n_counts, 0, counts));
    if (seg_comm_rank(comm) == 0) {
        copy_counts(s, counts, true);
        SEG_TRY_OR_DONE(seg_input_array(in, GROUP "min", SEG_FLOAT64, r->d, 0, r->min));
        SEG_TRY_OR_DONE(seg_input_array(in, GROUP "max", SEG_FLOAT64, r->d, 0, r->max));
    }
    SEG_TRY_OR_DONE(copy_blocks(s, in, done, out));
done:
    seg_input_close(in);
    seg_free(done);
    seg_free(counts);
    if (status != SEG_OK) seg_error_while("going on from partial scores");
    return status;
}

seg_status score_partial_load(seg_comm *comm, scorer *s, seg_output *out)
{
    const char *path = s->scoring->partial_path;
    bool there = seg_comm_rank(comm) == 0 && (access(path, F_OK) == 0 || errno != ENOENT);

    seg_bcast(comm, &there, sizeof there);
    if (!there) {
        seg_log_note("a fresh start: there is no '%s'", path);
        return SEG_OK;
    }
    SEG_TRY(seg_agree(comm, load(comm, s, out)));
    seg_log_note("going on from '%s'", path);
    return SEG_OK;
}

void score_partial_remove(const seg_scoring *scoring)
{
    if (unlink(scoring->partial_path) != 0 && errno != ENOENT)
        seg_log_warning("cannot remove '%s': %s", scoring->partial_path, strerror(errno));
}
