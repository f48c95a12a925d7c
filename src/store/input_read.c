/* Reading rows: in slices that are checked while they are in the cache, converted where the caller
 * wants another type than the file has. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

seg_status seg_input_shape(const seg_input *in, const char *path, seg_shape *shape)
{
    const input_set *known = set_known(in, path);
    input_set s;

    if (known) {
        *shape = known->shape;
        return SEG_OK;
    }
    SEG_TRY(set_open(in, path, &s));
    *shape = s.shape;
    set_close(&s);
    return SEG_OK;
}

/* ---- where the rows stand in one piece ---- */

/* Bytes [at, at + size) of the file. */
static seg_status read_in_place(const seg_input *in, const input_set *s, void *bytes, int64_t size,
                                int64_t at)
{
    char clean[200];
    seg_status status = store_read_bytes(in->rows, bytes, size, at, in->path);

    if (status != SEG_OK)
        seg_error_while("reading '%s'", seg_text_clean(s->path, clean, sizeof clean));
    return status;
}

/* ---- checksums ---- */

static seg_status read_sums(const seg_input *in, const input_set *s, int64_t first, int64_t count,
                            uint64_t *sums)
{
    const int64_t size = (int64_t)sizeof *sums;

    if (s->sums_at >= 0) return read_in_place(in, s, sums, count * size, s->sums_at + first * size);
    if (store_read_rows(s->sums, H5T_STD_U64LE, 1, NULL, first, count, sums) >= 0) return SEG_OK;
    return store_read_failed("read checksums of", s->path, in->path);
}

/* The checksum of one block, from a window that moves along. */
static seg_status stored_sum(const seg_input *in, input_set *s, int64_t block, uint64_t *sum)
{
    if (!s->window) SEG_TRY(seg_alloc(INPUT_WINDOW, sizeof *s->window, &s->window));
    if (block < s->window_first || block >= s->window_first + s->window_count) {
        int64_t left = seg_rows_blocks(s->shape.dim[0]) - block;
        s->window_count = 0;
        int64_t count = left < INPUT_WINDOW ? left : INPUT_WINDOW;
        SEG_TRY(read_sums(in, s, block, count, s->window));
        s->window_first = block;
        s->window_count = count;
    }
    *sum = s->window[block - s->window_first];
    return SEG_OK;
}

/* Compares the whole blocks among rows [first, first + count), as they are in the file. */
static seg_status check_blocks(const seg_input *in, input_set *s, int64_t first, int64_t count,
                               const char *raw)
{
    const int64_t end = first + count, n = s->shape.dim[0];

    if (!s->has_sums) return SEG_OK;
    for (int64_t b = seg_rows_blocks(first); b * SEG_BLOCK_ROWS < end; b++) {
        int64_t begin = b * SEG_BLOCK_ROWS, rows = SEG_BLOCK_ROWS;
        uint64_t expected = 0;
        char clean[200];
        if (begin + rows > n) rows = n - begin;
        if (begin + rows > end) break;
        SEG_TRY(stored_sum(in, s, b, &expected));
        if (seg_hash(raw + (begin - first) * s->row_bytes, (size_t)(rows * s->row_bytes), 0) !=
            expected)
            return SEG_FAIL(SEG_ERR_DATA,
                            "'%s' is damaged: rows %lld to %lld of '%s' do not fit their checksum",
                            in->path, (long long)begin, (long long)(begin + rows - 1),
                            seg_text_clean(s->path, clean, sizeof clean));
    }
    return SEG_OK;
}

/* ---- slices ---- */

/* Through HDF5. */
static seg_status read_chunks(const seg_input *in, const input_set *s, int64_t first, int64_t count,
                              char *raw)
{
    hsize_t dim[4];
    int64_t most = STORE_TRANSFER / (s->row_bytes > 0 ? s->row_bytes : 1);

    if (most < 1) most = 1;
    for (int i = 0; i < s->shape.rank; i++)
        dim[i] = (hsize_t)s->shape.dim[i];
    for (int64_t at = 0, some; at < count; at += some) {
        some = count - at < most ? count - at : most;
        if (store_read_rows(s->set, s->file_type, s->shape.rank, dim, first + at, some,
                            raw + at * s->row_bytes) < 0)
            return store_read_failed("read", s->path, in->path);
    }
    return SEG_OK;
}

static seg_status read_slice(const seg_input *in, input_set *s, int64_t first, int64_t count,
                             char *raw)
{
    if (s->at >= 0)
        SEG_TRY(read_in_place(in, s, raw, count * s->row_bytes, s->at + first * s->row_bytes));
    else
        SEG_TRY(read_chunks(in, s, first, count, raw));
    return check_blocks(in, s, first, count, raw);
}

seg_status set_verify(const seg_input *in, input_set *s, int64_t first, int64_t count)
{
    const int64_t most = store_piece_rows(s->row_bytes);
    seg_status status = SEG_OK;
    char *raw = NULL;

    SEG_TRY(seg_alloc(count < most ? count : most, (size_t)s->row_bytes, &raw));
    for (int64_t n; count > 0 && status == SEG_OK; first += n, count -= n) {
        n = count < most ? count : most;
        status = read_slice(in, s, first, n, raw);
    }
    seg_free(raw);
    return status;
}

/* A value that does not fit is an error, not a near miss. */
static H5T_conv_ret_t refuse_misfits(H5T_conv_except_t what, hid_t from, hid_t to, void *value,
                                     void *converted, void *data)
{
    (void)from;
    (void)to;
    (void)value;
    (void)converted;
    (void)data;
    return what == H5T_CONV_EXCEPT_PRECISION ? H5T_CONV_UNHANDLED : H5T_CONV_ABORT;
}

typedef struct conversion {
    hid_t to, list;
    int64_t to_bytes; /* of one row */
    char *scratch;    /* one slice, in place; owned */
} conversion;

static seg_status convert_slice(const seg_input *in, const input_set *s, const conversion *c,
                                int64_t count)
{
    int64_t values = count * (s->row_bytes / (int64_t)H5Tget_size(s->file_type));
    char clean[200];

    if (H5Tconvert(s->file_type, c->to, (size_t)values, c->scratch, NULL, c->list) >= 0)
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA,
                    "'%s' in '%s' holds values that do not fit the type they are "
                    "wanted in",
                    seg_text_clean(s->path, clean, sizeof clean), in->path);
}

static seg_status read_converted(const seg_input *in, input_set *s, seg_type type, int64_t first,
                                 int64_t count, char *data)
{
    const int64_t from_size = (int64_t)H5Tget_size(s->file_type), to_size = seg_type_size(type, 0);
    const int64_t values = s->row_bytes / from_size, most = store_piece_rows(s->row_bytes);
    seg_status status = SEG_OK;
    conversion c = { .to = -1, .list = -1, .to_bytes = values * to_size };

    SEG_TRY_OR_DONE(seg_alloc(count < most ? count : most,
                              (size_t)(s->row_bytes > c.to_bytes ? s->row_bytes : c.to_bytes),
                              &c.scratch));
    c.to = store_type(type, 0);
    c.list = H5Pcreate(H5P_DATASET_XFER);
    if (c.to < 0 || c.list < 0 || H5Pset_type_conv_cb(c.list, refuse_misfits, NULL) < 0)
        SEG_TRY_OR_DONE(store_read_failed("read", s->path, in->path));
    for (int64_t n; count > 0; first += n, count -= n, data += n * c.to_bytes) {
        n = most - first % SEG_BLOCK_ROWS; /* the next slice begins with a block */
        if (n > count) n = count;
        SEG_TRY_OR_DONE(read_slice(in, s, first, n, c.scratch));
        SEG_TRY_OR_DONE(convert_slice(in, s, &c, n));
        memcpy(data, c.scratch, (size_t)(n * c.to_bytes));
    }
done:
    seg_free(c.scratch);
    if (c.to >= 0) (void)H5Tclose(c.to);
    if (c.list >= 0) (void)H5Pclose(c.list);
    return status;
}

static seg_status read_plain(const seg_input *in, input_set *s, int64_t first, int64_t count,
                             char *data)
{
    const int64_t most = store_piece_rows(s->row_bytes);

    for (int64_t n; count > 0; first += n, count -= n, data += n * s->row_bytes) {
        n = most - first % SEG_BLOCK_ROWS;
        if (n > count) n = count;
        SEG_TRY(read_slice(in, s, first, n, data));
    }
    return SEG_OK;
}

/* True if the bytes in the file are those that the caller wants. */
static bool is_plain(const input_set *s, seg_type type)
{
    if (type == SEG_TEXT) return s->shape.type == SEG_TEXT;
    hid_t wanted = store_type(type, 0);
    bool equal = H5Tequal(wanted, s->file_type) > 0;
    (void)H5Tclose(wanted);
    return equal;
}

seg_status seg_input_read(seg_input *in, const char *path, seg_type type, int64_t first,
                          int64_t count, void *data)
{
    input_set *s;
    char clean[200];

    SEG_TRY(seg_fault("store_read", SEG_ERR_IO));
    SEG_TRY(set_find(in, path, &s));
    const int64_t n = s->shape.rank > 0 ? s->shape.dim[0] : 1;
    if (first < 0 || count < 0 || count > n || first > n - count)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' has %lld rows, wanted are %lld from %lld on",
                        seg_text_clean(path, clean, sizeof clean), in->path, (long long)n,
                        (long long)count, (long long)first);
    if ((type == SEG_TEXT) != (s->shape.type == SEG_TEXT) ||
        (s->shape.type == SEG_TEXT && s->shape.width == 0) || s->empty)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is not of the kind that is wanted",
                        seg_text_clean(path, clean, sizeof clean), in->path);
    if (count == 0 || s->row_bytes == 0) return SEG_OK;
    return is_plain(s, type) ? read_plain(in, s, first, count, data)
                             : read_converted(in, s, type, first, count, data);
}

seg_status seg_input_array(seg_input *in, const char *path, seg_type type, int64_t n, int64_t m,
                           void *data)
{
    input_set *s;
    char clean[200];

    SEG_TRY(set_find(in, path, &s));
    if (s->shape.rank != (m > 0 ? 2 : 1) || s->shape.dim[0] != n || (m > 0 && s->shape.dim[1] != m))
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' has not the shape that belongs to the rest",
                        seg_text_clean(path, clean, sizeof clean), in->path);
    return seg_input_read(in, path, type, 0, n, data);
}
