/* comm/: agreement, collectives, partition.  Every assertion is on a value that all ranks hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/comm.h"
#include "segmpi/memory.h"
#include "segmpi/rows.h"

static seg_comm *comm;

static void agree_takes_the_lowest_failing_rank(void **state)
{
    (void)state;
    int rank = seg_comm_rank(comm), size = seg_comm_size(comm);

    for (int failing = 0; failing < size; failing++) {
        seg_error_clear();
        seg_status local = SEG_OK;
        if (rank >= failing) /* the failing rank and all above it, with their own codes */
            local = SEG_FAIL(rank == failing ? SEG_ERR_DATA : SEG_ERR_IO, "rank %d fails", rank);
        seg_status agreed = seg_agree(comm, local);
        char expected[40];

        snprintf(expected, sizeof expected, "rank %d fails", failing);
        assert_int_equal(agreed, SEG_ERR_DATA);
        assert_string_equal(seg_error_get()->text, expected);
        assert_int_equal(seg_error_get()->rank, failing);
    }
    seg_error_clear();
    assert_int_equal(seg_agree(comm, SEG_OK), SEG_OK);
}

static void a_failure_without_a_message_gets_one(void **state)
{
    (void)state;
    bool is_last = seg_comm_rank(comm) == seg_comm_size(comm) - 1;

    seg_error_clear();
    assert_int_equal(seg_agree(comm, is_last ? SEG_ERR_DATA : SEG_OK), SEG_ERR_DATA);
    assert_string_equal(seg_error_get()->text, "a failure left no message (status 65)");
    seg_error_clear();
}

static void sums_minima_maxima_are_over_all_ranks(void **state)
{
    (void)state;
    int64_t rank = seg_comm_rank(comm), size = seg_comm_size(comm);
    int64_t sum[2] = { rank + 1, -rank }, low = 5 - rank, high = rank;
    double low_double = -(double)rank, high_double = (double)rank;

    seg_sum_int64(comm, sum, 2);
    seg_min_int64(comm, &low, 1);
    seg_max_int64(comm, &high, 1);
    seg_min_double(comm, &low_double, 1);
    seg_max_double(comm, &high_double, 1);
    assert_int_equal(sum[0], size * (size + 1) / 2);
    assert_int_equal(sum[1], -size * (size - 1) / 2);
    assert_int_equal(low, 6 - size);
    assert_int_equal(high, size - 1);
    assert_true(low_double == 1 - (double)size && high_double == (double)size - 1);
}

static void gathers_keep_the_order_of_ranks(void **state)
{
    (void)state;
    int rank = seg_comm_rank(comm), size = seg_comm_size(comm);
    int64_t pair[2] = { rank, 10 * rank }, all[2 * 64], before = rank, total = 0;
    unsigned char mine[64 * 37], *bytes = NULL;

    seg_gather_int64(comm, pair, 2, all);
    seg_exscan_int64(comm, &before, 1);
    int64_t wrong = before != (int64_t)rank * (rank - 1) / 2;
    for (int r = 0; r < size; r++)
        wrong += all[2 * r] != r || all[2 * r + 1] != 10 * r;

    for (int i = 0; i < (int)sizeof mine; i++) /* rank r sends 37 r bytes */
        mine[i] = (unsigned char)(rank + i);
    assert_int_equal(seg_gather_bytes(comm, mine, 37 * (int64_t)rank, &bytes, &total), SEG_OK);
    int64_t at = 0;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < 37 * r; i++)
            wrong += bytes[at++] != (unsigned char)(r + i);
    seg_free(bytes);
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
    assert_int_equal(total, 37 * (int64_t)size * (size - 1) / 2);
}

/* The third allocation is that for all bytes. */
static void a_gather_that_fails_on_one_rank_holds_nothing_on_the_others(void **state)
{
    (void)state;
#ifdef SEG_FAULTS
    int64_t total, held = seg_memory_now();
    char *bytes = NULL;

    assert_int_equal(setenv("SEGMPI_ALLOC", "3:rank=0", 1), 0);
    assert_int_equal(seg_gather_bytes(comm, "x", 1, &bytes, &total), SEG_ERR_MEMORY);
    assert_int_equal(unsetenv("SEGMPI_ALLOC"), 0);
    seg_error_clear();
    held -= seg_memory_now();
    seg_or_int64(comm, &held, 1);
    assert_int_equal(held, 0);
    assert_null(bytes);
#endif
}

static void bits_and_single_values_are_merged(void **state)
{
    (void)state;
    const double third = 1.0 / 3, zero = -0.0;
    int rank = seg_comm_rank(comm), size = seg_comm_size(comm);
    int64_t bits = (int64_t)1 << rank;
    double values[2] = { rank == size - 1 ? third : 0, rank == 0 ? zero : 0 };

    seg_or_int64(comm, &bits, 1);
    seg_merge_double(comm, values, 2);
    assert_int_equal(bits, ((int64_t)1 << size) - 1);
    assert_memory_equal(&values[0], &third, sizeof third);
    assert_memory_equal(&values[1], &zero, sizeof zero);
}

/* Rank `from` sends `to` this many bytes, of this value; some pairs nothing. */
static int64_t n_sent(int from, int to)
{
    return (3 * from + 5 * to) % 7 * 100;
}

static unsigned char value_sent(int from, int to)
{
    return (unsigned char)(16 * from + to + 1);
}

static void everyone_gets_what_each_sends(void **state)
{
    (void)state;
    static unsigned char sent[64 * 600], got[64 * 600];
    int rank = seg_comm_rank(comm), size = seg_comm_size(comm);
    int64_t send_size[64], receive_size[64], at = 0, wrong = 0;

    for (int r = 0; r < size; r++) {
        send_size[r] = n_sent(rank, r);
        memset(sent + at, value_sent(rank, r), (size_t)send_size[r]);
        at += send_size[r];
    }
    seg_exchange_sizes(comm, send_size, receive_size);
    seg_exchange_bytes(comm, sent, send_size, got, receive_size);
    at = 0;
    for (int r = 0; r < size; r++) {
        wrong += receive_size[r] != n_sent(r, rank);
        for (int64_t i = 0; i < receive_size[r]; i++)
            wrong += got[at++] != value_sent(r, rank);
    }
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
}

static void bcast_crosses_slices(void **state)
{
    (void)state;
    const int64_t size = 1000003;
    unsigned char *bytes = NULL;

    assert_int_equal(seg_agree(comm, seg_alloc(size, 1, &bytes)), SEG_OK);
    if (seg_comm_rank(comm) == 0)
        for (int64_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(i % 251);
    seg_bcast(comm, bytes, size);
    int64_t wrong = 0;
    for (int64_t i = 0; i < size; i++)
        wrong += bytes[i] != i % 251;
    seg_free(bytes);
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
}

typedef struct record {
    seg_rival rival;
    double load[3];
} record;

static void min_record_carries_its_load_and_breaks_ties_by_row(void **state)
{
    (void)state;
    int rank = seg_comm_rank(comm), size = seg_comm_size(comm);
    record records[3] = {
        { { (double)(size - rank), rank }, { rank, 0, 0 } }, /* the last rank is least */
        { { 7.0, 100 - rank }, { rank, 0, 0 } },             /* equal keys: least row */
        { { INFINITY, INT64_MAX }, { 0, 0, 0 } },            /* nobody has a candidate */
    };

    seg_min_record(comm, records, 3, sizeof *records);
    assert_true(records[0].load[0] == size - 1);
    assert_int_equal(records[1].rival.row, 100 - (size - 1));
    assert_true(records[1].load[0] == size - 1);
    assert_true(isinf(records[2].rival.key));
}

static void rows_cover_everything_once_in_whole_blocks(void **state)
{
    (void)state;
    const int64_t totals[] = { 0, 1, 63, 1023, 1024, 1025, 8950, 1000000, (int64_t)1 << 40 };

    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        for (int size = 1; size <= 70; size++) {
            int64_t next = 0, most = 0, least = INT64_MAX;
            for (int rank = 0; rank < size; rank++) {
                seg_rows rows = seg_rows_of(totals[i], rank, size);
                if (rows.count > 0) assert_int_equal(rows.first, next);
                assert_true(rows.first % SEG_BLOCK_ROWS == 0 || rows.count == 0);
                next += rows.count;
                int64_t blocks = seg_rows_blocks(rows.count);
                most = blocks > most ? blocks : most;
                least = blocks < least ? blocks : least;
            }
            assert_int_equal(next, totals[i]);
            assert_true(most - least <= 1);
        }
}

static void self_is_alone(void **state)
{
    (void)state;
    int64_t one = 1;

    seg_sum_int64(seg_comm_self(comm), &one, 1);
    assert_int_equal(one, 1);
    assert_int_equal(seg_comm_size(seg_comm_self(comm)), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agree_takes_the_lowest_failing_rank),
        cmocka_unit_test(a_failure_without_a_message_gets_one),
        cmocka_unit_test(sums_minima_maxima_are_over_all_ranks),
        cmocka_unit_test(gathers_keep_the_order_of_ranks),
        cmocka_unit_test(a_gather_that_fails_on_one_rank_holds_nothing_on_the_others),
        cmocka_unit_test(bits_and_single_values_are_merged),
        cmocka_unit_test(everyone_gets_what_each_sends),
        cmocka_unit_test(bcast_crosses_slices),
        cmocka_unit_test(min_record_carries_its_load_and_breaks_ties_by_row),
        cmocka_unit_test(rows_cover_everything_once_in_whole_blocks),
        cmocka_unit_test(self_is_alone),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
