/* Weights: a client of weight w is w clients.  Whatever is learned from a table with weights is
 * what is learned from the table in which each row stands as often as it counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/kernels.h"
#include "segmpi/kmeans.h"
#include "segmpi/log.h"
#include "segmpi/pca.h"
#include "segmpi/prep.h"
#include "segmpi/random.h"

enum { D = 4, N = 1500, MOST = 5 }; /* features; rows; largest weight + 1 */

static seg_comm *comm;
static const seg_kernels *kernels;
static char weighted_path[64], repeated_path[64];
static int64_t row_of[N * MOST]; /* of the repeated table */
static int64_t n_repeated;

static const char *const names[D + 1] = { "a", "b", "often", "c", "d" };

static int32_t weight_of(int64_t row)
{
    return (int32_t)(row * 7 % MOST); /* 0 to 4 */
}

static double feature(int64_t row, int t)
{
    const seg_random key = { .seed = 8, .purpose = SEG_RANDOM_TEST };
    double z = seg_random_normal(key, row, (uint64_t)t);

    if (t == 1 && row % 9 == 4) return NAN;
    return t == 3 ? exp(z) : z + 4 * (double)(row % 3 == t);
}

/* Column 2 of the file is the weight. */
static double weighted_cell(int64_t row, int column)
{
    if (column == 2) return weight_of(row);
    return feature(row, column < 2 ? column : column - 1);
}

static double repeated_cell(int64_t row, int column)
{
    return feature(row_of[row], column);
}

static void open_both(const char *weights, seg_table **weighted, seg_table **repeated)
{
    const seg_table_opts with = { .weights = weights }, without = { 0 };

    assert_int_equal(seg_table_open(comm, weighted_path, &with, weighted), SEG_OK);
    assert_int_equal(seg_table_open(comm, repeated_path, &without, repeated), SEG_OK);
    assert_int_equal(seg_table_columns(*weighted), D);
}

static bool near(double a, double b)
{
    return a == b || fabs(a - b) <= 1e-13 * (fabs(a) + fabs(b));
}

static void preparation_is_that_of_the_repeated_table(void **state)
{
    (void)state;
    seg_table *weighted, *repeated;
    seg_prep_opts opts[4];

    for (int i = 0; i < 4; i++)
        opts[i] = seg_prep_defaults();
    opts[1].impute = SEG_IMPUTE_MEAN;
    opts[1].outliers = SEG_OUTLIER_Z;
    opts[1].outlier_parameter = 2;
    opts[2].outliers = SEG_OUTLIER_IQR;
    opts[2].outlier_parameter = 1.5;
    opts[2].scale = SEG_SCALE_ROBUST;
    opts[3].scale = SEG_SCALE_MINMAX;
    open_both("often", &weighted, &repeated);
    for (int i = 0; i < 4; i++) {
        seg_prep a, b;
        assert_int_equal(seg_prep_fit(comm, weighted, &opts[i], &a), SEG_OK);
        assert_int_equal(seg_prep_fit(comm, repeated, &opts[i], &b), SEG_OK);
        assert_int_equal(a.n, n_repeated);
        for (int t = 0; t < D; t++) {
            assert_int_equal(a.missing[t], b.missing[t]);
            assert_int_equal(a.capped[t], b.capped[t]);
            assert_int_equal(a.grid[t], b.grid[t]);
            assert_true(near(a.fill_value[t], b.fill_value[t]));
            assert_true(near(a.lower_bound[t], b.lower_bound[t]));
            assert_true(near(a.upper_bound[t], b.upper_bound[t]));
            assert_true(near(a.mean[t], b.mean[t]) && near(a.scale[t], b.scale[t]));
        }
        seg_prep_release(&a);
        seg_prep_release(&b);
    }
    seg_table_free(weighted);
    seg_table_free(repeated);
}

/* Both matrices, prepared by what the weighted table taught. */
static void make_both(seg_matrix *weighted, seg_matrix *repeated)
{
    seg_table *a, *b;
    seg_prep prep;
    seg_prep_opts opts = seg_prep_defaults();

    open_both("often", &a, &b);
    assert_int_equal(seg_prep_fit(comm, a, &opts, &prep), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_prep_apply(&prep, a, NULL, weighted)), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_prep_apply(&prep, b, NULL, repeated)), SEG_OK);
    assert_int_equal(weighted->total_weight, repeated->rows.total);
    seg_prep_release(&prep);
    seg_table_free(a);
    seg_table_free(b);
}

static void components_are_those_of_the_repeated_table(void **state)
{
    (void)state;
    seg_matrix weighted, repeated;
    seg_pca a, b;

    make_both(&weighted, &repeated);
    assert_int_equal(seg_pca_fit(comm, &weighted, &a), SEG_OK);
    assert_int_equal(seg_pca_fit(comm, &repeated, &b), SEG_OK);
    for (int c = 0; c < D; c++) {
        assert_true(fabs(a.explained_variance[c] / b.explained_variance[c] - 1) < 1e-11);
        assert_true(near(a.mean[c], b.mean[c]));
        for (int t = 0; t < D; t++)
            assert_true(fabs(a.components[c * D + t] - b.components[c * D + t]) < 1e-9);
    }
    seg_pca_release(&a);
    seg_pca_release(&b);
    seg_matrix_release(&weighted);
    seg_matrix_release(&repeated);
}

/* From the same starting centers every sum is the same integer, so the centers have the same bits.
 */
static void clusters_are_those_of_the_repeated_table(void **state)
{
    (void)state;
    enum { K = 5 };
    const double starts[2][K * D] = {
        { 0, 0, 0, 0, 1, 1, 1, 1, -1, 2, 0, 1, 2, -1, 0, 0, 0.5, 0.5, -1, 2 },
        { 0, 0, 0, 0, 0, 0, 0, 0, 50, 50, 50, 50, -50, 0, 50, 0, 1, 1, 1, 1 }, /* empty ones */
    };
    seg_matrix weighted, repeated;

    make_both(&weighted, &repeated);
    for (int start = 0; start < 2; start++) {
        seg_kmeans a, b;
        seg_kmeans_opts opts = seg_kmeans_defaults();
        opts.n_clusters = K;
        opts.n_init = 1;
        opts.init = SEG_INIT_CENTERS;
        opts.init_centers = starts[start];
        opts.swaps = false;
        opts.tol = 0;
        opts.max_iter = start == 0 ? 300 : 0x7fff;
        assert_int_equal(seg_kmeans_fit(comm, kernels, &weighted, &opts, &a), SEG_OK);
        assert_int_equal(seg_kmeans_fit(comm, kernels, &repeated, &opts, &b), SEG_OK);
        assert_true(a.total_squares == b.total_squares);
        if (start == 0) { /* a relocated client of the repeated table leaves its twins behind */
            assert_int_equal(a.n_iter, b.n_iter);
            assert_memory_equal(a.cluster_centers, b.cluster_centers, K * D * sizeof(double));
            assert_memory_equal(a.cluster_size, b.cluster_size, K * sizeof(int64_t));
            assert_true(a.inertia == b.inertia);
        }
        int64_t total = 0;
        for (int j = 0; j < a.n_clusters; j++)
            total += a.cluster_size[j];
        assert_int_equal(total, n_repeated);
        seg_kmeans_release(&a);
        seg_kmeans_release(&b);
    }
    seg_matrix_release(&weighted);
    seg_matrix_release(&repeated);
}

/* Restarts and swaps draw other clients than in the repeated table, but find as low a cost, for any
 * number of ranks. */
static void searches_find_as_low_a_cost(void **state)
{
    (void)state;
    seg_matrix weighted, repeated;
    static const seg_init_method methods[] = { SEG_INIT_KMEANSPP, SEG_INIT_RANDOM };

    make_both(&weighted, &repeated);
    for (int i = 0; i < 2; i++) {
        seg_kmeans a, b;
        seg_kmeans_opts opts = seg_kmeans_defaults();
        opts.n_clusters = 6;
        opts.init = methods[i];
        assert_int_equal(seg_kmeans_fit(comm, kernels, &weighted, &opts, &a), SEG_OK);
        assert_int_equal(seg_kmeans_fit(comm, kernels, &repeated, &opts, &b), SEG_OK);
        assert_true(fabs(a.inertia / b.inertia - 1) < 1e-3);
        seg_kmeans_release(&a);
        seg_kmeans_release(&b);
    }
    seg_matrix_release(&weighted);
    seg_matrix_release(&repeated);
}

static void weights_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const char *const wrong[][2] = {
        { "a", "the weight of row" }, /* not whole */
        { "b", "the weight of row" }, /* missing */
        { "ofte", "did you mean 'often'" },
    };
    seg_prep_opts opts = seg_prep_defaults();

    for (int i = 0; i < 3; i++) {
        const seg_table_opts with = { .weights = wrong[i][0] };
        seg_table *table = NULL;
        seg_prep prep;
        seg_status status = seg_table_open(comm, weighted_path, &with, &table);
        if (status == SEG_OK) status = seg_prep_fit(comm, table, &opts, &prep);
        assert_int_equal(status, i < 2 ? SEG_ERR_DATA : SEG_ERR_USAGE);
        assert_non_null(strstr(seg_error_get()->text, wrong[i][1]));
        seg_error_clear();
        seg_table_free(table);
    }
}

static int make_tables(void **state)
{
    static const char *const features[D] = { "a", "b", "c", "d" };

    (void)state;
    for (int64_t row = 0; row < N; row++)
        for (int32_t w = 0; w < weight_of(row); w++)
            row_of[n_repeated++] = row;
    fixture_path(comm, weighted_path, sizeof weighted_path);
    fixture_path(comm, repeated_path, sizeof repeated_path);
    if (fixture_clients(comm, weighted_path, N, D + 1, names, weighted_cell) != SEG_OK) return 1;
    return fixture_clients(comm, repeated_path, n_repeated, D, features, repeated_cell) != SEG_OK;
}

static int remove_tables(void **state)
{
    (void)state;
    fixture_remove(comm, weighted_path);
    fixture_remove(comm, repeated_path);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preparation_is_that_of_the_repeated_table),
        cmocka_unit_test(components_are_those_of_the_repeated_table),
        cmocka_unit_test(clusters_are_those_of_the_repeated_table),
        cmocka_unit_test(searches_find_as_low_a_cost),
        cmocka_unit_test(weights_that_cannot_be_are_refused),
    };

    seg_blas_init();
    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    kernels = seg_kernels_choose();
    int failed = kernels ? cmocka_run_group_tests(tests, make_tables, remove_tables) : 1;
    seg_comm_close(comm);
    return failed;
}
