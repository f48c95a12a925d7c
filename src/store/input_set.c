/* Datasets of an input: nothing is allocated or read before type, layout, filters and sizes have
 * been checked. */
#include <stdio.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

#define MOST_BYTES     ((int64_t)1 << 51) /* of one dataset */
#define MOST_CHUNK     ((int64_t)1 << 30) /* bytes of one unpacked chunk */
#define DEFAULT_CACHE  ((int64_t)1 << 20) /* of HDF5, for each dataset */
#define MOST_CACHES    ((int64_t)1 << 30) /* of one file */
#define MOST_CACHE     ((int64_t)256 << 20)
#define BOMB_FROM      ((int64_t)4 << 30) /* declared bytes from which the ratio is checked */
#define BOMB_RATIO     1100               /* deflate packs zeros about 1,030 times */
#define VARIABLE_BYTES 16 /* in the file, of a variable-length text: length and place */
#define REFUSE(...)    SEG_FAIL(SEG_ERR_DATA, __VA_ARGS__)

static const input_set closed = { .set = -1, .file_type = -1, .sums = -1, .at = -1, .sums_at = -1 };

/* What a message names. */
typedef struct place {
    char set[200];
    const char *file;
} place;

/* ---- shape and type ---- */

static seg_status check_shape(hid_t set, const place *at, input_set *s, int64_t *bytes)
{
    hid_t space = H5Dget_space(set);
    hsize_t dim[H5S_MAX_RANK] = { 0 };
    int rank = H5Sget_simple_extent_ndims(space);
    bool simple = H5Sget_simple_extent_type(space) != H5S_NULL &&
                  H5Sget_simple_extent_dims(space, dim, NULL) >= 0;
    const bool variable = s->shape.type == SEG_TEXT && s->shape.width == 0;
    const int64_t size = variable ? VARIABLE_BYTES : (int64_t)H5Tget_size(s->file_type);
    int64_t most = MOST_BYTES / size; /* length of the next dimension, also beside one of 0 */

    *bytes = size;
    H5Sclose(space);
    if (!simple || rank > 4)
        return REFUSE("'%s' in '%s' has more than 4 dimensions, or none", at->set, at->file);
    s->shape.rank = rank;
    for (int i = 0; i < rank; i++) {
        if (dim[i] > (hsize_t)most)
            return REFUSE("'%s' in '%s' claims an impossible size", at->set, at->file);
        s->shape.dim[i] = (int64_t)dim[i];
        if (dim[i] > 0) most /= (int64_t)dim[i];
        if (i > 0) s->row_bytes *= (int64_t)dim[i];
        *bytes *= (int64_t)dim[i];
    }
    return SEG_OK;
}

/* An enumeration of 0 and 1 in one byte, as h5py writes truth values. */
static bool is_bool(hid_t type)
{
    int8_t a, b;

    return H5Tget_class(type) == H5T_ENUM && H5Tget_size(type) == 1 && H5Tget_nmembers(type) == 2 &&
           H5Tget_member_value(type, 0, &a) >= 0 && H5Tget_member_value(type, 1, &b) >= 0 &&
           a * b == 0 && a + b == 1;
}

static seg_status check_type(hid_t set, const place *at, input_set *s)
{
    s->file_type = H5Dget_type(set);
    if (s->file_type >= 0 && is_bool(s->file_type)) { /* read as the integers that they are */
        hid_t integer = H5Tget_super(s->file_type);
        (void)H5Tclose(s->file_type);
        s->file_type = integer;
    }
    if (s->file_type >= 0 && H5Tget_class(s->file_type) == H5T_COMPOUND)
        return REFUSE("'%s' in '%s' holds records of several fields; write each field as a dataset "
                      "of its own",
                      at->set, at->file);
    if (s->file_type < 0 || !store_type_of(s->file_type, &s->shape.type, &s->shape.width))
        return REFUSE("'%s' in '%s' is of a type that segmpi does not read (integers, float32, "
                      "float64, truth values and texts it does)",
                      at->set, at->file);
    s->row_bytes = (int64_t)H5Tget_size(s->file_type);
    return SEG_OK;
}

/* ---- layout ---- */

static seg_status check_filters(hid_t list, const place *at)
{
    int n = H5Pget_nfilters(list);

    for (int i = 0; i < n; i++) {
        unsigned flags, config;
        size_t n_values = 0;
        char name[40] = "";
        H5Z_filter_t filter =
            H5Pget_filter2(list, (unsigned)i, &flags, &n_values, NULL, sizeof name, name, &config);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
            filter != H5Z_FILTER_FLETCHER32)
            return REFUSE("'%s' in '%s' is packed with filter %d, and segmpi knows shuffle and "
                          "deflate; repack it with h5repack -f GZIP=1",
                          at->set, at->file, (int)filter);
    }
    return n >= 0 ? SEG_OK : REFUSE("'%s' in '%s' has damaged filters", at->set, at->file);
}

/* Stored exactly as declared, and inside the file. */
static seg_status check_contiguous(hid_t set, hid_t list, const place *at, input_set *s,
                                   int64_t bytes, int64_t file_bytes)
{
    if (H5Pget_external_count(list) != 0)
        return REFUSE("'%s' in '%s' keeps its values in another file", at->set, at->file);
    if (bytes == 0) {
        s->at = 0; /* there is nothing to read */
        return SEG_OK;
    }

    hsize_t stored = H5Dget_storage_size(set);
    haddr_t offset = H5Dget_offset(set);
    if (stored == 0) SEG_TRY(store_is_scale(set, &s->empty));
    if (s->empty) return SEG_OK;
    if (stored == 0 || offset == HADDR_UNDEF)
        return REFUSE("'%s' in '%s' holds no values", at->set, at->file);
    if (stored != (hsize_t)bytes || (hsize_t)bytes > (hsize_t)file_bytes ||
        offset > (hsize_t)(file_bytes - bytes))
        return REFUSE("'%s' in '%s' is truncated: declared are %lld bytes", at->set, at->file,
                      (long long)bytes);
    s->at = (int64_t)offset;
    return SEG_OK;
}

static seg_status check_chunked(hid_t set, hid_t list, const place *at, input_set *s, int64_t bytes)
{
    hsize_t chunk[H5S_MAX_RANK] = { 0 };
    int64_t chunk_bytes = (int64_t)H5Tget_size(s->file_type), across = 1;

    if (H5Pget_chunk(list, H5S_MAX_RANK, chunk) != s->shape.rank)
        return REFUSE("'%s' in '%s' has damaged chunks", at->set, at->file);
    for (int i = 0; i < s->shape.rank; i++) {
        if (chunk[i] == 0 || chunk[i] > (hsize_t)(MOST_CHUNK / chunk_bytes))
            return REFUSE("'%s' in '%s' has chunks of more than 1 GiB; repack it with h5repack",
                          at->set, at->file);
        chunk_bytes *= (int64_t)chunk[i];
        if (i > 0) across *= (s->shape.dim[i] + (int64_t)chunk[i] - 1) / (int64_t)chunk[i];
    }
    if (bytes > BOMB_FROM && (hsize_t)(bytes / BOMB_RATIO) > H5Dget_storage_size(set))
        return REFUSE("'%s' in '%s' declares far more values than it holds", at->set, at->file);
    s->band = across > MOST_CACHE / chunk_bytes ? MOST_CACHE : across * chunk_bytes;
    if (s->band < chunk_bytes) s->band = chunk_bytes;
    return SEG_OK;
}

static seg_status check_layout(hid_t set, const place *at, input_set *s, int64_t bytes,
                               int64_t file_bytes)
{
    hid_t list = H5Dget_create_plist(set);
    seg_status status;

    switch (H5Pget_layout(list)) {
    case H5D_COMPACT:
        status = SEG_OK;
        break;
    case H5D_CONTIGUOUS:
        status = check_contiguous(set, list, at, s, bytes, file_bytes);
        break;
    case H5D_CHUNKED:
        status = check_filters(list, at);
        if (status == SEG_OK) status = check_chunked(set, list, at, s, bytes);
        break;
    default:
        status = REFUSE("'%s' in '%s' is a virtual dataset, which leads into other files", at->set,
                        at->file);
    }
    H5Pclose(list);
    return status;
}

/* ---- opening ---- */

/* The dataset of block checksums, where there is one. */
static seg_status open_sums(const seg_input *in, input_set *s)
{
    char path[STORE_PATH];
    input_set sums;

    if (!store_join(STORE_CHECKSUMS, s->path, path) || s->shape.rank == 0 ||
        store_find(in->file, path) == STORE_NOTHING)
        return SEG_OK;
    SEG_TRY(set_open(in, path, &sums));
    if (sums.shape.type == SEG_UINT64 && sums.shape.rank == 1 &&
        sums.shape.dim[0] == seg_rows_blocks(s->shape.dim[0])) {
        s->has_sums = true;
        s->sums_at = H5Tequal(sums.file_type, H5T_STD_U64LE) > 0 ? sums.at : -1;
        s->sums = sums.set;
        sums.set = -1;
    }
    set_close(&sums);
    return s->has_sums ? SEG_OK
                       : REFUSE("'%s' in '%s' has checksums of the wrong shape", s->path, in->path);
}

static seg_status open_checked(const seg_input *in, const place *at, input_set *s)
{
    int64_t bytes = 0;

    s->set = H5Dopen2(in->file, s->path, H5P_DEFAULT);
    if (s->set < 0) return store_read_failed("open", at->set, in->path);
    SEG_TRY(check_type(s->set, at, s));
    SEG_TRY(check_shape(s->set, at, s, &bytes));
    SEG_TRY(check_layout(s->set, at, s, bytes, in->bytes));
    return *in->format ? open_sums(in, s) : SEG_OK;
}

seg_status set_open(const seg_input *in, const char *path, input_set *s)
{
    place at = { .file = in->path };

    *s = closed;
    SEG_TRY(input_sound(in, path));
    seg_text_clean(path, at.set, sizeof at.set);
    switch (seg_text_copy(s->path, sizeof s->path, path) ? store_find(in->file, path)
                                                         : STORE_NOTHING) {
    case STORE_DATASET:
        break;
    case STORE_OTHER:
        return REFUSE("'%s' in '%s' is a link out of its place, which segmpi does not follow",
                      at.set, at.file);
    case STORE_GROUP:
        return REFUSE("'%s' in '%s' is a group, not a dataset", at.set, at.file);
    case STORE_NOTHING:
        return REFUSE("there is no '%s' in '%s'", at.set, at.file);
    case STORE_UNKNOWN:
        return store_read_failed("find", s->path, in->path);
    }
    seg_status status = open_checked(in, &at, s);
    if (status != SEG_OK) set_close(s);
    return status;
}

void set_close(input_set *s)
{
    if (s->set >= 0) (void)H5Dclose(s->set);
    if (s->sums >= 0) (void)H5Dclose(s->sums);
    if (s->file_type >= 0) (void)H5Tclose(s->file_type);
    seg_free(s->window);
    *s = closed;
}

seg_status set_check(const seg_input *in, const char *path)
{
    input_set set;

    SEG_TRY(set_open(in, path, &set));
    set_close(&set);
    return SEG_OK;
}

/* Opens again with a chunk cache that holds all chunks of a row: with HDF5's 1 MiB every slice of
 * rows would unpack larger chunks anew.  All sets together have MOST_CACHES. */
static seg_status widen_cache(seg_input *in, input_set *s)
{
    hid_t list;

    if (s->band <= DEFAULT_CACHE || s->band > MOST_CACHES - in->caches) return SEG_OK;
    in->caches += s->band;
    (void)H5Dclose(s->set);
    s->set = -1;
    list = H5Pcreate(H5P_DATASET_ACCESS);
    if (list >= 0 && H5Pset_chunk_cache(list, 12421, (size_t)s->band, 1.0) >= 0)
        s->set = H5Dopen2(in->file, s->path, list);
    if (list >= 0) (void)H5Pclose(list);
    return s->set >= 0 ? SEG_OK : store_read_failed("open", s->path, in->path);
}

input_set *set_known(const seg_input *in, const char *path)
{
    for (int i = 0; i < in->n_sets; i++)
        if (strcmp(in->sets[i].path, path) == 0) return &in->sets[i];
    return NULL;
}

seg_status set_find(seg_input *in, const char *path, input_set **out)
{
    *out = set_known(in, path);
    if (*out) return SEG_OK;
    SEG_TRY(store_grow(&in->sets, in->n_sets, 1, &in->sets_room, sizeof *in->sets));
    *out = &in->sets[in->n_sets];
    SEG_TRY(set_open(in, path, *out));
    in->n_sets++; /* closed with the file from now on */
    return widen_cache(in, *out);
}
