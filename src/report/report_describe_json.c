/* A description as JSON: the names of describe.h5, and what the figures say about pairs. */
#include <math.h>

#include "report_internal.h"
#include "segmpi/report.h"

#define GAPS_MOST 100

static void add_ints(seg_json *to, const char *key, int64_t n, const int64_t *values)
{
    seg_json *array = seg_json_array();

    for (int64_t i = 0; i < n; i++)
        seg_json_add_int(array, NULL, values[i]);
    seg_json_add(to, key, array);
}

static void add_matrix(seg_json *to, const char *key, int rows, int columns, const double *values)
{
    seg_json *array = seg_json_array();

    for (int i = 0; i < rows; i++)
        seg_json_add_doubles(array, NULL, columns, &values[(int64_t)i * columns]);
    seg_json_add(to, key, array);
}

static void add_columns(seg_json *json, const seg_describe *d)
{
    seg_json *distinct = seg_json_array(), *quantile = seg_json_object();

    add_ints(json, "count", d->d, d->count);
    add_ints(json, "missing_count", d->d, d->missing);
    add_ints(json, "zero_count", d->d, d->zeros);
    for (int t = 0; t < d->d; t++)
        if (d->distinct[t] < 0)
            seg_json_add_double(distinct, NULL, NAN); /* null */
        else
            seg_json_add_int(distinct, NULL, d->distinct[t]);
    seg_json_add(json, "distinct_count", distinct);
    seg_json_add_int(json, "distinct_cap", SEG_DISTINCT_CAP);
    seg_json_add_doubles(json, "mean", d->d, d->mean);
    seg_json_add_doubles(json, "std", d->d, d->std);
    seg_json_add_doubles(json, "min", d->d, d->min);
    seg_json_add_doubles(json, "max", d->d, d->max);
    seg_json_add_doubles(json, "skewness", d->d, d->skewness);
    seg_json_add_doubles(json, "kurtosis", d->d, d->kurtosis);
    add_ints(json, "iqr_outlier_count", d->d, d->iqr_outliers);
    add_ints(json, "z_outlier_count", d->d, d->z_outliers);
    seg_json_add_doubles(quantile, "probability", SEG_QUANTILES, seg_describe_probabilities);
    add_matrix(quantile, "values", d->d, SEG_QUANTILES, d->quantile);
    seg_json_add(json, "quantile", quantile);
}

static void add_correlations(seg_json *json, const seg_describe *d)
{
    seg_json *spearman = seg_json_object();

    add_matrix(json, "correlation", d->d, d->d, d->correlation);
    seg_json_add_int(spearman, "n_rows", d->spearman_rows);
    seg_json_add_text(spearman, "basis",
                      d->spearman_rows < d->rows ? "sample by row number" : "all clients");
    add_matrix(spearman, "correlation", d->d, d->d, d->spearman);
    seg_json_add(json, "spearman", spearman);
}

static void add_histograms(seg_json *json, const seg_describe *d)
{
    seg_json *all = seg_json_array();
    int64_t bins = SEG_HISTOGRAM_BINS;

    for (int t = 0; t < d->d; t++) {
        seg_json *one = seg_json_object();
        seg_json_add_text(one, "feature", d->names[t]);
        seg_json_add_text(one, "scale", d->bin_scale[t] == SEG_BINS_ASINH ? "asinh" : "linear");
        seg_json_add_doubles(one, "bin_edges", bins + 1, &d->bin_edges[t * (bins + 1)]);
        add_ints(one, "bin_count", bins, &d->bin_count[t * bins]);
        seg_json_add(all, NULL, one);
    }
    seg_json_add(json, "histogram", all);
}

static void add_relations(seg_json *json, const seg_describe *d)
{
    seg_json *all = seg_json_array();

    for (int i = 0; i < d->n_relations; i++) {
        const double *coefficient = &d->relation_coefficient[(int64_t)i * d->d];
        seg_json *one = seg_json_object(), *others = seg_json_object();
        seg_json_add_text(one, "feature", d->names[d->relation_column[i]]);
        for (int t = 0; t < d->d; t++)
            if (coefficient[t] != 0) seg_json_add_double(others, d->names[t], coefficient[t]);
        seg_json_add(one, "coefficient", others);
        seg_json_add_double(one, "intercept", d->relation_intercept[i]);
        seg_json_add_double(one, "explained", d->relation_explained[i]);
        seg_json_add_int(one, "equal_count", d->relation_equal[i]);
        seg_json_add(all, NULL, one);
    }
    seg_json_add(json, "relations", all);
}

static void add_counts(seg_json *to, const char *key, int d, const int64_t *values)
{
    seg_json *array = seg_json_array();

    for (int s = 0; s < d; s++)
        add_ints(array, NULL, d, &values[(int64_t)s * d]);
    seg_json_add(to, key, array);
}

static void add_gaps(seg_json *json, const seg_describe *d)
{
    seg_gap gaps[GAPS_MOST];
    seg_json *all = seg_json_array();
    int n = seg_describe_gaps(d, GAPS_MOST, gaps);

    for (int i = 0; i < n; i++) {
        seg_json *one = seg_json_object();
        seg_json_add_text(one, "feature", d->names[gaps[i].missing]);
        seg_json_add_text(one, "other", d->names[gaps[i].other]);
        seg_json_add_text(one, "other_is", gaps[i].other_missing ? "missing" : "0");
        seg_json_add_int(one, "clients", gaps[i].clients);
        seg_json_add_double(one, "share", gaps[i].share);
        seg_json_add_double(one, "lift", gaps[i].lift);
        seg_json_add(all, NULL, one);
    }
    seg_json_add(json, "gaps", all);
    add_counts(json, "co_missing_count", d->d, d->co_missing);
    add_counts(json, "zero_where_missing_count", d->d, d->zero_where_missing);
}

seg_json *seg_report_describe_json(const seg_describe *d)
{
    seg_json *json = seg_json_object();

    seg_json_add_int(json, "n_rows", d->rows);
    seg_json_add_int(json, "n_clients", d->n);
    seg_json_add_texts(json, "features", d->d, (const char *const *)d->names);
    seg_json_add_int(json, "infinite_count", d->infinite);
    add_columns(json, d);
    add_correlations(json, d);
    add_histograms(json, d);
    add_relations(json, d);
    add_gaps(json, d);
    return json;
}
