/* Descriptions against brute force in long double on all rows, which every rank knows; the same
 * bits as one rank alone; and through a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "clients_fixture.h"
#include "segmpi/describe.h"
#include "segmpi/log.h"
#include "segmpi/random.h"
#include "segmpi/stats.h"

static seg_comm *comm;
static char path[64], other_path[64];
static const seg_random key = { .seed = 8, .purpose = SEG_RANDOM_TEST };
static const seg_table_opts everything = { 0 };
static const seg_describe_opts full = { .full = true, .spearman_rows = 1000000, .seed = 3 };

enum { D = 11, MOST = 5000 };
static const char *const names[D] = { "normal", "zeros", "few",  "wide", "constant", "gaps",
                                      "none",   "sum",   "huge", "twin", "sparse" };

static double plain_cell(int64_t row, int t)
{
    double u = seg_random_uniform(key, row, 1), z = seg_random_normal(key, row, 2);

    switch (t) {
    case 0:
        return 100 + z;
    case 1:
        return u < 0.6 ? (row % 2 ? 0.0 : -0.0) : z * z;
    case 2:
        return floor(u * 4) - 1;
    case 3:
        return ldexp(z, (int)(row * 37 % 1200) - 600);
    default:
        return 2.1e300;
    }
}

static double gappy_cell(int64_t row, int t)
{
    double u = seg_random_uniform(key, row, 1), z = seg_random_normal(key, row, 2);
    double v = seg_random_uniform(key, row, 3);

    if (t == 5) return u < 0.1 ? NAN : v < 0.02 ? -INFINITY : 1000 + z + v;
    if (t == 9) return u < 0.08 ? NAN : 2 * z - v;
    if (t == 10) return v < 0.4 ? NAN : floor(10 * u * v);
    return NAN;
}

static double cell(int64_t row, int t)
{
    if (t < 5) return plain_cell(row, t);
    if (t == 7) return row % 500 == 3 ? 7 : plain_cell(row, 1) + plain_cell(row, 2);
    if (t == 8)
        return row == 2 ? 1.5e308 : row == 4 ? -1.5e308 : 1e307 * seg_random_normal(key, row, 2);
    return gappy_cell(row, t);
}

/* ---- brute force ---- */

static double x[MOST][D]; /* infinite cells as missing */

static void fill(int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < D; t++)
            x[i][t] = isfinite(cell(i, t)) ? cell(i, t) : NAN;
}

static bool close_to(double value, long double expected, double tolerance)
{
    if (isnan(value) || isnan(expected)) return isnan(value) && isnan(expected);
    return fabsl(value - expected) <= tolerance * fabsl(expected);
}

typedef struct column {
    int64_t count, zeros, distinct;
    long double mean, std, skewness, kurtosis;
    double sorted[MOST];
} column;

static int compare_doubles(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;

    return (first > second) - (first < second);
}

static void moments_of(column *c)
{
    long double n = c->count, m2 = 0, m3 = 0, m4 = 0;

    c->mean = 0;
    for (int64_t i = 0; i < c->count; i++)
        c->mean += c->sorted[i];
    c->mean /= n;
    for (int64_t i = 0; i < c->count; i++) {
        long double u = c->sorted[i] - c->mean;
        m2 += u * u;
        m3 += u * u * u;
        m4 += u * u * u * u;
    }
    bool constant = c->count > 0 && c->sorted[0] == c->sorted[c->count - 1];
    c->std = c->count < 2 ? NAN : constant ? 0 : sqrtl(m2 / (n - 1));
    c->skewness = c->count < 3 ? NAN
                  : constant   ? 0
                               : sqrtl(n * (n - 1)) / (n - 2) * (m3 / n) / (m2 / n * sqrtl(m2 / n));
    c->kurtosis = c->count < 4 ? NAN
                  : constant   ? 0
                               : n * (n + 1) * (n - 1) / ((n - 2) * (n - 3)) * (m4 / m2 / m2) -
                                   3 * (n - 1) * (n - 1) / ((n - 2) * (n - 3));
}

static void look_at(column *c, int64_t n, int t)
{
    *c = (column) { 0 };
    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i][t])) {
            c->sorted[c->count++] = x[i][t];
            c->zeros += x[i][t] == 0;
        }
    qsort(c->sorted, (size_t)c->count, sizeof *c->sorted, compare_doubles);
    for (int64_t i = 0; i < c->count; i++)
        c->distinct += i == 0 || c->sorted[i] != c->sorted[i - 1];
    moments_of(c);
}

/* Pearson's correlation of n pairs. */
static long double correlation_of(int64_t n, const double *a, const double *b)
{
    long double mean_a = 0, mean_b = 0, ab = 0, aa = 0, bb = 0;

    for (int64_t i = 0; i < n; i++) {
        mean_a += (long double)a[i] / n;
        mean_b += (long double)b[i] / n;
    }
    bool a_varies = false, b_varies = false;
    for (int64_t i = 0; i < n; i++) {
        a_varies = a_varies || a[i] != a[0];
        b_varies = b_varies || b[i] != b[0];
        ab += (a[i] - mean_a) * (b[i] - mean_b);
        aa += (a[i] - mean_a) * (a[i] - mean_a);
        bb += (b[i] - mean_b) * (b[i] - mean_b);
    }
    return a_varies && b_varies ? ab / (sqrtl(aa) * sqrtl(bb)) : NAN;
}

/* Those who have both s and t; their number. */
static int64_t pairs_of(int64_t n, int s, int t, double *a, double *b)
{
    int64_t both = 0;

    for (int64_t i = 0; i < n; i++)
        if (!isnan(x[i][s]) && !isnan(x[i][t])) {
            a[both] = x[i][s];
            b[both++] = x[i][t];
        }
    return both;
}

static void rank_values(int64_t n, double *values)
{
    static double sorted[MOST], rank[MOST];

    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    for (int64_t i = 0; i < n; i++) {
        int64_t low = 0, high = n; /* first not less, then first greater */
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (sorted[middle] < values[i])
                low = middle + 1;
            else
                high = middle;
        }
        for (high = low; high < n && sorted[high] == values[i]; high++)
            ;
        rank[i] = (double)(low + high + 1) / 2;
    }
    memcpy(values, rank, (size_t)n * sizeof *values);
}

/* ---- checks ---- */

static void describe_rows(int64_t n, const seg_describe_opts *opts, seg_describe *d)
{
    seg_table *table;

    fill(n);
    assert_int_equal(fixture_clients(comm, path, n, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_describe_run(comm, table, opts, d), SEG_OK);
    seg_table_free(table);
}

static void check_column(const seg_describe *d, int t, const column *c)
{
    const double *edges = &d->bin_edges[t * (SEG_HISTOGRAM_BINS + 1)];
    int64_t in_bins = 0;

    assert_int_equal(d->count[t], c->count);
    assert_int_equal(d->missing[t], d->n - c->count);
    assert_int_equal(d->zeros[t], c->zeros);
    assert_int_equal(d->distinct[t], c->distinct);
    assert_true(close_to(d->mean[t], c->count > 0 ? c->mean : NAN, 1e-15));
    assert_true(close_to(d->std[t], c->std, 1e-14));
    assert_true(close_to(d->skewness[t], c->skewness, 1e-12));
    assert_true(close_to(d->kurtosis[t], c->kurtosis, 1e-12));
    for (int bin = 0; bin < SEG_HISTOGRAM_BINS; bin++) {
        int64_t count = d->bin_count[t * SEG_HISTOGRAM_BINS + bin], expected = 0;
        bool last = bin == SEG_HISTOGRAM_BINS - 1;
        for (int64_t i = 0; i < c->count; i++)
            expected += c->sorted[i] >= edges[bin] &&
                        (c->sorted[i] < edges[bin + 1] || (last && c->sorted[i] == edges[bin + 1]));
        assert_int_equal(count, expected);
        assert_true(c->count == 0 || edges[bin] <= edges[bin + 1]);
        in_bins += count;
    }
    assert_int_equal(in_bins, c->count);
}

static void check_order(const seg_describe *d, int t, const column *c)
{
    const double *quantile = &d->quantile[t * SEG_QUANTILES];
    int64_t beyond_fence = 0, beyond_std = 0;

    assert_true(close_to(d->min[t], c->count > 0 ? c->sorted[0] : NAN, 0));
    assert_true(close_to(d->max[t], c->count > 0 ? c->sorted[c->count - 1] : NAN, 0));
    for (int j = 0; j < SEG_QUANTILES && c->count > 0; j++) {
        seg_quantile_position at = seg_quantile_at(c->count, seg_describe_probabilities[j]);
        double expected = seg_quantile_between(c->sorted[at.lower], c->sorted[at.upper], at.weight);
        assert_true(quantile[j] == expected);
    }
    double fence = 1.5 * (quantile[4] - quantile[2]);
    for (int64_t i = 0; i < c->count; i++) {
        beyond_fence += c->sorted[i] < quantile[2] - fence || c->sorted[i] > quantile[4] + fence;
        beyond_std += fabs(c->sorted[i] - d->mean[t]) > 3 * d->std[t];
    }
    assert_int_equal(d->iqr_outliers[t], beyond_fence);
    assert_int_equal(d->z_outliers[t], beyond_std);
}

static void check_pair(const seg_describe *d, int s, int t)
{
    static double a[MOST], b[MOST];
    int64_t both = pairs_of(d->n, s, t, a, b), pair = (int64_t)s * D + t;
    int64_t missing = 0, zero = 0;

    for (int64_t i = 0; i < d->n; i++) {
        missing += isnan(x[i][s]) && isnan(x[i][t]);
        zero += isnan(x[i][s]) && x[i][t] == 0;
    }
    assert_int_equal(d->co_missing[pair], missing);
    assert_int_equal(d->zero_where_missing[pair], zero);
    long double expected = correlation_of(both, a, b);
    assert_true(isnan(expected)
                    ? isnan(d->correlation[pair])
                    : fabsl(d->correlation[pair] - expected) < 1e-14 + 1e-12 * fabsl(expected));
    rank_values(both, a);
    rank_values(both, b);
    assert_true(close_to(d->spearman[pair], correlation_of(both, a, b), 1e-12) ||
                fabs(d->spearman[pair]) < 1e-15);
}

static void figures_are_those_of_brute_force(void **state)
{
    (void)state;
    const int64_t sizes[] = { 1, 2, 3, 4, 63, 1025, MOST };
    static column c;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        seg_describe d;
        int64_t infinite = 0;
        describe_rows(sizes[i], &full, &d);
        for (int64_t row = 0; row < d.n; row++)
            infinite += isinf(cell(row, 5)) != 0;
        assert_int_equal(d.n, sizes[i]);
        assert_int_equal(d.infinite, infinite);
        assert_int_equal(d.spearman_rows, d.n);
        for (int t = 0; t < D; t++) {
            look_at(&c, d.n, t);
            check_column(&d, t, &c);
            check_order(&d, t, &c);
            for (int s = 0; s <= t; s++)
                check_pair(&d, s, t);
        }
        seg_describe_release(&d);
    }
}

/* All arrays have the same bits; NaN has one pattern. */
static bool same_bits(const void *a, const void *b, int64_t n, size_t size)
{
    return memcmp(a, b, (size_t)n * size) == 0;
}

static bool same_core(const seg_describe *a, const seg_describe *b)
{
    int64_t d = a->d;

    return a->d == b->d && a->n == b->n && same_bits(a->count, b->count, d, 8) &&
           same_bits(a->mean, b->mean, d, 8) && same_bits(a->std, b->std, d, 8) &&
           same_bits(a->min, b->min, d, 8) && same_bits(a->skewness, b->skewness, d, 8) &&
           same_bits(a->kurtosis, b->kurtosis, d, 8) &&
           same_bits(a->quantile, b->quantile, d * SEG_QUANTILES, 8) &&
           same_bits(a->correlation, b->correlation, d * d, 8) &&
           same_bits(a->zero_where_missing, b->zero_where_missing, d * d, 8);
}

static bool same_rest(const seg_describe *a, const seg_describe *b)
{
    int64_t d = a->d, relations = a->n_relations;

    return same_bits(a->distinct, b->distinct, d, 8) &&
           same_bits(a->spearman, b->spearman, d * d, 8) && a->spearman_rows == b->spearman_rows &&
           same_bits(a->bin_edges, b->bin_edges, d * (SEG_HISTOGRAM_BINS + 1), 8) &&
           same_bits(a->bin_count, b->bin_count, d * SEG_HISTOGRAM_BINS, 8) &&
           same_bits(a->bin_scale, b->bin_scale, d, 1) && a->n_relations == b->n_relations &&
           same_bits(a->relation_column, b->relation_column, relations, 4) &&
           same_bits(a->relation_coefficient, b->relation_coefficient, relations * d, 8) &&
           same_bits(a->relation_equal, b->relation_equal, relations, 8);
}

static void any_number_of_ranks_gives_the_same_bits(void **state)
{
    (void)state;
    const int64_t sample[] = { 1000000, 1500, 1 };

    for (size_t i = 0; i < sizeof sample / sizeof *sample; i++) {
        const seg_describe_opts opts = { .full = true, .spearman_rows = sample[i], .seed = 4 };
        seg_describe ours, alone;
        seg_table *table;
        describe_rows(MOST, &opts, &ours);
        assert_int_equal(seg_table_open(seg_comm_self(comm), path, &everything, &table), SEG_OK);
        assert_int_equal(seg_describe_run(seg_comm_self(comm), table, &opts, &alone), SEG_OK);
        assert_true(same_core(&ours, &alone) && same_rest(&ours, &alone));
        assert_int_equal(ours.spearman_rows, sample[i] < MOST ? sample[i] : MOST);
        seg_table_free(table);
        seg_describe_release(&ours);
        seg_describe_release(&alone);
    }
}

static void a_sample_of_ranks_is_near_the_whole(void **state)
{
    (void)state;
    const seg_describe_opts opts = { .full = true, .spearman_rows = 2000, .seed = 5 };
    const int s = 0, t = 9;
    seg_describe all, some;

    describe_rows(MOST, &full, &all);
    describe_rows(MOST, &opts, &some);
    assert_int_equal(some.spearman_rows, 2000);
    assert_true(some.spearman[s * D + t] != all.spearman[s * D + t]);
    assert_true(fabs(some.spearman[s * D + t] - all.spearman[s * D + t]) < 0.02);
    assert_true(same_core(&all, &some));
    seg_describe_release(&all);
    seg_describe_release(&some);
}

static void a_table_without_rows_has_counts_only(void **state)
{
    (void)state;
    seg_describe d;

    describe_rows(0, &full, &d);
    for (int t = 0; t < D; t++) {
        assert_true(d.count[t] == 0 && d.missing[t] == 0 && d.distinct[t] == 0);
        assert_true(isnan(d.mean[t]) && isnan(d.min[t]) && isnan(d.quantile[t * SEG_QUANTILES]));
        assert_true(isnan(d.correlation[t * D + t]) && isnan(d.spearman[t * D + t]));
        assert_true(isnan(d.bin_edges[t * (SEG_HISTOGRAM_BINS + 1)]));
    }
    assert_int_equal(d.n_relations, 0);
    seg_describe_release(&d);
}

/* ---- through a file ---- */

static void write_and_read(const seg_describe *d, const char *group, seg_describe *back)
{
    seg_output *out;
    seg_input *in;

    assert_int_equal(seg_output_open(comm, other_path, "describe", true, &out), SEG_OK);
    seg_status local = seg_output_names(out, "feature", D, names);
    if (local == SEG_OK) local = seg_describe_write(d, group, out);
    assert_int_equal(seg_output_commit(comm, out, local), SEG_OK);
    seg_output_free(out);
    assert_int_equal(seg_input_open(other_path, &in), SEG_OK);
    assert_int_equal(seg_describe_read(in, group, back), SEG_OK);
    seg_input_close(in);
    seg_barrier(comm);
}

static void what_is_read_is_what_was_written(void **state)
{
    (void)state;
    const seg_describe_opts core = { .full = false };
    seg_describe d, back;

    describe_rows(MOST, &full, &d);
    write_and_read(&d, "", &back);
    assert_true(back.full && same_core(&d, &back) && same_rest(&d, &back));
    assert_int_equal(back.infinite, d.infinite);
    assert_string_equal(back.names[D - 1], names[D - 1]);
    seg_describe_release(&d);
    seg_describe_release(&back);

    describe_rows(MOST, &core, &d);
    write_and_read(&d, "statistics", &back);
    assert_true(!back.full && same_core(&d, &back) && !back.spearman && !back.bin_count);
    seg_describe_release(&d);
    seg_describe_release(&back);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_are_those_of_brute_force),
        cmocka_unit_test(any_number_of_ranks_gives_the_same_bits),
        cmocka_unit_test(a_sample_of_ranks_is_near_the_whole),
        cmocka_unit_test(a_table_without_rows_has_counts_only),
        cmocka_unit_test(what_is_read_is_what_was_written),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    fixture_path(comm, path, sizeof path);
    fixture_path(comm, other_path, sizeof other_path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    fixture_remove(comm, other_path);
    seg_comm_close(comm);
    return failed;
}
