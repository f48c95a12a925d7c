/* Columns that others make up and gaps that come together, planted in a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/describe.h"
#include "segmpi/log.h"
#include "segmpi/random.h"

static seg_comm *comm;
static char path[64];
static const seg_random key = { .seed = 8, .purpose = SEG_RANDOM_TEST };
static const seg_table_opts everything = { 0 };
static const seg_describe_opts full = { .full = true, .spearman_rows = 1000000 };

enum { A, B, C, TOTAL, MIX, TWIN, FREE, GAP, BOTH, SOME, E };
static const char *const related_names[E] = { "a",    "b",    "c",   "total", "mix",
                                              "twin", "free", "gap", "both",  "some" };

static double present_cell(int64_t row, int t)
{
    double a = seg_random_normal(key, row, 11), b = 2 * seg_random_uniform(key, row, 12);
    double c = floor(10 * seg_random_uniform(key, row, 13));

    switch (t) {
    case A:
    case TWIN:
        return a;
    case B:
        return b;
    case C:
        return c;
    case TOTAL:
        return a + b + c + (row % 100 == 0);
    case MIX:
        return 0.5 * a - 2 * b + 10 + 0.05 * seg_random_normal(key, row, 14);
    default:
        return c < 2 ? 0 : a * b;
    }
}

static double related_cell(int64_t row, int t)
{
    bool zero = present_cell(row, FREE) == 0;

    if (t <= FREE) return present_cell(row, t);
    if (t == GAP && zero && row % 4 != 0) return NAN;
    if (t == BOTH && zero && row % 4 == 1) return NAN; /* only in gaps of the one before */
    if (t == SOME && seg_random_uniform(key, row, 17) < 0.3) return NAN; /* with nothing else */
    return seg_random_normal(key, row, (uint64_t)(18 + t));
}

static void describe_related(int64_t n, seg_describe *d)
{
    seg_table *table;

    assert_int_equal(fixture_clients(comm, path, n, E, related_names, related_cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_describe_run(comm, table, &full, d), SEG_OK);
    seg_table_free(table);
}

/* The relation of a column, or -1. */
static int relation_of(const seg_describe *d, int t)
{
    for (int i = 0; i < d->n_relations; i++)
        if (d->relation_column[i] == t) return i;
    return -1;
}

static void columns_that_others_make_up_are_found(void **state)
{
    (void)state;
    const int64_t n = 3000;
    seg_describe d;

    describe_related(n, &d);
    int total = relation_of(&d, TOTAL), mix = relation_of(&d, MIX);
    int twin = relation_of(&d, TWIN) >= 0 ? relation_of(&d, TWIN) : relation_of(&d, A);
    assert_int_equal(d.n_relations, 3);
    assert_true(total >= 0 && mix >= 0 && twin >= 0);

    const double *sum = &d.relation_coefficient[total * E];
    assert_true(sum[A] + sum[TWIN] == 1 && sum[B] == 1 && sum[C] == 1);
    assert_true(sum[MIX] == 0 && sum[FREE] == 0 && d.relation_intercept[total] == 0);
    assert_int_equal(d.relation_equal[total], n - n / 100);
    assert_true(d.relation_explained[total] > 0.99);

    const double *mixed = &d.relation_coefficient[mix * E];
    assert_true(fabs(mixed[A] + mixed[TWIN] - 0.5) < 0.01 && fabs(mixed[B] + 2) < 0.01);
    assert_true(fabs(d.relation_intercept[mix] - 10) < 0.05 && d.relation_equal[mix] == 0);

    const double *same = &d.relation_coefficient[twin * E];
    assert_true(same[A] + same[TWIN] == 1 && same[B] == 0 && same[C] == 0);
    assert_int_equal(d.relation_equal[twin], n);
    seg_describe_release(&d);
}

static void gaps_that_come_together_are_told(void **state)
{
    (void)state;
    seg_gap gaps[10];
    seg_describe d;

    describe_related(3000, &d);
    int n = seg_describe_gaps(&d, 10, gaps);
    for (int i = 0; i < n; i++) {
        int64_t pair = (int64_t)gaps[i].missing * E + gaps[i].other;
        assert_int_equal(gaps[i].clients,
                         gaps[i].other_missing ? d.co_missing[pair] : d.zero_where_missing[pair]);
        assert_true(gaps[i].missing != SOME && gaps[i].other != SOME);
        assert_true(gaps[i].share == 1 && (i == 0 || gaps[i - 1].clients >= gaps[i].clients));
    }
    assert_int_equal(n, 3); /* gap: free is 0; both: free is 0, gap is missing */
    assert_true(gaps[0].missing == GAP && gaps[0].other == FREE && !gaps[0].other_missing);
    assert_true(fabs(gaps[0].lift - 3000.0 / (double)d.zeros[FREE]) < 1e-12);
    for (int i = 1; i < 3; i++)
        assert_true(gaps[i].missing == BOTH &&
                    gaps[i].other == (gaps[i].other_missing ? GAP : FREE));
    assert_int_equal(seg_describe_gaps(&d, 1, gaps), 1);
    assert_true(gaps[0].missing == GAP);
    seg_describe_release(&d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_that_others_make_up_are_found),
        cmocka_unit_test(gaps_that_come_together_are_told),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    fixture_path(comm, path, sizeof path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    seg_comm_close(comm);
    return failed;
}
