/* The join of two files by id against arrays indexed by id; the exchange of bytes; distances
 * against sorting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/migration.h"
#include "segmpi/random.h"

#define N_OLD    20000
#define N_NEW    17000
#define IDS_MOST 40000 /* ids are below it */

enum { SEGMENTS = 4, WIDTH = 9 };
static bool has_mass; /* half of all rows have one id */
static seg_comm *comm;
static char path[2][80];
static const seg_random key = { .seed = 3, .purpose = SEG_RANDOM_TEST };
static const int64_t rows_of[2] = { N_OLD, N_NEW };

/* Ids in an order of their own on each side; a few stand there twice. */
static int64_t id_of(int side, int64_t row)
{
    if (has_mass && row % 2 == 0) return 11;
    if (row % 1999 == 7) row++;
    return side == 0 ? row * 7919 % 20011 : row * 104729 % 26003 + 3000;
}

static int8_t segment_of(int side, int64_t row)
{
    return (int8_t)(seg_random_bits(key, id_of(side, row), (uint64_t)(side * 2)).a % SEGMENTS);
}

static float distance_of(int64_t row)
{
    return row % 5 == 0 ? 1.5F : (float)fabs(seg_random_normal(key, row, 9));
}

/* This rank's rows in the shape of a file: ids as int64 or as texts, segments, distances. */
static seg_status write_rows(seg_output *out, int side, bool text)
{
    seg_rows rows = seg_rows_of(rows_of[side], seg_comm_rank(comm), seg_comm_size(comm));
    const int width = text ? WIDTH : (int)sizeof(int64_t);
    char *ids;
    int8_t *segment;
    float *distance;

    SEG_TRY(seg_alloc(rows.count + 1, (size_t)width, &ids));
    SEG_TRY(seg_alloc(rows.count, sizeof *segment, &segment));
    SEG_TRY(seg_alloc(rows.count, sizeof *distance, &distance));
    for (int64_t i = 0; i < rows.count; i++) {
        int64_t id = id_of(side, rows.first + i);
        if (text)
            (void)snprintf(ids + i * width, WIDTH + 1, "%lld", (long long)id);
        else
            memcpy(ids + i * width, &id, sizeof id);
        segment[i] = segment_of(side, rows.first + i);
        distance[i] = distance_of(rows.first + i);
    }
    seg_status status = SEG_OK;
    if (rows.count > 0) {
        status = seg_output_write(out, "ids/client_id", rows.first, rows.count, ids);
        if (status == SEG_OK)
            status = seg_output_write(out, "segment", rows.first, rows.count, segment);
        if (status == SEG_OK)
            status = seg_output_write(out, "distance", rows.first, rows.count, distance);
    }
    seg_free(ids);
    seg_free(segment);
    seg_free(distance);
    return status;
}

static void write_side(int side, bool text)
{
    seg_output *out;

    assert_int_equal(seg_output_open(comm, path[side], "scores", true, &out), SEG_OK);
    seg_status status = seg_output_dim(out, "client", rows_of[side]);
    if (status == SEG_OK)
        status = seg_output_rows(out, "ids/client_id", text ? SEG_TEXT : SEG_INT64,
                                 text ? WIDTH : 0, "client");
    if (status == SEG_OK) status = seg_output_rows(out, "segment", SEG_INT8, 0, "client");
    if (status == SEG_OK) status = seg_output_rows(out, "distance", SEG_FLOAT32, 0, "client");
    assert_int_equal(seg_output_start_rows(comm, out, status), SEG_OK);
    assert_int_equal(seg_output_commit(comm, out, write_rows(out, side, text)), SEG_OK);
    seg_output_free(out);
}

/* What the join should find, by arrays over all ids. */
static void expect(seg_migration *m, int64_t *counts)
{
    static int rows[2][IDS_MOST], segment[2][IDS_MOST];

    memset(rows, 0, sizeof rows);
    *m = (seg_migration) { .n = SEGMENTS, .counts = counts };
    memset(counts, 0, SEGMENTS * (SEGMENTS + 2) * sizeof *counts);
    m->entered_by_segment = counts + SEGMENTS * SEGMENTS;
    m->left_by_segment = m->entered_by_segment + SEGMENTS;
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < rows_of[s]; i++) {
            rows[s][id_of(s, i)]++;
            segment[s][id_of(s, i)] = segment_of(s, i);
        }
    for (int id = 0; id < IDS_MOST; id++) {
        int old = rows[0][id], new = rows[1][id], a = segment[0][id], b = segment[1][id];
        if (old > 1 || new > 1) {
            m->duplicates[0] += old;
            m->duplicates[1] += new;
        } else if (old && new) {
            counts[a * SEGMENTS + b]++;
            *(a == b ? &m->stayed : &m->moved) += 1;
        } else if (old) {
            m->left_by_segment[a]++;
            m->left++;
        } else if (new) {
            m->entered_by_segment[b]++;
            m->entered++;
        }
    }
}

static void join_and_check(int64_t memory, int n, seg_status status)
{
    seg_input *in[2];
    seg_labelled side[2];
    seg_migration m, expected;
    int64_t counts[SEGMENTS * (SEGMENTS + 2)];

    for (int s = 0; s < 2; s++) {
        assert_int_equal(seg_input_open(path[s], &in[s]), SEG_OK);
        side[s] = (seg_labelled) { in[s], "segment", rows_of[s] };
    }
    assert_int_equal(seg_migration_fit(comm, side, n, memory, &m), status);
    seg_input_close(in[0]);
    seg_input_close(in[1]);
    if (status != SEG_OK) {
        assert_null(m.counts);
        seg_error_clear();
        return;
    }
    expect(&expected, counts);
    assert_true(expected.moved > 300 && expected.stayed > 300 && expected.entered > 300 &&
                expected.left > 300 && expected.duplicates[0] > 10 && expected.duplicates[1] > 10);
    assert_memory_equal(m.counts, counts, sizeof counts);
    assert_int_equal(m.stayed, expected.stayed);
    assert_int_equal(m.moved, expected.moved);
    assert_int_equal(m.entered, expected.entered);
    assert_int_equal(m.left, expected.left);
    assert_memory_equal(m.duplicates, expected.duplicates, sizeof m.duplicates);
    seg_migration_release(&m);
}

static void a_join_finds_who_moved(void **state)
{
    (void)state;
    const bool text[3][2] = { { false, false }, { true, true }, { false, true } };

    for (int i = 0; i < 3; i++) {
        write_side(0, text[i][0]);
        write_side(1, text[i][1]);
        join_and_check((int64_t)1 << 30, SEGMENTS, SEG_OK);
        join_and_check(300000, SEGMENTS, SEG_OK); /* several passes */
    }
}

/* What a join holds depends on how many different ids there are; besides, it has slices of rows and
 * what reading takes. */
static void a_mass_of_equal_ids_stays_within_the_memory(void **state)
{
    (void)state;
    const int64_t memory = 200000, slices = 8192 * (4 * WIDTH + 4) + 90000;

    has_mass = true;
    for (int text = 0; text < 2; text++) {
        write_side(0, text);
        write_side(1, text);
        const int64_t limit = seg_memory_now() + memory + slices;
        assert_true(seg_memory_peak() < limit);
        join_and_check(memory, SEGMENTS, SEG_OK);
        assert_true(seg_memory_peak() < limit);
    }
    has_mass = false;
}

static void labels_that_are_no_segments_are_refused(void **state)
{
    (void)state;
    join_and_check((int64_t)1 << 30, SEGMENTS - 1, SEG_ERR_DATA);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t n, double p)
{
    double position = (double)(n - 1) * p;
    int64_t at = (int64_t)position;

    return sorted[at] + (sorted[at + 1] - sorted[at]) * (position - (double)at);
}

static void distances_are_those_of_sorting(void **state)
{
    (void)state;
    static double sorted[N_OLD];
    double sum = 0;
    seg_input *in;
    seg_distances d;

    for (int64_t i = 0; i < N_OLD; i++) {
        sorted[i] = distance_of(i);
        sum += sorted[i];
    }
    qsort(sorted, N_OLD, sizeof *sorted, compare_doubles);
    assert_int_equal(seg_input_open(path[0], &in), SEG_OK);
    assert_int_equal(seg_distances_read(comm, in, "distance", N_OLD, &d), SEG_OK);
    assert_true(fabs(d.mean - sum / N_OLD) < 1e-12);
    assert_true(fabs(d.median - quantile(sorted, N_OLD, 0.5)) < 1e-12);
    assert_true(fabs(d.p90 - quantile(sorted, N_OLD, 0.9)) < 1e-12);
    assert_int_equal(seg_distances_read(comm, in, "distance", N_OLD - 1, &d), SEG_ERR_DATA);
    seg_error_clear();
    assert_int_equal(seg_distances_read(comm, in, "distance", 0, &d), SEG_OK);
    assert_true(isnan(d.mean) && isnan(d.median));
    seg_input_close(in);
}

/* Rank r sends (r + 2 s) % 5 bytes r * 16 + s to rank s. */
static void everyone_gets_what_is_sent(void **state)
{
    (void)state;
    enum { RANKS = 64 };
    const int rank = seg_comm_rank(comm), size = seg_comm_size(comm);
    int64_t send_size[RANKS], receive_size[RANKS], at = 0;
    unsigned char send[RANKS * 5], receive[RANKS * 5];

    for (int s = 0; s < size; s++) {
        send_size[s] = (rank + 2 * s) % 5;
        for (int64_t i = 0; i < send_size[s]; i++)
            send[at++] = (unsigned char)(rank * 16 + s);
    }
    seg_exchange_sizes(comm, send_size, receive_size);
    seg_exchange_bytes(comm, send, send_size, receive, receive_size);
    at = 0;
    for (int r = 0; r < size; r++) {
        assert_int_equal(receive_size[r], (r + 2 * rank) % 5);
        for (int64_t i = 0; i < receive_size[r]; i++)
            assert_int_equal(receive[at++], r * 16 + rank);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everyone_gets_what_is_sent),
        cmocka_unit_test(a_mass_of_equal_ids_stays_within_the_memory), /* before greater ones */
        cmocka_unit_test(a_join_finds_who_moved),
        cmocka_unit_test(labels_that_are_no_segments_are_refused),
        cmocka_unit_test(distances_are_those_of_sorting),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path[0], sizeof path[0] - 4);
    (void)snprintf(path[1], sizeof path[1], "%.*s.new", (int)(sizeof path[1] - 5), path[0]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path[0]);
    fixture_remove(comm, path[1]);
    seg_comm_close(comm);
    return failed;
}
