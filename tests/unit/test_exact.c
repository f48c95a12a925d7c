/* Exact sums against closed forms and against 128-bit integers; any order, any ranks, the same
 * bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "segmpi/exact.h"
#include "segmpi/random.h"

static seg_comm *comm;
static const seg_random key = { .seed = 3, .purpose = SEG_RANDOM_TEST };

static double sum_of(int n, const double *values, double *low)
{
    seg_exact sum = { 0 };

    for (int i = 0; i < n; i++)
        seg_exact_add(&sum, values[i]);
    return seg_exact_value(&sum, low);
}

static void exact_keeps_what_cancellation_would_lose(void **state)
{
    (void)state;
    const double huge[] = { 1e300, 1, -1e300, 1e-300 };
    const double tiny[] = { DBL_TRUE_MIN, DBL_TRUE_MIN, -DBL_MAX, DBL_MAX };
    const double below[] = { 1, 0x1p-53, 0x1p-106 }; /* just above half an ulp: rounds up */
    const double tie[] = { 1, 0x1p-53 };             /* half an ulp: to even */
    const double negative[] = { -3.5, 1.25 };
    double low;

    assert_true(sum_of(4, huge, &low) == 1 && low == 1e-300);
    assert_true(sum_of(4, tiny, NULL) == 2 * DBL_TRUE_MIN);
    assert_true(sum_of(3, below, NULL) == 1 + DBL_EPSILON);
    assert_true(sum_of(2, tie, &low) == 1 && low == 0x1p-53);
    assert_true(sum_of(2, negative, NULL) == -2.25);
    assert_true(sum_of(0, negative, NULL) == 0);
}

static void exact_overflows_to_infinity_and_back(void **state)
{
    (void)state;
    const double over[] = { DBL_MAX, DBL_MAX }, back[] = { DBL_MAX, DBL_MAX, -DBL_MAX };
    const double bad[] = { 1, INFINITY };

    assert_true(isinf(sum_of(2, over, NULL)));
    assert_true(sum_of(3, back, NULL) == DBL_MAX);
    assert_true(isnan(sum_of(2, bad, NULL)));
}

/* Multiples of 2^-20 below 2^30: the sum of a million fits 128-bit arithmetic exactly. */
static void exact_equals_integer_arithmetic(void **state)
{
    (void)state;
    seg_exact sum = { 0 }, squares = { 0 };
    int64_t expected = 0;
    double high = 0, low = 0; /* squares: integers below 2^80, in two parts */

    for (int i = 0; i < 100000; i++) {
        int64_t v = (int64_t)(seg_random_bits(key, i, 0).a >> 24) - ((int64_t)1 << 39);
        expected += v;
        seg_exact_add(&sum, ldexp((double)v, -20));
        seg_exact_add_product(&squares, (double)v, (double)v);
        seg_exact_add_product(&squares, (double)v, -(double)v);
        seg_exact_add_product(&squares, (double)(v & 0xFFFFFFF), 3);
        high += (double)(v & 0xFFFFFFF) * 3;
    }
    assert_true(seg_exact_value(&sum, &low) == ldexp((double)expected, -20) && low == 0);
    assert_true(seg_exact_value(&squares, NULL) == high); /* below 2^53: exact in double */
    seg_exact_add_int64(&sum, -expected, -20);
    assert_true(seg_exact_value(&sum, NULL) == 0);
}

static void exact_products_keep_their_tail(void **state)
{
    (void)state;
    seg_exact sum = { 0 };

    seg_exact_add_product(&sum, 1 + 0x1p-30, 1 + 0x1p-30); /* 1 + 2^-29 + 2^-60 */
    seg_exact_add(&sum, -1 - 0x1p-29);
    assert_true(seg_exact_value(&sum, NULL) == 0x1p-60);
}

static void exact_survives_carries(void **state)
{
    (void)state;
    seg_exact sum = { 0 };

    /* A limb that 2^29 additions have filled is emptied before it can overflow. */
    sum.additions = ((int64_t)1 << 29) - 1;
    sum.limb[40] = (int64_t)1 << 61;
    seg_exact_add(&sum, 1);
    assert_true(sum.additions == 0 && sum.limb[40] == 0 && sum.limb[41] == (int64_t)1 << 29);
    memset(&sum, 0, sizeof sum);

    for (int64_t i = 0; i < 3000000; i++) {
        seg_exact_add_int64(&sum, INT64_MAX, -40);
        seg_exact_add_int64(&sum, INT64_MIN, -40);
    }
    assert_true(seg_exact_value(&sum, NULL) == ldexp(-3000000, -40));
    seg_exact twice = sum;
    seg_exact_add_exact(&twice, &sum);
    assert_true(seg_exact_value(&twice, NULL) == ldexp(-6000000, -40));
}

static double value_of(int64_t i)
{
    double magnitude =
        ldexp(seg_random_uniform(key, i, 1), (int)(seg_random_bits(key, i, 2).a % 400) - 200);
    return seg_random_bits(key, i, 3).a & 1 ? magnitude : -magnitude;
}

static void exact_sums_have_the_same_bits_on_any_number_of_ranks(void **state)
{
    (void)state;
    const int64_t n = 10007;
    seg_exact mine[2] = { 0 }, all[2] = { 0 };

    for (int64_t i = 0; i < n; i++) {
        seg_exact_add(&all[0], value_of(i));
        seg_exact_add_product(&all[1], value_of(i), value_of(n - i));
    }
    for (int64_t i = n - 1 - seg_comm_rank(comm); i >= 0; i -= seg_comm_size(comm)) {
        seg_exact_add(&mine[0], value_of(i)); /* backwards and interleaved */
        seg_exact_add_product(&mine[1], value_of(i), value_of(n - i));
    }
    seg_exact_sum(comm, mine, 2);
    for (int s = 0; s < 2; s++) {
        double low_all, low_mine;
        assert_true(seg_exact_value(&all[s], &low_all) == seg_exact_value(&mine[s], &low_mine));
        assert_true(low_all == low_mine);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_keeps_what_cancellation_would_lose),
        cmocka_unit_test(exact_overflows_to_infinity_and_back),
        cmocka_unit_test(exact_equals_integer_arithmetic),
        cmocka_unit_test(exact_products_keep_their_tail),
        cmocka_unit_test(exact_survives_carries),
        cmocka_unit_test(exact_sums_have_the_same_bits_on_any_number_of_ranks),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
