/* The preparation against a plain one: sort, fill, cap, long double sums; every choice of impute,
 * outliers and scale; the same bits as one rank alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "clients_fixture.h"
#include "segmpi/prep.h"
#include "segmpi/random.h"

static seg_comm *comm;
static char path[64], model_path[64];
static const seg_random key = { .seed = 6, .purpose = SEG_RANDOM_TEST };

enum { D = 6, N_MOST = 4000 };
static const char *const names[D] = {
    "normal", "zeros", "gaps", "tail", "constant", "mostly_gaps"
};
static const seg_table_opts everything = { 0 };

static double cell(int64_t row, int column)
{
    double u = seg_random_uniform(key, row, 1), z = seg_random_normal(key, row, 2);

    switch (column) {
    case 0:
        return 1000 + z;
    case 1:
        return u < 0.7 ? 0 : u;
    case 2:
        return row % 5 == 1 ? NAN : row % 97 == 3 ? INFINITY : z * 0.001;
    case 3:
        return exp(3 * z);
    case 4:
        return row % 3 == 2 ? NAN : 1e300;
    default:
        return row % 10 == 0 ? z : NAN;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* np.quantile(values, p) for sorted values. */
static double quantile(const double *values, int64_t n, double p)
{
    double position = (double)(n - 1) * p, lower = floor(position), weight = position - lower;
    int64_t at = (int64_t)lower, next = at + 1 < n ? at + 1 : n - 1;
    double difference = values[next] - values[at];

    return weight < 0.5 ? values[at] + difference * weight
                        : values[next] - difference * (1 - weight);
}

static void mean_and_sd(int64_t n, const double *x, double *mean, double *sd)
{
    long double sum = 0, squares = 0;

    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    for (int64_t i = 0; i < n; i++)
        squares += (x[i] - sum / n) * (x[i] - sum / n);
    *mean = (double)(sum / n);
    *sd = (double)sqrtl(squares / n);
}

/* One column, prepared plainly. */
typedef struct plain {
    double fill, lower, upper, mean, scale, max_abs;
    int64_t missing, capped;
    double z[N_MOST];
} plain;

static double fill_of(const seg_prep_opts *opts, const double *sorted, int64_t present)
{
    double mean, sd;

    if (opts->impute == SEG_IMPUTE_MEDIAN) return quantile(sorted, present, 0.5);
    mean_and_sd(present, sorted, &mean, &sd);
    return opts->impute == SEG_IMPUTE_MEAN ? mean : opts->impute_value;
}

static void bounds_of(const seg_prep_opts *opts, const double *sorted, int64_t n, plain *p)
{
    double low = quantile(sorted, n, 0.25), high = quantile(sorted, n, 0.75), mean, sd;
    double f = opts->outlier_parameter;

    p->lower = -INFINITY;
    p->upper = INFINITY;
    if (opts->outliers == SEG_OUTLIER_QUANTILE) {
        p->lower = quantile(sorted, n, f);
        p->upper = quantile(sorted, n, 1 - f);
    } else if (opts->outliers == SEG_OUTLIER_IQR) {
        p->lower = low - f * (high - low);
        p->upper = high + f * (high - low);
    } else if (opts->outliers == SEG_OUTLIER_Z) {
        mean_and_sd(n, sorted, &mean, &sd);
        p->lower = mean - f * sd;
        p->upper = mean + f * sd;
    }
}

/* The transforms that the choices below name. */
static double transformed(const seg_prep_opts *opts, int t, double value)
{
    const char *of = opts->transform ? opts->transform : "";
    bool all = !strchr(of, '='), logarithm = all ? strcmp(of, "log1p") == 0 : t == 3;
    bool root = all ? strcmp(of, "sqrt") == 0 : t == 1;
    double size = fabs(value);

    return copysign(logarithm ? log1p(size) : root ? sqrt(size) : size, value);
}

static void prepare(const seg_prep_opts *opts, int64_t n, int t, plain *p)
{
    static double sorted[N_MOST], x[N_MOST];
    int64_t present = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(cell(i, t))) sorted[present++] = cell(i, t);
    qsort(sorted, (size_t)present, sizeof *sorted, compare_doubles);
    p->missing = n - present;
    p->fill = fill_of(opts, sorted, present);
    for (int64_t i = 0; i < n; i++)
        x[i] = sorted[i] = isfinite(cell(i, t)) ? cell(i, t) : p->fill;
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    bounds_of(opts, sorted, n, p);
    p->capped = 0;
    for (int64_t i = 0; i < n; i++) {
        p->capped += x[i] < p->lower || x[i] > p->upper;
        x[i] = fmin(fmax(x[i], p->lower), p->upper);
    }
    for (int64_t i = 0; i < n; i++)
        sorted[i] = x[i] = transformed(opts, t, x[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    mean_and_sd(n, x, &p->mean, &p->scale);
    if (opts->scale == SEG_SCALE_NONE) p->mean = 0;
    if (opts->scale == SEG_SCALE_ROBUST) {
        p->mean = quantile(sorted, n, 0.5);
        p->scale = quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25);
    }
    if (opts->scale == SEG_SCALE_MINMAX) {
        p->mean = sorted[0];
        p->scale = sorted[n - 1] - sorted[0];
    }
    if (opts->scale == SEG_SCALE_NONE || p->scale == 0) p->scale = 1;
    p->max_abs = 0;
    for (int64_t i = 0; i < n; i++) {
        p->z[i] = (x[i] - p->mean) / p->scale;
        p->max_abs = fmax(p->max_abs, fabs(p->z[i]));
    }
}

/* Equal up to the last bits of a long double sum of numbers of size `size`. */
static bool near(double a, double b, double size)
{
    return a == b || fabs(a - b) <= 8 * DBL_EPSILON * size;
}

static void check_column(const seg_prep *prep, const seg_matrix *m, int t, const plain *p)
{
    bool by_mean = prep->opts.outliers == SEG_OUTLIER_Z || prep->opts.impute == SEG_IMPUTE_MEAN;
    double reach = fabs(p->fill) + (isfinite(p->upper) ? fabs(p->upper) : 0);

    assert_int_equal(prep->missing[t], p->missing);
    assert_int_equal(prep->capped[t], p->capped);
    assert_true(near(prep->fill_value[t], p->fill, by_mean ? reach : 0));
    assert_true(near(prep->lower_bound[t], p->lower, by_mean ? reach : 0));
    assert_true(near(prep->upper_bound[t], p->upper, by_mean ? reach : 0));
    assert_true(near(prep->mean[t], p->mean, reach + fabs(p->mean)));
    assert_true(near(prep->scale[t], p->scale, reach + p->scale));
    assert_true(near(prep->max_abs[t], p->max_abs, 1e6 * p->max_abs));
    for (int64_t i = 0; i < m->rows.count; i++) {
        double z = m->x[(i / SEG_LANES * D + t) * SEG_LANES + i % SEG_LANES];
        double expected = p->z[m->rows.first + i];
        assert_true(fabs(z - expected) <= ldexp(0.51, -prep->grid[t]) + fabs(expected) * 0x1p-24);
    }
}

static void check_choice(const seg_prep_opts *opts, int64_t n, seg_table *table, seg_table *whole)
{
    static plain p;
    seg_prep prep, alone;
    seg_matrix m;
    int expected_failure = opts->scale == SEG_SCALE_NONE ? SEG_ERR_DATA : SEG_OK;

    /* without scaling, 1e300 cannot become float32 */
    assert_int_equal(seg_prep_fit(comm, table, opts, &prep), expected_failure);
    seg_error_clear();
    if (expected_failure != SEG_OK) {
        assert_null(prep.mean);
        return;
    }
    assert_int_equal(seg_prep_fit(seg_comm_self(comm), whole, opts, &alone), SEG_OK);
    /* one block of storage holds all arrays */
    assert_memory_equal(prep.fill_value, alone.fill_value, D * (8 * 8 + 2 * sizeof(int)));
    assert_int_equal(seg_agree(comm, seg_prep_apply(&prep, table, NULL, &m)), SEG_OK);
    for (int t = 0; t < D; t++) {
        prepare(opts, n, t, &p);
        if (t == 4 && opts->impute == SEG_IMPUTE_CONSTANT) continue; /* 1e300 and 7: see below */
        check_column(&prep, &m, t, &p);
        assert_string_equal(prep.names[t], names[t]);
    }
    seg_matrix_release(&m);
    seg_prep_release(&prep);
    seg_prep_release(&alone);
}

static void prep_equals_a_plain_preparation(void **state)
{
    (void)state;
    const int64_t sizes[] = { 31, 1025, 4000 };
    const seg_prep_opts choices[] = {
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_QUANTILE, 0.01, SEG_SCALE_STANDARD, NULL },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_NONE, 0, SEG_SCALE_STANDARD, NULL },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_IQR, 1.5, SEG_SCALE_STANDARD, NULL },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_Z, 2, SEG_SCALE_STANDARD, NULL },
        { SEG_IMPUTE_MEAN, 0, SEG_OUTLIER_QUANTILE, 0.2, SEG_SCALE_STANDARD, NULL },
        { SEG_IMPUTE_MEAN, 0, SEG_OUTLIER_Z, 1.5, SEG_SCALE_STANDARD, NULL },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_NONE, 0, SEG_SCALE_NONE, NULL },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_QUANTILE, 0.01, SEG_SCALE_ROBUST, NULL },
        { SEG_IMPUTE_MEAN, 0, SEG_OUTLIER_IQR, 1.5, SEG_SCALE_ROBUST, "sqrt" },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_QUANTILE, 0.01, SEG_SCALE_MINMAX, NULL },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_Z, 2, SEG_SCALE_MINMAX, "log1p" },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_QUANTILE, 0.01, SEG_SCALE_STANDARD, "log1p" },
        { SEG_IMPUTE_MEDIAN, 0, SEG_OUTLIER_NONE, 0, SEG_SCALE_STANDARD, "tail=log1p,zeros=sqrt" },
    };

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        seg_table *table, *whole;
        assert_int_equal(fixture_clients(comm, path, sizes[s], D, names, cell), SEG_OK);
        assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
        assert_int_equal(seg_table_open(seg_comm_self(comm), path, &everything, &whole), SEG_OK);
        for (size_t c = 0; c < sizeof choices / sizeof *choices; c++)
            check_choice(&choices[c], sizes[s], table, whole);
        seg_table_free(table);
        seg_table_free(whole);
    }
}

/* Fills below, inside and above the quantiles: the filled column's quantiles move with them. */
static void prep_without_scaling_and_with_constant_fill(void **state)
{
    (void)state;
    const seg_table_opts moderate = { .exclude_columns = "constant" };
    const double fills[] = { -5, 0, 0.5, 1e6 };
    static plain p;
    seg_table *table;

    assert_int_equal(fixture_clients(comm, path, 2500, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &moderate, &table), SEG_OK);
    for (int f = 0; f < 4; f++) {
        seg_prep_opts opts = { SEG_IMPUTE_CONSTANT, fills[f], SEG_OUTLIER_QUANTILE, 0.07,
                               SEG_SCALE_NONE,      NULL };
        seg_prep prep;
        assert_int_equal(seg_prep_fit(comm, table, &opts, &prep), SEG_OK);
        for (int t = 0; t < D - 1; t++) {
            prepare(&opts, 2500, t < 4 ? t : 5, &p);
            assert_true(prep.fill_value[t] == fills[f]);
            assert_true(prep.lower_bound[t] == p.lower && prep.upper_bound[t] == p.upper);
            assert_true(prep.mean[t] == 0 && prep.scale[t] == 1 && prep.max_abs[t] == p.max_abs);
            assert_int_equal(prep.capped[t], p.capped);
        }
        seg_prep_release(&prep);
    }
    seg_table_free(table);
}

/* Centers in scaled units, back in the units of the columns. */
static void inversion_undoes_scale_and_transform(void **state)
{
    (void)state;
    const char *const transforms[] = { NULL, "log1p", "sqrt", "normal=sqrt,tail=log1p" };
    const double original[2 * D] = {
        1001, 0.9, -0.0005, 12, 1e300, 0.1, 999, 0, 0.001, 2, 1e300, -2
    };
    double x[2 * D], back[2 * D];
    seg_table *table;

    assert_int_equal(fixture_clients(comm, path, 1500, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    for (int i = 0; i < 4; i++) {
        seg_prep_opts opts = seg_prep_defaults();
        seg_prep prep;
        opts.outliers = SEG_OUTLIER_NONE;
        opts.transform = transforms[i];
        assert_int_equal(seg_prep_fit(comm, table, &opts, &prep), SEG_OK);
        memcpy(x, original, sizeof x);
        seg_prep_apply_rows(&prep, 2, x);
        seg_prep_invert(&prep, 2, x, back);
        for (int c = 0; c < 2 * D; c++)
            assert_true(fabs(back[c] - original[c]) <= 1e-11 * fabs(original[c]) + 1e-12);
        seg_prep_release(&prep);
    }
    seg_table_free(table);
}

static void transforms_name_what_is_wrong(void **state)
{
    (void)state;
    const char *const wrong[][2] = {
        { "log", "not 'log'" }, { "tail=", "not 'tail='" },  { "tial=sqrt", "did you mean 'tail'" },
        { "tail=sqrt,", NULL }, { "tail=sqrt,,", "not ''" }, { "", NULL },
    };
    seg_table *table;

    assert_int_equal(fixture_clients(comm, path, 100, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        seg_prep_opts opts = seg_prep_defaults();
        seg_prep prep;
        opts.transform = wrong[i][0];
        assert_int_equal(seg_prep_fit(comm, table, &opts, &prep),
                         wrong[i][1] ? SEG_ERR_USAGE : SEG_OK);
        if (wrong[i][1]) assert_non_null(strstr(seg_error_get()->text, wrong[i][1]));
        seg_error_clear();
        seg_prep_release(&prep);
    }
    seg_table_free(table);
}

static double damaged_cell(int64_t row, int column)
{
    static const double huge[] = { 1.7e308, -1.7e308, 1e200 };

    if (column == 0) return (double)row;
    if (column == 1) return NAN;
    return huge[row % 3];
}

static void expect_failure(const char *columns, seg_scale_method scale, const char *part)
{
    const seg_table_opts opts = { .columns = columns };
    seg_prep_opts choice = seg_prep_defaults();
    seg_table *table;
    seg_prep prep;

    assert_int_equal(seg_table_open(comm, path, &opts, &table), SEG_OK);
    choice.scale = scale;
    assert_int_equal(seg_prep_fit(comm, table, &choice, &prep), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, part));
    seg_error_clear();
    assert_null(prep.mean);
    assert_null(prep.names);
    seg_table_free(table);
}

static void prep_names_the_column_that_it_cannot_use(void **state)
{
    (void)state;
    const char *const bad[] = { "fine", "empty", "huge" };

    assert_int_equal(fixture_clients(comm, path, 1100, 3, bad, damaged_cell), SEG_OK);
    expect_failure("fine,empty", SEG_SCALE_STANDARD, "'empty' has no value");
    for (int scale = SEG_SCALE_STANDARD; scale <= SEG_SCALE_MINMAX; scale++)
        expect_failure("fine,huge", (seg_scale_method)scale, "'huge'");
    assert_int_equal(fixture_clients(comm, path, 0, 3, bad, damaged_cell), SEG_OK);
    expect_failure("fine", SEG_SCALE_STANDARD, "has no rows");
}

static void prep_of_one_row_is_all_zeros(void **state)
{
    (void)state;
    const seg_table_opts first = { .columns = "normal,zeros" };
    const seg_prep_opts defaults = seg_prep_defaults();
    seg_table *table;
    seg_prep prep;
    seg_matrix m;
    double largest = 0;

    assert_int_equal(fixture_clients(comm, path, 1, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &first, &table), SEG_OK);
    assert_int_equal(seg_prep_fit(comm, table, &defaults, &prep), SEG_OK);
    assert_true(prep.mean[0] == cell(0, 0) && prep.scale[0] == 1 && prep.max_abs[0] == 0);
    assert_int_equal(prep.grid[0], 20);
    assert_int_equal(seg_agree(comm, seg_prep_apply(&prep, table, NULL, &m)), SEG_OK);
    for (int64_t i = 0; i < m.n_tiles * SEG_LANES * 2; i++)
        largest = fmax(largest, fabs((double)m.x[i]));
    assert_true(largest == 0);
    seg_matrix_release(&m);
    seg_prep_release(&prep);
    seg_table_free(table);
}

static seg_status write_model(const seg_prep *prep)
{
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    SEG_TRY_OR_DONE(seg_output_open(comm, model_path, "model", true, &out));
    status = seg_output_names(out, "feature", D, names);
    if (status == SEG_OK) status = seg_prep_write(prep, out);
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, status));
done:
    seg_output_free(out);
    return status;
}

static void prep_is_read_as_it_was_written(void **state)
{
    (void)state;
    const seg_prep_opts opts = { SEG_IMPUTE_MEAN,    0.5, SEG_OUTLIER_IQR, 2.5,
                                 SEG_SCALE_STANDARD, NULL };
    seg_table *table;
    seg_prep prep, copy;
    seg_input *in;
    double x[D], original[D];

    assert_int_equal(fixture_clients(comm, path, 1500, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_prep_fit(comm, table, &opts, &prep), SEG_OK);
    assert_int_equal(write_model(&prep), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_input_open(model_path, &in)), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_prep_read(in, &copy)), SEG_OK);
    assert_memory_equal(prep.fill_value, copy.fill_value, D * (8 * 8 + 2 * sizeof(int)));
    assert_int_equal(copy.d, D);
    assert_int_equal(copy.n, 1500);
    assert_true(copy.opts.impute == opts.impute && copy.opts.outliers == opts.outliers &&
                copy.opts.scale == opts.scale && copy.opts.impute_value == 0.5 &&
                copy.opts.outlier_parameter == 2.5);
    for (int t = 0; t < D; t++) {
        assert_string_equal(copy.names[t], names[t]);
        x[t] = prep.mean[t] + 0.25 * prep.scale[t];
    }
    seg_prep_apply_rows(&copy, 1, x);
    assert_true(fabs(x[0] - 0.25) < 1e-9);
    seg_prep_invert(&copy, 1, x, original);
    assert_true(fabs(original[0] - (prep.mean[0] + 0.25 * prep.scale[0])) < 1e-9);
    seg_input_close(in);
    seg_prep_release(&copy);
    seg_prep_release(&prep);
    seg_table_free(table);
}

static void prep_refuses_other_columns(void **state)
{
    (void)state;
    const seg_table_opts fewer = { .columns = "normal,zeros,tail" };
    const seg_prep_opts defaults = seg_prep_defaults();
    seg_table *table, *other;
    seg_prep prep;
    seg_matrix m;

    assert_int_equal(fixture_clients(comm, path, 100, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &fewer, &other), SEG_OK);
    assert_int_equal(seg_prep_fit(comm, table, &defaults, &prep), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_prep_apply(&prep, other, NULL, &m)), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "expected 'gaps'"));
    seg_error_clear();
    seg_prep_release(&prep);
    seg_table_free(table);
    seg_table_free(other);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prep_equals_a_plain_preparation),
        cmocka_unit_test(prep_without_scaling_and_with_constant_fill),
        cmocka_unit_test(prep_names_the_column_that_it_cannot_use),
        cmocka_unit_test(prep_of_one_row_is_all_zeros),
        cmocka_unit_test(prep_is_read_as_it_was_written),
        cmocka_unit_test(prep_refuses_other_columns),
        cmocka_unit_test(inversion_undoes_scale_and_transform),
        cmocka_unit_test(transforms_name_what_is_wrong),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path, sizeof path);
    fixture_path(comm, model_path, sizeof model_path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    fixture_remove(comm, model_path);
    seg_comm_close(comm);
    return failed;
}
