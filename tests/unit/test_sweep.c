/* A sweep over k gives what separate fits give, bit for bit, however the set is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/random.h"
#include "segmpi/sweep.h"

#define D 4

static seg_comm *comm;
static const seg_kernels *kernels;

/* n clients in six loose heaps; with `distinct` of them, the rest are copies. */
static void make(int64_t n, int64_t distinct, seg_matrix *m)
{
    const seg_random key = { .seed = 4, .purpose = SEG_RANDOM_TEST };
    const int grid[D] = { 20, 20, 20, 20 };
    const double max_abs[D] = { 64, 64, 64, 64 };

    assert_int_equal(seg_matrix_init(m, seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm)), D,
                                     grid, max_abs),
                     SEG_OK);
    for (int64_t i = 0; i < m->rows.count; i++) {
        int64_t row = (m->rows.first + i) % distinct;
        double z[D];
        for (int t = 0; t < D; t++)
            z[t] = seg_random_normal(key, row, (uint64_t)t) + 2.5 * (double)((row % 6) >> t % 3);
        seg_matrix_set(m, i, 1, z);
    }
}

static seg_sweep_opts opts_of(int k_min, int k_max)
{
    seg_sweep_opts opts = { .k_min = k_min, .k_max = k_max, .kmeans = seg_kmeans_defaults() };

    opts.kmeans.n_init = 3;
    return opts;
}

static bool same(const seg_sweep_fit *a, const seg_kmeans *b)
{
    size_t k = (size_t)b->n_clusters;

    return a->n_clusters == b->n_clusters && a->n_iter == b->n_iter && a->n_swaps == b->n_swaps &&
           a->n_swap_rounds == b->n_swap_rounds && a->converged == b->converged &&
           memcmp(&a->inertia, &b->inertia, sizeof a->inertia) == 0 &&
           memcmp(a->restart_inertia, b->restart_inertia, 3 * sizeof(double)) == 0 &&
           memcmp(a->cluster_size, b->cluster_size, k * sizeof(int64_t)) == 0 &&
           memcmp(a->cluster_centers, b->cluster_centers, k * D * sizeof(double)) == 0;
}

static void every_k_is_the_fit_of_that_k(void **state)
{
    (void)state;
    seg_sweep_opts opts = opts_of(1, 9);
    seg_sweep sweep;
    seg_matrix m;

    make(5000, 5000, &m);
    assert_int_equal(seg_sweep_run(comm, kernels, &m, &opts, &sweep), SEG_OK);
    assert_int_equal(sweep.n_k, 9);
    for (int i = 0; i < sweep.n_k; i++) {
        seg_kmeans kmeans;
        opts.kmeans.n_clusters = i + 1;
        assert_int_equal(sweep.fit[i].k, i + 1);
        assert_int_equal(seg_kmeans_fit(comm, kernels, &m, &opts.kmeans, &kmeans), SEG_OK);
        assert_true(same(&sweep.fit[i], &kmeans));
        if (i > 0) assert_true(sweep.fit[i].inertia < sweep.fit[i - 1].inertia);
        double agreement = sweep.fit[i].restart_agreement;
        assert_true(agreement <= 1 + 1e-12 && agreement > (i == 0 ? 1 - 1e-12 : 0));
        seg_kmeans_release(&kmeans);
    }
    seg_sweep_release(&sweep);
    seg_matrix_release(&m);
}

static void groups_of_k_change_nothing(void **state)
{
    (void)state;
    seg_sweep_opts opts = opts_of(2, 8);
    seg_sweep whole, parts;
    seg_matrix m;

    make(3000, 3000, &m);
    assert_int_equal(seg_sweep_run(comm, kernels, &m, &opts, &whole), SEG_OK);
    for (int together = 1; together < 6; together += 2) {
        opts.together = together;
        assert_int_equal(seg_sweep_run(comm, kernels, &m, &opts, &parts), SEG_OK);
        for (int i = 0; i < whole.n_k; i++)
            assert_memory_equal(whole.fit[i].cluster_centers, parts.fit[i].cluster_centers,
                                (size_t)(whole.fit[i].k * D) * sizeof(double));
        seg_sweep_release(&parts);
    }
    seg_sweep_release(&whole);
    seg_matrix_release(&m);
}

static void clusters_end_at_the_distinct_clients(void **state)
{
    (void)state;
    seg_sweep_opts opts = opts_of(3, 7);
    seg_sweep sweep;
    seg_matrix m;

    make(2000, 5, &m);
    assert_int_equal(seg_sweep_run(comm, kernels, &m, &opts, &sweep), SEG_OK);
    for (int i = 0; i < sweep.n_k; i++) {
        int k = i + 3 < 5 ? i + 3 : 5;
        assert_int_equal(sweep.fit[i].n_clusters, k);
        assert_true((sweep.fit[i].inertia > 0) == (k < 5));
    }
    seg_sweep_release(&sweep);
    seg_matrix_release(&m);
}

static void more_clusters_than_clients_are_refused(void **state)
{
    (void)state;
    seg_sweep_opts opts = opts_of(1, 5);
    seg_sweep sweep;
    seg_matrix m;

    make(4, 4, &m);
    assert_int_equal(seg_sweep_run(comm, kernels, &m, &opts, &sweep), SEG_ERR_DATA);
    assert_null(sweep.fit);
    seg_error_clear();
    seg_matrix_release(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_k_is_the_fit_of_that_k),
        cmocka_unit_test(groups_of_k_change_nothing),
        cmocka_unit_test(clusters_end_at_the_distinct_clients),
        cmocka_unit_test(more_clusters_than_clients_are_refused),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    kernels = seg_kernels_choose();
    int failed = kernels ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    seg_comm_close(comm);
    return failed;
}
