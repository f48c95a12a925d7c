/* A failure at any site of a commit on any rank: all ranks get it, the old file stays, nothing is
 * left behind, and the next run works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store_fixture.h"

static seg_comm *comm;
static char folder[64], path[80];

static const struct {
    const char *name;
    seg_status status;
    bool root_only;
} sites[] = {
    { "store_alloc", SEG_ERR_MEMORY, false }, { "store_create", SEG_ERR_CANTCREATE, false },
    { "store_attribute", SEG_ERR_IO, true },  { "store_array", SEG_ERR_IO, true },
    { "store_rows", SEG_ERR_IO, false },      { "store_skeleton", SEG_ERR_IO, false },
    { "store_space", SEG_ERR_IO, true },      { "store_open", SEG_ERR_IO, false },
    { "store_write", SEG_ERR_IO, false },     { "store_finish", SEG_ERR_IO, false },
    { "store_runs", SEG_ERR_MEMORY, false },  { "store_sync", SEG_ERR_IO, false },
    { "store_seal", SEG_ERR_IO, false },      { "store_verify", SEG_ERR_IO, false },
    { "store_rename", SEG_ERR_IO, true },
};

static bool all_agree(bool right)
{
    int64_t yes = right;

    seg_min_int64(comm, &yes, 1);
    return yes == 1;
}

/* The number of rows in the target, -1 if it is not whole. */
static int64_t rows_of_target(void)
{
    seg_input *in = NULL;
    seg_shape shape;
    bool whole = seg_input_open(path, &in) == SEG_OK && seg_input_check(in, NULL) == SEG_OK &&
                 seg_input_shape(in, "features", &shape) == SEG_OK;

    seg_input_close(in);
    return whole ? shape.dim[0] : -1;
}

static bool fails_cleanly(size_t s, int rank)
{
    char fault[80];

    (void)snprintf(fault, sizeof fault, "%s:rank=%d", sites[s].name, rank);
    (void)setenv("SEGMPI_FAULT", fault, 1);
    seg_status status = store_write(comm, path, 8000, true);
    (void)unsetenv("SEGMPI_FAULT");
    bool right = status == sites[s].status && seg_error_get()->rank == rank &&
                 strstr(seg_error_get()->text, "injected fault");
    if (!right)
        print_error("%s: %d, rank %d: %s\n", fault, status, seg_error_get()->rank,
                    seg_error_get()->text);
    seg_error_clear();
    seg_barrier(comm);
    right = right && rows_of_target() == 5000 && store_count_files(folder, false) == 1;
    if (!right) print_error("%s: rows %d\n", fault, (int)rows_of_target());
    return all_agree(right);
}

static void store_survives_a_fault_at_every_site_on_every_rank(void **state)
{
    (void)state;
    bool right = true;

    assert_int_equal(store_write(comm, path, 5000, true), SEG_OK);
    for (size_t s = 0; s < sizeof sites / sizeof *sites; s++)
        for (int rank = 0; rank < (sites[s].root_only ? 1 : seg_comm_size(comm)); rank++)
            right = fails_cleanly(s, rank) && right;
    assert_true(right);
    assert_int_equal(store_write(comm, path, 8000, true), SEG_OK);
    assert_true(all_agree(rows_of_target() == 8000));
}

/* Flips a bit of the last value of `features` in the temporary file. */
static bool corrupt_last_row(int64_t n)
{
    static char bytes[4 << 20];
    char expected[8], name[600] = "";
    DIR *entries = opendir(folder);
    int64_t size = 0;

    for (struct dirent *e; entries && (e = readdir(entries)) != NULL;)
        if (strstr(e->d_name, ".part"))
            (void)snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
    if (entries) (void)closedir(entries);
    store_value(&store_arrays[0], n - 1, STORE_FEATURES - 1, expected);
    FILE *file = fopen(name, "r+");
    if (file) size = (int64_t)fread(bytes, 1, sizeof bytes, file);
    for (int64_t at = 0; at + 8 <= size; at++)
        if (memcmp(bytes + at, expected, 8) == 0) {
            (void)fseek(file, (long)at, SEEK_SET);
            (void)fputc(bytes[at] ^ 1, file);
            return fclose(file) == 0;
        }
    return false;
}

static void store_refuses_what_does_not_read_back_as_it_was_written(void **state)
{
    (void)state;
    const int64_t n = 8000;
    seg_output *out = NULL;
    bool right = true;

    assert_int_equal(store_write(comm, path, 5000, true), SEG_OK);
    assert_int_equal(seg_output_open(comm, path, "model", true, &out), SEG_OK);
    seg_status status = store_write_small(out, n, 1);
    for (int k = 0; k < STORE_ARRAYS && status == SEG_OK; k++)
        status = seg_output_rows(out, store_arrays[k].path, store_arrays[k].type,
                                 store_arrays[k].width, store_arrays[k].dims);
    assert_int_equal(seg_output_start_rows(comm, out, status), SEG_OK);
    assert_int_equal(seg_agree(comm, store_write_rows(comm, out, n)), SEG_OK);
    if (seg_comm_rank(comm) == 0) right = corrupt_last_row(n);
    assert_true(all_agree(right));
    status = seg_output_commit(comm, out, SEG_OK);
    right = status == SEG_ERR_IO && strstr(seg_error_get()->text, "does not read back");
    right = right && strstr(seg_error_get()->text, "rows 7168 to 7999 of 'features'");
    /* found by the rank before the one that wrote the row */
    right =
        right && seg_error_get()->rank == (seg_comm_size(comm) > 1 ? seg_comm_size(comm) - 2 : 0);
    if (!right) print_error("%d: %s\n", status, seg_error_get()->text);
    seg_error_clear();
    seg_output_free(out);
    seg_barrier(comm);
    right = right && rows_of_target() == 5000 && store_count_files(folder, false) == 1;
    assert_true(all_agree(right));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_refuses_what_does_not_read_back_as_it_was_written),
        cmocka_unit_test(store_survives_a_fault_at_every_site_on_every_rank),
    };

    seg_store_init(); /* before MPI, which would end HDF5 after a failure */
    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    store_folder(comm, folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/out.h5", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_barrier(comm);
    if (seg_comm_rank(comm) == 0) (void)store_count_files(folder, true);
    seg_comm_close(comm);
    return failed;
}
