/* Moments against closed forms and long double; order statistics against sorting; the same bits as
 * one rank alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "clients_fixture.h"
#include "segmpi/random.h"
#include "segmpi/stats.h"

static seg_comm *comm;
static char path[64];
static const seg_random key = { .seed = 5, .purpose = SEG_RANDOM_TEST };

enum { D = 7 };
static const char *const names[D] = {
    "normal", "zeros", "few", "wide", "constant", "gaps", "none"
};
static const seg_table_opts everything = { 0 };

static double cell(int64_t row, int column)
{
    double u = seg_random_uniform(key, row, 1), z = seg_random_normal(key, row, 2);

    switch (column) {
    case 0:
        return z;
    case 1:
        return u < 0.6 ? (row % 2 ? 0.0 : -0.0) : z * z;
    case 2:
        return floor(u * 4) - 1;
    case 3:
        return ldexp(z, (int)(row * 37 % 1200) - 600);
    case 4:
        return 1e300;
    case 5:
        return u < 0.1 ? NAN : u < 0.12 ? -INFINITY : 1000 + z;
    default:
        return NAN;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool same_bits(const double *a, const double *b, int64_t n)
{
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* Present values of a column in order; returns their number. */
static int64_t sorted_column(int64_t n, int column, double *values)
{
    int64_t present = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(cell(i, column))) values[present++] = cell(i, column);
    qsort(values, (size_t)present, sizeof *values, compare_doubles);
    return present;
}

static void order_statistics_are_those_of_sorting(void **state)
{
    (void)state;
    const int64_t sizes[] = {
        1, 2, 63, 1025, 5000, 150000
    }; /* the last one is counted twice first */
    enum { Q = 9 };
    static double values[150000];

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int64_t n = sizes[s], rank_of[D * Q];
        const int64_t wanted[Q] = { n / 2, 0, n - 1, -1, n / 2, n / 100, n * 9 / 10, n / 2 + 1, n };
        double found[D * Q], alone[D * Q];
        seg_table *table, *whole;

        for (int i = 0; i < D * Q; i++)
            rank_of[i] = wanted[i % Q];
        assert_int_equal(fixture_clients(comm, path, n, D, names, cell), SEG_OK);
        assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
        assert_int_equal(seg_table_open(seg_comm_self(comm), path, &everything, &whole), SEG_OK);
        assert_int_equal(seg_order_statistics(comm, table, Q, rank_of, found), SEG_OK);
        assert_int_equal(seg_order_statistics(seg_comm_self(comm), whole, Q, rank_of, alone),
                         SEG_OK);
        for (int t = 0; t < D; t++) {
            int64_t present = sorted_column(n, t, values);
            for (int j = 0; j < Q; j++) {
                int64_t rank = wanted[j];
                bool exists = rank >= 0 && rank < present;
                assert_true(exists ? found[t * Q + j] == values[rank] : isnan(found[t * Q + j]));
                assert_true(!exists || values[rank] != 0 || !signbit(found[t * Q + j]));
            }
        }
        assert_true(same_bits(found, alone, D * Q));
        seg_table_free(table);
        seg_table_free(whole);
    }
}

static void order_statistics_of_many_ranks_share_one_search(void **state)
{
    (void)state;
    enum { N = 2049, Q = 2049 };
    static double values[N], found[D * Q];
    static int64_t rank_of[D * Q];
    seg_table *table;

    for (int i = 0; i < D * Q; i++)
        rank_of[i] = N - 1 - i % Q;
    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_order_statistics(comm, table, Q, rank_of, found), SEG_OK);
    for (int t = 0; t < D; t++) {
        int64_t present = sorted_column(N, t, values);
        for (int j = 0; j < Q; j++)
            assert_true(N - 1 - j < present ? found[t * Q + j] == values[N - 1 - j]
                                            : isnan(found[t * Q + j]));
    }
    seg_table_free(table);
}

/* Rows first .. first + count of the moments of all columns. */
static void add_rows(seg_moments *m, int64_t first, int64_t count)
{
    double x[D];

    for (int64_t i = first; i < first + count; i++) {
        for (int t = 0; t < D; t++)
            x[t] = isinf(cell(i, t)) ? NAN : cell(i, t);
        seg_moments_add(m, 1, x, NULL);
    }
}

static void moments_have_the_same_bits_on_any_number_of_ranks(void **state)
{
    (void)state;
    const int64_t n = 3000;
    seg_rows rows = seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm));
    seg_moments ours, alone;

    assert_int_equal(seg_moments_init(&ours, D, true), SEG_OK);
    assert_int_equal(seg_moments_init(&alone, D, true), SEG_OK);
    add_rows(&ours, rows.first, rows.count);
    add_rows(&alone, 0, n);
    seg_moments_sum(comm, &ours);
    seg_moments_sum(seg_comm_self(comm), &alone);
    for (int t = 0; t < D; t++) {
        double a[] = { seg_moments_mean(&ours, t), seg_moments_variance(&ours, t), ours.min[t],
                       ours.max[t] };
        double b[] = { seg_moments_mean(&alone, t), seg_moments_variance(&alone, t), alone.min[t],
                       alone.max[t] };
        assert_true(same_bits(a, b, 4) || (isnan(a[0]) && isnan(b[0])));
        assert_int_equal(ours.count[t], alone.count[t]);
        assert_int_equal(ours.missing[t], alone.missing[t]);
        assert_int_equal(ours.missing[t] + ours.count[t], n);
    }
    assert_true(seg_moments_mean(&ours, 4) == 1e300 && seg_moments_variance(&ours, 4) == 0);
    assert_true(isnan(seg_moments_mean(&ours, 6)) && isnan(seg_moments_variance(&ours, 6)));
    assert_int_equal(ours.count[6], 0);
    assert_true(ours.min[6] == INFINITY && ours.max[6] == -INFINITY);
    seg_moments_release(&ours);
    seg_moments_release(&alone);
}

/* 1e9 + i, i < n: mean 1e9 + (n - 1) / 2, variance (n^2 - 1) / 12. */
static void moments_far_from_zero_lose_no_digit(void **state)
{
    (void)state;
    const int64_t n = 30001;
    seg_moments m;

    assert_int_equal(seg_moments_init(&m, 1, true), SEG_OK);
    for (int64_t i = 0; i < n; i++) {
        double value = 1e9 + (double)i;
        seg_moments_add(&m, 1, &value, NULL);
    }
    seg_moments_sum(seg_comm_self(comm), &m);
    assert_true(seg_moments_mean(&m, 0) == 1e9 + (double)(n - 1) / 2);
    double variance = (double)(n * n - 1) / 12;
    assert_true(fabs(seg_moments_variance(&m, 0) - variance) <= DBL_EPSILON * variance);
    seg_moments_release(&m);
}

/* Of n values `first` so many are 2^52 + 1, the others 2^52: their variance is that of 0 and 1. */
static void variance_of_values_that_differ_in_their_last_bit_is_right(void **state)
{
    (void)state;
    const double low = 0x1p52, high = 0x1p52 + 1;
    const double n = 3001;

    for (int first = 1; first < n; first += 750) {
        seg_moments m;
        assert_int_equal(seg_moments_init(&m, 1, true), SEG_OK);
        for (int i = 0; i < n; i++)
            seg_moments_add(&m, 1, i < first ? &high : &low, NULL);
        double variance = first * (n - first) / n / n;
        assert_true(fabs(seg_moments_variance(&m, 0) - variance) <= DBL_EPSILON * variance);
        seg_moments_release(&m);
    }
}

static void moments_mean_is_rounded_once(void **state)
{
    (void)state;
    const double values[] = { 1, 0x1p-53, 0x1p-53 }; /* the sum is 1 + 2^-52, not 1 */
    const double thirds[] = { 1e300, 1, -1e300, 1 };
    seg_moments m;

    assert_int_equal(seg_moments_init(&m, 1, true), SEG_OK);
    for (int i = 0; i < 3; i++)
        seg_moments_add(&m, 1, &values[i], NULL);
    assert_true(seg_moments_mean(&m, 0) == (1 + 0x1p-52) / 3);
    seg_moments_release(&m);
    assert_int_equal(seg_moments_init(&m, 1, true), SEG_OK);
    seg_moments_add(&m, 4, thirds, NULL);
    assert_true(seg_moments_mean(&m, 0) == 0.5);
    seg_moments_release(&m);

    /* multiples of 2^-36 below 2^16: sums of few hundred are exact in long double */
    for (int64_t group = 0; group < 300; group++) {
        long double sum = 0;
        int64_t n = 3 + group;
        assert_int_equal(seg_moments_init(&m, 1, true), SEG_OK);
        for (int64_t i = 0; i < n; i++) {
            double value = ldexp((double)(seg_random_bits(key, i, (uint64_t)group).a >> 12), -36);
            sum += value;
            seg_moments_add(&m, 1, &value, NULL);
        }
        double mean = (double)(sum / (long double)n);
        assert_true(seg_moments_mean(&m, 0) == mean);
        seg_moments_release(&m);
    }
}

static void moments_of_one_repeated_value_do_not_overflow(void **state)
{
    (void)state;
    const double value = 1.7e308;
    seg_moments m;

    assert_int_equal(seg_moments_init(&m, 1, true), SEG_OK);
    for (int i = 0; i < 30; i++)
        seg_moments_add(&m, 1, &value, NULL);
    assert_true(seg_moments_mean(&m, 0) == value && seg_moments_variance(&m, 0) == 0);
    seg_moments_release(&m);
}

/* numpy.quantile on small columns, worked out by hand. */
static void quantiles_follow_the_linear_method(void **state)
{
    (void)state;
    seg_quantile_position p = seg_quantile_at(5, 0.25), q = seg_quantile_at(4, 0.5);
    seg_quantile_position last = seg_quantile_at(4, 1), one = seg_quantile_at(1, 0.3);

    assert_true(p.lower == 1 && p.upper == 2 && p.weight == 0);
    assert_true(q.lower == 1 && q.upper == 2 && q.weight == 0.5);
    assert_true(last.lower == 3 && last.upper == 3 && last.weight == 0);
    assert_true(one.lower == 0 && one.upper == 0 && one.weight == 0);
    assert_true(seg_quantile_between(10, 20, 0.25) == 12.5);
    assert_true(seg_quantile_between(10, 20, 0.75) == 17.5);
    assert_true(seg_quantile_between(-1, 0.1, 1) == 0.1); /* exact at both ends */
    assert_true(seg_quantile_between(0.1, 1e17, 0) == 0.1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_statistics_are_those_of_sorting),
        cmocka_unit_test(order_statistics_of_many_ranks_share_one_search),
        cmocka_unit_test(moments_have_the_same_bits_on_any_number_of_ranks),
        cmocka_unit_test(moments_far_from_zero_lose_no_digit),
        cmocka_unit_test(variance_of_values_that_differ_in_their_last_bit_is_right),
        cmocka_unit_test(moments_mean_is_rounded_once),
        cmocka_unit_test(moments_of_one_repeated_value_do_not_overflow),
        cmocka_unit_test(quantiles_follow_the_linear_method),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path, sizeof path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    seg_comm_close(comm);
    return failed;
}
