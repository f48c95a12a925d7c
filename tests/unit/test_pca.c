/* Principal components: closed forms, the definition (C v = lambda v), the same bits as one rank
 * alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/pca.h"
#include "segmpi/random.h"

static seg_comm *comm;
static char path[64];
static const seg_random key = { .seed = 9, .purpose = SEG_RANDOM_TEST };

enum { D_MOST = 8 };

/* Correlated columns of unlike size, far from 0, on the grid of 2^-10. */
static double mixed(int64_t row, int column)
{
    double common = seg_random_normal(key, row, 100);
    double own = seg_random_normal(key, row, (uint64_t)column);

    return rint(1024 * (500 * column + common * (column % 3) + own * (column + 1))) / 1024;
}

/* Two columns on a line: (row, -2 row). */
static double line(int64_t row, int column)
{
    return column == 0 ? (double)row : -2 * (double)row;
}

/* Eight columns on a line: seven components explain nothing. */
static double flat(int64_t row, int column)
{
    return rint(100 * seg_random_normal(key, row, 7)) * (column + 1);
}

static void matrix_of(seg_comm *on, int64_t n, int d, fixture_cell cell, seg_matrix *m)
{
    int grid[D_MOST];
    double max_abs[D_MOST], z[D_MOST];
    seg_rows rows = seg_rows_of(n, seg_comm_rank(on), seg_comm_size(on));

    for (int t = 0; t < d; t++) {
        grid[t] = 10;
        max_abs[t] = 1e4;
    }
    assert_int_equal(seg_matrix_init(m, rows, d, grid, max_abs), SEG_OK);
    for (int64_t i = 0; i < rows.count; i++) {
        for (int t = 0; t < d; t++)
            z[t] = cell(rows.first + i, t);
        seg_matrix_set(m, i, 1, z);
    }
}

static void fit(seg_comm *on, int64_t n, int d, fixture_cell cell, seg_pca *pca)
{
    seg_matrix m;

    matrix_of(on, n, d, cell, &m);
    assert_int_equal(seg_pca_fit(on, &m, pca), SEG_OK);
    seg_matrix_release(&m);
}

static void pca_of_a_line_is_its_direction(void **state)
{
    (void)state;
    const double n = 3001;
    seg_pca pca;

    fit(comm, 3001, 2, line, &pca);
    /* variance of 0 .. n - 1 with n - 1 is n (n + 1) / 12; the largest loading is made positive */
    double variance = 5 * n * (n + 1) / 12;
    assert_int_equal(pca.n_components, 2);
    assert_true(fabs(pca.explained_variance[0] / variance - 1) < 1e-13);
    assert_true(pca.explained_variance[1] >= 0 && pca.explained_variance[1] < 1e-9 * variance);
    assert_true(fabs(pca.explained_variance_ratio[0] - 1) < 1e-9);
    assert_true(fabs(pca.components[0] + 1 / sqrt(5)) < 1e-13);
    assert_true(fabs(pca.components[1] - 2 / sqrt(5)) < 1e-13);
    assert_true(fabs(pca.singular_values[0] / sqrt(variance * (n - 1)) - 1) < 1e-13);
    assert_true(pca.mean[0] == 1500 && pca.mean[1] == -3000);
    seg_pca_release(&pca);
    assert_null(pca.components);
}

/* Covariance by its definition, in long double. */
static void covariance(int64_t n, int d, long double *mean, long double *c)
{
    for (int t = 0; t < d; t++) {
        mean[t] = 0;
        for (int64_t i = 0; i < n; i++)
            mean[t] += (float)mixed(i, t);
        mean[t] /= n;
    }
    for (int s = 0; s < d; s++)
        for (int t = 0; t < d; t++) {
            c[s * d + t] = 0;
            for (int64_t i = 0; i < n; i++)
                c[s * d + t] += ((float)mixed(i, s) - mean[s]) * ((float)mixed(i, t) - mean[t]);
            c[s * d + t] /= n - 1;
        }
}

static void pca_meets_its_definition(void **state)
{
    (void)state;
    enum { N = 2500, D = 5 };
    long double mean[D], c[D * D], trace = 0;
    seg_pca pca;

    fit(comm, N, D, mixed, &pca);
    covariance(N, D, mean, c);
    for (int t = 0; t < D; t++) {
        assert_true(fabsl(pca.mean[t] - mean[t]) < 1e-12L);
        trace += c[t * D + t];
    }
    for (int j = 0; j < D; j++) {
        const double *v = &pca.components[j * D];
        double largest = 0, ratio = (double)(pca.explained_variance[j] / trace);
        for (int s = 0; s < D; s++) {
            long double cv = 0;
            for (int t = 0; t < D; t++)
                cv += c[s * D + t] * v[t];
            assert_true(fabsl(cv - pca.explained_variance[j] * v[s]) < 1e-12L * trace);
            if (fabs(v[s]) > fabs(largest)) largest = v[s];
        }
        assert_true(largest > 0);
        assert_true(fabs(pca.explained_variance_ratio[j] - ratio) < 1e-13);
        assert_true(j == 0 || pca.explained_variance[j] <= pca.explained_variance[j - 1]);
        for (int other = 0; other <= j; other++) {
            double product = 0;
            for (int t = 0; t < D; t++)
                product += v[t] * pca.components[other * D + t];
            assert_true(fabs(product - (other == j)) < 1e-13);
        }
    }
    seg_pca_release(&pca);
}

static void pca_variances_are_never_negative(void **state)
{
    (void)state;
    seg_pca pca;

    fit(comm, 4000, D_MOST, flat, &pca);
    for (int j = 0; j < D_MOST; j++)
        assert_true(pca.explained_variance[j] >= 0 && pca.singular_values[j] >= 0);
    seg_pca_release(&pca);
}

static void pca_has_the_same_bits_on_any_number_of_ranks(void **state)
{
    (void)state;
    const int64_t sizes[] = { 2, 63, 1025, 7000 };

    for (int i = 0; i < 4; i++) {
        seg_pca ours, alone;
        fit(comm, sizes[i], D_MOST, mixed, &ours);
        fit(seg_comm_self(comm), sizes[i], D_MOST, mixed, &alone);
        int n = ours.n_components;
        assert_int_equal(n, sizes[i] < D_MOST ? sizes[i] : D_MOST);
        assert_int_equal(n, alone.n_components);
        assert_memory_equal(ours.components, alone.components,
                            (size_t)(n * D_MOST + 3 * n + D_MOST) * sizeof(double));
        seg_pca_release(&ours);
        seg_pca_release(&alone);
    }
}

static void pca_of_one_row_explains_nothing(void **state)
{
    (void)state;
    const double z[] = { 7, 8, 9 };
    double score;
    seg_pca pca;

    fit(comm, 1, 3, mixed, &pca);
    assert_int_equal(pca.n_components, 1);
    assert_true(pca.explained_variance[0] == 0 && pca.explained_variance_ratio[0] == 0 &&
                pca.singular_values[0] == 0);
    assert_true(pca.mean[2] == (float)mixed(0, 2));
    seg_pca_apply(&pca, 1, z, 1, &score);
    assert_true(isfinite(score));
    seg_pca_release(&pca);
}

/* Scores have mean 0 and the explained variance. */
static void pca_scores_have_the_explained_variance(void **state)
{
    (void)state;
    enum { N = 1500, D = 4, OUT = 2 };
    double squares[OUT] = { 0 }, sums[OUT] = { 0 };
    seg_pca pca;

    fit(comm, N, D, mixed, &pca);
    for (int64_t i = 0; i < N; i++) {
        double z[D], scores[OUT];
        for (int t = 0; t < D; t++)
            z[t] = (float)mixed(i, t);
        seg_pca_apply(&pca, 1, z, OUT, scores);
        for (int j = 0; j < OUT; j++) {
            sums[j] += scores[j];
            squares[j] += scores[j] * scores[j];
        }
    }
    for (int j = 0; j < OUT; j++) {
        assert_true(fabs(sums[j]) < 1e-7);
        assert_true(fabs(squares[j] / (N - 1) / pca.explained_variance[j] - 1) < 1e-11);
    }
    seg_pca_release(&pca);
}

static seg_status write_model(const seg_pca *pca)
{
    static const char *const names[] = { "a", "b", "c", "d" };
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    SEG_TRY_OR_DONE(seg_output_open(comm, path, "model", true, &out));
    status = seg_output_names(out, "feature", 4, names);
    if (status == SEG_OK) status = seg_pca_write(pca, "feature", out);
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, status));
done:
    seg_output_free(out);
    return status;
}

static void pca_is_read_as_it_was_written(void **state)
{
    (void)state;
    seg_pca pca, copy;
    seg_input *in;

    fit(comm, 3, 4, mixed, &pca);
    assert_int_equal(write_model(&pca), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_input_open(path, &in)), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_pca_read(in, &copy)), SEG_OK);
    assert_int_equal(copy.d, 4);
    assert_int_equal(copy.n_components, 3);
    assert_memory_equal(pca.components, copy.components, (12 + 9 + 4) * sizeof(double));
    seg_input_close(in);
    seg_pca_release(&copy);
    seg_pca_release(&pca);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pca_of_a_line_is_its_direction),
        cmocka_unit_test(pca_meets_its_definition),
        cmocka_unit_test(pca_variances_are_never_negative),
        cmocka_unit_test(pca_has_the_same_bits_on_any_number_of_ranks),
        cmocka_unit_test(pca_of_one_row_explains_nothing),
        cmocka_unit_test(pca_scores_have_the_explained_variance),
        cmocka_unit_test(pca_is_read_as_it_was_written),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path, sizeof path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    seg_comm_close(comm);
    return failed;
}
