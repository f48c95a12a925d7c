/* Links, paths and texts of an HDF5 file.  Only hard links are followed: a soft or external link
 * could lead into another file. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/memory.h"
#include "store_internal.h"

/* ---- paths ---- */

/* What the link `name` of `place` leads to. */
static store_kind link_kind(hid_t place, const char *name)
{
    H5L_info_t info;

    htri_t exists = H5Lexists(place, name, H5P_DEFAULT);
    if (exists == 0) return STORE_NOTHING;
    if (exists < 0 || H5Lget_info(place, name, &info, H5P_DEFAULT) < 0) return STORE_UNKNOWN;
    if (info.type != H5L_TYPE_HARD) return STORE_OTHER;

    hid_t object = H5Oopen(place, name, H5P_DEFAULT);
    if (object < 0) return STORE_UNKNOWN;
    H5I_type_t type = H5Iget_type(object);
    (void)H5Oclose(object);
    return type == H5I_GROUP ? STORE_GROUP : type == H5I_DATASET ? STORE_DATASET : STORE_OTHER;
}

store_kind store_find(hid_t file, const char *path)
{
    char part[STORE_PATH];
    store_kind kind = STORE_GROUP;

    if (strlen(path) >= sizeof part) return STORE_NOTHING;
    /* every beginning of the path must be a group behind hard links */
    for (size_t end = 0; path[end]; end += path[end] == '/') {
        if (kind != STORE_GROUP) return kind == STORE_UNKNOWN ? kind : STORE_NOTHING;
        end += strcspn(path + end, "/");
        memcpy(part, path, end);
        part[end] = '\0';
        kind = link_kind(file, part);
    }
    return kind;
}

bool store_join(const char *group, const char *name, char path[STORE_PATH])
{
    int length = snprintf(path, STORE_PATH, "%s%s%s", group, *group ? "/" : "", name);

    return length > 0 && length < STORE_PATH;
}

/* ---- lists of names ---- */

typedef struct found_name {
    int64_t made; /* place in the order of creation, if that counts and is known */
    char *name;
} found_name;

/* First pass: names counted; second pass: names copied. */
typedef struct collector {
    bool by_creation;
    int64_t n, bytes;
    found_name *found; /* NULL in the first pass */
    char *at;
} collector;

static herr_t collect(collector *c, const char *name, int64_t made)
{
    size_t size = strlen(name) + 1;

    if (c->found) {
        c->found[c->n] = (found_name) { made, memcpy(c->at, name, size) };
        c->at += size;
    }
    c->n++;
    c->bytes += (int64_t)size;
    return c->n < INT_MAX ? 0 : -1;
}

static herr_t collect_link(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    collector *c = data;
    const bool counts = c->by_creation && info->corder_valid;

    (void)group;
    return info->type == H5L_TYPE_HARD ? collect(c, name, counts ? info->corder : 0) : 0;
}

static herr_t collect_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
    collector *c = data;

    (void)object;
    return collect(c, name, c->by_creation && info->corder_valid ? (int64_t)info->corder : 0);
}

/* In HDF5's own order: it sorts in a table, which 1.10.8 frees twice if it cannot read all of it.
 */
static herr_t iterate(hid_t object, bool attributes, collector *c)
{
    hsize_t at = 0;

    return attributes
               ? H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, &at, collect_attribute, c)
               : H5Literate(object, H5_INDEX_NAME, H5_ITER_NATIVE, &at, collect_link, c);
}

static int in_order(const void *a, const void *b)
{
    const found_name *x = a, *y = b;

    return x->made != y->made ? (x->made < y->made ? -1 : 1) : strcmp(x->name, y->name);
}

/* The second pass.  `fill` has room for what the first one has counted. */
static seg_status fill_list(hid_t object, bool attributes, collector *fill, char **names)
{
    if (iterate(object, attributes, fill) < 0) return SEG_ERR_DATA;
    qsort(fill->found, (size_t)fill->n, sizeof *fill->found, in_order);
    for (int64_t i = 0; i < fill->n; i++)
        names[i] = fill->found[i].name;
    return SEG_OK;
}

static seg_status list(hid_t object, bool attributes, H5_index_t order, int *n, char ***names)
{
    seg_status status = SEG_OK;
    collector count = { .by_creation = order == H5_INDEX_CRT_ORDER }, fill = count;

    *n = 0;
    *names = NULL;
    if (iterate(object, attributes, &count) < 0) return SEG_ERR_DATA;
    SEG_TRY_OR_DONE(seg_alloc(count.n, sizeof *fill.found, &fill.found));
    SEG_TRY_OR_DONE(seg_alloc(count.n * (int64_t)sizeof **names + count.bytes, 1, names));
    fill.at = (char *)(*names + count.n);
    SEG_TRY_OR_DONE(fill_list(object, attributes, &fill, *names));
    *n = (int)fill.n;
done:
    if (status != SEG_OK) {
        seg_free(*names);
        *names = NULL;
    }
    seg_free(fill.found);
    return status;
}

seg_status store_links(hid_t group, H5_index_t order, int *n, char ***names)
{
    return list(group, false, order, n, names);
}

seg_status store_attributes(hid_t object, H5_index_t order, int *n, char ***names)
{
    return list(object, true, order, n, names);
}

/* ---- texts ---- */

seg_status store_texts_copy(int n, char *const *from, char ***texts)
{
    int64_t bytes = 0;

    for (int i = 0; i < n; i++)
        bytes += (int64_t)(from[i] ? strlen(from[i]) : 0) + 1;
    SEG_TRY(seg_alloc(n * (int64_t)sizeof **texts + bytes, 1, texts));
    char *at = (char *)(*texts + n);
    for (int i = 0; i < n; i++) {
        const size_t size = from[i] ? strlen(from[i]) + 1 : 1;
        (*texts)[i] = memcpy(at, from[i] ? from[i] : "", size);
        at += size;
    }
    return SEG_OK;
}

static herr_t read_raw(hid_t source, bool attribute, hid_t type, void *data)
{
    return attribute ? H5Aread(source, type, data)
                     : H5Dread(source, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data);
}

static seg_status variable_texts(hid_t source, bool attribute, hid_t space, int n, char ***texts)
{
    char **raw = NULL;
    hid_t type = store_text_type();

    SEG_TRY(seg_alloc(n, sizeof *raw, &raw));
    /* memory of the file's own character set: the bytes are the same */
    hid_t source_type = attribute ? H5Aget_type(source) : H5Dget_type(source);
    seg_status status = SEG_ERR_DATA;
    if (H5Tset_cset(type, H5Tget_cset(source_type)) >= 0 &&
        read_raw(source, attribute, type, raw) >= 0) {
        status = store_texts_copy(n, raw, texts);
        store_reclaim(type, space, raw);
    }
    H5Tclose(source_type);
    H5Tclose(type);
    seg_free(raw);
    return status;
}

static seg_status fixed_texts(hid_t source, bool attribute, hid_t type, int n, char ***texts)
{
    seg_status status = SEG_OK;
    size_t width = H5Tget_size(type);
    bool blanks = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
    char *raw = NULL, *line = NULL, **each = NULL;

    if (width > (size_t)STORE_WIDEST / (size_t)(n > 0 ? n : 1)) return SEG_ERR_DATA;
    SEG_TRY_OR_DONE(seg_alloc(n, width, &raw));
    SEG_TRY_OR_DONE(seg_alloc(n, width + 1, &line));
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *each, &each));
    if (read_raw(source, attribute, type, raw) < 0) {
        status = SEG_ERR_DATA;
        goto done;
    }
    for (int i = 0; i < n; i++) {
        each[i] = line + (size_t)i * (width + 1);
        memcpy(each[i], raw + (size_t)i * width, width);
        for (size_t end = strlen(each[i]); blanks && end > 0 && each[i][end - 1] == ' '; end--)
            each[i][end - 1] = '\0';
    }
    status = store_texts_copy(n, each, texts);
done:
    seg_free(raw);
    seg_free(line);
    seg_free(each);
    return status;
}

seg_status store_texts(hid_t source, bool attribute, int most, int *n, char ***texts)
{
    hid_t type = attribute ? H5Aget_type(source) : H5Dget_type(source);
    hid_t space = attribute ? H5Aget_space(source) : H5Dget_space(source);
    hssize_t points = H5Sget_simple_extent_npoints(space);
    seg_status status = SEG_ERR_DATA;
    seg_type kind;
    int width;

    *n = 0;
    *texts = NULL;
    if (points >= 0 && points <= most && H5Sget_simple_extent_ndims(space) <= 1 &&
        store_type_of(type, &kind, &width) && kind == SEG_TEXT) {
        status = width == 0 ? variable_texts(source, attribute, space, (int)points, texts)
                            : fixed_texts(source, attribute, type, (int)points, texts);
        if (status == SEG_OK) *n = (int)points;
    }
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

/* ---- scales ---- */

seg_status store_is_scale(hid_t set, bool *is_scale)
{
    char **class = NULL;
    int n = 0;
    hid_t attribute =
        H5Aexists(set, "CLASS") > 0 ? H5Aopen(set, "CLASS", H5P_DEFAULT) : H5I_INVALID_HID;
    seg_status status = attribute >= 0 ? store_texts(attribute, true, 1, &n, &class) : SEG_ERR_DATA;

    *is_scale = status == SEG_OK && n == 1 && strcmp(class[0], "DIMENSION_SCALE") == 0;
    if (attribute >= 0) H5Aclose(attribute);
    seg_free(class);
    return status == SEG_ERR_MEMORY ? status : SEG_OK;
}

static herr_t visit_list(hid_t set, int dim, const hvl_t *list, store_visit visit, void *data)
{
    const hobj_ref_t *reference = list->p;
    herr_t result = 0;

    for (size_t i = 0; i < list->len && result == 0; i++) {
        hid_t scale = H5Rdereference2(set, H5P_DEFAULT, H5R_OBJECT, &reference[i]);
        if (scale < 0) return -1;
        result = visit(scale, dim, data);
        (void)H5Oclose(scale);
    }
    return result;
}

/* DIMENSION_LIST holds a list of references for each dimension. */
herr_t store_scales(hid_t set, int dim, store_visit visit, void *data)
{
    const htri_t exists = H5Aexists(set, "DIMENSION_LIST");
    hvl_t list[4];
    herr_t result = -1;

    if (exists <= 0) return exists;
    hid_t attribute = H5Aopen(set, "DIMENSION_LIST", H5P_DEFAULT);
    hid_t space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    hid_t type = H5Tvlen_create(H5T_STD_REF_OBJ);
    const hssize_t n = space >= 0 ? H5Sget_simple_extent_npoints(space) : 0;
    if (dim < n && n <= 4 && H5Aread(attribute, type, list) >= 0) {
        result = visit_list(set, dim, &list[dim], visit, data);
        store_reclaim(type, space, list);
    }
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (attribute >= 0) H5Aclose(attribute);
    return result;
}
