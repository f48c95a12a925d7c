/* The arrays of a description: one list serves allocation, writing and reading. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define PLACE(member) offsetof(seg_describe, member)
#define SQUARE        "feature,feature_2"

const describe_array describe_arrays[] = {
    { "count", PLACE(count), SEG_INT64, "feature", false, "values present" },
    { "missing_count", PLACE(missing), SEG_INT64, "feature", false, "missing cells" },
    { "zero_count", PLACE(zeros), SEG_INT64, "feature", false, "cells that are 0" },
    { "mean", PLACE(mean), SEG_FLOAT64, "feature", false, "mean" },
    { "std", PLACE(std), SEG_FLOAT64, "feature", false, "standard deviation, with n - 1" },
    { "min", PLACE(min), SEG_FLOAT64, "feature", false, "least value" },
    { "max", PLACE(max), SEG_FLOAT64, "feature", false, "largest value" },
    { "quantile", PLACE(quantile), SEG_FLOAT64, "feature,probability", false,
      "quantiles, linear method, exact" },
    { "skewness", PLACE(skewness), SEG_FLOAT64, "feature", false, "skewness, corrected for bias" },
    { "kurtosis", PLACE(kurtosis), SEG_FLOAT64, "feature", false,
      "excess kurtosis, corrected for bias" },
    { "correlation", PLACE(correlation), SEG_FLOAT64, SQUARE, false,
      "Pearson's correlation over the clients who have both" },
    { "co_missing_count", PLACE(co_missing), SEG_INT64, SQUARE, false,
      "clients who miss both features" },
    { "zero_where_missing_count", PLACE(zero_where_missing), SEG_INT64, SQUARE, false,
      "clients who miss the first feature and have 0 in the second" },
    { "distinct_count", PLACE(distinct), SEG_INT64, "feature", true,
      "distinct values; -1: more than distinct_cap" },
    { "iqr_outlier_count", PLACE(iqr_outliers), SEG_INT64, "feature", true,
      "values beyond 1.5 interquartile ranges from the quartiles" },
    { "z_outlier_count", PLACE(z_outliers), SEG_INT64, "feature", true,
      "values beyond 3 standard deviations from the mean" },
    { "spearman", PLACE(spearman), SEG_FLOAT64, SQUARE, true,
      "Spearman's rank correlation over the clients who have both" },
    { "histogram/bin_edges", PLACE(bin_edges), SEG_FLOAT64, "feature,bin_edge", true,
      "edges of the bins; a bin holds its lower edge, the last one both" },
    { "histogram/bin_count", PLACE(bin_count), SEG_INT64, "feature,bin", true, "values in a bin" },
    { "histogram/bin_scale", PLACE(bin_scale), SEG_INT8, "feature", true,
      "scale on which the bins have equal widths" },
    { "relation/column", PLACE(relation_column), SEG_INT32, "relation", true,
      "number of the feature that others make up" },
    { "relation/coefficient", PLACE(relation_coefficient), SEG_FLOAT64, "relation,feature", true,
      "coefficients of the others" },
    { "relation/intercept", PLACE(relation_intercept), SEG_FLOAT64, "relation", true,
      "what is added to them" },
    { "relation/explained", PLACE(relation_explained), SEG_FLOAT64, "relation", true,
      "share of the feature's variance" },
    { "relation/equal_count", PLACE(relation_equal), SEG_INT64, "relation", true,
      "clients for whom it holds to 1e-6 with whole coefficients; 0: least squares" },
};
const int describe_n_arrays = (int)(sizeof describe_arrays / sizeof *describe_arrays);

int64_t describe_length(const char *dims, int d)
{
    static const struct {
        const char *name;
        int length;
    } own[] = { { "probability", SEG_QUANTILES },
                { "bin_edge", SEG_HISTOGRAM_BINS + 1 },
                { "bin", SEG_HISTOGRAM_BINS } };
    const char *second = strchr(dims, ',');

    if (!second) return d;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(second + 1, own[i].name) == 0) return (int64_t)d * own[i].length;
    return (int64_t)d * d;
}

void *describe_data(const seg_describe *out, const describe_array *array)
{
    void *data;

    memcpy(&data, (const char *)out + array->place, sizeof data);
    return data;
}

seg_status describe_init(seg_describe *out, int d, int64_t rows, const char *const *names,
                         bool full)
{
    *out = (seg_describe) { .d = d, .rows = rows, .full = full };
    SEG_TRY(seg_texts_duplicate(d, names, &out->names));
    for (int i = 0; i < describe_n_arrays; i++) {
        const describe_array *array = &describe_arrays[i];
        int64_t length = describe_length(array->dims, d);
        void *data;
        if (array->full && !full) continue;
        SEG_TRY(seg_alloc(length, (size_t)seg_type_size(array->type, 0), &data));
        memcpy((char *)out + array->place, &data, sizeof data);
        if (array->type != SEG_FLOAT64) continue;
        for (int64_t cell = 0; cell < length; cell++)
            ((double *)data)[cell] = NAN;
    }
    return SEG_OK;
}

void seg_describe_release(seg_describe *d)
{
    for (int i = 0; i < describe_n_arrays; i++)
        seg_free(describe_data(d, &describe_arrays[i]));
    seg_free(d->names);
    *d = (seg_describe) { 0 };
}
