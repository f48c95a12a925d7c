/* Clients and labels that every rank knows.  Included by tests of quality after cmocka. */
#pragma once

#include <math.h>

#include "segmpi/memory.h"
#include "segmpi/quality.h"
#include "segmpi/random.h"

#define D 3
#define N 2500
#define K 5

static inline double cell(int64_t row, int t)
{
    const seg_random key = { .seed = 8, .purpose = SEG_RANDOM_TEST };

    return ldexp(rint(ldexp(seg_random_normal(key, row, (uint64_t)t), 20)), -20) +
           (double)((row % K) >> t % 3);
}

/* Cluster K - 1 has one client. */
static inline int32_t label_of(int64_t row)
{
    const seg_random key = { .seed = 9, .purpose = SEG_RANDOM_TEST };

    if (row == 1234) return K - 1;
    return seg_random_uniform(key, row, 0) < 0.8 ? (int32_t)(row % K) % (K - 1) : 0;
}

static inline void make(seg_comm *c, int64_t n, seg_matrix *m, int32_t **label)
{
    const int grid[D] = { 20, 20, 20 };
    const double max_abs[D] = { 64, 64, 64 };

    assert_int_equal(
        seg_matrix_init(m, seg_rows_of(n, seg_comm_rank(c), seg_comm_size(c)), D, grid, max_abs),
        SEG_OK);
    assert_int_equal(seg_alloc(m->rows.count, sizeof **label, label), SEG_OK);
    for (int64_t i = 0; i < m->rows.count; i++) {
        double z[D];
        for (int t = 0; t < D; t++)
            z[t] = cell(m->rows.first + i, t);
        seg_matrix_set(m, i, 1, z);
        (*label)[i] = label_of(m->rows.first + i);
    }
}

static inline void assert_close(double a, double b)
{
    if (!(fabs(a - b) <= 1e-12 * fabs(b))) print_error("%.17g is not %.17g\n", a, b);
    assert_true(fabs(a - b) <= 1e-12 * fabs(b));
}
