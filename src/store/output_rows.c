/* Row arrays: declared on all ranks, opened and written by each rank for itself in independent
 * transfers of disjoint ranges.  Nothing is collective: collective transfers can corrupt data
 * silently (Open MPI before 4.1.7), and a collective open never ends when one rank's fails. */
#include <mpi.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* ---- declared arrays ---- */

seg_status rows_add(seg_output *out, const char *path, seg_type type, int width, row_array **array)
{
    SEG_TRY(store_grow(&out->rows, out->n_rows, 1, &out->rows_room, sizeof *out->rows));
    *array = &out->rows[out->n_rows];
    **array = (row_array) { .type = type, .width = width, .set = -1, .sums = -1, .mem_type = -1 };
    if (!seg_text_copy((*array)->path, sizeof(*array)->path, path))
        return SEG_FAIL(SEG_ERR_INTERNAL, "the path '%.40s...' is too long", path);
    out->n_rows++;
    return SEG_OK;
}

static row_array *rows_find(const seg_output *out, const char *path)
{
    for (int i = 0; i < out->n_rows; i++)
        if (strcmp(out->rows[i].path, path) == 0) return &out->rows[i];
    return NULL;
}

void rows_release(seg_output *out)
{
    for (int i = 0; i < out->n_rows; i++) {
        seg_free(out->rows[i].run);
        seg_free(out->rows[i].sum);
        seg_free(out->rows[i].peer);
    }
    seg_free(out->rows);
}

/* ---- opening ---- */

/* Through MPI-IO, which knows parallel file systems and, unlike the serial driver, never writes
 * bytes around the rows; each rank on a communicator of its own, so that nothing is collective. */
static seg_status open_file(seg_comm *comm, seg_output *out)
{
    MPI_Comm self;
    char reason[200];

    SEG_TRY(seg_fault("store_open", SEG_ERR_IO));
    seg_store_init();
    memcpy(&self, seg_comm_mpi(seg_comm_self(comm)), sizeof self);
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list >= 0 && H5Pset_fapl_mpio(list, self, MPI_INFO_NULL) >= 0 &&
        H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_libver_bounds(list, H5F_LIBVER_V18, H5F_LIBVER_V110) >= 0)
        out->file = H5Fopen(out->part.temp, H5F_ACC_RDWR, list);
    if (list >= 0) (void)H5Pclose(list);
    out->writing = out->file >= 0;
    if (out->writing) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO,
                    "this rank cannot open what rank 0 has created for '%s': %s; put it on a file "
                    "system that all nodes share",
                    out->part.path, store_reason(reason, sizeof reason, NULL));
}

static seg_status open_array(const seg_output *out, row_array *array)
{
    char sums[STORE_PATH];
    hid_t space;

    (void)store_join(STORE_CHECKSUMS, array->path, sums);
    array->set = H5Dopen2(out->file, array->path, H5P_DEFAULT);
    array->sums = H5Dopen2(out->file, sums, H5P_DEFAULT);
    array->mem_type = store_type(array->type, array->width);
    if (array->set < 0 || array->sums < 0 || array->mem_type < 0)
        return store_write_failed("open", array->path, out->part.path);
    space = H5Dget_space(array->set);
    array->rank = H5Sget_simple_extent_dims(space, array->dim, NULL);
    H5Sclose(space);
    array->row_bytes = seg_type_size(array->type, array->width);
    for (int i = 1; i < array->rank; i++)
        array->row_bytes *= (int64_t)array->dim[i];
    return SEG_OK;
}

/* Local. */
static seg_status open_rows(seg_comm *comm, seg_output *out)
{
    SEG_TRY(open_file(comm, out));
    for (int i = 0; i < out->n_rows; i++)
        SEG_TRY(open_array(out, &out->rows[i]));
    return SEG_OK;
}

/* Root.  The skeleton is complete: closed, and room reserved for all of it. */
static seg_status close_skeleton(seg_output *out)
{
    SEG_TRY(seg_fault("store_skeleton", SEG_ERR_IO));
    if (!out->root) return SEG_OK;
    SEG_TRY(output_close(out));
    SEG_TRY(seg_fault("store_space", SEG_ERR_IO));
    return output_reserve(out);
}

seg_status seg_output_start_rows(seg_comm *comm, seg_output *out, seg_status local)
{
    if (local == SEG_OK) local = close_skeleton(out);
    SEG_TRY(seg_agree(comm, local));
    return out->n_rows > 0 ? seg_agree(comm, open_rows(comm, out)) : SEG_OK;
}

/* ---- writing ---- */

/* In transfers of at most STORE_TRANSFER bytes. */
static seg_status write_slices(const seg_output *out, const row_array *a, int64_t first,
                               int64_t count, const char *data)
{
    int64_t most = STORE_TRANSFER / (a->row_bytes > 0 ? a->row_bytes : 1);

    if (most < 1) most = 1;
    for (int64_t n; count > 0; first += n, count -= n, data += n * a->row_bytes) {
        n = count < most ? count : most;
        if (store_write_rows(a->set, a->mem_type, a->rank, a->dim, first, n, data) < 0)
            return store_write_failed("write rows of", a->path, out->part.path);
    }
    return SEG_OK;
}

/* Remembers the checksums of the blocks from row `first` on. */
static seg_status add_sums(row_array *a, int64_t first, int64_t count, const char *data)
{
    const int64_t block_bytes = SEG_BLOCK_ROWS * a->row_bytes;
    const int64_t block = first / SEG_BLOCK_ROWS, n = seg_rows_blocks(count);
    row_run *last = a->n_runs > 0 ? &a->run[a->n_runs - 1] : NULL;

    SEG_TRY(store_grow(&a->sum, a->n_sums, n, &a->sums_room, sizeof *a->sum));
    if (last && last->first + last->count == block)
        last->count += n;
    else {
        SEG_TRY(store_grow(&a->run, a->n_runs, 1, &a->runs_room, sizeof *a->run));
        a->run[a->n_runs++] = (row_run) { .first = block, .count = n };
    }
    for (int64_t b = 0, left = count * a->row_bytes; b < n; b++, left -= block_bytes)
        a->sum[a->n_sums++] =
            seg_hash(data + b * block_bytes, (size_t)(left < block_bytes ? left : block_bytes), 0);
    return SEG_OK;
}

seg_status seg_output_write(seg_output *out, const char *path, int64_t first, int64_t count,
                            const void *data)
{
    row_array *a = rows_find(out, path);
    const char *at = data;

    SEG_TRY(seg_fault("store_write", SEG_ERR_IO));
    if (!a || !out->writing) return SEG_FAIL(SEG_ERR_INTERNAL, "'%s' is not open for rows", path);
    const int64_t n = (int64_t)a->dim[0];
    if (first < 0 || count < 0 || count > n || first > n - count || first % SEG_BLOCK_ROWS != 0 ||
        (count % SEG_BLOCK_ROWS != 0 && first + count != n))
        return SEG_FAIL(SEG_ERR_INTERNAL, "rows %lld + %lld of '%s' are not whole blocks",
                        (long long)first, (long long)count, path);

    /* piece by piece, so that a block is hashed while it is in the cache */
    const int64_t piece = store_piece_rows(a->row_bytes);
    for (int64_t some; count > 0; first += some, count -= some, at += some * a->row_bytes) {
        some = count < piece ? count : piece;
        SEG_TRY(add_sums(a, first, some, at));
        SEG_TRY(write_slices(out, a, first, some, at));
    }
    return SEG_OK;
}

/* ---- closing ---- */

/* Local.  The checksums of what this rank has written, into their places in the file. */
static seg_status write_sums(const seg_output *out, const row_array *a)
{
    const uint64_t *sum = a->sum;

    for (int64_t r = 0; r < a->n_runs; sum += a->run[r].count, r++)
        if (store_write_rows(a->sums, H5T_STD_U64LE, 1, NULL, a->run[r].first, a->run[r].count,
                             sum) < 0)
            return store_write_failed("write checksums of", a->path, out->part.path);
    return SEG_OK;
}

seg_status rows_finish(seg_output *out)
{
    SEG_TRY(seg_fault("store_finish", SEG_ERR_IO));
    for (int i = 0; i < out->n_rows; i++)
        SEG_TRY(write_sums(out, &out->rows[i]));
    return SEG_OK;
}

seg_status rows_close(seg_output *out)
{
    bool closed = true;

    for (int i = 0; i < out->n_rows; i++) {
        row_array *a = &out->rows[i];
        closed = H5Dclose(a->set) >= 0 && closed;
        closed = H5Dclose(a->sums) >= 0 && closed;
        closed = H5Tclose(a->mem_type) >= 0 && closed;
    }
    if (!closed) return store_write_failed("close", "row arrays", out->part.path);
    return output_close(out);
}
