/* A description in a file: the statistics/ of a model, or the whole of describe.h5. */
#include <stdio.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define PATH 256

static seg_status join(const char *group, const char *name, char path[PATH])
{
    int length = snprintf(path, PATH, "%s%s%s", group, *group ? "/" : "", name);

    if (length < PATH) return SEG_OK;
    return SEG_FAIL(SEG_ERR_INTERNAL, "the group '%.40s...' is too long", group);
}

/* ---- writing ---- */

static seg_status write_dim(const char *group, const char *name, int64_t length, seg_output *out)
{
    char path[PATH];

    SEG_TRY(join(group, name, path));
    return seg_output_dim(out, path, length);
}

/* A second dimension with the same names: netCDF's readers do not take one dimension twice. */
static seg_status write_dims(const seg_describe *d, const char *group, seg_output *out)
{
    char path[PATH];

    SEG_TRY(join(group, "feature_2", path));
    SEG_TRY(seg_output_names(out, path, d->d, (const char *const *)d->names));
    SEG_TRY(join(group, "probability", path));
    SEG_TRY(
        seg_output_coordinates(out, path, SEG_FLOAT64, SEG_QUANTILES, seg_describe_probabilities));
    if (!d->full) return SEG_OK;
    SEG_TRY(write_dim(group, "histogram/bin", SEG_HISTOGRAM_BINS, out));
    SEG_TRY(write_dim(group, "histogram/bin_edge", SEG_HISTOGRAM_BINS + 1, out));
    return d->n_relations == 0 ? SEG_OK
                               : write_dim(group, "relation/relation", d->n_relations, out);
}

static seg_status write_attributes(const seg_describe *d, const char *group, seg_output *out)
{
    static const char *const scales[] = { "linear", "asinh" };
    char path[PATH];

    SEG_TRY(seg_output_attr_int(out, group, "n_rows", d->rows));
    SEG_TRY(seg_output_attr_int(out, group, "n_clients", d->n));
    SEG_TRY(seg_output_attr_int(out, group, "infinite_count", d->infinite));
    if (!d->full) return SEG_OK;
    SEG_TRY(seg_output_attr_int(out, group, "distinct_cap", SEG_DISTINCT_CAP));
    SEG_TRY(join(group, "spearman", path));
    SEG_TRY(seg_output_attr_int(out, path, "n_rows", d->spearman_rows));
    SEG_TRY(seg_output_attr_text(
        out, path, "basis", d->spearman_rows < d->rows ? "sample by row number" : "all clients"));
    SEG_TRY(join(group, "histogram/bin_scale", path));
    return seg_output_attr_flags(out, path, 2, scales);
}

static bool is_there(const seg_describe *d, const describe_array *array)
{
    bool is_relation = strncmp(array->dims, "relation", 8) == 0;

    return (d->full || !array->full) && (!is_relation || d->n_relations > 0);
}

seg_status seg_describe_write(const seg_describe *d, const char *group, seg_output *out)
{
    char path[PATH];

    SEG_TRY(seg_fault("describe_write", SEG_ERR_IO));
    SEG_TRY(write_dims(d, group, out));
    for (int i = 0; i < describe_n_arrays; i++) {
        const describe_array *array = &describe_arrays[i];
        if (!is_there(d, array)) continue;
        SEG_TRY(join(group, array->name, path));
        SEG_TRY(seg_output_array(out, path, array->type, array->dims, describe_data(d, array)));
        SEG_TRY(seg_output_attr_text(out, path, "long_name", array->long_name));
    }
    return write_attributes(d, group, out);
}

/* ---- reading ---- */

static seg_status read_sizes(seg_input *in, const char *group, seg_describe *d)
{
    char path[PATH];
    seg_shape shape;
    char **names = NULL;
    int64_t rows, n, infinite;
    int columns;

    SEG_TRY(seg_input_attr_int(in, group, "n_rows", &rows));
    SEG_TRY(seg_input_attr_int(in, group, "n_clients", &n));
    SEG_TRY(seg_input_attr_int(in, group, "infinite_count", &infinite));
    SEG_TRY(join(group, "spearman", path));
    bool full = seg_input_has(in, path);
    SEG_TRY(seg_input_names(in, "feature", &columns, &names));
    seg_status status = describe_init(d, columns, rows, (const char *const *)names, full);
    seg_free(names);
    SEG_TRY(status);
    d->n = n;
    d->infinite = infinite;
    if (!full) return SEG_OK;
    SEG_TRY(seg_input_attr_int(in, path, "n_rows", &d->spearman_rows));
    SEG_TRY(join(group, "relation/column", path));
    if (!seg_input_has(in, path)) return SEG_OK;
    SEG_TRY(seg_input_shape(in, path, &shape));
    if (shape.rank != 1 || shape.dim[0] > columns)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' has more relations than features", path,
                        seg_input_path(in));
    d->n_relations = (int)shape.dim[0];
    return SEG_OK;
}

static seg_status read_array(seg_input *in, const char *group, const describe_array *array,
                             const seg_describe *d)
{
    char path[PATH];
    int64_t rows = strncmp(array->dims, "relation", 8) == 0 ? d->n_relations : d->d;
    int64_t width = strchr(array->dims, ',') ? describe_length(array->dims, d->d) / d->d : 0;

    SEG_TRY(join(group, array->name, path));
    return seg_input_array(in, path, array->type, rows, width, describe_data(d, array));
}

static seg_status check_relations(seg_input *in, const seg_describe *d)
{
    for (int i = 0; i < d->n_relations; i++)
        if (d->relation_column[i] < 0 || d->relation_column[i] >= d->d)
            return SEG_FAIL(SEG_ERR_DATA, "a relation in '%s' is about a feature that is not there",
                            seg_input_path(in));
    return SEG_OK;
}

seg_status seg_describe_read(seg_input *in, const char *group, seg_describe *d)
{
    seg_status status = SEG_OK;

    *d = (seg_describe) { 0 };
    SEG_TRY_OR_DONE(read_sizes(in, group, d));
    for (int i = 0; i < describe_n_arrays; i++)
        if (is_there(d, &describe_arrays[i]))
            SEG_TRY_OR_DONE(read_array(in, group, &describe_arrays[i], d));
    SEG_TRY_OR_DONE(check_relations(in, d));
done:
    if (status != SEG_OK) seg_describe_release(d);
    return status;
}
