/* Tables from own and foreign HDF5 files: which columns, which rows, which messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/table.h"

static seg_comm *comm;
static char path[64];

enum { N = 9000, D = 4 };
static const char *const names[D] = { "CREDIT_LIMIT", "BALANCE", "PAYMENTS", "TENURE" };
static const seg_table_opts everything = { 0 };
static int64_t changed_row = -1;

static double cell(int64_t row, int column)
{
    if (row == changed_row && column == 2) return -1;
    if (row % 100 == 7 && column == 1) return NAN;
    if (row % 1000 == 5 && column == 3) return row % 2000 == 5 ? INFINITY : -INFINITY;
    return (double)row * 10 + column;
}

/* Every cell of this rank's rows, column t of the table being column `of_file[t]` of cell(). */
static void check_cells(seg_table *table, const int *of_file)
{
    static double x[SEG_SLICE_ROWS * D];
    seg_rows rows = seg_table_rows(table);
    int d = seg_table_columns(table);
    bool right = true;

    for (int64_t at = 0; at < rows.count; at += SEG_SLICE_ROWS) {
        int64_t n = rows.count - at < SEG_SLICE_ROWS ? rows.count - at : SEG_SLICE_ROWS;
        right = right && seg_table_read(table, at, n, x) == SEG_OK;
        for (int64_t i = 0; i < n; i++)
            for (int t = 0; t < d; t++) {
                double expected = cell(rows.first + at + i, of_file[t]);
                right =
                    right && (isfinite(expected) ? x[i * d + t] == expected : isnan(x[i * d + t]));
            }
    }
    assert_int_equal(seg_agree(comm, right ? SEG_OK : SEG_FAIL(SEG_ERR_DATA, "cells")), SEG_OK);
}

static void table_reads_the_selected_columns_in_the_order_of_the_file(void **state)
{
    (void)state;
    const seg_table_opts some = { .columns = " TENURE ,BALANCE,PAYMENTS",
                                  .exclude_columns = "PAYMENTS" };
    const int all_columns[] = { 0, 1, 2, 3 }, columns[] = { 1, 3 };
    seg_table *table;

    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_table_columns(table), D);
    assert_int_equal(seg_table_rows(table).total, N);
    assert_string_equal(seg_table_path(table), path);
    assert_false(seg_table_has_ids(table));
    check_cells(table, all_columns);
    int64_t infinite = seg_table_infinite(table);
    seg_sum_int64(comm, &infinite, 1);
    assert_int_equal(infinite, 9);
    seg_table_free(table);

    assert_int_equal(seg_table_open(comm, path, &some, &table), SEG_OK);
    assert_int_equal(seg_table_columns(table), 2);
    assert_string_equal(seg_table_names(table)[0], "BALANCE");
    assert_string_equal(seg_table_names(table)[1], "TENURE");
    check_cells(table, columns);
    seg_table_free(table);
}

static void expect_failure(const seg_table_opts *opts, seg_status status, const char *part)
{
    seg_table *table;

    assert_int_equal(seg_table_open(comm, path, opts, &table), status);
    assert_null(table);
    if (!strstr(seg_error_get()->text, part)) print_error("%s\n", seg_error_get()->text);
    assert_non_null(strstr(seg_error_get()->text, part));
    seg_error_clear();
}

static void table_suggests_the_nearest_column(void **state)
{
    (void)state;
    const seg_table_opts misspelt = { .columns = "TENURE,BALANSE" };
    const seg_table_opts excluded = { .exclude_columns = "credit_limit" };
    const seg_table_opts none = { .exclude_columns = "CREDIT_LIMIT,BALANCE,PAYMENTS,TENURE" };
    const seg_table_opts prefix = { .columns = "TENUR" };
    const seg_table_opts dataset = { .dataset = "/nothing/here" };

    assert_int_equal(fixture_clients(comm, path, 10, D, names, cell), SEG_OK);
    expect_failure(&misspelt, SEG_ERR_USAGE, "did you mean 'BALANCE'?");
    expect_failure(&excluded, SEG_ERR_USAGE, "did you mean 'CREDIT_LIMIT'?");
    expect_failure(&none, SEG_ERR_USAGE, "no column is left");
    expect_failure(&prefix, SEG_ERR_USAGE, "did you mean 'TENURE'?");
    expect_failure(&dataset, SEG_ERR_USAGE, "no dataset 'nothing/here'");
}

static void table_fingerprint_depends_on_values_only(void **state)
{
    (void)state;
    uint64_t ours, alone, changed, fewer;
    const seg_table_opts some = { .exclude_columns = "BALANCE" };
    seg_table *table, *whole;

    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_table_open(seg_comm_self(comm), path, &everything, &whole), SEG_OK);
    assert_int_equal(seg_table_fingerprint(comm, table, &ours), SEG_OK);
    assert_int_equal(seg_table_fingerprint(seg_comm_self(comm), whole, &alone), SEG_OK);
    assert_true(ours == alone);
    seg_table_free(table);
    seg_table_free(whole);

    assert_int_equal(seg_table_open(comm, path, &some, &table), SEG_OK);
    assert_int_equal(seg_table_fingerprint(comm, table, &fewer), SEG_OK);
    assert_true(fewer != ours);
    seg_table_free(table);

    changed_row = N - 1;
    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_table_fingerprint(comm, table, &changed), SEG_OK);
    assert_true(changed != ours);
    seg_table_free(table);
    changed_row = -1;
}

/* Of the same size and columns: only the seal at its end tells it from the other. */
static void table_is_not_opened_where_a_rank_sees_another_file(void **state)
{
    (void)state;
    const int last = seg_comm_size(comm) - 1;
    char other[sizeof path];
    seg_table *table;

    fixture_path(comm, other, sizeof other);
    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    changed_row = 0;
    assert_int_equal(fixture_clients(comm, other, N, D, names, cell), SEG_OK);
    changed_row = -1;
    const char *mine = seg_comm_rank(comm) == last && last > 0 ? other : path;
    const seg_status status = seg_table_open(comm, mine, &everything, &table);
    assert_int_equal(status, last > 0 ? SEG_ERR_CONFIG : SEG_OK);
    assert_true((table == NULL) == (last > 0));
    if (last > 0) assert_non_null(strstr(seg_error_get()->text, "see different files"));
    seg_error_clear();
    seg_table_free(table);
    fixture_remove(comm, other);
}

/* A file that segmpi did not write as clients: 1-D columns in a group, 2-D datasets. */
typedef struct foreign {
    const char *format;
    int n_tables; /* 2-D datasets deep/x0, deep/x1 */
    bool columns; /* group cols with a, b; text in it */
    bool ragged;  /* another column of another length */
} foreign;

static seg_status write_foreign(const foreign *f)
{
    static double one[60], two[60][2];
    static const char *const texts[] = { "x", "y", "z" };
    static const char *const tables[] = { "deep/x0", "deep/x1" };
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    for (int i = 0; i < 60; i++) {
        one[i] = cell(i, 0);
        two[i][0] = cell(i, 0);
        two[i][1] = cell(i, 1);
    }
    SEG_TRY_OR_DONE(seg_output_open(comm, path, f->format, true, &out));
    status = seg_output_dim(out, "row", 60);
    if (status == SEG_OK) status = seg_output_dim(out, "few", 3);
    if (status == SEG_OK) status = seg_output_dim(out, "column", 2);
    for (int i = 0; i < f->n_tables && status == SEG_OK; i++)
        status = seg_output_array(out, tables[i], SEG_FLOAT64, "row,column", two);
    if (f->columns && status == SEG_OK)
        status = seg_output_array(out, "cols/a", SEG_FLOAT64, "row", one);
    if (f->columns && status == SEG_OK)
        status = seg_output_array(out, "cols/b", SEG_FLOAT64, "row", one);
    if (f->columns && status == SEG_OK) status = seg_output_texts(out, "cols/text", "few", texts);
    if (f->ragged && status == SEG_OK)
        status = seg_output_array(out, "cols/c", SEG_FLOAT64, "few", one);
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, status));
done:
    seg_output_free(out);
    return status;
}

static void table_finds_the_only_2d_dataset(void **state)
{
    (void)state;
    const foreign file = { "other", 1, true, false };
    const seg_table_opts group = { .dataset = "cols/" }, dataset = { .dataset = "/deep/x0" };
    const seg_table_opts text = { .dataset = "cols/text" };
    const int columns[] = { 0, 1 }, equal[] = { 0, 0 };
    seg_table *table;

    assert_int_equal(write_foreign(&file), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_table_columns(table), 2);
    assert_string_equal(seg_table_names(table)[1], "column_1");
    check_cells(table, columns);
    seg_table_free(table);
    assert_int_equal(seg_table_open(comm, path, &dataset, &table), SEG_OK);
    check_cells(table, columns);
    seg_table_free(table);
    assert_int_equal(seg_table_open(comm, path, &group, &table), SEG_OK);
    assert_string_equal(seg_table_names(table)[1], "b");
    check_cells(table, equal);
    seg_table_free(table);
    expect_failure(&text, SEG_ERR_DATA, "not a 2-D numeric dataset");
}

static void table_finds_a_group_of_columns_or_lists_the_choice(void **state)
{
    (void)state;
    const foreign columns = { "other", 0, true, false }, two = { "other", 2, true, false };
    const foreign ragged = { "other", 0, true, true }, nothing = { "other", 0, false, false };
    const foreign model = { "model", 1, false, false };
    const seg_table_opts group = { .dataset = "cols" };
    const int equal[] = { 0, 0 };
    seg_table *table;

    assert_int_equal(write_foreign(&columns), SEG_OK);
    assert_int_equal(seg_table_open(comm, path, &everything, &table), SEG_OK);
    assert_int_equal(seg_table_columns(table), 2);
    assert_int_equal(seg_table_rows(table).total, 60);
    check_cells(table, equal);
    seg_table_free(table);
    assert_int_equal(write_foreign(&two), SEG_OK);
    expect_failure(&everything, SEG_ERR_DATA, "--dataset: 'deep/x0', 'deep/x1'");
    assert_int_equal(write_foreign(&ragged), SEG_OK);
    expect_failure(&everything, SEG_ERR_DATA, "column 'c' has 3 values, 'a' has 60");
    expect_failure(&group, SEG_ERR_DATA, "column 'c' has 3 values");
    assert_int_equal(write_foreign(&nothing), SEG_OK);
    expect_failure(&everything, SEG_ERR_DATA, "neither");
    assert_int_equal(write_foreign(&model), SEG_OK);
    expect_failure(&everything, SEG_ERR_DATA, "of format 'model'");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_reads_the_selected_columns_in_the_order_of_the_file),
        cmocka_unit_test(table_suggests_the_nearest_column),
        cmocka_unit_test(table_fingerprint_depends_on_values_only),
        cmocka_unit_test(table_is_not_opened_where_a_rank_sees_another_file),
        cmocka_unit_test(table_finds_the_only_2d_dataset),
        cmocka_unit_test(table_finds_a_group_of_columns_or_lists_the_choice),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path, sizeof path);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    seg_comm_close(comm);
    return failed;
}
