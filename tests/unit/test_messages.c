/* Messages of k-means: one all-reduce in an iteration, whatever the number of fits and of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "count_messages.h"
#include "segmpi/kmeans.h"
#include "segmpi/log.h"
#include "segmpi/random.h"
#include "segmpi/sweep.h"

enum { D = 3, ROWS = 64 * 1024 }; /* a block for each of 64 ranks */

static seg_comm *comm;
static const seg_kernels *kernels;
static int messages; /* of one collective: a rank alone sends none */

/* Columns with long tails: fits go on for long. */
static void make(seg_matrix *m)
{
    const seg_random key = { .seed = 5, .purpose = SEG_RANDOM_TEST };
    const int grid[D] = { 20, 20, 20 };
    const double max_abs[D] = { 40, 40, 40 };
    double z[D];

    assert_int_equal(seg_matrix_init(m, seg_rows_of(ROWS, seg_comm_rank(comm), seg_comm_size(comm)),
                                     D, grid, max_abs),
                     SEG_OK);
    for (int64_t i = 0; i < m->rows.count; i++) {
        for (int t = 0; t < D; t++)
            z[t] = -log(seg_random_uniform(key, m->rows.first + i, (uint64_t)t));
        seg_matrix_set(m, i, 1, z);
    }
}

/* Without those of the last labels, which are made again until the order of the clusters stands:
 * two for each time, of which one sums as many integers as a run has. */
static int64_t collectives(int k_min, int k_max)
{
    int64_t n = 0;

    for (int kind = 0; kind < COUNT_KINDS; kind++)
        n += counted.calls[kind];
    for (int k = k_min; k <= k_max; k++)
        n -= 2 * counted.reduces[k * (D + 1) + 1];
    return n;
}

typedef struct traffic {
    int64_t calls, sums; /* collectives, and all-reduces of what an iteration adds up */
    int n_iter;
} traffic;

static seg_kmeans_opts opts_of(int k, int n_init, int max_iter)
{
    seg_kmeans_opts opts = seg_kmeans_defaults();

    opts.n_clusters = k;
    opts.n_init = n_init;
    opts.max_iter = max_iter;
    opts.tol = 0;
    opts.swaps = false;
    return opts;
}

static traffic traffic_of(const seg_matrix *m, int k, int n_init, int max_iter)
{
    const seg_kmeans_opts opts = opts_of(k, n_init, max_iter);
    seg_kmeans kmeans;

    memset(&counted, 0, sizeof counted);
    assert_int_equal(seg_kmeans_fit(comm, kernels, m, &opts, &kmeans), SEG_OK);
    /* counts, sums and the clients that moved, of each fit; what ranks ask for */
    const int64_t iterations = counted.reduces[n_init * (k * (D + 1) + 1) + 1];
    const traffic found = { collectives(k, k), iterations, kmeans.n_iter };
    seg_kmeans_release(&kmeans);
    return found;
}

static void an_iteration_costs_one_all_reduce_of_its_sums(void **state)
{
    (void)state;
    const int ks[] = { 2, 5, 8 }, inits[] = { 1, 3 };
    seg_matrix m;

    make(&m);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++) {
            const int64_t k = ks[i], fits = inits[j];
            traffic few = traffic_of(&m, (int)k, (int)fits, 2);
            traffic more = traffic_of(&m, (int)k, (int)fits, 6);
            assert_int_equal(more.n_iter - few.n_iter, 4);
            assert_int_equal(more.calls - few.calls, 4 * messages);
            assert_int_equal(more.sums - few.sums, 4 * messages);
            assert_true(fits * (k * (D + 1) + 1) + 1 <= fits * k * (D + 2));
        }
    seg_matrix_release(&m);
}

static void a_starting_center_costs_two_whatever_the_restarts(void **state)
{
    (void)state;
    seg_matrix m;

    make(&m);
    for (int n_init = 1; n_init < 10; n_init += 4) {
        traffic few = traffic_of(&m, 3, n_init, 1), more = traffic_of(&m, 8, n_init, 1);
        assert_int_equal(more.calls - few.calls, 5 * 2 * messages);
    }
    seg_matrix_release(&m);
}

static void all_k_of_a_sweep_share_it(void **state)
{
    (void)state;
    int64_t calls[2];
    seg_sweep sweep;
    seg_matrix m;

    make(&m);
    for (int i = 0; i < 2; i++) {
        const seg_sweep_opts opts = { .k_min = 2, .k_max = 9, .kmeans = opts_of(2, 2, 2 + 4 * i) };
        memset(&counted, 0, sizeof counted);
        assert_int_equal(seg_sweep_run(comm, kernels, &m, &opts, &sweep), SEG_OK);
        calls[i] = collectives(2, 9);
        seg_sweep_release(&sweep);
    }
    assert_int_equal(calls[1] - calls[0], 4 * messages);
    seg_matrix_release(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_iteration_costs_one_all_reduce_of_its_sums),
        cmocka_unit_test(a_starting_center_costs_two_whatever_the_restarts),
        cmocka_unit_test(all_k_of_a_sweep_share_it),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    messages = seg_comm_size(comm) > 1;
    kernels = seg_kernels_choose();
    int failed = kernels ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    seg_comm_close(comm);
    return failed;
}
