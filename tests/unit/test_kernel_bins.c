/* Bins of columns: the same at every level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "segmpi/kernels.h"

static const char *const names[] = { "ref", "v3", "v4" };

#define N_LEVELS 3
#define TIMES    5 /* that the values of a test stand in a column */
#define STRIDE   3 /* columns; the second one is looked at */

static void fill(int n, const double *value, double *x)
{
    for (int i = 0; i < STRIDE * TIMES * n; i++)
        x[i] = value[i / STRIDE % n];
}

/* Values on edges, on both sides of all of them, and none at all. */
static void bins_count_the_edges_below(void **state)
{
    static const double value[] = { -INFINITY, -1, 0, 0.5, 1, 2, 3, 7, 8, 100, INFINITY, NAN };
    static const double edge[SEG_BINS - 1] = { -1, 0, 0, 0, 1, 2, 4, 8, 8 };
    static const int64_t expected[] = { 0, 0, 1, 4, 4, 5, 6, 7, 7, 9, 9, SEG_BINS };
    enum { KINDS = sizeof value / sizeof *value };
    double column[STRIDE * TIMES * KINDS];
    int64_t bin[TIMES * KINDS];

    (void)state;
    fill(KINDS, value, column);
    for (int level = 0; level < N_LEVELS; level++) {
        const seg_kernels *kernels = seg_kernels_named(names[level]);
        for (int n = 0; kernels && n <= TIMES * KINDS; n += 7) {
            memset(bin, 0xFF, sizeof bin);
            kernels->bins(n, STRIDE, column + 1, edge, bin);
            for (int i = 0; i < TIMES * KINDS; i++)
                assert_int_equal(bin[i], i < n ? expected[i % KINDS] : -1);
        }
    }
}

/* Two intervals: the values up to 0 in bins of 2^52 keys, and 2 alone. */
static void locate_finds_interval_and_bin(void **state)
{
    enum { TWO = 0x400 }; /* exponent bits of 2.0 */
    static const double value[] = { -INFINITY, -2, -1, -0.0, 0, 1, 2, 3, INFINITY, NAN };
    static const int64_t low[] = { -((int64_t)(TWO + 1) << 52), (int64_t)TWO << 52, INT64_MAX };
    static const int64_t high[] = { 0, (int64_t)TWO << 52 }, shift[] = { 52, 0, 0 };
    static const seg_intervals intervals = { 2, 11, low, high, shift };
    /* the key of -v is -1 - the bits of v, so -2 is the last key of its bin */
    static const int64_t keys[] = { -1 - ((int64_t)0x7FF << 52),
                                    -1 - ((int64_t)0x400 << 52),
                                    -1 - ((int64_t)0x3FF << 52),
                                    0,
                                    0,
                                    (int64_t)0x3FF << 52,
                                    (int64_t)0x400 << 52,
                                    (int64_t)0x4008 << 48,
                                    (int64_t)0x7FF << 52,
                                    INT64_MIN };
    static const int64_t expected[] = { -1, 0, 1, TWO + 1, TWO + 1, -1, 1 << 11, -1, -1, -1 };
    enum { KINDS = sizeof value / sizeof *value };
    double column[STRIDE * TIMES * KINDS];
    int64_t key[TIMES * KINDS], place[TIMES * KINDS];

    (void)state;
    fill(KINDS, value, column);
    for (int level = 0; level < N_LEVELS; level++) {
        const seg_kernels *kernels = seg_kernels_named(names[level]);
        for (int n = 0; kernels && n <= TIMES * KINDS; n += 7) {
            memset(place, 0xFE, sizeof place);
            kernels->locate(n, STRIDE, column + 1, &intervals, key, place);
            for (int i = 0; i < TIMES * KINDS; i++)
                assert_int_equal(place[i],
                                 i < n ? expected[i % KINDS] : (int64_t)0xFEFEFEFEFEFEFEFE);
            for (int i = 0; i < n; i++)
                assert_int_equal(key[i], keys[i % KINDS]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_count_the_edges_below),
        cmocka_unit_test(locate_finds_interval_and_bin),
    };

    return cmocka_run_group_tests_name("kernel_bins", tests, NULL, NULL);
}
