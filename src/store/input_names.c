/* Texts, attributes and lists of an input. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* The sentence for a failure that the helpers have left without one. */
static seg_status failed(seg_status status, const seg_input *in, const char *what, const char *path)
{
    char clean[200];

    if (status == SEG_OK) return SEG_OK;
    return SEG_FAIL(status, "cannot read %s '%s' in '%s'", what,
                    seg_text_clean(path, clean, sizeof clean), in->path);
}

/* ---- texts ---- */

seg_status seg_input_names(seg_input *in, const char *path, int *n, char ***names)
{
    input_set s;

    *n = 0;
    *names = NULL;
    SEG_TRY(seg_fault("store_names", SEG_ERR_IO));
    SEG_TRY(set_open(in, path, &s));
    seg_status status =
        failed(store_texts(s.set, false, STORE_MOST_NAMES, n, names), in, "texts", path);
    set_close(&s);
    return status;
}

typedef struct found_names {
    int wanted, n;
    char **names;
    seg_status status; /* what ended the search: no memory */
} found_names;

/* Whether these are as many texts as there are columns. */
static bool are_names(hid_t source, bool attribute, found_names *f)
{
    seg_status status = store_texts(source, attribute, f->wanted, &f->n, &f->names);

    if (status == SEG_OK && f->n == f->wanted) return true;
    seg_free(f->names);
    f->n = 0;
    f->names = NULL;
    if (status == SEG_ERR_MEMORY) f->status = status;
    if (f->status == SEG_OK) seg_error_clear();
    return false;
}

static herr_t names_of_scale(hid_t scale, int dim, void *data)
{
    found_names *f = data;

    (void)dim;
    return are_names(scale, false, f) ? 1 : f->status == SEG_OK ? 0 : -1;
}

static void names_of_attributes(hid_t set, found_names *f)
{
    char **attributes = NULL;
    int n = 0;

    f->status = store_attributes(set, H5_INDEX_NAME, &n, &attributes);
    if (f->status == SEG_ERR_DATA) f->status = SEG_OK; /* without names, then */
    for (int i = 0; i < n && f->n == 0 && f->status == SEG_OK; i++) {
        hid_t attribute = H5Aopen(set, attributes[i], H5P_DEFAULT);
        if (attribute < 0) continue;
        (void)are_names(attribute, true, f);
        H5Aclose(attribute);
    }
    seg_free(attributes);
}

seg_status seg_input_column_names(seg_input *in, const char *path, int *n, char ***names)
{
    input_set s;
    found_names found = { 0 };
    herr_t scales = 0;

    *n = 0;
    *names = NULL;
    SEG_TRY(set_open(in, path, &s));
    if (s.shape.rank == 2 && s.shape.dim[1] > 0 && s.shape.dim[1] <= STORE_MOST_NAMES) {
        found.wanted = (int)s.shape.dim[1];
        scales = store_scales(s.set, 1, names_of_scale, &found);
        if (scales == 0) names_of_attributes(s.set, &found);
    }
    set_close(&s);
    /* names that are there may not have been found */
    seg_status status = found.status;
    if (status == SEG_OK)
        status = scales < 0 ? store_read_failed("read the column names of", path, in->path)
                            : input_sound(in, path);
    if (status != SEG_OK) {
        seg_free(found.names);
        return status;
    }
    *n = found.n;
    *names = found.names;
    return SEG_OK;
}

/* ---- attributes ---- */

static hid_t open_object(const seg_input *in, const char *object)
{
    store_kind kind = store_find(in->file, object);

    if (kind != STORE_GROUP && kind != STORE_DATASET) return -1;
    return H5Oopen(in->file, *object ? object : "/", H5P_DEFAULT);
}

static hid_t open_attribute(const seg_input *in, const char *object, const char *name)
{
    hid_t id = open_object(in, object);
    hid_t attribute =
        id >= 0 && H5Aexists(id, name) > 0 ? H5Aopen(id, name, H5P_DEFAULT) : (hid_t)-1;

    if (id >= 0) H5Oclose(id);
    return attribute;
}

bool seg_input_has_attr(const seg_input *in, const char *object, const char *name)
{
    store_kind kind = store_find(in->file, object);
    hid_t id = open_object(in, object);
    htri_t found = id >= 0 ? H5Aexists(id, name) : -1;

    if (id >= 0) H5Oclose(id);
    return (kind != STORE_NOTHING && kind != STORE_OTHER && found != 0) ||
           in->failures != store_system_failures();
}

seg_status seg_input_attr_text(seg_input *in, const char *object, const char *name, char *value,
                               size_t size)
{
    hid_t attribute = open_attribute(in, object, name);
    char **texts = NULL;
    int n = 0;
    seg_status status = attribute >= 0 ? store_texts(attribute, true, 1, &n, &texts) : SEG_ERR_DATA;

    if (attribute >= 0) H5Aclose(attribute);
    if (status == SEG_OK && n != 1) status = SEG_ERR_DATA;
    if (status == SEG_OK) (void)seg_text_copy(value, size, texts[0]);
    seg_free(texts);
    return failed(status, in, "the text attribute", name);
}

/* One number of class integer, or of float as well. */
static seg_status read_number(const seg_input *in, const char *object, const char *name,
                              bool floats, hid_t type, void *value)
{
    hid_t attribute = open_attribute(in, object, name);
    bool done = false;

    if (attribute >= 0) {
        hid_t file_type = H5Aget_type(attribute), space = H5Aget_space(attribute);
        H5T_class_t class = H5Tget_class(file_type);
        done = (class == H5T_INTEGER || (floats && class == H5T_FLOAT)) &&
               H5Sget_simple_extent_npoints(space) == 1 && H5Aread(attribute, type, value) >= 0;
        H5Sclose(space);
        H5Tclose(file_type);
        H5Aclose(attribute);
    }
    return failed(done ? SEG_OK : SEG_ERR_DATA, in, "the number attribute", name);
}

seg_status seg_input_attr_int(seg_input *in, const char *object, const char *name, int64_t *value)
{
    return read_number(in, object, name, false, H5T_NATIVE_INT64, value);
}

seg_status seg_input_attr_double(seg_input *in, const char *object, const char *name, double *value)
{
    return read_number(in, object, name, true, H5T_NATIVE_DOUBLE, value);
}

seg_status seg_input_attr_list(seg_input *in, const char *object, int *n, char ***names)
{
    hid_t id = open_object(in, object);
    seg_status status = SEG_ERR_DATA;

    *n = 0;
    *names = NULL;
    if (id >= 0) {
        status = store_attributes(id, H5_INDEX_CRT_ORDER, n, names);
        H5Oclose(id);
    }
    return failed(status, in, "the attributes of", object);
}

/* ---- members ---- */

seg_status seg_input_list(seg_input *in, const char *group, int *n, char ***names)
{
    hid_t id = store_find(in->file, group) == STORE_GROUP
                   ? H5Gopen2(in->file, *group ? group : "/", H5P_DEFAULT)
                   : (hid_t)-1;
    seg_status status = SEG_ERR_DATA;

    *n = 0;
    *names = NULL;
    if (id >= 0) {
        status = store_links(id, H5_INDEX_CRT_ORDER, n, names);
        H5Gclose(id);
    }
    return failed(status, in, "group", group);
}
