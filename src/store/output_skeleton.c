/* The skeleton of an output: groups, dimensions, arrays and texts, written by rank 0 with serial
 * HDF5.  Every array hangs on named dimension scales, as netCDF-4 wants it. */
#include <stdio.h>
#include <string.h>

#include "segmpi/memory.h"
#include "store_internal.h"

/* ---- groups and datasets ---- */

static seg_status failed(const seg_output *out, const char *path)
{
    return store_write_failed("create", path, out->part.path);
}

static seg_status create_group(const seg_output *out, const char *path)
{
    hid_t list = store_object_list(H5P_GROUP_CREATE);
    hid_t group = H5Gcreate2(out->file, path, H5P_DEFAULT, list, H5P_DEFAULT);

    if (list >= 0) H5Pclose(list);
    return group >= 0 && H5Gclose(group) >= 0 ? SEG_OK : failed(out, path);
}

/* The groups that lead to the last part of `path`. */
static seg_status create_parents(const seg_output *out, const char *path)
{
    char part[STORE_PATH];

    if (strlen(path) >= sizeof part)
        return SEG_FAIL(SEG_ERR_INTERNAL, "the path '%.40s...' is too long", path);
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        if (store_find(out->file, part) == STORE_NOTHING) SEG_TRY(create_group(out, part));
    }
    return SEG_OK;
}

seg_status skeleton_group(const seg_output *out, const char *path)
{
    SEG_TRY(create_parents(out, path));
    return create_group(out, path);
}

/* Contiguous; room for all values from the start, and nothing written into it (variable-length text
 * needs its fill value); `early` is false for what never gets values. */
static seg_status create_dataset(const seg_output *out, const char *path, hid_t type, int rank,
                                 const hsize_t *dim, bool early, hid_t *set)
{
    hid_t list = store_object_list(H5P_DATASET_CREATE);
    hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dim, NULL);

    *set = -1;
    if (list >= 0 && space >= 0 && H5Pset_layout(list, H5D_CONTIGUOUS) >= 0 &&
        H5Pset_alloc_time(list, early ? H5D_ALLOC_TIME_EARLY : H5D_ALLOC_TIME_LATE) >= 0 &&
        (H5Tis_variable_str(type) > 0 || H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) >= 0))
        *set = H5Dcreate2(out->file, path, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    if (list >= 0) H5Pclose(list);
    if (space >= 0) H5Sclose(space);
    return *set >= 0 ? SEG_OK : failed(out, path);
}

/* ---- dimensions ---- */

/* Opens the scale that `dim` means for an array at `path`. */
static seg_status open_dim(const seg_output *out, const char *path, const char *dim, hid_t *scale)
{
    char own[STORE_PATH], group[STORE_PATH] = "";
    const char *slash = strrchr(path, '/');

    if (slash)
        memcpy(group, path, (size_t)(slash - path)); /* create_parents() checked the length */
    if (slash && store_join(group, dim, own) && store_find(out->file, own) == STORE_DATASET)
        *scale = H5Dopen2(out->file, own, H5P_DEFAULT);
    else
        *scale = H5Dopen2(out->file, dim, H5P_DEFAULT);
    if (*scale >= 0 && H5DSis_scale(*scale) > 0) return SEG_OK;
    if (*scale >= 0) H5Dclose(*scale);
    return SEG_FAIL(SEG_ERR_INTERNAL, "array '%s' wants the dimension '%s', which is not declared",
                    path, dim);
}

static hsize_t length_of(hid_t scale)
{
    hid_t space = H5Dget_space(scale);
    hssize_t length = H5Sget_simple_extent_npoints(space);

    H5Sclose(space);
    return length > 0 ? (hsize_t)length : 0;
}

/* The scales that a comma-separated list names, and their lengths. */
static seg_status open_dims(const seg_output *out, const char *path, const char *dims, int *rank,
                            hid_t scale[4], hsize_t dim[4])
{
    char name[STORE_PATH];

    *rank = 0;
    for (const char *at = dims; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (*rank == 4 || length >= sizeof name)
            return SEG_FAIL(SEG_ERR_INTERNAL, "array '%s' has too many dimensions", path);
        memcpy(name, at, length);
        name[length] = '\0';
        at += length;
        SEG_TRY(open_dim(out, path, name, &scale[*rank]));
        dim[*rank] = length_of(scale[*rank]);
        (*rank)++;
    }
    return SEG_OK;
}

/* A dataset on the dimensions that `dims` names; *set is the caller's to close. */
static seg_status create_array(const seg_output *out, const char *path, hid_t type,
                               const char *dims, hid_t *set)
{
    hid_t scale[4];
    hsize_t dim[4];
    int rank = 0;

    *set = -1;
    if (type < 0) return failed(out, path);
    SEG_TRY(create_parents(out, path));
    seg_status status = open_dims(out, path, dims, &rank, scale, dim);
    if (status == SEG_OK) status = create_dataset(out, path, type, rank, dim, true, set);
    for (int i = 0; i < rank; i++) {
        if (status == SEG_OK && H5DSattach_scale(*set, scale[i], (unsigned)i) < 0)
            status = failed(out, path);
        H5Dclose(scale[i]);
    }
    if (status != SEG_OK && *set >= 0) {
        H5Dclose(*set);
        *set = -1;
    }
    return status;
}

/* Writes all values, if any, and closes the dataset. */
static seg_status fill(const seg_output *out, const char *path, hid_t set, hid_t type,
                       const void *data)
{
    herr_t written =
        length_of(set) > 0 ? H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) : 0;
    seg_status status = written >= 0 ? SEG_OK : store_write_failed("write", path, out->part.path);

    if (H5Dclose(set) < 0 && status == SEG_OK) status = failed(out, path);
    return status;
}

/* A dimension scale of its own: coordinates, names, or nothing (data NULL). */
static seg_status create_scale(const seg_output *out, const char *path, hid_t type, int64_t n,
                               const void *data)
{
    char label[100];
    const char *slash = strrchr(path, '/');
    hsize_t length = (hsize_t)n;
    hid_t set;

    SEG_TRY(seg_fault("store_dim", SEG_ERR_IO));
    if (n < 0) return SEG_FAIL(SEG_ERR_INTERNAL, "dimension '%s' has a negative length", path);
    SEG_TRY(create_parents(out, path));
    SEG_TRY(create_dataset(out, path, type, 1, &length, data != NULL, &set));
    if (data)
        (void)snprintf(label, sizeof label, "%.90s", slash ? slash + 1 : path);
    else
        (void)snprintf(label, sizeof label, STORE_NOT_A_COORD "%10lld", (long long)n);
    if (H5DSset_scale(set, label) < 0) {
        H5Dclose(set);
        return failed(out, path);
    }
    if (data) return fill(out, path, set, type, data);
    return H5Dclose(set) >= 0 ? SEG_OK : failed(out, path);
}

/* ---- the contract ---- */

seg_status seg_output_dim(seg_output *out, const char *path, int64_t length)
{
    if (!out->root) return SEG_OK;
    return create_scale(out, path, H5T_IEEE_F32BE, length, NULL); /* netCDF's choice of type */
}

seg_status seg_output_names(seg_output *out, const char *path, int n, const char *const *names)
{
    if (!out->root) return SEG_OK;
    hid_t type = store_text_type();
    seg_status status = create_scale(out, path, type, n, names);
    if (type >= 0) H5Tclose(type);
    return status;
}

seg_status seg_output_coordinates(seg_output *out, const char *path, seg_type type, int64_t n,
                                  const void *values)
{
    if (!out->root) return SEG_OK;
    hid_t file_type = store_type(type, 0);
    seg_status status = create_scale(out, path, file_type, n, values);
    if (file_type >= 0) H5Tclose(file_type);
    return status;
}

static seg_status write_array(const seg_output *out, const char *path, hid_t type, const char *dims,
                              const void *data)
{
    hid_t set;

    SEG_TRY(seg_fault("store_array", SEG_ERR_IO));
    SEG_TRY(create_array(out, path, type, dims, &set));
    return fill(out, path, set, type, data);
}

seg_status seg_output_array(seg_output *out, const char *path, seg_type type, const char *dims,
                            const void *data)
{
    if (!out->root) return SEG_OK;
    hid_t file_type = store_type(type, 0);
    seg_status status = write_array(out, path, file_type, dims, data);
    if (file_type >= 0) H5Tclose(file_type);
    return status;
}

seg_status seg_output_texts(seg_output *out, const char *path, const char *dim,
                            const char *const *texts)
{
    if (!out->root) return SEG_OK;
    hid_t type = store_text_type();
    seg_status status = write_array(out, path, type, dim, texts);
    if (type >= 0) H5Tclose(type);
    return status;
}

/* ---- row arrays ---- */

/* Room for one checksum per block, on a dimension of its own. */
static seg_status create_sums(const seg_output *out, const char *path, int64_t n)
{
    char sums[STORE_PATH];
    hid_t set, scale, type = H5T_STD_U64LE;
    hsize_t blocks = (hsize_t)seg_rows_blocks(n);

    if (!store_join(STORE_CHECKSUMS, path, sums))
        return SEG_FAIL(SEG_ERR_INTERNAL, "the path '%s' is too long", path);
    if (store_find(out->file, STORE_BLOCKS) == STORE_NOTHING)
        SEG_TRY(create_scale(out, STORE_BLOCKS, H5T_IEEE_F32BE, (int64_t)blocks, NULL));
    SEG_TRY(create_parents(out, sums));
    SEG_TRY(create_dataset(out, sums, type, 1, &blocks, true, &set));
    scale = H5Dopen2(out->file, STORE_BLOCKS, H5P_DEFAULT);
    seg_status status = SEG_OK;
    if (scale < 0 || H5DSattach_scale(set, scale, 0) < 0)
        status = failed(out, sums);
    else if (length_of(scale) != blocks)
        status = SEG_FAIL(SEG_ERR_INTERNAL, "row array '%s' has other rows than the first", path);
    if (scale >= 0) H5Dclose(scale);
    if (H5Dclose(set) < 0 && status == SEG_OK) status = failed(out, sums);
    return status;
}

/* Root.  Declares a row array in the file. */
static seg_status create_rows(const seg_output *out, const row_array *array, const char *dims)
{
    hid_t set, space, type = store_type(array->type, array->width);
    hsize_t dim[4] = { 0 };

    seg_status status = create_array(out, array->path, type, dims, &set);
    if (type >= 0) H5Tclose(type);
    SEG_TRY(status);
    space = H5Dget_space(set);
    int rank = H5Sget_simple_extent_dims(space, dim, NULL);
    H5Sclose(space);
    if (H5Dclose(set) < 0) return failed(out, array->path);
    if (rank < 1) return SEG_FAIL(SEG_ERR_INTERNAL, "row array '%s' has no dimension", array->path);
    return create_sums(out, array->path, (int64_t)dim[0]);
}

seg_status seg_output_rows(seg_output *out, const char *path, seg_type type, int width,
                           const char *dims)
{
    row_array *array;

    SEG_TRY(seg_fault("store_rows", SEG_ERR_IO));
    SEG_TRY(rows_add(out, path, type, width, &array));
    return out->root ? create_rows(out, array, dims) : SEG_OK;
}
