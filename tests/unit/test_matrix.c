/* The client matrix: tiles, the grid, and that sums on it cannot overflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "segmpi/matrix.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"
#include "segmpi/text.h"

static const seg_random key = { .seed = 11, .purpose = SEG_RANDOM_TEST };

static void matrix_puts_each_client_in_its_lane(void **state)
{
    (void)state;
    enum { N = 37, D = 3 };
    const int grid[D] = { 20, 20, 20 };
    const double max_abs[D] = { 400, 400, 400 };
    double z[N * D], back[N * D];
    seg_matrix m;

    for (int i = 0; i < N * D; i++)
        z[i] = i + 1;
    assert_int_equal(seg_matrix_init(&m, (seg_rows) { .total = N, .count = N }, D, grid, max_abs),
                     SEG_OK);
    assert_int_equal(m.n_tiles, 3);
    seg_matrix_set(&m, 30, 7, &z[30 * D]); /* pieces that do not end at tiles */
    seg_matrix_set(&m, 0, 5, z);
    seg_matrix_set(&m, 5, 25, &z[5 * D]);
    for (int64_t i = 0; i < m.n_tiles * SEG_LANES; i++)
        for (int t = 0; t < D; t++) {
            float x = m.x[(i / SEG_LANES * D + t) * SEG_LANES + i % SEG_LANES];
            assert_true(x == (i < N ? (float)(i * D + t + 1) : 0));
        }
    seg_matrix_get(&m, 3, 30, back);
    for (int i = 0; i < 30 * D; i++)
        assert_true(back[i] == z[3 * D + i]);
    assert_true(m.max_abs[2] == 400 && m.grid[1] == 20);
    assert_int_equal((uintptr_t)m.x % 64, 0);
    seg_matrix_release(&m);
    assert_null(m.x);
    seg_matrix_release(&m);
}

static void matrix_rounds_once_to_the_grid(void **state)
{
    (void)state;
    const int grid[] = { 2, -3 };
    const double max_abs[] = { 100, 1e9 };
    /* column 0 in quarters, ties to even; column 1 in eights */
    const double z[] = { 0.125, 12, 0.375, 20, -0.126, 4.0001, 7.1, -1e9 };
    const double expected[] = { 0, 16, 0.5, 16, -0.25, 8, 7, -1e9 };
    double back[8];
    seg_matrix m;

    assert_int_equal(seg_matrix_init(&m, (seg_rows) { .total = 4, .count = 4 }, 2, grid, max_abs),
                     SEG_OK);
    seg_matrix_set(&m, 0, 4, z);
    seg_matrix_get(&m, 0, 4, back);
    for (int i = 0; i < 8; i++)
        assert_true(back[i] == expected[i]);
    seg_matrix_release(&m);
}

/* Beyond 2^24 steps of the grid float32 rounds again: still multiples, within half a spacing. */
static void matrix_values_stay_multiples_of_the_grid(void **state)
{
    (void)state;
    const int grid[] = { 20 };
    const double max_abs[] = { 4e4 };
    seg_matrix m;
    double z, back;

    assert_int_equal(seg_matrix_init(&m, (seg_rows) { .total = 1, .count = 1 }, 1, grid, max_abs),
                     SEG_OK);
    for (int i = 0; i < 100000; i++) {
        z = seg_random_normal(key, i, 0) * exp(8 * seg_random_uniform(key, i, 1));
        seg_matrix_set(&m, 0, 1, &z);
        seg_matrix_get(&m, 0, 1, &back);
        assert_true(rint(ldexp(back, 20)) == ldexp(back, 20));
        assert_true(fabs(back - z) <= fmax(0x1p-21, fabs(z) * 0x1.00001p-24 + 0x1p-21));
    }
    seg_matrix_release(&m);
}

static double random_value(int64_t i)
{
    const int exponent = (int)(60 * seg_random_uniform(key, i, 3)) - 25;
    const double x = seg_random_uniform(key, i, 2) - 0.5;

    if (i % 3 == 0) return ldexp(floor(8 * x) + 0.5, -20); /* halfway between two multiples */
    return ldexp(x, exponent);
}

/* Many columns, pieces of any size, values up to where a double has no fraction. */
static void matrix_rounds_as_rint_does(void **state)
{
    (void)state;
    enum { N = 301, D = 131 };
    static double z[N * D], back[N * D], max_abs[D];
    int grid[D];
    seg_matrix m;

    for (int64_t i = 0; i < N * D; i++)
        z[i] = random_value(i);
    for (int t = 0; t < D; t++) {
        grid[t] = 20 - t % 5 * 7;
        max_abs[t] = 0x1p34;
    }
    assert_int_equal(seg_matrix_init(&m, (seg_rows) { .total = N, .count = N }, D, grid, max_abs),
                     SEG_OK);
    for (int64_t at = 0, n; at < N; at += n) {
        n = at + at % 39 + 1 < N ? at % 39 + 1 : N - at;
        seg_matrix_set(&m, at, n, z + at * D);
    }
    seg_matrix_get(&m, 0, N, back);
    for (int64_t i = 0; i < N * D; i++) {
        const int g = grid[i % D];
        const double expected = (float)ldexp(rint(ldexp(z[i], g)), -g);
        assert_memory_equal(&back[i], &expected, sizeof expected);
    }
    seg_matrix_release(&m);
}

static void matrix_grid_is_the_finest_that_cannot_overflow(void **state)
{
    (void)state;
    const int64_t totals[] = { 1, 2, 3, 8950, 1 << 20, 100000000, 10000000000, (int64_t)1 << 40 };
    const double limits[] = { 0, 1e-9, 0.5, 1, 31.9, 32, 4398, 0x1p21, 0x1p22, 1e6, 1e9, 1e18 };

    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        for (size_t j = 0; j < sizeof limits / sizeof *limits; j++) {
            double sum = (double)totals[i] * limits[j];
            int g = seg_matrix_grid(totals[i], limits[j], INFINITY);
            assert_true(g <= 20 && ldexp(sum, g + 1) < 0x1p62);
            if (g < 20) assert_true(ldexp(sum, g + 2) >= 0x1p62);
            assert_int_equal(seg_matrix_grid(totals[i], INFINITY, limits[j]), g);
        }
    /* the design's table: standardised columns keep 2^-20 to 10^8 rows even at max|z| 10^4 */
    assert_int_equal(seg_matrix_grid(100000000, 1e4, 1), 20);
    assert_int_equal(seg_matrix_grid(1000000000, 1e6, INFINITY), 11);
}

static void matrix_of_no_rows_is_empty(void **state)
{
    (void)state;
    const int grid[] = { 20 };
    const double max_abs[] = { 1 };
    seg_matrix m;

    assert_int_equal(seg_matrix_init(&m, (seg_rows) { .total = 9 }, 1, grid, max_abs), SEG_OK);
    assert_int_equal(m.n_tiles, 0);
    seg_matrix_set(&m, 0, 0, NULL);
    seg_matrix_release(&m);
}

/* ---- larger than memory ---- */

enum { MANY = 300000, WIDE = 17 }; /* 20 MB */

#ifdef __SANITIZE_ADDRESS__ /* has a byte of its own for each eight */
enum { SLACK = 7 << 20 };
#else
enum { SLACK = 2 << 20 };
#endif

static double cell_of(int64_t row, int t)
{
    return (double)((row * 31 + t * 7) % 4001) / 16;
}

enum { FOLDER = 64 };

/* In a new folder, with `held` bytes in memory. */
static void fill_in_file(seg_matrix *m, char folder[FOLDER], int64_t held)
{
    int grid[WIDE];
    double max_abs[WIDE];
    static double z[SEG_BLOCK_ROWS * WIDE];

    for (int t = 0; t < WIDE; t++) {
        grid[t] = 20;
        max_abs[t] = 300;
    }
    assert_true(seg_text_template(folder, FOLDER, "/tmp/segmpi-matrix-"));
    assert_non_null(mkdtemp(folder));
    const seg_place place = { .held = held, .folder = folder };
    const seg_rows rows = { .total = MANY, .count = MANY };
    assert_int_equal(seg_matrix_init_in(m, &place, rows, WIDE, grid, max_abs), SEG_OK);
    assert_non_null(m->scratch);
    for (int64_t at = 0; at < MANY; at += SEG_BLOCK_ROWS) {
        int64_t n = MANY - at < SEG_BLOCK_ROWS ? MANY - at : SEG_BLOCK_ROWS;
        for (int64_t i = 0; i < n * WIDE; i++)
            z[i] = cell_of(at + i / WIDE, (int)(i % WIDE));
        seg_matrix_set(m, at, n, z);
        assert_int_equal(seg_matrix_fill(m, at + n), SEG_OK);
    }
}

/* Bytes of this process in memory. */
static int64_t resident(void)
{
    long long pages[2];
    FILE *file = fopen("/proc/self/statm", "r");

    assert_int_equal(fscanf(file, "%lld %lld", &pages[0], &pages[1]), 2);
    (void)fclose(file);
    return pages[1] * sysconf(_SC_PAGESIZE);
}

static int entries_of(const char *folder)
{
    DIR *open = opendir(folder);
    int n = 0;

    while (readdir(open))
        n++;
    (void)closedir(open);
    return n - 2; /* . and .. */
}

static void matrix_in_a_file_holds_the_same_in_less_memory(void **state)
{
    (void)state;
    const int64_t held = 3 << 20, before = resident(), used = seg_memory_now();
    char folder[FOLDER];
    int64_t wrong = 0, most = 0;
    seg_matrix m;

    fill_in_file(&m, folder, held);
    assert_int_equal(entries_of(folder), 0);
    for (int pass = 0; pass < 3; pass++)
        for (int64_t tile = 0, n; tile < m.n_tiles; tile += n) {
            n = seg_matrix_block(&m, tile);
            assert_int_equal(n, m.n_tiles - tile < SEG_BLOCK_TILES ? m.n_tiles - tile
                                                                   : SEG_BLOCK_TILES);
            for (int64_t i = tile * SEG_LANES; i < (tile + n) * SEG_LANES && i < MANY; i++)
                for (int t = 0; t < WIDE; t++)
                    wrong += (double)m.x[(i / SEG_LANES * WIDE + t) * SEG_LANES + i % SEG_LANES] !=
                             cell_of(i, t);
            most = resident() > most ? resident() : most;
        }
    for (int64_t i = 0; i < 3000; i++) { /* out of order */
        int64_t rows[SEG_MATRIX_WANTED], row = i * 7919 % MANY;
        for (int64_t j = 0; j < SEG_MATRIX_WANTED; j++)
            rows[j] = (i + j) * 7919 % MANY;
        if (i % SEG_MATRIX_WANTED == 0) seg_matrix_want(&m, SEG_MATRIX_WANTED, rows);
        wrong +=
            (double)m.x[row / SEG_LANES * WIDE * SEG_LANES + row % SEG_LANES] != cell_of(row, 0);
        if (i % SEG_MATRIX_WANTED == SEG_MATRIX_WANTED - 1)
            most = resident() > most ? resident() : most;
    }
    assert_int_equal(wrong, 0);
    assert_true(most - before < held + SEG_SCRATCH_WINDOWS + SLACK);
    assert_true(seg_memory_now() - used >= held + SEG_SCRATCH_WINDOWS);
    seg_matrix_release(&m);
    assert_int_equal(seg_memory_now(), used);
    assert_int_equal(rmdir(folder), 0);
}

static void matrix_without_a_folder_is_refused(void **state)
{
    (void)state;
    const seg_place place = { .held = 0, .folder = "/nowhere" };
    const int grid[] = { 20 };
    const double max_abs[] = { 1 };
    seg_matrix m;

    assert_int_equal(seg_matrix_init_in(&m, &place,
                                        (seg_rows) { .total = 4000000, .count = 4000000 }, 1, grid,
                                        max_abs),
                     SEG_ERR_CANTCREATE);
    assert_null(m.x);
    seg_error_clear();
}

/* Whoever has the descriptor can cut the file: pages beyond its end cannot be read. */
static void a_page_that_cannot_be_read_ends_the_process(void **state)
{
    (void)state;
    int end;
    pid_t child = fork();

    if (child == 0) {
        char folder[FOLDER];
        seg_matrix m;
        int next = dup(0);
        (void)close(next); /* the number that the file will have */
        fill_in_file(&m, folder, 0);
        (void)rmdir(folder);
        (void)close(STDERR_FILENO);
        if (ftruncate(next, 0) != 0) _exit(1);
        _exit(m.x[m.n_tiles / 2 * WIDE * SEG_LANES] > 0 ? 2 : 3);
    }
    assert_int_equal(waitpid(child, &end, 0), child);
    assert_true(WIFEXITED(end));
    assert_int_equal(WEXITSTATUS(end), SEG_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_puts_each_client_in_its_lane),
        cmocka_unit_test(matrix_rounds_once_to_the_grid),
        cmocka_unit_test(matrix_values_stay_multiples_of_the_grid),
        cmocka_unit_test(matrix_rounds_as_rint_does),
        cmocka_unit_test(matrix_grid_is_the_finest_that_cannot_overflow),
        cmocka_unit_test(matrix_of_no_rows_is_empty),
        cmocka_unit_test(matrix_in_a_file_holds_the_same_in_less_memory),
        cmocka_unit_test(matrix_without_a_folder_is_refused),
        cmocka_unit_test(a_page_that_cannot_be_read_ends_the_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
