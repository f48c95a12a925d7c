/* Finds the table in an HDF5 file: segmpi's own features, the 2-D dataset or the group of columns
 * that the user names, or the only candidate within two levels. */
#include <stdio.h>
#include <string.h>

#include "segmpi/columns.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/table.h"
#include "segmpi/text.h"
#include "table_internal.h"

/* What a walk has met: the first candidate, a list of all for the message, and why the first
 * dataset that is none was refused. */
typedef struct candidates {
    int n;
    char first[512];
    char list[400];
    seg_error refusal;
} candidates;

static void list_add(candidates *c, const char *text)
{
    size_t length = strlen(c->list);

    seg_text_clean(text, c->list + length, sizeof c->list - length);
}

static void candidate_add(candidates *c, const char *path)
{
    if (c->n == 0) seg_text_copy(c->first, sizeof c->first, path);
    list_add(c, c->n++ > 0 ? ", '" : "'");
    list_add(c, *path ? path : "/");
    list_add(c, "'");
}

/* path = group/name; false if it does not fit. */
static bool join(const char *group, const char *name, char *path, size_t size)
{
    int length = snprintf(path, size, "%s%s%s", group, *group ? "/" : "", name);

    return length > 0 && (size_t)length < size;
}

/* Keeps the failure that was just met if it is the first, and goes on without. */
static void refusal_keep(seg_error *refusal)
{
    if (refusal->status == SEG_OK) *refusal = *seg_error_get();
    seg_error_clear();
}

/* pandas' to_hdf() cuts a table into pieces that only pandas puts together again. */
static seg_status refuse_pandas(seg_input *in, const char *group)
{
    if (!seg_input_has_attr(in, group, "pandas_type")) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA,
                    "'%s' in '%s' was written by pandas' to_hdf(), which segmpi does not read; "
                    "write a dataset for each column with h5py, or CSV",
                    group, seg_input_path(in));
}

static seg_status refuse_length(const char *name, int64_t length, const char *first,
                                int64_t first_length)
{
    char shown[100], first_shown[100];

    return SEG_FAIL(SEG_ERR_DATA, "column '%s' has %lld values, '%s' has %lld",
                    seg_text_clean(name, shown, sizeof shown), (long long)length,
                    seg_text_clean(first, first_shown, sizeof first_shown),
                    (long long)first_length);
}

/* The shape of a numeric dataset; false for groups, texts and what the store refuses to read, with
 * the reason if it is the first. */
static seg_status numeric_shape(seg_input *in, const char *path, seg_shape *shape, bool *numeric,
                                seg_error *refusal)
{
    *numeric = false;
    if (seg_input_is_group(in, path)) return SEG_OK;

    seg_status status = seg_input_shape(in, path, shape);
    if (status == SEG_ERR_DATA) {
        refusal_keep(refusal);
        return SEG_OK;
    }
    *numeric = status == SEG_OK && shape->type != SEG_TEXT;
    return status;
}

/* netCDF's and h5py's dimension scales are no columns. */
static seg_status is_scale(seg_input *in, const char *path, bool *yes)
{
    char class[32] = "";
    seg_status status = SEG_OK;

    if (seg_input_has_attr(in, path, "CLASS"))
        status = seg_input_attr_text(in, path, "CLASS", class, sizeof class);
    *yes = status == SEG_OK && strcmp(class, "DIMENSION_SCALE") == 0;
    if (status != SEG_ERR_DATA) return status;
    seg_error_clear(); /* a CLASS of another kind */
    return SEG_OK;
}

static seg_status is_column(seg_input *in, const char *path, int64_t *length, bool *yes,
                            seg_error *refusal)
{
    seg_shape shape;
    bool scale = false;

    SEG_TRY(numeric_shape(in, path, &shape, yes, refusal));
    *yes = *yes && shape.rank == 1;
    if (*yes) SEG_TRY(is_scale(in, path, &scale));
    *yes = *yes && !scale;
    if (*yes) *length = shape.dim[0];
    return SEG_OK;
}

/* ---- without --dataset ---- */

/* Adds the group's 2-D datasets to `tables` and, if its columns have one length, the group to
 * `groups`; goes `depth` levels down. */
static seg_status walk(seg_input *in, const char *group, int depth, candidates *tables,
                       candidates *groups)
{
    seg_status status = SEG_OK;
    char **names = NULL, path[512];
    const char *first = NULL; /* column, which has that length */
    int n = 0;
    int64_t length = 0, first_length = 0;
    bool equal = true;

    if (refuse_pandas(in, group) != SEG_OK) {
        refusal_keep(&tables->refusal);
        return SEG_OK;
    }
    SEG_TRY_OR_DONE(seg_input_list(in, group, &n, &names));
    for (int i = 0; i < n; i++) {
        seg_shape shape;
        bool yes;
        if (!join(group, names[i], path, sizeof path)) continue;
        SEG_TRY_OR_DONE(numeric_shape(in, path, &shape, &yes, &tables->refusal));
        if (yes && shape.rank == 2) candidate_add(tables, path);
        SEG_TRY_OR_DONE(is_column(in, path, &length, &yes, &tables->refusal));
        if (yes && !first) {
            first = names[i];
            first_length = length;
        } else if (yes && equal && length != first_length) {
            equal = false;
            (void)refuse_length(names[i], length, first, first_length);
            refusal_keep(&tables->refusal);
        }
        if (depth > 0 && seg_input_is_group(in, path))
            SEG_TRY_OR_DONE(walk(in, path, depth - 1, tables, groups));
    }
    if (first && equal) candidate_add(groups, group);
done:
    seg_free(names);
    return status;
}

static seg_status find_only(seg_input *in, seg_source *source)
{
    candidates tables = { 0 }, groups = { 0 };
    const char *path = seg_input_path(in);

    SEG_TRY(walk(in, "", 1, &tables, &groups));
    const candidates *found = tables.n > 0 ? &tables : &groups;
    if (found->n == 0 && tables.refusal.status != SEG_OK) return seg_error_adopt(&tables.refusal);
    if (found->n == 0)
        return SEG_FAIL(SEG_ERR_DATA,
                        "'%s' holds neither a 2-D numeric dataset nor a group of numeric columns "
                        "at its top or one group below; --dataset names a deeper one",
                        path);
    if (found->n > 1)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' holds several tables, choose one with --dataset: %s",
                        path, found->list);
    seg_text_copy(source->path, sizeof source->path, found->first);
    source->is_group = found == &groups;
    return SEG_OK;
}

/* ---- columns of the chosen source ---- */

static seg_status unnamed_columns(int n, char ***names)
{
    enum { WIDTH = 20 };

    SEG_TRY(seg_alloc(n, sizeof **names + WIDTH, names));
    char *text = (char *)(*names + n);
    for (int t = 0; t < n; t++, text += WIDTH) {
        (*names)[t] = text;
        (void)snprintf(text, WIDTH, "column_%d", t);
    }
    return SEG_OK;
}

static seg_status describe_dataset(seg_input *in, seg_source *source)
{
    seg_shape shape;
    int n_names = 0;

    SEG_TRY(seg_input_shape(in, source->path, &shape));
    if (shape.type == SEG_TEXT || shape.rank != 2)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is not a 2-D numeric dataset", source->path,
                        seg_input_path(in));
    if (shape.dim[1] < 1 || shape.dim[1] > SEG_COLUMNS_MOST)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' has %lld columns, expected 1 to %d",
                        source->path, seg_input_path(in), (long long)shape.dim[1],
                        SEG_COLUMNS_MOST);
    source->rows = shape.dim[0];
    source->n = (int)shape.dim[1];
    SEG_TRY(seg_input_column_names(in, source->path, &n_names, &source->names));
    if (n_names == source->n) return SEG_OK;
    seg_free(source->names);
    source->names = NULL;
    seg_log_note("'%s' has no names for its columns; they are column_0 and so on (an attribute "
                 "'columns' of %d texts names them)",
                 source->path, source->n);
    return unnamed_columns(source->n, &source->names);
}

/* Keeps the names of the numeric columns, which must have one length. */
static seg_status describe_group(seg_input *in, seg_source *source)
{
    int n;
    char path[512], shown[100];

    SEG_TRY(refuse_pandas(in, source->path));
    SEG_TRY(seg_input_list(in, source->path, &n, &source->names));
    for (int i = 0; i < n; i++) {
        int64_t length = 0;
        seg_error refusal = { 0 };
        bool yes = join(source->path, source->names[i], path, sizeof path);
        seg_text_clean(source->names[i], shown, sizeof shown);
        if (yes) SEG_TRY(is_column(in, path, &length, &yes, &refusal));
        if (refusal.status != SEG_OK)
            seg_log_warning("left out: %s", refusal.text);
        else if (!yes)
            seg_log_note("'%s' is not a numeric column and is left out", shown);
        if (!yes) continue;
        if (source->n == 0) source->rows = length;
        if (length != source->rows)
            return refuse_length(source->names[i], length, source->names[0], source->rows);
        source->names[source->n++] = source->names[i];
    }
    if (source->n == 0)
        return SEG_FAIL(SEG_ERR_DATA, "group '%s' in '%s' holds no numeric columns", source->path,
                        seg_input_path(in));
    return SEG_OK;
}

static seg_status find_named(seg_input *in, const char *dataset, seg_source *source)
{
    const char *path = dataset + strspn(dataset, "/");

    if (!seg_text_copy(source->path, sizeof source->path, path))
        return SEG_FAIL(SEG_ERR_USAGE, "the name of the dataset is too long");
    for (size_t end = strlen(source->path); end > 0 && source->path[end - 1] == '/'; end--)
        source->path[end - 1] = '\0';
    if (*source->path && !seg_input_has(in, source->path))
        return SEG_FAIL(SEG_ERR_USAGE, "no dataset '%s' in '%s'; list them with h5ls -r",
                        source->path, seg_input_path(in));
    source->is_group = *source->path == '\0' || seg_input_is_group(in, source->path);
    return SEG_OK;
}

static seg_status find(seg_input *in, const char *dataset, seg_source *source)
{
    static const char *const other[] = { "model", "scores", "elbow", "describe" };
    const char *format = seg_input_format(in);

    if (dataset) return find_named(in, dataset, source);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(format, other[i]) == 0)
            return SEG_FAIL(SEG_ERR_DATA, "'%s' is a segmpi file of format '%s', not a table",
                            seg_input_path(in), format);
    if (strcmp(format, "clients") != 0) return find_only(in, source);
    SEG_TRY(seg_input_expect(in, "clients"));
    seg_text_copy(source->path, sizeof source->path, "features");
    return SEG_OK;
}

/* Ids, and whether they are pseudonyms. */
static seg_status find_ids(seg_input *in, seg_source *source)
{
    source->has_ids = strcmp(seg_input_format(in), "clients") == 0 &&
                      strcmp(source->path, "features") == 0 && seg_input_has(in, SEG_IDS);
    if (!source->has_ids) return SEG_OK;
    SEG_TRY(seg_input_shape(in, SEG_IDS, &source->id));
    if (source->id.rank != 1 || source->id.dim[0] != source->rows ||
        (source->id.type == SEG_TEXT && source->id.width == 0))
        return SEG_FAIL(SEG_ERR_DATA, "'" SEG_IDS "' in '%s' is not one id for each client",
                        seg_input_path(in));
    if (!seg_input_has_attr(in, SEG_IDS, SEG_PSEUDONYM_ATTRIBUTE)) return SEG_OK;
    return seg_input_attr_text(in, SEG_IDS, SEG_PSEUDONYM_ATTRIBUTE, source->pseudonym_key,
                               sizeof source->pseudonym_key);
}

seg_status seg_source_find(seg_input *in, const char *dataset, seg_source *source)
{
    *source = (seg_source) { 0 };
    SEG_TRY(find(in, dataset, source));
    seg_status status =
        source->is_group ? describe_group(in, source) : describe_dataset(in, source);
    if (status == SEG_OK) status = find_ids(in, source);
    if (status != SEG_OK) {
        seg_free(source->names);
        source->names = NULL;
    }
    return status;
}

seg_status seg_table_list(seg_input *in, const char *dataset, int *n, char ***names)
{
    seg_source source;

    SEG_TRY(seg_source_find(in, dataset, &source));
    *n = source.n;
    *names = source.names;
    return SEG_OK;
}

bool seg_table_is_hdf5(const char *path)
{
    static const char *const names[] = { ".h5", ".hdf5", ".nc" };
    const size_t length = strlen(path);

    if (seg_input_is_hdf5(path)) return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t end = strlen(names[i]);
        if (length > end && strcmp(path + length - end, names[i]) == 0) return true;
    }
    return false;
}
