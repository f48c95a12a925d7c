/* Dense algebra against plain loops and closed forms, on the core that OpenBLAS chose and, in a
 * process of its own, on the one that is suggested in place of a lesser one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "segmpi/kernels.h"
#include "segmpi/random.h"

#define SIZE_MAX_HERE (1024 * 100)

static double a[SIZE_MAX_HERE], b[SIZE_MAX_HERE], c[SIZE_MAX_HERE];

static void draw_values(int n, uint64_t which, double *values)
{
    for (int i = 0; i < n; i++)
        values[i] = seg_random_normal((seg_random) { 5, SEG_RANDOM_TEST }, i, which);
}

/* got = sum of left[step i] * right[step i] within the bound of any order of summation. */
static void assert_dot(double got, int n, const double *left, int left_step, const double *right,
                       int right_step)
{
    long double sum = 0, size = 0;

    for (int i = 0; i < n; i++) {
        long double term = (long double)left[i * left_step] * right[i * right_step];
        sum += term;
        size += fabsl(term);
    }
    assert_true(fabsl(got - sum) <= (n + 1) * (long double)DBL_EPSILON * size);
}

static void multiply_equals_plain_loops(void **state)
{
    (void)state;
    const int shapes[][3] = { { 1, 1, 1 }, { 3, 5, 7 }, { 17, 8, 1024 }, { 64, 100, 33 } };

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int m = shapes[s][0], n = shapes[s][1], l = shapes[s][2];
        draw_values(m * l, 1, a);
        draw_values(l * n, 2, b);
        memset(c, 0xff, sizeof c); /* NaN: must be overwritten */
        seg_blas_multiply(m, n, l, a, b, c);
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
                assert_dot(c[i * n + j], l, a + i * l, 1, b + j, n);
    }
}

static void second_moments_equal_plain_loops_in_both_triangles(void **state)
{
    (void)state;
    const int shapes[][2] = { { 1, 1 }, { 5, 3 }, { 1024, 17 }, { 1024, 100 }, { 3, 64 } };

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int n = shapes[s][0], d = shapes[s][1];
        draw_values(n * d, 3, a);
        memset(c, 0xff, sizeof c);
        seg_blas_second_moments(n, d, a, c);
        for (int i = 0; i < d; i++)
            for (int j = 0; j < d; j++) {
                assert_dot(c[i * d + j], n, a + i, d, a + j, d);
                assert_true(c[i * d + j] == c[j * d + i]);
            }
    }
}

/* The second difference matrix (2 on the diagonal, -1 beside it): value j is 2 - 2 cos(j pi /
 * (d + 1)), entry t of its vector sqrt(2 / (d + 1)) sin(j t pi / (d + 1)), but for the sign. */
static void eigen_finds_the_closed_form_in_descending_order(void **state)
{
    (void)state;
    const int sizes[] = { 1, 2, 17, 60, 200 };
    static double matrix[200 * 200], values[200], vectors[200 * 200];
    const double pi = acos(-1);

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int d = sizes[s];
        for (int i = 0; i < d * d; i++)
            matrix[i] = i / d == i % d ? 2 : abs(i / d - i % d) == 1 ? -1 : 0;
        assert_int_equal(seg_lapack_eigen(d, matrix, values, vectors), 0);
        for (int row = 0; row < d; row++) {
            int j = d - row;
            double angle = j * pi / (d + 1), sign = vectors[row * d] < 0 ? -1 : 1;
            assert_true(fabs(values[row] - (2 - 2 * cos(angle))) < 1e-13);
            for (int t = 0; t < d; t++) {
                double expected = sqrt(2.0 / (d + 1)) * sin((t + 1) * angle);
                assert_true(fabs(sign * vectors[row * d + t] - expected) < 1e-10);
            }
        }
    }
}

static void eigen_reports_what_it_cannot_do(void **state)
{
    (void)state;
    double matrix[] = { 1, NAN, NAN, 1 }, values[2], vectors[4];

    assert_int_not_equal(seg_lapack_eigen(2, matrix, values, vectors), 0);
}

static void library_names_version_and_core(void **state)
{
    (void)state;
    const char *library = seg_blas_library();

    assert_non_null(strstr(library, "OpenBLAS 0."));
    assert_non_null(strstr(library, seg_blas_core()));
}

/* The core that OpenBLAS should use here says nothing better is left. */
static void nothing_is_better_than_the_better_core(void **state)
{
    (void)state;
    assert_string_equal(seg_blas_core(), getenv("OPENBLAS_CORETYPE"));
    assert_null(seg_blas_better_core());
}

static const struct CMUnitTest algebra[] = {
    cmocka_unit_test(multiply_equals_plain_loops),
    cmocka_unit_test(second_moments_equal_plain_loops_in_both_triangles),
    cmocka_unit_test(eigen_finds_the_closed_form_in_descending_order),
    cmocka_unit_test(eigen_reports_what_it_cannot_do),
    cmocka_unit_test(library_names_version_and_core),
};

/* Starts this program again in `role` with the core that OpenBLAS reads when it is loaded. */
static void start_as(const char *role, const char *core)
{
    if (setenv("OPENBLAS_CORETYPE", core, 1) == 0)
        (void)execl("/proc/self/exe", "test_blas", role, (char *)NULL);
    _exit(1);
}

static void better_core_replaces_a_lesser_one_and_is_right(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();

    if (child == 0) start_as("lesser", "Prescott");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* On a CPU without AVX2 nothing is better than Prescott here, and that is right. */
static int run_as_lesser(void)
{
    const char *better = seg_blas_better_core();

    if (strcmp(seg_blas_core(), "Prescott") != 0) return 1;
    if (better) start_as("better", better);
    return seg_kernels_named("v3") ? 1 : 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest of_the_better[] = {
        cmocka_unit_test(nothing_is_better_than_the_better_core),
    };
    const struct CMUnitTest of_the_change[] = {
        cmocka_unit_test(better_core_replaces_a_lesser_one_and_is_right),
    };

    seg_blas_init();
    if (argc > 1 && strcmp(argv[1], "lesser") == 0) return run_as_lesser();

    int failed = cmocka_run_group_tests(algebra, NULL, NULL);
    if (argc > 1) return failed + cmocka_run_group_tests(of_the_better, NULL, NULL);
#if defined(__x86_64__)
    failed += cmocka_run_group_tests(of_the_change, NULL, NULL);
#else
    (void)of_the_change;
#endif
    return failed;
}
