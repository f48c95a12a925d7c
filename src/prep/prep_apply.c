/* The learned preparation, applied: table -> matrix, rows in memory, and centers back to original
 * units. */
#include <math.h>
#include <string.h>

#include "prep_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

seg_prep_opts seg_prep_defaults(void)
{
    return (seg_prep_opts) { .impute = SEG_IMPUTE_MEDIAN,
                             .outliers = SEG_OUTLIER_QUANTILE,
                             .outlier_parameter = 0.01,
                             .scale = SEG_SCALE_STANDARD };
}

/* One block: fill_value, lower_bound, upper_bound, mean, scale, max_abs, missing, capped, grid,
 * transform. */
seg_status seg_prep_init(seg_prep *prep, int d, const char *const *names)
{
    *prep = (seg_prep) { .d = d };
    SEG_TRY(seg_fault("prep_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d, 6 * sizeof(double) + 2 * sizeof(int64_t) + 2 * sizeof(int),
                      &prep->fill_value));
    prep->lower_bound = prep->fill_value + d;
    prep->upper_bound = prep->lower_bound + d;
    prep->mean = prep->upper_bound + d;
    prep->scale = prep->mean + d;
    prep->max_abs = prep->scale + d;
    prep->missing = (int64_t *)(void *)(prep->max_abs + d);
    prep->capped = prep->missing + d;
    prep->grid = (int *)(void *)(prep->capped + d);
    prep->transform = prep->grid + d;
    for (int t = 0; t < d; t++) {
        prep->fill_value[t] = NAN;
        prep->lower_bound[t] = -INFINITY;
        prep->upper_bound[t] = INFINITY;
        prep->scale[t] = 1;
    }
    return seg_texts_duplicate(d, names, &prep->names);
}

void seg_prep_release(seg_prep *prep)
{
    seg_free(prep->fill_value);
    seg_free(prep->names);
    *prep = (seg_prep) { 0 };
}

static double fill(const seg_prep *prep, int t, double value)
{
    return isnan(value) ? prep->fill_value[t] : value;
}

static double cap(const seg_prep *prep, int t, double value)
{
    if (value < prep->lower_bound[t]) return prep->lower_bound[t];
    return value > prep->upper_bound[t] ? prep->upper_bound[t] : value;
}

void seg_prep_fill_and_cap(const seg_prep *prep, int64_t n, double *x, const int32_t *weight,
                           int64_t *capped)
{
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < prep->d; t++) {
            double filled = fill(prep, t, x[i * prep->d + t]), value = cap(prep, t, filled);
            if (value > filled || value < filled) capped[t] += weight ? weight[i] : 1;
            x[i * prep->d + t] = value;
        }
}

double seg_prep_transform(const seg_prep *prep, int t, double value)
{
    switch (prep->transform[t]) {
    case SEG_TRANSFORM_LOG1P:
        return copysign(log1p(fabs(value)), value);
    case SEG_TRANSFORM_SQRT:
        return copysign(sqrt(fabs(value)), value);
    default:
        return value;
    }
}

void seg_prep_transform_rows(const seg_prep *prep, int64_t n, double *x)
{
    for (int t = 0; t < prep->d; t++)
        for (int64_t i = 0; i < n && prep->transform[t] != SEG_TRANSFORM_NONE; i++)
            x[i * prep->d + t] = seg_prep_transform(prep, t, x[i * prep->d + t]);
}

static double undo_transform(const seg_prep *prep, int t, double value)
{
    switch (prep->transform[t]) {
    case SEG_TRANSFORM_LOG1P:
        return copysign(expm1(fabs(value)), value);
    case SEG_TRANSFORM_SQRT:
        return copysign(value * value, value);
    default:
        return value;
    }
}

double seg_prep_finish(const seg_prep *prep, int t, double filled)
{
    return seg_prep_transform(prep, t, cap(prep, t, filled));
}

/* Without transforms a row is a loop that the compiler vectorises. */
static void apply_row(const seg_prep *prep, double *restrict x)
{
    const int d = prep->d;
    const double *fills = prep->fill_value, *lower = prep->lower_bound, *upper = prep->upper_bound;
    const double *mean = prep->mean, *scale = prep->scale;

    for (int t = 0; t < d; t++) {
        const double filler = fills[t], low = lower[t], high = upper[t];
        double value = x[t];
        value = isnan(value) ? filler : value;
        value = value < low ? low : value;
        value = value > high ? high : value;
        x[t] = (value - mean[t]) / scale[t];
    }
}

void seg_prep_apply_rows(const seg_prep *prep, int64_t n, double *x)
{
    bool transformed = false;

    for (int t = 0; t < prep->d; t++)
        transformed = transformed || prep->transform[t] != SEG_TRANSFORM_NONE;
    for (int64_t i = 0; i < n && !transformed; i++)
        apply_row(prep, x + i * prep->d);
    for (int64_t i = 0; i < n && transformed; i++)
        for (int t = 0; t < prep->d; t++) {
            double value = seg_prep_finish(prep, t, fill(prep, t, x[i * prep->d + t]));
            x[i * prep->d + t] = (value - prep->mean[t]) / prep->scale[t];
        }
}

static seg_status check_columns(const seg_prep *prep, const seg_table *table)
{
    int d = seg_table_columns(table);

    for (int t = 0; t < prep->d && t < d; t++)
        if (strcmp(seg_table_names(table)[t], prep->names[t]) != 0)
            return SEG_FAIL(SEG_ERR_DATA, "column %d of '%s' is '%s', expected '%s'", t + 1,
                            seg_table_path(table), seg_table_names(table)[t], prep->names[t]);
    if (d != prep->d)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has %d columns, expected %d", seg_table_path(table), d,
                        prep->d);
    return SEG_OK;
}

seg_status seg_prep_apply(const seg_prep *prep, seg_table *table, const seg_place *place,
                          seg_matrix *m)
{
    seg_status status = SEG_OK;
    double *x = NULL;
    seg_rows rows = seg_table_rows(table);

    *m = (seg_matrix) { 0 };
    SEG_TRY_OR_DONE(check_columns(prep, table));
    SEG_TRY_OR_DONE(seg_fault("matrix_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_matrix_init_in(m, place, rows, prep->d, prep->grid, prep->max_abs));
    if (seg_table_weights(table)) SEG_TRY_OR_DONE(seg_matrix_add_weights(m));
    m->total_weight = prep->n;
    SEG_TRY_OR_DONE(seg_alloc(SEG_SLICE_ROWS, (size_t)prep->d * sizeof *x, &x));
    for (int64_t at = 0; at < rows.count; at += SEG_SLICE_ROWS) {
        int64_t n = rows.count - at < SEG_SLICE_ROWS ? rows.count - at : SEG_SLICE_ROWS;
        SEG_TRY_OR_DONE(seg_table_read(table, at, n, x));
        if (m->weight)
            memcpy(m->weight + at, seg_table_weights(table), (size_t)n * sizeof *m->weight);
        seg_prep_apply_rows(prep, n, x);
        seg_matrix_set(m, at, n, x);
        SEG_TRY_OR_DONE(seg_matrix_fill(m, at + n));
    }
done:
    if (status != SEG_OK) seg_matrix_release(m);
    seg_free(x);
    return status;
}

double seg_prep_original(const seg_prep *prep, int t, double z)
{
    return undo_transform(prep, t, z * prep->scale[t] + prep->mean[t]);
}

void seg_prep_invert(const seg_prep *prep, int k, const double *z, double *original)
{
    for (int j = 0; j < k; j++)
        for (int t = 0; t < prep->d; t++) {
            int64_t at = (int64_t)j * prep->d + t;
            original[at] = seg_prep_original(prep, t, z[at]);
        }
}
