/* The preparation in a model file: group preprocessing/, on the root's dimension `feature`. */
#include <string.h>

#include "prep_internal.h"
#include "segmpi/memory.h"

static const char *const impute_names[] = { "median", "mean", "constant" };
static const char *const outlier_names[] = { "none", "quantile", "iqr", "z" };
static const char *const scale_names[] = { "standard", "none", "robust", "minmax" };
static const char *const transform_names[] = { "none", "log1p", "sqrt" };

#define GROUP    "preprocessing"
#define N_ARRAYS 10

typedef struct array {
    const char *path;
    seg_type type;
    void *data;
} array;

static void arrays_of(const seg_prep *p, array arrays[N_ARRAYS])
{
    const array all[N_ARRAYS] = {
        { GROUP "/fill_value", SEG_FLOAT64, p->fill_value },
        { GROUP "/lower_bound", SEG_FLOAT64, p->lower_bound },
        { GROUP "/upper_bound", SEG_FLOAT64, p->upper_bound },
        { GROUP "/mean", SEG_FLOAT64, p->mean },
        { GROUP "/scale", SEG_FLOAT64, p->scale },
        { GROUP "/max_abs", SEG_FLOAT64, p->max_abs },
        { GROUP "/grid", SEG_INT32, p->grid },
        { GROUP "/transform", SEG_INT32, p->transform },
        { GROUP "/missing", SEG_INT64, p->missing },
        { GROUP "/capped", SEG_INT64, p->capped },
    };

    memcpy(arrays, all, sizeof all);
}

seg_status seg_prep_write(const seg_prep *prep, seg_output *out)
{
    const seg_prep_opts *opts = &prep->opts;
    array arrays[N_ARRAYS];

    arrays_of(prep, arrays);
    for (int i = 0; i < N_ARRAYS; i++)
        SEG_TRY(seg_output_array(out, arrays[i].path, arrays[i].type, "feature", arrays[i].data));
    SEG_TRY(seg_output_attr_flags(out, GROUP "/transform", 3, transform_names));
    SEG_TRY(seg_output_attr_text(out, GROUP "/mean", "long_name",
                                 "what scaling subtracts, in transformed units"));
    SEG_TRY(seg_output_attr_int(out, GROUP, "n_clients", prep->n));
    SEG_TRY(seg_output_attr_text(out, GROUP, "impute", impute_names[opts->impute]));
    SEG_TRY(seg_output_attr_double(out, GROUP, "impute_value", opts->impute_value));
    SEG_TRY(seg_output_attr_text(out, GROUP, "outliers", outlier_names[opts->outliers]));
    SEG_TRY(seg_output_attr_double(out, GROUP, "outlier_parameter", opts->outlier_parameter));
    return seg_output_attr_text(out, GROUP, "scale_method", scale_names[opts->scale]);
}

/* The attribute's place among n words. */
static seg_status read_word(seg_input *in, const char *name, int n, const char *const *words,
                            int *word)
{
    char text[32];

    SEG_TRY(seg_input_attr_text(in, GROUP, name, text, sizeof text));
    for (*word = 0; *word < n; (*word)++)
        if (strcmp(text, words[*word]) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is '%s', which this version does not know", name,
                    seg_input_path(in), text);
}

static seg_status read_opts(seg_input *in, seg_prep *prep)
{
    int impute, outliers, scale;

    SEG_TRY(read_word(in, "impute", 3, impute_names, &impute));
    SEG_TRY(read_word(in, "outliers", 4, outlier_names, &outliers));
    SEG_TRY(read_word(in, "scale_method", 4, scale_names, &scale));
    prep->opts.impute = (seg_impute_method)impute;
    prep->opts.outliers = (seg_outlier_method)outliers;
    prep->opts.scale = (seg_scale_method)scale;
    SEG_TRY(seg_input_attr_double(in, GROUP, "impute_value", &prep->opts.impute_value));
    SEG_TRY(seg_input_attr_double(in, GROUP, "outlier_parameter", &prep->opts.outlier_parameter));
    return seg_input_attr_int(in, GROUP, "n_clients", &prep->n);
}

seg_status seg_prep_read(seg_input *in, seg_prep *prep)
{
    seg_status status = SEG_OK;
    array arrays[N_ARRAYS];
    char **names = NULL;
    int d;

    *prep = (seg_prep) { 0 };
    SEG_TRY_OR_DONE(seg_input_names(in, "feature", &d, &names));
    SEG_TRY_OR_DONE(seg_prep_init(prep, d, (const char *const *)names));
    SEG_TRY_OR_DONE(read_opts(in, prep));
    arrays_of(prep, arrays);
    for (int i = 0; i < N_ARRAYS; i++)
        SEG_TRY_OR_DONE(seg_input_array(in, arrays[i].path, arrays[i].type, d, 0, arrays[i].data));
    for (int t = 0; t < d; t++)
        if (prep->transform[t] < SEG_TRANSFORM_NONE || prep->transform[t] > SEG_TRANSFORM_SQRT)
            status = SEG_FAIL(SEG_ERR_DATA, "the transform of '%s' in '%s' is not known",
                              prep->names[t], seg_input_path(in));
done:
    if (status != SEG_OK) seg_prep_release(prep);
    seg_free(names);
    return status;
}
