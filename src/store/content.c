/* The checksum of all that is not row data: a walk in the order of names over paths, types, shapes,
 * attributes and values.  References are taken by the name they lead to, so that the sum does not
 * depend on where things lie in the file. */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

typedef struct walk {
    hid_t file;
    const seg_input *in; /* of a reader, who trusts no size; NULL */
    content_part part;
    int objects;
    XXH3_state_t *state;
} walk;

static void feed(walk *w, const void *bytes, int64_t size)
{
    (void)XXH3_64bits_update(w->state, bytes, (size_t)size);
}

static void feed_text(walk *w, const char *text)
{
    feed(w, text, (int64_t)strlen(text) + 1);
}

static void feed_int(walk *w, int64_t value)
{
    feed(w, &value, sizeof value);
}

static seg_status feed_texts(walk *w, hid_t source, bool attribute)
{
    char **texts = NULL;
    int n;

    SEG_TRY(store_texts(source, attribute, STORE_MOST_NAMES, &n, &texts));
    for (int i = 0; i < n; i++)
        feed_text(w, texts[i]);
    seg_free(texts);
    return SEG_OK;
}

/* Type and shape; *rank and dim filled. */
static seg_status feed_shape(walk *w, hid_t type, hid_t space, seg_type *kind, int *width,
                             int *rank, hsize_t dim[4])
{
    *rank = H5Sget_simple_extent_ndims(space);
    if (!store_type_of(type, kind, width) || *rank < 0 || *rank > 4 ||
        H5Sget_simple_extent_dims(space, dim, NULL) < 0)
        return SEG_ERR_DATA;
    feed_int(w, *kind);
    feed_int(w, *width);
    feed_int(w, *rank);
    for (int i = 0; i < *rank; i++)
        feed_int(w, (int64_t)dim[i]);
    return SEG_OK;
}

/* ---- attributes ---- */

static seg_status feed_value(walk *w, hid_t attribute)
{
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    seg_status status;
    seg_type kind;
    int width, rank;
    hsize_t dim[4];
    char *raw = NULL;

    status = feed_shape(w, type, space, &kind, &width, &rank, dim);
    if (status == SEG_OK && kind == SEG_TEXT)
        status = feed_texts(w, attribute, true);
    else if (status == SEG_OK) {
        hssize_t points = H5Sget_simple_extent_npoints(space);
        int64_t size = (int64_t)H5Tget_size(type);
        status = points <= STORE_SLICE ? seg_alloc(points, (size_t)size, &raw) : SEG_ERR_DATA;
        if (status == SEG_OK && H5Aread(attribute, type, raw) < 0) status = SEG_ERR_DATA;
        if (status == SEG_OK) feed(w, raw, points * size);
    }
    seg_free(raw);
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

static herr_t feed_scale(hid_t scale, int dim, void *w)
{
    char name[STORE_PATH] = "";

    if (H5Iget_name(scale, name, sizeof name) < 0) return -1;
    feed_int(w, dim);
    feed_text(w, name);
    return 0;
}

/* DIMENSION_LIST: the scales by name. */
static seg_status feed_scales(walk *w, hid_t set)
{
    hid_t space = H5Dget_space(set);
    int rank = H5Sget_simple_extent_ndims(space);

    H5Sclose(space);
    for (int i = 0; i < rank; i++)
        if (store_scales(set, i, feed_scale, w) < 0) return SEG_ERR_DATA;
    return SEG_OK;
}

/* The attributes that hold the sums, and the scales' list of who uses them, which follows from
 * the DIMENSION_LISTs. */
static bool is_left_out(const walk *w, const char *path, const char *name)
{
    if (strcmp(name, "REFERENCE_LIST") == 0) return true;
    if (w->part == CONTENT_RUN)
        return strcmp(path, STORE_RUN) == 0 && strcmp(name, STORE_RUN_CHECKSUM) == 0;
    return *path == '\0' && strcmp(name, STORE_CONTENT) == 0;
}

static seg_status feed_attributes(walk *w, const char *path, hid_t object)
{
    seg_status status = SEG_OK;
    char **names = NULL;
    int n;

    SEG_TRY(store_attributes(object, H5_INDEX_NAME, &n, &names));
    for (int i = 0; i < n && status == SEG_OK; i++) {
        if (is_left_out(w, path, names[i])) continue;
        feed_text(w, names[i]);
        if (strcmp(names[i], "DIMENSION_LIST") == 0) {
            status = feed_scales(w, object);
            continue;
        }
        hid_t attribute = H5Aopen(object, names[i], H5P_DEFAULT);
        status = attribute >= 0 ? feed_value(w, attribute) : SEG_ERR_DATA;
        if (attribute >= 0) H5Aclose(attribute);
    }
    seg_free(names);
    return status;
}

/* ---- datasets and groups ---- */

static seg_status feed_rows(walk *w, hid_t set, hid_t type, int rank, const hsize_t *dim)
{
    int64_t row_bytes = (int64_t)H5Tget_size(type), n = rank > 0 ? (int64_t)dim[0] : 1, count;
    char *raw = NULL;

    for (int i = 1; i < rank; i++) {
        if (dim[i] == 0 || dim[i] > (hsize_t)(STORE_WIDEST / row_bytes)) return SEG_ERR_DATA;
        row_bytes *= (int64_t)dim[i];
    }
    if (n < 0) return SEG_ERR_DATA;
    const int64_t most = row_bytes < STORE_SLICE ? STORE_SLICE / row_bytes : 1;
    SEG_TRY(seg_alloc(n < most ? n : most, (size_t)row_bytes, &raw));
    seg_status status = SEG_OK;
    for (int64_t at = 0; at < n && status == SEG_OK; at += count) {
        count = n - at < most ? n - at : most;
        if (store_read_rows(set, type, rank, dim, at, count, raw) < 0)
            status = SEG_ERR_DATA;
        else
            feed(w, raw, count * row_bytes);
    }
    seg_free(raw);
    return status;
}

/* As segmpi writes them: in one piece, in this file. */
static bool is_own_layout(hid_t set)
{
    hid_t list = H5Dget_create_plist(set);
    bool own = H5Pget_layout(list) == H5D_CONTIGUOUS && H5Pget_external_count(list) == 0;

    H5Pclose(list);
    return own;
}

static seg_status feed_dataset(walk *w, const char *path, hid_t set)
{
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    char sums[STORE_PATH];
    seg_type kind;
    int width, rank;
    hsize_t dim[4];
    bool is_rows =
        store_join(STORE_CHECKSUMS, path, sums) && store_find(w->file, sums) == STORE_DATASET;
    seg_status status = is_own_layout(set) ? SEG_OK : SEG_ERR_DATA;

    if (status == SEG_OK && w->in) status = set_check(w->in, path);
    if (status == SEG_OK && !(is_rows && w->part == CONTENT_MODEL)) {
        feed_text(w, path);
        status = feed_shape(w, type, space, &kind, &width, &rank, dim);
        if (status == SEG_OK) status = feed_attributes(w, path, set);
        /* dimensions without coordinates have no values */
        if (status == SEG_OK && !is_rows && H5Dget_storage_size(set) > 0)
            status = kind == SEG_TEXT && width == 0 ? feed_texts(w, set, false)
                                                    : feed_rows(w, set, type, rank, dim);
    }
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

static bool is_skipped(const walk *w, const char *path)
{
    switch (w->part) {
    case CONTENT_FILE:
        return strcmp(path, STORE_RUN) == 0;
    case CONTENT_MODEL:
        return strcmp(path, "provenance") == 0 || strcmp(path, STORE_CHECKSUMS) == 0;
    case CONTENT_RUN:
        break;
    }
    return false;
}

static seg_status feed_object(walk *w, const char *path, int depth);

static seg_status feed_group(walk *w, const char *path, hid_t group, int depth)
{
    seg_status status = SEG_OK;
    char member[STORE_PATH], **names = NULL;
    int n;

    if (depth > STORE_DEPTH) return SEG_ERR_DATA;
    feed_text(w, path);
    SEG_TRY(feed_attributes(w, path, group));
    SEG_TRY(store_links(group, H5_INDEX_NAME, &n, &names));
    for (int i = 0; i < n && status == SEG_OK; i++)
        status =
            store_join(path, names[i], member) ? feed_object(w, member, depth + 1) : SEG_ERR_DATA;
    seg_free(names);
    return status;
}

/* The first object that fails is the one that is named. */
static seg_status feed_object(walk *w, const char *path, int depth)
{
    seg_status status = SEG_ERR_DATA;
    char clean[200];

    if (is_skipped(w, path)) return SEG_OK;
    store_kind kind = w->objects++ < STORE_MOST_OBJECTS ? store_find(w->file, path) : STORE_OTHER;
    hid_t object = kind == STORE_GROUP || kind == STORE_DATASET
                       ? H5Oopen(w->file, *path ? path : "/", H5P_DEFAULT)
                       : -1;
    if (object >= 0 && kind == STORE_GROUP) status = feed_group(w, path, object, depth);
    if (object >= 0 && kind == STORE_DATASET) status = feed_dataset(w, path, object);
    if (object >= 0 && H5Oclose(object) < 0) status = SEG_ERR_DATA;
    if (status == SEG_OK) return SEG_OK;
    return SEG_FAIL(status, "'%s' is damaged or of a kind that segmpi does not write",
                    seg_text_clean(*path ? path : "/", clean, sizeof clean));
}

static seg_status hash_content(hid_t file, const seg_input *in, content_part part, uint64_t *hash)
{
    walk w = { .file = file, .in = in, .part = part, .state = XXH3_createState() };

    if (!w.state) return SEG_FAIL(SEG_ERR_MEMORY, "out of memory for a checksum");
    (void)XXH3_64bits_reset(w.state);
    seg_status status = feed_object(&w, part == CONTENT_RUN ? STORE_RUN : "", 0);
    *hash = XXH3_64bits_digest(w.state);
    (void)XXH3_freeState(w.state);
    return status;
}

seg_status content_hash(hid_t file, content_part part, uint64_t *hash)
{
    return hash_content(file, NULL, part, hash);
}

/* ---- what a file says about itself ---- */

void content_text(uint64_t hash, char text[CONTENT_TEXT])
{
    (void)snprintf(text, CONTENT_TEXT, "%016llx", (unsigned long long)hash);
}

static seg_status compare(const seg_input *in, content_part part, const char *object,
                          const char *name, const char *path)
{
    char expected[CONTENT_TEXT], **said = NULL;
    uint64_t hash = 0;
    int n = 0;
    hid_t attribute = H5Aopen_by_name(in->file, object, name, H5P_DEFAULT, H5P_DEFAULT);

    seg_status status = attribute >= 0 ? store_texts(attribute, true, 1, &n, &said) : SEG_ERR_DATA;
    if (attribute >= 0) H5Aclose(attribute);
    if (status != SEG_OK || n != 1)
        status = SEG_FAIL(SEG_ERR_DATA, "'%s' is not complete: it has no '%s'", path, name);
    if (status == SEG_OK) status = hash_content(in->file, in, part, &hash);
    if (status == SEG_OK) {
        content_text(hash, expected);
        if (strcmp(expected, said[0]) != 0)
            status = SEG_FAIL(SEG_ERR_DATA,
                              "'%s' is damaged: its content does not fit the "
                              "checksum '%s'",
                              path, name);
    }
    seg_free(said);
    return status;
}

seg_status content_verify(const seg_input *in, const char *path)
{
    SEG_TRY(compare(in, CONTENT_FILE, "/", STORE_CONTENT, path));
    if (store_find(in->file, STORE_RUN) != STORE_GROUP) return SEG_OK;
    return compare(in, CONTENT_RUN, STORE_RUN, STORE_RUN_CHECKSUM, path);
}
