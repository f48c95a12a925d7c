/* Draws inside cluster/: the law of the exponential race, what never wins, and the sample that
 * every rank holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "cluster_internal.h"

#include "segmpi/log.h"

static seg_comm *comm;

#define N     6
#define DRAWS 200000

/* Nobody in reach is left out, and hardly anybody else is named. */
static void draws_name_whoever_is_in_reach(void **state)
{
    (void)state;
    enum { N_TILES = 40, CLIENTS = N_TILES * SEG_LANES };
    const seg_random key = { 5, SEG_RANDOM_TEST };
    const float limit[2] = { 0.25f, 3e-3f };
    static const int64_t rows[] = { 0, 0xfffffff0, 0xabcdefffffff0 };
    static const char *const names[] = { "ref", "v3", "v4" };
    static float d2[CLIENTS];
    uint16_t near[2][N_TILES];

    for (int i = 0; i < CLIENTS; i++)
        d2[i] = i % 5 == 0 ? 0 : (float)(i % 9) * 0.4f;
    for (int at = 0; at < 9; at++) {
        const seg_kernels *kernels = seg_kernels_named(names[at / 3]);
        const int64_t *row = &rows[at % 3];
        int64_t extra = 0;
        if (!kernels) continue;
        kernels->draws(seg_random_word(key), *row, 7ULL << 40 | 3, N_TILES, d2, limit, near[0],
                       near[1]);
        for (int i = 0; i < CLIENTS; i++) {
            seg_random_pair bits = seg_random_bits(key, *row + i, 7ULL << 40 | 3);
            for (int w = 0; w < 2; w++) {
                double rest = 1 - seg_random_unit(w == 0 ? bits.a : bits.b);
                double reach = (double)limit[w] * (double)d2[i];
                bool named = near[w][i / SEG_LANES] >> i % SEG_LANES & 1;
                if (rest <= reach * (1 - 0x1p-20)) assert_true(named);
                extra += named && rest > reach * (1 + 0x1p-20) + 0x1p-30;
            }
        }
        assert_int_equal(extra, 0);
    }
}

static void clients_win_in_proportion_to_their_squared_distance(void **state)
{
    (void)state;
    const float d2[SEG_LANES] = { 1, 0, 2, 1e-3F, 4, 0.5F };
    const seg_matrix m = { .rows = { .total = N, .first = 0, .count = N }, .d = 1 };
    const kmeans_racing racing = { seg_kernels_choose(), &m, { 3, SEG_RANDOM_TEST } };
    char records[3 * (sizeof(seg_rival) + 8)];
    double total = 0, chi_square[3] = { 0 };
    int64_t wins[3][N] = { { 0 } }, both = 0;

    for (int i = 0; i < N; i++)
        total += (double)d2[i];
    for (int draw = 0; draw < DRAWS; draw++) {
        int64_t winner[3];
        kmeans_records_clear(1, 3, records);
        kmeans_race(&racing, 0, N, d2, (uint64_t)draw << 8, 3, records);
        for (int trial = 0; trial < 3; trial++) {
            seg_rival rival;
            memcpy(&rival, records + trial * kmeans_record_size(1), sizeof rival);
            winner[trial] = rival.row;
            wins[trial][rival.row]++;
        }
        both += winner[0] == 4 && winner[1] == 4;
    }
    for (int trial = 0; trial < 3; trial++) {
        assert_int_equal(wins[trial][1], 0);
        for (int i = 0; i < N; i++) {
            double expected = DRAWS * (double)d2[i] / total;
            double off = (double)wins[trial][i] - expected;
            if (i != 1) chi_square[trial] += off * off / expected;
        }
        assert_true(chi_square[trial] < 20); /* 4 degrees of freedom: 1 in 2,000 by chance */
    }
    /* trials are independent: within 5 standard errors */
    double p = (double)d2[4] / total, joint = p * p;
    assert_true(fabs((double)both / DRAWS - joint) < 5 * sqrt(joint * (1 - joint) / DRAWS));
}

static void a_race_in_parts_has_the_same_winner(void **state)
{
    (void)state;
    enum { ROWS = 3000, PART = 107 * SEG_LANES };
    static float d2[ROWS + SEG_LANES];
    seg_matrix m = { .rows = { .total = ROWS, .first = 0, .count = ROWS }, .d = 1 };
    const kmeans_racing racing = { seg_kernels_choose(), &m, { 5, SEG_RANDOM_TEST } };
    char whole[sizeof(seg_rival) + 8], parts[sizeof(seg_rival) + 8];

    for (int i = 0; i < ROWS; i++)
        d2[i] = (float)((i * 37) % 101) * 0.01F;
    for (uint64_t draw = 0; draw < 500; draw++) {
        kmeans_records_clear(1, 1, whole);
        kmeans_records_clear(1, 1, parts);
        kmeans_race(&racing, 0, ROWS, d2, draw << 8, 1, whole);
        kmeans_race(&racing, PART, ROWS - PART, d2 + PART, draw << 8, 1, parts);
        kmeans_race(&racing, 0, PART, d2, draw << 8, 1, parts);
        assert_memory_equal(whole, parts, sizeof(seg_rival));
    }
}

/* Distances so large, and a key to beat so small, that a float does not hold it. */
static void keys_below_float_find_their_winners(void **state)
{
    (void)state;
    static float d2[SEG_BLOCK_ROWS];
    static int32_t once[SEG_BLOCK_ROWS];
    const seg_rival least = { .key = 6e-46, .row = INT64_MAX };
    const seg_rows rows = { .total = SEG_BLOCK_ROWS, .first = 0, .count = SEG_BLOCK_ROWS };
    const seg_matrix m = { .rows = rows, .d = 1 }, plain = { .rows = rows, .d = 1, .weight = once };
    const kmeans_racing by_kernel = { seg_kernels_choose(), &m, { 5, SEG_RANDOM_TEST } };
    const kmeans_racing by_row = { NULL, &plain, { 5, SEG_RANDOM_TEST } };
    int found = 0;

    for (int i = 0; i < SEG_BLOCK_ROWS; i++) {
        d2[i] = 3e38F;
        once[i] = 1;
    }
    for (uint64_t draw = 0; draw < 50000 && found < 2; draw++) {
        char ours[sizeof(seg_rival) + 8], expected[sizeof(seg_rival) + 8];
        seg_rival winner;
        memcpy(ours, &least, sizeof least);
        memcpy(expected, &least, sizeof least);
        kmeans_race(&by_row, 0, SEG_BLOCK_ROWS, d2, draw << 8, 1, expected);
        memcpy(&winner, expected, sizeof winner);
        if (winner.row == INT64_MAX) continue;
        kmeans_race(&by_kernel, 0, SEG_BLOCK_ROWS, d2, draw << 8, 1, ours);
        assert_memory_equal(ours, expected, sizeof winner);
        found++;
    }
    assert_int_equal(found, 2);
}

static void nobody_wins_where_all_distances_are_zero(void **state)
{
    (void)state;
    const float d2[SEG_LANES] = { 0 };
    const seg_matrix m = { .rows = { .total = 3, .first = 0, .count = 3 }, .d = 1 };
    const kmeans_racing racing = { seg_kernels_choose(), &m, { 0, SEG_RANDOM_TEST } };
    char record[sizeof(seg_rival) + 8];
    seg_rival rival;

    kmeans_records_clear(1, 1, record);
    kmeans_race(&racing, 0, 3, d2, 0, 1, record);
    memcpy(&rival, record, sizeof rival);
    assert_int_equal(rival.row, INT64_MAX);
}

/* Cell = row + column / 2, so a row tells which one it is. */
static void a_sample_is_one_row_of_each_range_on_every_rank(void **state)
{
    (void)state;
    static const int64_t totals[] = { 1, 1000, KMEANS_SAMPLE_ROWS, 40000 };
    const int grid[3] = { 5, 5, 5 };
    const double max_abs[3] = { 40000, 40000, 40000 };
    int64_t wrong = 0;

    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        int64_t n = totals[i], size = n < KMEANS_SAMPLE_ROWS ? n : KMEANS_SAMPLE_ROWS;
        seg_matrix m, sample;
        double z[3];
        assert_int_equal(seg_matrix_init(&m,
                                         seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm)),
                                         3, grid, max_abs),
                         SEG_OK);
        for (int64_t row = 0; row < m.rows.count; row++) {
            for (int t = 0; t < 3; t++)
                z[t] = (double)(m.rows.first + row) + t / 2.0;
            seg_matrix_set(&m, row, 1, z);
        }
        assert_int_equal(seg_matrix_sample(comm, &m, KMEANS_SAMPLE_ROWS, 9, &sample), SEG_OK);
        wrong += sample.rows.total != size || sample.rows.count != size;
        for (int64_t s = 0; s < size; s++) {
            seg_matrix_get(&sample, s, 1, z);
            wrong += (int64_t)z[0] < s * n / size || (int64_t)z[0] >= (s + 1) * n / size;
            for (int t = 1; t < 3; t++)
                wrong += fabs(z[t] - z[0] - t / 2.0) > 0;
        }
        seg_matrix_release(&sample);
        seg_matrix_release(&m);
    }
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_name_whoever_is_in_reach),
        cmocka_unit_test(clients_win_in_proportion_to_their_squared_distance),
        cmocka_unit_test(a_race_in_parts_has_the_same_winner),
        cmocka_unit_test(keys_below_float_find_their_winners),
        cmocka_unit_test(nobody_wins_where_all_distances_are_zero),
        cmocka_unit_test(a_sample_is_one_row_of_each_range_on_every_rank),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
