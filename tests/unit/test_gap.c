/* Pure parts of the gap statistic and of stability. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quality_fixture.h"
#include "segmpi/log.h"

static seg_comm *comm;

static void references_fill_the_box_of_the_columns(void **state)
{
    (void)state;
    const seg_gap_box box = { 0 };
    seg_matrix all, reference, other;
    int32_t *label;

    make(seg_comm_self(comm), N, &all, &label);
    assert_int_equal(seg_gap_reference(&all, &box, 1, 0, &reference), SEG_OK);
    assert_int_equal(seg_gap_reference(&all, &box, 1, 1, &other), SEG_OK);
    for (int t = 0; t < D; t++) {
        double low = INFINITY, high = -INFINITY, mean = 0, equal = 0;
        for (int64_t i = 0; i < N; i++) {
            low = fmin(low, (double)(float)cell(i, t));
            high = fmax(high, (double)(float)cell(i, t));
        }
        for (int64_t i = 0; i < N; i++) {
            double z[D], y[D];
            seg_matrix_get(&reference, i, 1, z);
            seg_matrix_get(&other, i, 1, y);
            assert_true(z[t] >= low && z[t] <= high);
            mean += (z[t] - low) / (high - low) / N;
            equal += fabs(z[t] - y[t]) <= 0;
        }
        assert_true(fabs(mean - 0.5) < 5 / sqrt(12.0 * N)); /* five standard errors */
        assert_true(equal < 5);
    }
    seg_free(label);
    seg_matrix_release(&all);
    seg_matrix_release(&reference);
    seg_matrix_release(&other);
}

/* Along turned axes the projections fill their range, and nothing lies outside. */
static void references_fill_a_turned_box(void **state)
{
    (void)state;
    const double c = sqrt(0.5), axes[2][D] = { { 0.6, 0.8, 0 }, { 0.8 * c, -0.6 * c, c } };
    const double origin[D] = { 1, 2, 3 };
    const seg_gap_box box = { .n_axes = 2, .axes = axes[0], .origin = origin };
    seg_matrix all, reference;
    int32_t *label;

    make(seg_comm_self(comm), N, &all, &label);
    assert_int_equal(seg_gap_reference(&all, &box, 1, 0, &reference), SEG_OK);
    for (int a = 0; a < 2; a++) {
        double low = INFINITY, high = -INFINITY, mean = 0;
        for (int64_t i = 0; i < N; i++) {
            double place = 0;
            for (int t = 0; t < D; t++)
                place += ((double)(float)cell(i, t) - origin[t]) * axes[a][t];
            low = fmin(low, place);
            high = fmax(high, place);
        }
        for (int64_t i = 0; i < N; i++) {
            double z[D], place = 0, off = 0;
            const double normal[D] = { -0.8 * c, 0.6 * c, c };
            seg_matrix_get(&reference, i, 1, z);
            for (int t = 0; t < D; t++) {
                place += (z[t] - origin[t]) * axes[a][t];
                off += (z[t] - origin[t]) * normal[t];
            }
            assert_true(place > low - 1e-5 && place < high + 1e-5 && fabs(off) < 1e-5);
            mean += (place - low) / (high - low) / N;
        }
        assert_true(fabs(mean - 0.5) < 5 / sqrt(12.0 * N));
    }
    seg_free(label);
    seg_matrix_release(&all);
    seg_matrix_release(&reference);
}

static void gap_follows_its_formula(void **state)
{
    (void)state;
    const double cost[3] = { exp(3), exp(1), exp(0.9) };
    const double reference[2][3] = { { exp(3.1), exp(2), exp(1.5) },
                                     { exp(3.3), exp(2.4), exp(1.6) } };
    double gap[3], error[3];

    seg_gap_of(3, 2, cost, reference[0], gap, error);
    assert_close(gap[0], 0.2);
    assert_close(gap[1], 1.2);
    assert_true(fabs(gap[2] - 0.65) < 1e-12);
    assert_true(fabs(error[1] - 0.2 * sqrt(1.5)) < 1e-12);
    assert_true(fabs(error[2] - 0.05 * sqrt(1.5)) < 1e-12);
    assert_int_equal(seg_gap_first(3, gap, error), 1);
    assert_int_equal(seg_gap_first(2, gap, error), -1); /* still rising: the range ends too early */
}

static void jaccard_is_common_over_either(void **state)
{
    (void)state;
    const int64_t table[3][2] = { { 6, 2 }, { 1, 3 }, { 0, 0 } };
    double jaccard[3];

    seg_jaccard_best(3, 2, table[0], jaccard);
    assert_close(jaccard[0], 6.0 / 9);
    assert_close(jaccard[1], 3.0 / 6);
    assert_true(isnan(jaccard[2]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_fill_the_box_of_the_columns),
        cmocka_unit_test(references_fill_a_turned_box),
        cmocka_unit_test(gap_follows_its_formula),
        cmocka_unit_test(jaccard_is_common_over_either),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
