/* Learns the preparation: fill value, caps, mean and scale of each column, and the grid to which
 * its values are rounded.  Exact sums and exact quantiles, so the same bits on any number of ranks.
 * Each step is one or more passes over the rows, which stay in the file. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "prep_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define MAX_ABS_MOST 1e18 /* the square of a distance must fit float32 */
#define SPACING_MOST 1e-5 /* of a column's standard deviation */

/* Order statistics that one column needs: the median's two; then for each quantile of the filled
 * column, two caps or three quartiles, the lower and the upper neighbour, each by two values of the
 * raw column. */
enum { MEDIAN = 0, FILLED = 2, PER_QUANTILE = 4, WANTED = FILLED + 3 * PER_QUANTILE };

/* ---- passes ---- */

/* Local. */
static seg_status sweep_rows(seg_prep *prep, seg_table *table, bool squares, seg_moments *m)
{
    seg_status status = SEG_OK;
    double *x = NULL;
    int64_t rows = seg_table_rows(table).count;

    for (int t = 0; t < prep->d; t++)
        prep->capped[t] = 0;
    SEG_TRY_OR_DONE(seg_fault("moments_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_moments_init(m, prep->d, squares));
    SEG_TRY_OR_DONE(seg_alloc(SEG_SLICE_ROWS, (size_t)prep->d * sizeof *x, &x));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY_OR_DONE(seg_table_read(table, at, n, x));
        seg_prep_fill_and_cap(prep, n, x, seg_table_weights(table), prep->capped);
        seg_prep_transform_rows(prep, n, x);
        seg_moments_add(m, n, x, seg_table_weights(table));
    }
done:
    seg_free(x);
    return status;
}

/* Collective.  One pass: moments of the columns as filled, capped and transformed so far, and the
 * number of cells that the cap changes.  `m` is the caller's to release. */
static seg_status sweep(seg_comm *comm, seg_prep *prep, seg_table *table, bool squares,
                        seg_moments *m)
{
    seg_moments_release(m);
    SEG_TRY(seg_agree(comm, sweep_rows(prep, table, squares, m)));
    seg_moments_sum(comm, m);
    seg_sum_int64(comm, prep->capped, prep->d);
    return SEG_OK;
}

/* ---- messages ---- */

static seg_status too_large(const seg_prep *prep, int t)
{
    char name[100];

    seg_text_clean(prep->names[t], name, sizeof name);
    return SEG_FAIL(SEG_ERR_DATA,
                    "the values of column '%s' are too large or too close together to scale; use "
                    "another unit or --exclude-columns '%s'",
                    name, name);
}

static void warn_columns(const seg_prep *prep, int first, int count, const char *what)
{
    char name[100];

    if (count == 0) return;
    seg_text_clean(prep->names[first], name, sizeof name);
    if (count == 1)
        seg_log_warning("column '%s' %s", name, what);
    else
        seg_log_warning("column '%s' and %d more: each %s", name, count - 1, what);
}

/* Collective.  Infinite cells stand in the data as missing ones. */
static void warn_infinite(seg_comm *comm, int64_t cells)
{
    char count[32];

    seg_sum_int64(comm, &cells, 1);
    if (cells > 0)
        seg_log_warning("infinite cells are taken as missing: %s",
                        seg_text_count(cells, count, sizeof count));
}

static seg_status check_present(const seg_prep *prep, const seg_table *table,
                                const seg_moments *raw)
{
    char name[100];

    if (seg_table_rows(table).total == 0)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has no rows", seg_table_path(table));
    if (prep->n == 0) return SEG_FAIL(SEG_ERR_DATA, "no client counts: all weights are 0");
    for (int t = 0; t < prep->d; t++)
        if (raw->count[t] == 0) {
            seg_text_clean(prep->names[t], name, sizeof name);
            return SEG_FAIL(SEG_ERR_DATA,
                            "column '%s' has no value in any row; leave it out with "
                            "--exclude-columns '%s'",
                            name, name);
        }
    return SEG_OK;
}

/* ---- fill values and caps ---- */

/* The j-th smallest of the raw values and m copies of v is v, clamped to raw[j - m] and raw[j], of
 * which one that does not exist does not limit.  So quantiles of the filled column come from the
 * raw column's order statistics, which are asked for before v is known. */
static void want_filled(int64_t j, int64_t missing, int64_t present, int64_t *rank)
{
    rank[0] = j - missing; /* negative: not wanted */
    rank[1] = j < present ? j : -1;
}

static double filled_value(double fill, const double *raw)
{
    return fmin(fmax(fill, raw[0]), raw[1]); /* fmin and fmax skip the NaN of what was not wanted */
}

/* rank [PER_QUANTILE] of the quantile p of the filled column t. */
static void want_quantile(const seg_prep *prep, int t, double p, int64_t *rank)
{
    int64_t missing = prep->missing[t], present = prep->n - missing;
    seg_quantile_position at = seg_quantile_at(prep->n, p);

    want_filled(at.lower, missing, present, &rank[0]);
    want_filled(at.upper, missing, present, &rank[2]);
}

/* That quantile, of the column as capped and transformed so far: both keep the order. */
static double quantile_of(const seg_prep *prep, int t, double p, const double *raw)
{
    double fill = prep->fill_value[t];

    return seg_quantile_between(seg_prep_finish(prep, t, filled_value(fill, &raw[0])),
                                seg_prep_finish(prep, t, filled_value(fill, &raw[2])),
                                seg_quantile_at(prep->n, p).weight);
}

static double bound_fraction(const seg_prep_opts *opts, int bound)
{
    double p = opts->outliers == SEG_OUTLIER_IQR ? 0.25 : opts->outlier_parameter;

    return bound == 0 ? p : 1 - p;
}

static bool by_quantiles(const seg_prep_opts *opts)
{
    return opts->outliers == SEG_OUTLIER_QUANTILE || opts->outliers == SEG_OUTLIER_IQR;
}

/* rank [WANTED] of column t, for its fill value and caps. */
static void want_column(const seg_prep *prep, int t, int64_t *rank)
{
    if (prep->opts.impute == SEG_IMPUTE_MEDIAN) {
        seg_quantile_position at = seg_quantile_at(prep->n - prep->missing[t], 0.5);
        rank[MEDIAN] = at.lower;
        rank[MEDIAN + 1] = at.upper;
    }
    for (int bound = 0; bound < 2 && by_quantiles(&prep->opts); bound++)
        want_quantile(prep, t, bound_fraction(&prep->opts, bound),
                      &rank[FILLED + bound * PER_QUANTILE]);
}

/* Fill value and caps of column t from its order statistics raw [WANTED]. */
static void learn_column(seg_prep *prep, int t, const double *raw)
{
    const seg_prep_opts *opts = &prep->opts;
    double quantile[2];

    if (opts->impute == SEG_IMPUTE_MEDIAN) {
        seg_quantile_position at = seg_quantile_at(prep->n - prep->missing[t], 0.5);
        prep->fill_value[t] = seg_quantile_between(raw[MEDIAN], raw[MEDIAN + 1], at.weight);
    }
    if (!by_quantiles(opts)) return;
    for (int bound = 0; bound < 2; bound++)
        quantile[bound] =
            quantile_of(prep, t, bound_fraction(opts, bound), &raw[FILLED + bound * PER_QUANTILE]);
    double fence = opts->outliers == SEG_OUTLIER_IQR
                       ? opts->outlier_parameter * (quantile[1] - quantile[0])
                       : 0;
    prep->lower_bound[t] = quantile[0] - fence;
    prep->upper_bound[t] = quantile[1] + fence;
}

static const double quartiles[3] = { 0.25, 0.5, 0.75 };

/* rank [WANTED] of column t, for its median and interquartile range as filled. */
static void want_quartiles(const seg_prep *prep, int t, int64_t *rank)
{
    for (int q = 0; q < 3; q++)
        want_quantile(prep, t, quartiles[q], &rank[FILLED + q * PER_QUANTILE]);
}

/* The median to mean, the interquartile range to scale, of the finished column. */
static void learn_robust_scale(seg_prep *prep, int t, const double *raw)
{
    double q[3];

    for (int i = 0; i < 3; i++)
        q[i] = quantile_of(prep, t, quartiles[i], &raw[FILLED + i * PER_QUANTILE]);
    prep->mean[t] = q[1];
    prep->scale[t] = q[2] > q[0] ? q[2] - q[0] : 1;
}

/* Local. */
static seg_status wanted_alloc(int d, int64_t **rank, double **value)
{
    SEG_TRY(seg_fault("prep_quantile_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d, WANTED * sizeof **rank, rank));
    return seg_alloc(d, WANTED * sizeof **value, value);
}

/* With a slice as it stands in the file, one of columns, and moments. */
int64_t seg_prep_memory(int d)
{
    return 2 * (int64_t)SEG_SLICE_ROWS * d * 8 + (int64_t)d * WANTED * 2 * 8 +
           2 * (int64_t)d * (int64_t)sizeof(seg_exact) + seg_order_statistics_memory(d, WANTED);
}

typedef void (*column_wish)(const seg_prep *prep, int t, int64_t *rank);
typedef void (*column_lesson)(seg_prep *prep, int t, const double *raw);

/* Collective.  What each column wants to know of its order, and what it learns from the answer. */
static seg_status learn_from_quantiles(seg_comm *comm, seg_prep *prep, seg_table *table,
                                       column_wish want, column_lesson learn)
{
    seg_status status = SEG_OK;
    int64_t *rank = NULL;
    double *value = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, wanted_alloc(prep->d, &rank, &value)));
    for (int64_t i = 0; i < (int64_t)prep->d * WANTED; i++)
        rank[i] = -1;
    for (int t = 0; t < prep->d; t++)
        want(prep, t, &rank[(int64_t)t * WANTED]);
    SEG_TRY_OR_DONE(seg_order_statistics(comm, table, WANTED, rank, value));
    for (int t = 0; t < prep->d; t++)
        learn(prep, t, &value[(int64_t)t * WANTED]);
done:
    seg_free(rank);
    seg_free(value);
    return status;
}

/* Collective.  Caps at S standard deviations of the filled column. */
static seg_status learn_z_bounds(seg_comm *comm, seg_prep *prep, seg_table *table, seg_moments *m)
{
    SEG_TRY(sweep(comm, prep, table, true, m));
    for (int t = 0; t < prep->d; t++) {
        double mean = seg_moments_mean(m, t);
        double reach = prep->opts.outlier_parameter * sqrt(seg_moments_variance(m, t));
        if (!isfinite(mean) || !isfinite(reach)) return too_large(prep, t);
        prep->lower_bound[t] = mean - reach;
        prep->upper_bound[t] = mean + reach;
    }
    return SEG_OK;
}

/* ---- scale and grid ---- */

/* Mean, scale and grid of column t from moments of the finished column; of robust scaling mean and
 * scale are there. */
static seg_status scale_column(seg_prep *prep, const seg_moments *m, int t)
{
    double variance = seg_moments_variance(m, t), average = seg_moments_mean(m, t);
    bool constant = m->min[t] == m->max[t];

    if (prep->opts.scale == SEG_SCALE_STANDARD) prep->mean[t] = average;
    if (prep->opts.scale == SEG_SCALE_MINMAX) {
        prep->mean[t] = m->min[t];
        prep->scale[t] = constant ? 1 : m->max[t] - m->min[t];
    }
    if (prep->opts.scale == SEG_SCALE_STANDARD && !constant) {
        if (!isfinite(average) || !isfinite(variance) || variance < DBL_MIN)
            return too_large(prep, t);
        prep->scale[t] = sqrt(variance);
    }
    double off = (average - prep->mean[t]) / prep->scale[t];
    double rms = sqrt(variance / prep->scale[t] / prep->scale[t] + off * off);
    if (prep->opts.scale == SEG_SCALE_STANDARD && !constant) rms = 1;
    prep->max_abs[t] = fmax(fabs((m->min[t] - prep->mean[t]) / prep->scale[t]),
                            fabs((m->max[t] - prep->mean[t]) / prep->scale[t]));
    if (!(prep->max_abs[t] <= MAX_ABS_MOST && isfinite(prep->scale[t]))) return too_large(prep, t);
    prep->grid[t] = seg_matrix_grid(prep->n, prep->max_abs[t], isfinite(rms) ? rms : INFINITY);
    return SEG_OK;
}

/* True if the grid, or float32 where z is largest, keeps the column only coarsely. */
static bool is_coarse(const seg_prep *prep, const seg_moments *m, int t)
{
    int e;

    (void)frexp(prep->max_abs[t], &e);
    return fmax(ldexp(1, e - FLT_MANT_DIG), ldexp(1, -prep->grid[t])) >
           SPACING_MOST * sqrt(seg_moments_variance(m, t)) / prep->scale[t];
}

static seg_status learn_scale(seg_prep *prep, const seg_moments *m)
{
    int n_constant = 0, n_coarse = 0, constant = 0, coarse = 0;

    for (int t = prep->d - 1; t >= 0; t--) {
        SEG_TRY(scale_column(prep, m, t));
        if (m->min[t] == m->max[t]) {
            constant = t;
            n_constant++;
        } else if (is_coarse(prep, m, t)) {
            coarse = t;
            n_coarse++;
        }
    }
    warn_columns(prep, constant, n_constant, "is constant and does not separate clients");
    warn_columns(
        prep, coarse, n_coarse,
        "is rounded by more than 1e-5 of its standard deviation, because its values are far "
        "out or its unit is large; consider --outliers or --scale standard");
    return SEG_OK;
}

/* ---- all together ---- */

/* Collective. */
static seg_status learn(seg_comm *comm, seg_table *table, seg_prep *prep, seg_moments *m)
{
    int64_t infinite = seg_table_infinite(table);
    const seg_prep_opts *opts = &prep->opts;

    SEG_TRY(seg_prep_parse_transform(prep, opts->transform));
    memset(prep->transform, 0, (size_t)prep->d * sizeof *prep->transform); /* not before the caps */
    SEG_TRY(sweep(comm, prep, table, false, m));
    warn_infinite(comm, seg_table_infinite(table) - infinite);
    prep->n = m->count[0] + m->missing[0];
    SEG_TRY(check_present(prep, table, m));
    for (int t = 0; t < prep->d; t++) {
        prep->missing[t] = m->missing[t];
        if (opts->impute == SEG_IMPUTE_MEAN) prep->fill_value[t] = seg_moments_mean(m, t);
        if (opts->impute == SEG_IMPUTE_CONSTANT) prep->fill_value[t] = opts->impute_value;
        if (opts->impute != SEG_IMPUTE_MEDIAN && !isfinite(prep->fill_value[t]))
            return too_large(prep, t);
    }
    if (opts->impute == SEG_IMPUTE_MEDIAN || by_quantiles(opts))
        SEG_TRY(learn_from_quantiles(comm, prep, table, want_column, learn_column));
    if (opts->outliers == SEG_OUTLIER_Z) SEG_TRY(learn_z_bounds(comm, prep, table, m));
    SEG_TRY(seg_prep_parse_transform(prep, opts->transform));
    SEG_TRY(sweep(comm, prep, table, true, m));
    if (opts->scale == SEG_SCALE_ROBUST)
        SEG_TRY(learn_from_quantiles(comm, prep, table, want_quartiles, learn_robust_scale));
    return learn_scale(prep, m);
}

seg_status seg_prep_fit(seg_comm *comm, seg_table *table, const seg_prep_opts *opts, seg_prep *prep)
{
    seg_status status = SEG_OK;
    seg_moments m = { 0 };

    SEG_TRY_OR_DONE(
        seg_agree(comm, seg_prep_init(prep, seg_table_columns(table), seg_table_names(table))));
    prep->opts = *opts;
    SEG_TRY_OR_DONE(learn(comm, table, prep, &m));
    prep->opts.transform = NULL;
done:
    if (status != SEG_OK) seg_prep_release(prep);
    seg_moments_release(&m);
    return status;
}
