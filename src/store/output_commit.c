/* The commit of an output: rows complete, closed, synced, sealed with the content's checksum, read
 * back by other ranks, and only then named. */
#include <stdlib.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/stop.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* ---- who wrote what ---- */

static int by_first(const void *a, const void *b)
{
    const row_run *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* Every block once, or at most once.  Sorts `run`. */
static seg_status check_runs(const row_array *a, int64_t n, row_run *run, bool partial)
{
    int64_t next = 0, r = 0;

    qsort(run, (size_t)n, sizeof *run, by_first);
    for (; r < n && (run[r].first == next || (partial && run[r].first > next)); r++)
        next = run[r].first + run[r].count;
    if (r == n && (partial || next == seg_rows_blocks((int64_t)a->place.dim[0]))) return SEG_OK;
    return SEG_FAIL(SEG_ERR_INTERNAL, "block %lld of '%s' was not written exactly once",
                    (long long)next, a->path);
}

/* The next rank's runs are this rank's to read back. */
static seg_status keep_peer(const seg_comm *comm, row_array *a, const int64_t *n_of,
                            const row_run *run)
{
    int peer = (seg_comm_rank(comm) + 1) % seg_comm_size(comm);

    for (int r = 0; r < peer; r++)
        run += n_of[r];
    a->n_peer = n_of[peer];
    SEG_TRY(seg_fault("store_runs", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(a->n_peer, sizeof *a->peer, &a->peer));
    if (a->n_peer > 0) memcpy(a->peer, run, (size_t)a->n_peer * sizeof *run);
    return SEG_OK;
}

/* Collective. */
static seg_status exchange_runs(seg_comm *comm, row_array *a, bool partial)
{
    seg_status status = SEG_OK;
    row_run *run = NULL;
    int64_t *n_of = NULL, bytes;

    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(seg_comm_size(comm), sizeof *n_of, &n_of)));
    seg_gather_int64(comm, &a->n_runs, 1, n_of);
    SEG_TRY_OR_DONE(
        seg_gather_bytes(comm, a->run, a->n_runs * (int64_t)sizeof *a->run, &run, &bytes));
    seg_status local = keep_peer(comm, a, n_of, run);
    if (local == SEG_OK) local = check_runs(a, bytes / (int64_t)sizeof *run, run, partial);
    status = seg_agree(comm, local);
done:
    seg_free(n_of);
    seg_free(run);
    return status;
}

/* ---- the steps ---- */

/* Local.  This rank's rows are complete, and what it wrote is on the disk. */
static seg_status finish_rows(seg_output *out)
{
    SEG_TRY(rows_finish(out));
    SEG_TRY(seg_fault("store_sync", SEG_ERR_IO));
    return seg_part_sync(&out->part);
}

/* Root.  Adds what the file says about itself. */
static seg_status write_content(seg_output *out)
{
    char text[CONTENT_TEXT];
    uint64_t hash;

    if (store_find(out->file, STORE_RUN) == STORE_GROUP) {
        SEG_TRY(content_hash(out->file, CONTENT_RUN, &hash));
        content_text(hash, text);
        SEG_TRY(seg_output_attr_text(out, STORE_RUN, STORE_RUN_CHECKSUM, text));
    }
    SEG_TRY(content_hash(out->file, CONTENT_FILE, &hash));
    content_text(hash, text);
    return seg_output_attr_text(out, "", STORE_CONTENT, text);
}

/* Root. */
static seg_status write_seal(seg_output *out)
{
    seg_status status = SEG_OK;
    row_range *range = NULL;
    int64_t n = 0;

    SEG_TRY(seg_alloc(out->n_rows, sizeof *range, &range));
    for (int i = 0; i < out->n_rows; i++) {
        const row_array *a = &out->rows[i];
        range[n] = (row_range) { a->place.at, (int64_t)a->place.dim[0] * a->row_bytes };
        n += range[n].size > 0;
    }
    SEG_TRY_OR_DONE(output_close(out));
    SEG_TRY_OR_DONE(seal_write(out->part.file, n, range, out->part.path));
done:
    seg_free(range);
    return status;
}

/* What was written does not read back: a failure of the storage, not of somebody's data. */
static seg_status of_storage(const seg_output *out, seg_status status)
{
    char what[sizeof seg_error_get()->text];

    if (status != SEG_ERR_DATA) return status;
    memcpy(what, seg_error_get()->text, sizeof what);
    seg_error_clear();
    return SEG_FAIL(SEG_ERR_IO, "'%s' does not read back as it was written: %s", out->part.path,
                    what);
}

static seg_status seal(seg_output *out)
{
    SEG_TRY(seg_fault("store_seal", SEG_ERR_IO));
    if (!out->root) return SEG_OK;
    if (out->file < 0) out->file = store_open_serial(out->part.temp, H5F_ACC_RDWR);
    if (out->file < 0) return store_write_failed("open", "temporary file", out->part.path);
    SEG_TRY(of_storage(out, write_content(out)));
    SEG_TRY(of_storage(out, write_seal(out)));
    return seg_part_sync(&out->part);
}

static seg_status read_back_rows(seg_input *in, const row_array *a)
{
    const int64_t n = (int64_t)a->place.dim[0];
    input_set *set;

    SEG_TRY(set_find(in, a->path, &set));
    for (int64_t r = 0; r < a->n_peer; r++) {
        int64_t first = a->peer[r].first * SEG_BLOCK_ROWS;
        int64_t count = a->peer[r].count * SEG_BLOCK_ROWS;
        SEG_TRY(set_verify(in, set, first, count < n - first ? count : n - first));
    }
    return SEG_OK;
}

static bool has_peer_rows(const seg_output *out)
{
    for (int i = 0; i < out->n_rows; i++)
        if (out->rows[i].n_peer > 0) return true;
    return false;
}

/* Local.  Reads what other ranks have written, through a file of its own: the next rank's rows; and
 * rank 1 what rank 0 has written besides, with the eyes of a reader who knows nothing. */
static seg_status read_back(const seg_comm *comm, const seg_output *out)
{
    const bool whole = seg_comm_rank(comm) == 1 % seg_comm_size(comm);
    seg_input *in = NULL;

    SEG_TRY(seg_fault("store_verify", SEG_ERR_IO));
    if (!whole && !has_peer_rows(out)) return SEG_OK;
    seg_status status = whole ? seg_input_open(out->part.temp, &in) : input_of_rows(out, &in);
    if (status == SEG_OK && whole) status = content_verify(in, out->part.path);
    for (int i = 0; i < out->n_rows && status == SEG_OK; i++)
        status = read_back_rows(in, &out->rows[i]);
    seg_input_close(in);
    if (status != SEG_OK) seg_error_while("reading back what was written");
    return of_storage(out, status);
}

/* Root alone, so that nobody can fail once the name is given. */
static seg_status publish(seg_output *out)
{
    if (!out->root) return SEG_OK;
    SEG_TRY(seg_fault("store_rename", SEG_ERR_IO));
    return seg_part_publish(&out->part);
}

seg_status seg_output_divert(seg_comm *comm, seg_output *out, const char *path)
{
    char *copy = NULL;

    SEG_TRY(seg_agree(comm, seg_text_duplicate(path, &copy)));
    seg_free(out->part.path);
    out->part.path = copy;
    out->part.force = out->partial = true;
    return SEG_OK;
}

seg_status seg_output_end_rows(seg_comm *comm, seg_output *out, seg_status local)
{
    if (local == SEG_OK && out->n_rows > 0 && !out->writing)
        local = SEG_FAIL(SEG_ERR_INTERNAL, "seg_output_start_rows() was forgotten");
    SEG_TRY(seg_agree(comm, local));
    if (out->n_rows > 0) SEG_TRY(seg_agree(comm, finish_rows(out)));
    for (int i = 0; i < out->n_rows; i++)
        SEG_TRY(exchange_runs(comm, &out->rows[i], out->partial));
    out->ended = true;
    return SEG_OK;
}

seg_status seg_output_read(const seg_output *out, seg_input **in)
{
    *in = NULL;
    SEG_TRY(seg_fault("store_read_back", SEG_ERR_IO));
    return input_of_rows(out, in);
}

/* Local. */
static seg_status open_again(seg_output *out)
{
    SEG_TRY(seg_fault("resume_output", SEG_ERR_IO));
    if (!out->root) return SEG_OK;
    out->file = store_open_serial(out->part.temp, H5F_ACC_RDWR);
    return out->file >= 0 ? SEG_OK : store_write_failed("open", "temporary file", out->part.path);
}

seg_status seg_output_resume(seg_comm *comm, seg_output *out, seg_status local)
{
    if (local == SEG_OK) local = open_again(out);
    return seg_agree(comm, local);
}

seg_status seg_output_commit(seg_comm *comm, seg_output *out, seg_status local)
{
    if (out->ended)
        SEG_TRY(seg_agree(comm, local));
    else
        SEG_TRY(seg_output_end_rows(comm, out, local));
    SEG_TRY(seg_agree(comm, seal(out)));
    SEG_TRY(seg_agree(comm, read_back(comm, out)));
    seg_stop_hold(true);
    return seg_agree(comm, publish(out));
}

seg_status seg_output_content_hash(seg_output *out, uint64_t *hash)
{
    *hash = 0;
    return out->root ? content_hash(out->file, CONTENT_MODEL, hash) : SEG_OK;
}
