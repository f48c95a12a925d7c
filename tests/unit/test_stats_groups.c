/* Moments and order statistics of groups of clients against sums and sorting over all cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/random.h"
#include "segmpi/stats.h"

#define N      5000
#define LABELS 3

enum { D = 3 };
static seg_comm *comm;
static char path[64];
static const char *const names[D] = { "normal", "few", "gaps" };
static const seg_random key = { .seed = 6, .purpose = SEG_RANDOM_TEST };

static double cell(int64_t row, int column)
{
    double u = seg_random_uniform(key, row, 1), z = seg_random_normal(key, row, 2);

    return column == 0 ? 3 + z : column == 1 ? floor(u * 4) : u < 0.3 ? NAN : z;
}

static int32_t label_of(int64_t row)
{
    return row % 10 == 0 ? 2 : row % 3 == 0;
}

static seg_table *open_clients(int32_t **label)
{
    const seg_table_opts everything = { 0 };
    seg_table *table;

    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    seg_rows rows = seg_table_rows(table);
    assert_int_equal(seg_alloc(rows.count, sizeof **label, label), SEG_OK);
    for (int64_t i = 0; i < rows.count; i++)
        (*label)[i] = label_of(rows.first + i);
    return table;
}

static void moments_of_groups_are_those_of_their_clients(void **state)
{
    (void)state;
    int32_t *label;
    seg_table *table = open_clients(&label);
    seg_moments m[LABELS] = { { 0 } }, all;

    assert_int_equal(seg_moments_of_groups(comm, table, LABELS, label, m), SEG_OK);
    assert_int_equal(seg_moments_init(&all, D, true), SEG_OK);
    for (int64_t i = 0; i < N; i++) {
        double x[D] = { cell(i, 0), cell(i, 1), isnan(cell(i, 2)) ? 0.7 : cell(i, 2) };
        seg_moments_add(&all, 1, x, NULL);
    }
    for (int g = 0; g < LABELS; g++) {
        seg_moments own;
        assert_int_equal(seg_moments_init(&own, D, true), SEG_OK);
        for (int64_t i = 0; i < N; i++) {
            double x[D] = { cell(i, 0), cell(i, 1), cell(i, 2) };
            if (label_of(i) == g) seg_moments_add(&own, 1, x, NULL);
        }
        assert_memory_equal(m[g].count, own.count, 2 * D * sizeof(int64_t));
        for (int t = 0; t < D; t++) {
            assert_true(seg_moments_mean(&m[g], t) == seg_moments_mean(&own, t));
            assert_true(seg_moments_variance(&m[g], t) == seg_moments_variance(&own, t));
        }
        seg_moments_release(&own);
    }

    /* the union with its gaps filled is the table with its gaps filled */
    seg_moments_merge(&m[0], &m[1]);
    seg_moments_merge(&m[0], &m[2]);
    seg_moments_fill(&m[0], 2, 0.7);
    for (int t = 0; t < D; t++) {
        assert_int_equal(m[0].count[t], N);
        assert_int_equal(m[0].missing[t], 0);
        assert_true(seg_moments_mean(&m[0], t) == seg_moments_mean(&all, t));
        assert_true(seg_moments_variance(&m[0], t) == seg_moments_variance(&all, t));
        assert_true(m[0].min[t] == all.min[t] && m[0].max[t] == all.max[t]);
    }
    for (int g = 0; g < LABELS; g++)
        seg_moments_release(&m[g]);
    seg_moments_release(&all);
    seg_table_free(table);
    seg_free(label);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Four groups: label 0, label 1, label 2, and all but label 1. */
static bool belongs(int64_t row, int group)
{
    return group < 3 ? label_of(row) == group : label_of(row) != 1;
}

static void order_statistics_of_groups_are_those_of_sorting(void **state)
{
    (void)state;
    enum { GROUPS = 4, Q = 3 };
    const int of_label[LABELS * 2] = { 0, 3, 1, 1, 2, 3 };
    static double sorted[GROUPS * D][N];
    int64_t present[GROUPS * D] = { 0 }, rank[GROUPS * D * Q];
    double value[GROUPS * D * Q];
    int32_t *label;
    seg_table *table = open_clients(&label);
    seg_groups groups = {
        .n = GROUPS, .n_labels = LABELS, .label = label, .n_of_label = 2, .of_label = of_label
    };

    for (int64_t i = 0; i < N; i++)
        for (int c = 0; c < GROUPS * D; c++)
            if (belongs(i, c / D) && !isnan(cell(i, c % D)))
                sorted[c][present[c]++] = cell(i, c % D);
    for (int c = 0; c < GROUPS * D; c++) {
        qsort(sorted[c], (size_t)present[c], sizeof(double), compare_doubles);
        rank[c * Q] = 0;
        rank[c * Q + 1] = present[c] / 2;
        rank[c * Q + 2] = c == 5 ? -1 : present[c] - 1;
    }
    /* label 1 names its group twice: its clients count twice, and ranks are doubled */
    for (int c = D; c < 2 * D; c++)
        rank[c * Q + 1] = present[c] / 2 * 2;
    assert_int_equal(seg_group_order_statistics(comm, table, &groups, Q, rank, value), SEG_OK);
    for (int c = 0; c < GROUPS * D; c++) {
        assert_true(value[c * Q] == sorted[c][0]);
        assert_true(value[c * Q + 1] == sorted[c][present[c] / 2]);
        if (c == 5)
            assert_true(isnan(value[c * Q + 2]));
        else if (c / D != 1)
            assert_true(value[c * Q + 2] == sorted[c][present[c] - 1]);
    }
    seg_table_free(table);
    seg_free(label);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_of_groups_are_those_of_their_clients),
        cmocka_unit_test(order_statistics_of_groups_are_those_of_sorting),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path, sizeof path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    seg_comm_close(comm);
    return failed;
}
