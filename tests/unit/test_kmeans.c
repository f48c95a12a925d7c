/* k-means: against float64 brute force, against itself on one rank, and on tables that are nasty.
 * Every assertion is on a value that all ranks hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "segmpi/kmeans.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"

#define GRID 20

static seg_comm *comm;
static const seg_kernels *kernels;

/* ---- tables, as functions of row and column ---- */

typedef double (*cell)(int64_t row, int column);

static double noise(int64_t row, int column)
{
    return seg_random_normal((seg_random) { .seed = 7, .purpose = SEG_RANDOM_TEST }, row,
                             (uint64_t)column);
}

/* Three groups far apart: rows 0, 3, 6 ... in the first, half of the rest in the second. */
static int group_of(int64_t row)
{
    return row % 3 == 0 ? 0 : row % 6 < 3 ? 1 : 2;
}

static double three_groups(int64_t row, int column)
{
    return 20.0 * (group_of(row) == column % 3) + noise(row, column);
}

static double blurred(int64_t row, int column)
{
    return noise(row, column) + 0.8 * (double)(row % 5) * (column % 2 ? 1 : -1);
}

static double two_values(int64_t row, int column)
{
    return (row % 2 ? 1.5 : -2.25) + column;
}

static double all_equal(int64_t row, int column)
{
    (void)row;
    return 0.5 * column;
}

static double far_away(int64_t row, int column)
{
    return 1e6 + blurred(row, column);
}

static double own_value(int64_t row, int column)
{
    return (double)row * (column + 1);
}

static void make(seg_comm *of, int64_t n, int d, cell value, seg_matrix *m)
{
    int grid[64];
    double max_abs[64], z[64];

    for (int t = 0; t < d; t++) {
        max_abs[t] = value == far_away ? 2e6 : value == own_value ? 1e4 : 64;
        grid[t] = seg_matrix_grid(n, max_abs[t], INFINITY) < GRID
                      ? seg_matrix_grid(n, max_abs[t], INFINITY)
                      : GRID;
    }
    assert_int_equal(
        seg_matrix_init(m, seg_rows_of(n, seg_comm_rank(of), seg_comm_size(of)), d, grid, max_abs),
        SEG_OK);
    for (int64_t i = 0; i < m->rows.count; i++) {
        for (int t = 0; t < d; t++)
            z[t] = value(m->rows.first + i, t);
        seg_matrix_set(m, i, 1, z);
    }
}

static seg_kmeans_opts opts_of(int k, int n_init)
{
    seg_kmeans_opts opts = seg_kmeans_defaults();

    opts.n_clusters = k;
    opts.n_init = n_init;
    return opts;
}

/* ---- judges ---- */

/* Sum over ranks of doubles, in double: for tolerances only. */
static double sum_over_ranks(double mine)
{
    double *all = NULL, sum = 0;
    int64_t bytes;

    assert_int_equal(seg_gather_bytes(comm, &mine, sizeof mine, &all, &bytes), SEG_OK);
    for (int r = 0; r < seg_comm_size(comm); r++)
        sum += all[r];
    seg_free(all);
    return sum;
}

/* Labels are the float64 argmin over the written centers, sizes count them, inertia is their sum,
 * distance and margin are what they should be. */
static void assert_consistent(const seg_matrix *m, const seg_kmeans *kmeans)
{
    int64_t wrong = 0, size[64] = { 0 };
    double inertia = 0, z[64], sum[64] = { 0 };
    int k = kmeans->n_clusters;

    for (int64_t i = 0; i < m->rows.count; i++) {
        double best = INFINITY, second = INFINITY;
        int label = 0;
        seg_matrix_get(m, i, 1, z);
        for (int j = 0; j < k; j++) {
            double d2 = 0;
            for (int t = 0; t < m->d; t++) {
                double diff = z[t] - kmeans->cluster_centers[j * m->d + t];
                d2 = fma(diff, diff, d2);
            }
            if (d2 < best) {
                second = best;
                best = d2;
                label = j;
            } else if (d2 < second) {
                second = d2;
            }
        }
        double margin = second > 0 ? 1 - sqrt(best / second) : 0;
        wrong += kmeans->label[i] != label;
        wrong += !(fabs((double)kmeans->distance[i] - sqrt(best)) <= 1e-6 + 1e-4 * sqrt(best));
        wrong += !(fabs((double)kmeans->margin[i] - margin) <= 2e-4);
        size[label]++;
        sum[label] += z[0];
        inertia += best;
    }
    seg_sum_int64(comm, &wrong, 1);
    seg_sum_int64(comm, size, 64);
    assert_int_equal(wrong, 0);
    for (int j = 0; j < k; j++) {
        assert_int_equal(size[j], kmeans->cluster_size[j]);
        if (j > 0) assert_true(size[j] <= size[j - 1]);
        double mean = sum_over_ranks(sum[j]) / (double)size[j];
        double center = kmeans->cluster_centers[j * m->d];
        double room = fabs(mean) < 1e3 ? 1e-11 : (double)FLT_EPSILON; /* float32 steps out there */
        if (kmeans->converged) assert_true(fabs(center - mean) <= room * (1 + fabs(mean)));
    }
    assert_true(fabs(sum_over_ranks(inertia) - kmeans->inertia) <=
                1e-10 * kmeans->inertia + 1e-16 * kmeans->total_squares);
}

/* The same fit on this rank alone, over all rows, must give the same bits. */
static void assert_same_alone(int64_t n, int d, cell value, const seg_kmeans_opts *opts,
                              const seg_kmeans *found, int64_t first, int64_t count)
{
    seg_matrix all;
    seg_kmeans alone;
    int64_t wrong = 0;

    make(seg_comm_self(comm), n, d, value, &all);
    assert_int_equal(seg_kmeans_fit(seg_comm_self(comm), kernels, &all, opts, &alone), SEG_OK);
    wrong += alone.n_clusters != found->n_clusters || alone.n_iter != found->n_iter;
    wrong += alone.n_redone != found->n_redone || alone.n_swaps != found->n_swaps;
    wrong += memcmp(&alone.inertia, &found->inertia, sizeof alone.inertia) != 0;
    wrong += memcmp(&alone.total_inertia, &found->total_inertia, sizeof alone.inertia) != 0;
    wrong += memcmp(alone.cluster_centers, found->cluster_centers,
                    (size_t)(found->n_clusters * d) * sizeof(double)) != 0;
    wrong += memcmp(alone.restart_inertia, found->restart_inertia,
                    (size_t)found->n_init * sizeof(double)) != 0;
    for (int64_t i = 0; i < count; i++)
        wrong += alone.label[first + i] != found->label[i] ||
                 memcmp(&alone.margin[first + i], &found->margin[i], sizeof(float)) != 0;
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
    seg_kmeans_release(&alone);
    seg_matrix_release(&all);
}

static void fit_and_judge(int64_t n, int d, cell value, const seg_kmeans_opts *opts,
                          seg_kmeans *kmeans)
{
    seg_matrix m;

    make(comm, n, d, value, &m);
    assert_int_equal(seg_kmeans_fit(comm, kernels, &m, opts, kmeans), SEG_OK);
    assert_consistent(&m, kmeans);
    assert_same_alone(n, d, value, opts, kmeans, m.rows.first, m.rows.count);
    seg_matrix_release(&m);
}

/* ---- tests ---- */

static void groups_far_apart_are_found(void **state)
{
    (void)state;
    seg_kmeans kmeans;
    seg_kmeans_opts opts = opts_of(3, 4);

    fit_and_judge(6000, 5, three_groups, &opts, &kmeans);
    assert_int_equal(kmeans.n_clusters, 3);
    assert_int_equal(kmeans.cluster_size[0], 2000);
    assert_int_equal(kmeans.cluster_size[2], 2000);
    assert_true(kmeans.converged);
    /* each coordinate has variance 1 about its group */
    assert_true(fabs(kmeans.inertia / (6000 * 5) - 1) < 0.02);
    seg_kmeans_release(&kmeans);
}

static void blurred_groups_have_the_same_bits_on_any_number_of_ranks(void **state)
{
    (void)state;
    seg_kmeans kmeans;
    static const int64_t rows[] = { 1, 17, 1023, 1024, 1025, 5000, 20000 };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seg_kmeans_opts opts = opts_of(rows[i] < 6 ? 1 : 6, 3);
        fit_and_judge(rows[i], 7, blurred, &opts, &kmeans);
        seg_kmeans_release(&kmeans);
    }
}

static void columns_far_from_zero_lose_no_digits(void **state)
{
    (void)state;
    seg_kmeans near, far;
    seg_kmeans_opts opts = opts_of(5, 2);

    fit_and_judge(3000, 4, far_away, &opts, &far);
    fit_and_judge(3000, 4, blurred, &opts, &near);
    assert_true(fabs(far.inertia / near.inertia - 1) < 0.02); /* float32 steps are 1/16 there */
    seg_kmeans_release(&near);
    seg_kmeans_release(&far);
}

static void one_cluster_is_the_mean(void **state)
{
    (void)state;
    seg_kmeans kmeans;
    seg_kmeans_opts opts = opts_of(1, 2);

    fit_and_judge(3001, 3, blurred, &opts, &kmeans);
    assert_true(fabs(kmeans.inertia / kmeans.total_inertia - 1) < 1e-14);
    seg_kmeans_release(&kmeans);
}

static void every_client_its_own_cluster_costs_nothing(void **state)
{
    (void)state;
    seg_kmeans kmeans;
    seg_kmeans_opts opts = opts_of(40, 2);

    fit_and_judge(40, 3, own_value, &opts, &kmeans);
    assert_int_equal(kmeans.n_clusters, 40);
    assert_true(kmeans.inertia == 0);
    seg_kmeans_release(&kmeans);
}

static void clusters_are_no_more_than_distinct_clients(void **state)
{
    (void)state;
    seg_kmeans kmeans;

    for (int init = 0; init < 2; init++) {
        seg_kmeans_opts opts = opts_of(5, 3);
        opts.init = init == 0 ? SEG_INIT_KMEANSPP : SEG_INIT_RANDOM;
        fit_and_judge(2100, 2, two_values, &opts, &kmeans);
        assert_int_equal(kmeans.n_clusters, 2);
        assert_true(kmeans.inertia == 0);
        seg_kmeans_release(&kmeans);

        fit_and_judge(2100, 2, all_equal, &opts, &kmeans);
        assert_int_equal(kmeans.n_clusters, 1);
        assert_true(kmeans.inertia == 0);
        seg_kmeans_release(&kmeans);
    }
}

static void more_clusters_than_clients_are_refused(void **state)
{
    (void)state;
    seg_kmeans kmeans;
    seg_matrix m;
    seg_kmeans_opts opts = opts_of(5, 1);

    make(comm, 4, 2, blurred, &m);
    assert_int_equal(seg_kmeans_fit(comm, kernels, &m, &opts, &kmeans), SEG_ERR_DATA);
    assert_null(kmeans.cluster_centers);
    seg_error_clear();
    seg_matrix_release(&m);
}

/* Plain Lloyd in float64 on this rank alone; the number of iterations until no label changes. */
static int plain_lloyd(const seg_matrix *m, int k, double *centers)
{
    int label[3000], n_iter = 0;
    double z[8];

    memset(label, -1, sizeof label);
    for (bool changed = true; changed; n_iter++) {
        double sum[8 * 8] = { 0 };
        int count[8] = { 0 };
        changed = false;
        for (int64_t i = 0; i < m->rows.count; i++) {
            double best = INFINITY;
            int nearest = 0;
            seg_matrix_get(m, i, 1, z);
            for (int j = 0; j < k; j++) {
                double d2 = 0;
                for (int t = 0; t < m->d; t++)
                    d2 += (z[t] - centers[j * m->d + t]) * (z[t] - centers[j * m->d + t]);
                if (d2 < best) {
                    best = d2;
                    nearest = j;
                }
            }
            changed |= label[i] != nearest;
            label[i] = nearest;
            count[nearest]++;
            for (int t = 0; t < m->d; t++)
                sum[nearest * m->d + t] += z[t];
        }
        for (int c = 0; c < k * m->d; c++)
            centers[c] = sum[c] / count[c / m->d];
    }
    return n_iter;
}

static void given_centers_make_plain_lloyd(void **state)
{
    (void)state;
    enum { N = 2500, D = 3, K = 4 };
    double given[K * D], plain[K * D];
    seg_matrix m, all;
    seg_kmeans kmeans;
    seg_kmeans_opts opts = opts_of(K, 1);

    for (int c = 0; c < K * D; c++)
        given[c] = plain[c] = blurred(c / D * 100, c % D);
    opts.init = SEG_INIT_CENTERS;
    opts.init_centers = given;
    opts.swaps = false;
    opts.tol = 0;
    make(comm, N, D, blurred, &m);
    make(seg_comm_self(comm), N, D, blurred, &all);
    assert_int_equal(seg_kmeans_fit(comm, kernels, &m, &opts, &kmeans), SEG_OK);
    assert_int_equal(kmeans.n_iter, plain_lloyd(&all, K, plain));
    assert_true(kmeans.converged);
    for (int j = 0; j < K; j++) {
        int found = 0;
        for (int other = 0; other < K; other++) {
            double off = 0;
            for (int t = 0; t < D; t++)
                off = fmax(off, fabs(kmeans.cluster_centers[j * D + t] - plain[other * D + t]));
            found += off < 1e-12;
        }
        assert_int_equal(found, 1);
    }
    seg_kmeans_release(&kmeans);

    opts.max_iter = 2;
    assert_int_equal(seg_kmeans_fit(comm, kernels, &m, &opts, &kmeans), SEG_OK);
    assert_int_equal(kmeans.n_iter, 2);
    assert_false(kmeans.converged);
    assert_consistent(&m, &kmeans);
    seg_kmeans_release(&kmeans);
    seg_matrix_release(&m);
    seg_matrix_release(&all);
}

/* Centers that no client is nearest to, and centers that are equal. */
static void empty_clusters_take_the_farthest_clients(void **state)
{
    (void)state;
    enum { K = 4, D = 2 };
    const double given[K * D] = { 0, 0, 0, 0, 1e5, 1e5, -1e5, 1e5 };
    seg_kmeans kmeans;
    seg_kmeans_opts opts = opts_of(K, 1);

    opts.init = SEG_INIT_CENTERS;
    opts.init_centers = given;
    opts.swaps = false;
    fit_and_judge(3000, D, blurred, &opts, &kmeans);
    assert_int_equal(kmeans.n_clusters, K);
    assert_true(kmeans.cluster_size[K - 1] > 0);
    seg_kmeans_release(&kmeans);

    opts.max_iter = 1; /* three relocated singles, each the farthest client that is left */
    fit_and_judge(3000, D, blurred, &opts, &kmeans);
    seg_kmeans_release(&kmeans);
}

static void swaps_never_raise_the_cost(void **state)
{
    (void)state;
    seg_kmeans with, without;
    int64_t lower = 0;

    for (uint64_t seed = 0; seed < 6; seed++) {
        seg_kmeans_opts opts = opts_of(12, 1);
        opts.seed = seed;
        fit_and_judge(18000, 4, blurred, &opts, &with);
        opts.swaps = false;
        opts.tol = 0;
        fit_and_judge(18000, 4, blurred, &opts, &without);
        assert_true(with.inertia <= without.inertia);
        lower += with.inertia < without.inertia;
        seg_kmeans_release(&with);
        seg_kmeans_release(&without);
    }
    assert_true(lower > 0);
}

/* Clients within float32's noise of the plane between two centers. */
static void labels_near_a_tie_are_the_float64_answer(void **state)
{
    (void)state;
    enum { N = 4000, D = 3 };
    const double centers[2 * D] = { 10.1, -7.3, 3.7, -11.9, 9.1, 0.3 };
    int32_t label[N];
    int64_t n_redone, wrong = 0;
    seg_matrix m;
    double z[D];

    make(comm, N, D, blurred, &m);
    for (int64_t i = 0; i < m.rows.count; i++) {
        for (int t = 0; t < D; t++)
            z[t] = (centers[t] + centers[D + t]) / 2 +
                   1e-7 * noise(m.rows.first + i, t) * (centers[D + t] - centers[t]);
        seg_matrix_set(&m, i, 1, z);
    }
    assert_int_equal(seg_kmeans_assign(comm, kernels, &m, 2, centers, label, NULL, NULL, &n_redone),
                     SEG_OK);
    for (int64_t i = 0; i < m.rows.count; i++) {
        double d2[2] = { 0, 0 };
        seg_matrix_get(&m, i, 1, z);
        for (int c = 0; c < 2 * D; c++) {
            double diff = z[c % D] - centers[c];
            d2[c / D] = fma(diff, diff, d2[c / D]);
        }
        wrong += label[i] != (d2[1] < d2[0]);
    }
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
    assert_true(n_redone > N / 2);
    seg_matrix_release(&m);
}

static void seeds_change_the_restarts(void **state)
{
    (void)state;
    seg_kmeans a, b;
    seg_kmeans_opts opts = opts_of(6, 3);

    fit_and_judge(3000, 4, blurred, &opts, &a);
    opts.seed = 1;
    fit_and_judge(3000, 4, blurred, &opts, &b);
    assert_true(memcmp(a.restart_inertia, b.restart_inertia, 3 * sizeof(double)) != 0);
    seg_kmeans_release(&a);
    seg_kmeans_release(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_far_apart_are_found),
        cmocka_unit_test(blurred_groups_have_the_same_bits_on_any_number_of_ranks),
        cmocka_unit_test(columns_far_from_zero_lose_no_digits),
        cmocka_unit_test(one_cluster_is_the_mean),
        cmocka_unit_test(every_client_its_own_cluster_costs_nothing),
        cmocka_unit_test(clusters_are_no_more_than_distinct_clients),
        cmocka_unit_test(more_clusters_than_clients_are_refused),
        cmocka_unit_test(given_centers_make_plain_lloyd),
        cmocka_unit_test(empty_clusters_take_the_farthest_clients),
        cmocka_unit_test(swaps_never_raise_the_cost),
        cmocka_unit_test(labels_near_a_tie_are_the_float64_answer),
        cmocka_unit_test(seeds_change_the_restarts),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    kernels = seg_kernels_choose();
    int failed = kernels ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    seg_comm_close(comm);
    return failed;
}
