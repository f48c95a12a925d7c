/* Synthetic clients: the same files on any number of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clients_fixture.h"
#include "segmpi/table.h"

#define COLUMNS 17

static seg_comm *world;

/* clients.h5 at `path` and, unless NULL, CSV at `csv`; files that exist are replaced if `force`. */
static seg_status generate(seg_comm *comm, int64_t n, const char *path, const char *csv, bool force)
{
    seg_status status = SEG_OK;
    seg_output *out = NULL;
    seg_provenance provenance = {
        .command = "generate", .options = "{}", .command_line = "", .ranks = 1, .simd = "ref"
    };

    SEG_TRY_OR_DONE(seg_output_open(comm, path, "clients", true, &out));
    SEG_TRY_OR_DONE(seg_generate(comm, n, 7, &provenance, out, csv, force));
done:
    seg_output_free(out);
    return status;
}

/* Local. */
static seg_status read_clients(const char *path, int64_t n, double *x, int64_t *id)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;

    SEG_TRY_OR_DONE(seg_input_open(path, &in));
    SEG_TRY_OR_DONE(seg_input_expect(in, "clients"));
    SEG_TRY_OR_DONE(seg_input_read(in, "features", SEG_FLOAT64, 0, n, x));
    SEG_TRY_OR_DONE(seg_input_read(in, "ids/client_id", SEG_INT64, 0, n, id));
done:
    seg_input_close(in);
    return status;
}

static bool same_bytes(const char *a, const char *b)
{
    FILE *files[2] = { fopen(a, "rb"), fopen(b, "rb") };
    bool same = files[0] && files[1];
    int c = 0;

    while (same && c != EOF) {
        c = getc(files[0]);
        same = c == getc(files[1]);
    }
    for (int f = 0; f < 2; f++)
        if (files[f]) (void)fclose(files[f]);
    return same;
}

/* Collective.  Files of all ranks against files that rank 0 made alone. */
static bool equals_one_rank(int64_t n)
{
    char all[64], all_csv[64], one[64], one_csv[64];
    double *x[2] = { NULL };
    int64_t *id[2] = { NULL };
    bool same = false;

    fixture_path(world, all, sizeof all);
    fixture_path(world, all_csv, sizeof all_csv);
    assert_int_equal(generate(world, n, all, all_csv, true), SEG_OK);
    if (seg_comm_rank(world) == 0) {
        seg_comm *self = seg_comm_self(world);
        fixture_path(self, one, sizeof one);
        fixture_path(self, one_csv, sizeof one_csv);
        same = generate(self, n, one, one_csv, true) == SEG_OK && same_bytes(all_csv, one_csv);
        for (int f = 0; f < 2; f++) {
            same = same && seg_alloc(n * COLUMNS, sizeof *x[f], &x[f]) == SEG_OK;
            same = same && seg_alloc(n, sizeof *id[f], &id[f]) == SEG_OK;
            same = same && read_clients(f == 0 ? all : one, n, x[f], id[f]) == SEG_OK;
        }
        same = same && memcmp(x[0], x[1], (size_t)n * COLUMNS * sizeof *x[0]) == 0;
        same = same && memcmp(id[0], id[1], (size_t)n * sizeof *id[0]) == 0;
        same = same && id[0][0] == 1 && id[0][n - 1] == n;
        for (int f = 0; f < 2; f++) {
            seg_free(x[f]);
            seg_free(id[f]);
        }
        fixture_remove(self, one);
        fixture_remove(self, one_csv);
    }
    fixture_remove(world, all);
    fixture_remove(world, all_csv);
    seg_bcast(world, &same, sizeof same);
    return same;
}

static void clients_do_not_depend_on_ranks(void **state)
{
    (void)state;
    assert_true(equals_one_rank(20000));
}

static void generate_survives_ranks_with_no_rows(void **state)
{
    (void)state;
    assert_true(equals_one_rank(1));
    assert_true(equals_one_rank(1025));
}

static void a_csv_that_exists_is_refused_on_all_ranks(void **state)
{
    char path[64], csv[64];
    struct stat found = { 0 };
    int64_t size = 0;

    (void)state;
    fixture_path(world, path, sizeof path);
    fixture_path(world, csv, sizeof csv); /* makes an empty file */
    assert_int_equal(generate(world, 10, path, csv, false), SEG_ERR_CANTCREATE);
    seg_error_clear();
    if (seg_comm_rank(world) == 0) size = stat(csv, &found) == 0 ? (int64_t)found.st_size : -1;
    seg_bcast(world, &size, sizeof size);
    assert_int_equal(size, 0);
    fixture_remove(world, path);
    fixture_remove(world, csv);
}

static void no_clients_are_refused(void **state)
{
    char path[64];

    (void)state;
    fixture_path(world, path, sizeof path);
    assert_int_equal(generate(world, 0, path, NULL, false), SEG_ERR_USAGE);
    seg_error_clear();
    fixture_remove(world, path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_do_not_depend_on_ranks),
        cmocka_unit_test(generate_survives_ranks_with_no_rows),
        cmocka_unit_test(a_csv_that_exists_is_refused_on_all_ranks),
        cmocka_unit_test(no_clients_are_refused),
    };

    if (seg_comm_open(&argc, &argv, &world) != SEG_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(world);
    return failed;
}
