/* Attributes of an output: texts are fixed-length UTF-8, as netCDF writes them. */
#include <string.h>

#include "segmpi/memory.h"
#include "store_internal.h"

/* Opens `object`; a group is made where nothing stands. */
static seg_status open_object(const seg_output *out, const char *object, hid_t *id)
{
    if (*object && store_find(out->file, object) == STORE_NOTHING)
        SEG_TRY(skeleton_group(out, object));
    *id = H5Oopen(out->file, *object ? object : "/", H5P_DEFAULT);
    return *id >= 0 ? SEG_OK : store_write_failed("open", object, out->part.path);
}

/* Root.  Replaces an attribute of that name. */
static seg_status write_attribute(const seg_output *out, const char *object, const char *name,
                                  hid_t type, hid_t space, const void *value)
{
    hid_t id, attribute = -1;

    SEG_TRY(seg_fault("store_attribute", SEG_ERR_IO));
    SEG_TRY(open_object(out, object, &id));
    herr_t done = H5Aexists(id, name) > 0 ? H5Adelete(id, name) : 0;
    if (done >= 0) attribute = H5Acreate2(id, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    done = attribute >= 0 ? H5Awrite(attribute, type, value) : -1;
    if (attribute >= 0 && H5Aclose(attribute) < 0) done = -1;
    if (H5Oclose(id) < 0) done = -1;
    return done >= 0 ? SEG_OK : store_write_failed("write attribute", name, out->part.path);
}

static seg_status write_scalar(const seg_output *out, const char *object, const char *name,
                               hid_t type, const void *value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    seg_status status = write_attribute(out, object, name, type, space, value);

    if (space >= 0) H5Sclose(space);
    return status;
}

seg_status seg_output_attr_text(seg_output *out, const char *object, const char *name,
                                const char *value)
{
    if (!out->root) return SEG_OK;
    hid_t type = store_type(SEG_TEXT, (int)strlen(value)); /* "" is one NUL */
    seg_status status = write_scalar(out, object, name, type, value);
    if (type >= 0) H5Tclose(type);
    return status;
}

seg_status seg_output_attr_int(seg_output *out, const char *object, const char *name, int64_t value)
{
    return out->root ? write_scalar(out, object, name, H5T_STD_I64LE, &value) : SEG_OK;
}

seg_status seg_output_attr_double(seg_output *out, const char *object, const char *name,
                                  double value)
{
    return out->root ? write_scalar(out, object, name, H5T_IEEE_F64LE, &value) : SEG_OK;
}

/* The integer type of a dataset; the caller closes it. */
static seg_status integer_type(const seg_output *out, const char *path, hid_t *type)
{
    hid_t set = H5Dopen2(out->file, path, H5P_DEFAULT);

    *type = set >= 0 ? H5Dget_type(set) : -1;
    if (set >= 0) H5Dclose(set);
    if (*type >= 0 && H5Tget_class(*type) == H5T_INTEGER) return SEG_OK;
    if (*type >= 0) H5Tclose(*type);
    return SEG_FAIL(SEG_ERR_INTERNAL, "'%s' is not an array of category codes", path);
}

/* "one two_words": blanks separate, so those inside become underscores. */
static seg_status join_meanings(int n, const char *const *meanings, char **joined)
{
    int64_t size = 1;

    for (int i = 0; i < n; i++)
        size += (int64_t)strlen(meanings[i]) + 1;
    SEG_TRY(seg_alloc(size, 1, joined));
    char *at = *joined;
    for (int i = 0; i < n; i++) {
        if (i > 0) *at++ = ' ';
        for (const char *c = meanings[i]; *c; c++)
            *at++ = *c == ' ' ? '_' : *c;
    }
    return SEG_OK;
}

/* flag_values in the type of the array itself, as CF asks. */
static seg_status write_values(const seg_output *out, const char *object, int n)
{
    seg_status status = SEG_OK;
    hid_t type = -1, space = -1;
    hsize_t length = (hsize_t)n;
    int64_t *values = NULL;

    SEG_TRY(integer_type(out, object, &type));
    space = H5Screate_simple(1, &length, NULL);
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *values, &values));
    for (int i = 0; i < n; i++)
        values[i] = i;
    if (H5Tconvert(H5T_STD_I64LE, type, (size_t)n, values, NULL, H5P_DEFAULT) < 0)
        status = store_write_failed("write attribute", "flag_values", out->part.path);
    else
        status = write_attribute(out, object, "flag_values", type, space, values);
done:
    seg_free(values);
    if (space >= 0) H5Sclose(space);
    H5Tclose(type);
    return status;
}

seg_status seg_output_attr_flags(seg_output *out, const char *object, int n,
                                 const char *const *meanings)
{
    char *joined = NULL;

    if (!out->root) return SEG_OK;
    SEG_TRY(write_values(out, object, n));
    SEG_TRY(join_meanings(n, meanings, &joined));
    seg_status status = seg_output_attr_text(out, object, "flag_meanings", joined);
    seg_free(joined);
    return status;
}
