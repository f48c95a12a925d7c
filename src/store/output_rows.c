/* Row arrays: declared on all ranks; rank 0 tells where they stand in its skeleton, and each rank
 * writes its own rows there, as plain bytes.  HDF5 and MPI-IO are left out: they would have every
 * rank read the skeleton and make files of its own beside the output, and collective transfers can
 * corrupt data silently (Open MPI before 4.1.7) or never end when one rank fails. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* ---- declared arrays ---- */

seg_status rows_add(seg_output *out, const char *path, seg_type type, int width, row_array **array)
{
    SEG_TRY(store_grow(&out->rows, out->n_rows, 1, &out->rows_room, sizeof *out->rows));
    *array = &out->rows[out->n_rows];
    **array = (row_array) { .type = type, .width = width };
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

static bool find_place(hid_t set, int *rank, hsize_t dim[4], int64_t *at)
{
    hid_t space = set >= 0 ? H5Dget_space(set) : -1;

    if (space < 0) return false;
    *rank = H5Sget_simple_extent_dims(space, dim, NULL);
    *at = (int64_t)H5Dget_offset(set); /* negative where no room is allocated */
    H5Sclose(space);
    return *rank > 0 && (*at >= 0 || dim[0] == 0);
}

/* Root. */
static seg_status find_places(const seg_output *out, row_array *array)
{
    char path[STORE_PATH];
    hsize_t blocks[4];
    int one;

    (void)store_join(STORE_CHECKSUMS, array->path, path);
    hid_t set = H5Dopen2(out->file, array->path, H5P_DEFAULT);
    hid_t sums = H5Dopen2(out->file, path, H5P_DEFAULT);
    const bool found = find_place(set, &array->place.rank, array->place.dim, &array->place.at) &&
                       find_place(sums, &one, blocks, &array->place.sums_at);
    if (set >= 0) (void)H5Dclose(set);
    if (sums >= 0) (void)H5Dclose(sums);
    return found ? SEG_OK : store_write_failed("find", array->path, out->part.path);
}

/* Root.  The skeleton is complete: closed, and room reserved for all of it. */
static seg_status close_skeleton(seg_output *out)
{
    SEG_TRY(seg_fault("store_skeleton", SEG_ERR_IO));
    if (!out->root) return SEG_OK;
    for (int i = 0; i < out->n_rows; i++)
        SEG_TRY(find_places(out, &out->rows[i]));
    SEG_TRY(output_close(out));
    SEG_TRY(seg_fault("store_space", SEG_ERR_IO));
    return output_reserve(out);
}

/* Local. */
static seg_status open_rows(seg_output *out)
{
    SEG_TRY(seg_fault("store_open", SEG_ERR_IO));
    for (int i = 0; i < out->n_rows; i++) {
        row_array *a = &out->rows[i];
        a->row_bytes = seg_type_size(a->type, a->width);
        for (int t = 1; t < a->place.rank; t++)
            a->row_bytes *= (int64_t)a->place.dim[t];
    }
    if (!out->root) SEG_TRY(seg_part_open(&out->part));
    out->writing = true;
    return SEG_OK;
}

seg_status seg_output_start_rows(seg_comm *comm, seg_output *out, seg_status local)
{
    if (local == SEG_OK) local = close_skeleton(out);
    SEG_TRY(seg_agree(comm, local));
    for (int i = 0; i < out->n_rows; i++)
        seg_bcast(comm, &out->rows[i].place, sizeof out->rows[i].place);
    return out->n_rows > 0 ? seg_agree(comm, open_rows(out)) : SEG_OK;
}

/* ---- writing ---- */

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
    const int64_t n = (int64_t)a->place.dim[0];
    if (first < 0 || count < 0 || count > n || first > n - count || first % SEG_BLOCK_ROWS != 0 ||
        (count % SEG_BLOCK_ROWS != 0 && first + count != n))
        return SEG_FAIL(SEG_ERR_INTERNAL, "rows %lld + %lld of '%s' are not whole blocks",
                        (long long)first, (long long)count, path);

    /* piece by piece, so that a block is hashed while it is in the cache */
    const int64_t piece = store_piece_rows(a->row_bytes);
    for (int64_t some; count > 0; first += some, count -= some, at += some * a->row_bytes) {
        const int64_t place = a->place.at + first * a->row_bytes;
        some = count < piece ? count : piece;
        SEG_TRY(add_sums(a, first, some, at));
        SEG_TRY(seg_part_write(&out->part, at, some * a->row_bytes, place));
        seg_part_send(&out->part, some * a->row_bytes, place);
    }
    return SEG_OK;
}

/* ---- closing ---- */

/* Local.  The checksums of what this rank has written, into their places in the file. */
static seg_status write_sums(const seg_output *out, const row_array *a)
{
    const int64_t size = (int64_t)sizeof *a->sum;
    const uint64_t *sum = a->sum;

    for (int64_t r = 0; r < a->n_runs; sum += a->run[r].count, r++)
        SEG_TRY(seg_part_write(&out->part, sum, a->run[r].count * size,
                               a->place.sums_at + a->run[r].first * size));
    return SEG_OK;
}

seg_status rows_finish(seg_output *out)
{
    SEG_TRY(seg_fault("store_finish", SEG_ERR_IO));
    for (int i = 0; i < out->n_rows; i++)
        SEG_TRY(write_sums(out, &out->rows[i]));
    out->writing = false;
    return SEG_OK;
}
