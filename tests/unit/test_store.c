/* The store: what is written is what is read, on any number of ranks, and targets are safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "store_fixture.h"

static seg_comm *comm;
static char folder[64], path[80];
static const int64_t row_counts[] = { 0, 1, 1023, 1024, 1025, 5000 };

/* The same answer on all ranks, so that a failure does not become a hang. */
static bool all_agree(bool right)
{
    int64_t yes = right;

    seg_min_int64(comm, &yes, 1);
    return yes == 1;
}

static seg_input *open_all(void)
{
    seg_input *in = NULL;

    assert_int_equal(seg_agree(comm, seg_input_open(path, &in)), SEG_OK);
    return in;
}

/* The failure that is expected, on all ranks; the record is forgotten. */
static void expect(seg_status got, seg_status status, const char *part)
{
    bool right = got == status && strstr(seg_error_get()->text, part);

    if (!right) print_error("%d: %s\n", got, seg_error_get()->text);
    seg_error_clear();
    assert_true(all_agree(right));
}

/* ---- rows ---- */

static bool rows_are_right(seg_input *in, const store_array *a, int64_t first, int64_t count)
{
    int64_t size = seg_type_size(a->type, a->width) * a->columns;
    char *expected = store_rows(a, first, count), *got = NULL;

    bool right = expected && seg_alloc(count, (size_t)size, &got) == SEG_OK &&
                 seg_input_read(in, a->path, a->type, first, count, got) == SEG_OK &&
                 memcmp(got, expected, (size_t)(count * size)) == 0;
    seg_free(expected);
    seg_free(got);
    return right;
}

static void store_reads_rows_of_every_type_as_written(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof row_counts / sizeof *row_counts; c++) {
        const int64_t n = row_counts[c];
        bool right = true;

        assert_int_equal(store_write(comm, path, n, true), SEG_OK);
        seg_input *in = open_all();
        for (int k = 0; k < STORE_ARRAYS; k++) {
            const store_array *a = &store_arrays[k];
            seg_shape shape;
            right = right && seg_input_shape(in, a->path, &shape) == SEG_OK &&
                    shape.type == a->type && shape.width == a->width && shape.dim[0] == n &&
                    shape.rank == (a->columns > 1 ? 2 : 1);
            right = right && rows_are_right(in, a, 0, n);
            /* not along blocks */
            if (n > 1024) right = right && rows_are_right(in, a, 3, n - 5);
            if (n > 0) right = right && rows_are_right(in, a, n - 1, 1);
        }
        int64_t blocks = -1;
        right = right && seg_input_check(in, &blocks) == SEG_OK;
        right = right && blocks == STORE_ARRAYS * seg_rows_blocks(n);
        right = right && seg_input_expect(in, "model") == SEG_OK;
        seg_input_close(in);
        assert_true(all_agree(right));
    }
}

static void store_converts_types_and_refuses_what_does_not_fit(void **state)
{
    (void)state;
    double wide[3 * STORE_FEATURES];
    int32_t whole[3];
    float narrow[6];
    uint8_t small[3];
    bool right = true;

    assert_int_equal(store_write(comm, path, 2000, true), SEG_OK);
    seg_input *in = open_all();
    right = right && seg_input_read(in, "narrow", SEG_FLOAT64, 1500, 3, wide) == SEG_OK;
    right = right && wide[1] == (float)(1500 * 7 + 1 - 100) + 0.25F;
    right = right && seg_input_read(in, "labels/cluster", SEG_INT32, 5, 3, whole) == SEG_OK;
    right = right && whole[0] == 5 * 7 - 100 && whole[2] == 7 * 7 - 100;
    right = right && seg_input_read(in, "features", SEG_FLOAT32, 0, 2, narrow) == SEG_OK;
    right = right && narrow[1] == -98.5F;
    assert_true(all_agree(right));
    expect(seg_input_read(in, "labels/wide", SEG_UINT8, 0, 3, small), SEG_ERR_DATA, "do not fit");
    expect(seg_input_read(in, "pca/components", SEG_FLOAT32, 0, 2, narrow), SEG_ERR_DATA,
           "do not fit");
    expect(seg_input_read(in, "features", SEG_INT32, 0, 1, whole), SEG_ERR_DATA, "do not fit");
    expect(seg_input_read(in, "ids/client_id", SEG_INT32, 0, 1, whole), SEG_ERR_DATA, "kind");
    expect(seg_input_read(in, "labels/wide", SEG_INT32, 1999, 2, whole), SEG_ERR_DATA, "2000");
    expect(seg_input_read(in, "labels", SEG_INT32, 0, 1, whole), SEG_ERR_DATA, "is a group");
    expect(seg_input_read(in, "labels/x", SEG_INT32, 0, 1, whole), SEG_ERR_DATA, "no 'labels/x'");
    expect(seg_input_read(in, "client", SEG_INT32, 0, 1, whole), SEG_ERR_DATA, "kind");
    seg_input_close(in);
}

/* ---- small things ---- */

static void store_reads_small_arrays_texts_and_attributes_as_written(void **state)
{
    (void)state;
    double basis[2][STORE_FEATURES], real = 0;
    uint64_t largest = 0;
    int64_t whole = 0;
    char **names = NULL, text[20] = "x";
    int n = 0;
    bool right = true;

    assert_int_equal(store_write(comm, path, 10, true), SEG_OK);
    seg_input *in = open_all();
    right = right && seg_input_array(in, "pca/components", SEG_FLOAT64, 2, 3, basis) == SEG_OK;
    right = right && memcmp(basis, store_basis, sizeof basis) == 0; /* signed zero, subnormal */
    right = right && seg_input_read(in, "largest", SEG_UINT64, 0, 1, &largest) == SEG_OK;
    right = right && largest == UINT64_MAX;
    right = right && seg_input_names(in, "feature", &n, &names) == SEG_OK && n == 3;
    right = right && strcmp(names[2], "Größe") == 0;
    seg_free(names);
    right = right && seg_input_names(in, "segments/name", &n, &names) == SEG_OK && n == 2;
    right = right && strcmp(names[0], "Frugal Users") == 0 && *names[1] == '\0';
    seg_free(names);
    right = right && seg_input_names(in, "ids/client_id", &n, &names) == SEG_OK && n == 10;
    right = right && strcmp(names[9], "9") == 0;
    seg_free(names);
    right = right && seg_input_column_names(in, "features", &n, &names) == SEG_OK && n == 3;
    right = right && strcmp(names[1], "CREDIT_LIMIT") == 0;
    seg_free(names);
    right = right && seg_input_attr_text(in, "pca", "note", text, sizeof text) == SEG_OK;
    right = right && strcmp(text, "naïve") == 0;
    right = right && seg_input_attr_text(in, "pca", "nothing", text, sizeof text) == SEG_OK;
    right = right && *text == '\0';
    right = right && seg_input_attr_int(in, "pca/components", "whole", &whole) == SEG_OK;
    right = right && seg_input_attr_double(in, "pca/components", "real", &real) == SEG_OK;
    right = right && whole == -7 && real == 0.1;
    right = right &&
            seg_input_attr_text(in, "segments/code", "flag_meanings", text, sizeof text) == SEG_OK;
    right = right && strcmp(text, "no well_yes") == 0;
    right = right && seg_input_attr_int(in, "provenance", "seed", &whole) == SEG_OK && whole == 5;
    right = right && seg_input_attr_int(in, "provenance/run", "ranks", &whole) == SEG_OK;
    right = right && whole == seg_comm_size(comm);
    right = right && strcmp(seg_input_format(in), "model") == 0;
    assert_true(all_agree(right));
    expect(seg_input_array(in, "pca/components", SEG_FLOAT64, 3, 2, basis), SEG_ERR_DATA, "shape");
    expect(seg_input_attr_text(in, "pca", "none", text, sizeof text), SEG_ERR_DATA, "'none'");
    expect(seg_input_attr_int(in, "pca", "note", &whole), SEG_ERR_DATA, "'note'");
    expect(seg_input_expect(in, "clients"), SEG_ERR_DATA, "format 'model', expected 'clients'");
    seg_input_close(in);
}

static void store_lists_members_in_the_order_of_their_creation(void **state)
{
    (void)state;
    static const char *const root[] = { "client", "feature", "cluster", "pca", "largest" };
    char **names = NULL;
    int n = 0;
    bool right = true;

    assert_int_equal(store_write(comm, path, 10, true), SEG_OK);
    seg_input *in = open_all();
    right = right && seg_input_list(in, "", &n, &names) == SEG_OK && n > 5;
    for (int i = 0; i < 5 && right; i++)
        right = strcmp(names[i], root[i]) == 0;
    seg_free(names);
    right = right && seg_input_attr_list(in, "pca", &n, &names) == SEG_OK && n == 2;
    right = right && strcmp(names[0], "nothing") == 0;
    seg_free(names);
    right = right && seg_input_attr_list(in, "provenance", &n, &names) == SEG_OK && n > 8;
    right = right && strcmp(names[0], "version") == 0 && strcmp(names[2], "command") == 0;
    seg_free(names);
    right = right && seg_input_is_group(in, "pca") && !seg_input_is_group(in, "largest");
    right = right && seg_input_has(in, "pca/components") && !seg_input_has(in, "pca/x/y");
    right = right && seg_input_has_attr(in, "", "format") && !seg_input_has_attr(in, "x", "format");
    assert_true(all_agree(right));
    expect(seg_input_list(in, "largest", &n, &names), SEG_ERR_DATA, "'largest'");
    seg_input_close(in);
}

static seg_status write_origin(bool record_host, const char *command_line)
{
    const seg_provenance p = { .command_line = command_line, .record_host = record_host };
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    SEG_TRY_OR_DONE(seg_output_open(comm, path, "model", true, &out));
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, seg_provenance_write(&p, out)));
done:
    seg_output_free(out);
    return status;
}

static void store_says_where_a_file_comes_from(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    static char line[LONG + 1], text[LONG];
    bool right = true;

    line[0] = 'x'; /* then é, so that the cut would go through one */
    for (int i = 1; i < LONG; i++)
        line[i] = "\xA9\xC3"[i % 2];
    (void)setenv("SOURCE_DATE_EPOCH", "86400", 1);
    for (int host = 0; host < 2; host++) {
        assert_int_equal(write_origin(host, line), SEG_OK);
        seg_input *in = open_all();
        right = right && seg_input_attr_text(in, "provenance", "version", text, LONG) == SEG_OK;
        right = right && strcmp(text, seg_version()) == 0 && *seg_version_source() != '\0';
        right = right && seg_input_attr_text(in, "provenance/run", "created", text, LONG) == SEG_OK;
        right = right && strcmp(text, "1970-01-02T00:00:00Z") == 0;
        right = right && seg_input_has_attr(in, "provenance/run", "host") == host;
        right = right &&
                seg_input_attr_text(in, "provenance/run", "command_line", text, LONG) == SEG_OK;
        size_t length = strlen(text); /* cut between two letters */
        right = right && length > 30000 && length % 2 == 0 && strcmp(text + length - 3, "...") == 0;
        right = right && seg_input_check(in, NULL) == SEG_OK;
        seg_input_close(in);
    }
    (void)unsetenv("SOURCE_DATE_EPOCH");
    assert_true(all_agree(right));
}

/* ---- ranks ---- */

static void content_checksum(const char *file, char *text, uint64_t *hash)
{
    seg_input *in = NULL;

    if (seg_input_open(file, &in) == SEG_OK)
        (void)seg_input_attr_text(in, "", "content_checksum", text, 20);
    seg_input_close(in);
    *hash = seg_hash(text, strlen(text), 0);
}

static void store_content_does_not_depend_on_ranks(void **state)
{
    (void)state;
    char alone[120], ours[20] = "", theirs[20] = "";
    uint64_t a, b;

    (void)snprintf(alone, sizeof alone, "%s.%d", path, seg_comm_rank(comm));
    assert_int_equal(store_write(comm, path, 5000, true), SEG_OK);
    assert_int_equal(seg_agree(comm, store_write(seg_comm_self(comm), alone, 5000, true)), SEG_OK);
    content_checksum(path, ours, &a);
    content_checksum(alone, theirs, &b);
    (void)unlink(alone);
    assert_true(all_agree(strlen(ours) == 16 && a == b));
}

static void store_model_hash_depends_on_small_values_only(void **state)
{
    (void)state;
    uint64_t hash[3] = { 0 };
    bool right = true;

    for (int c = 0; c < 3; c++) {
        seg_output *out = NULL;
        const int32_t value = c == 2;
        assert_int_equal(seg_output_open(comm, path, "model", true, &out), SEG_OK);
        right = right && store_write_small(out, 2000, c) == SEG_OK; /* ranks: only in the run */
        right = right && seg_output_array(out, "value", SEG_INT32, "", &value) == SEG_OK;
        if (c == 1) right = right && seg_output_rows(out, "x", SEG_INT32, 0, "client") == SEG_OK;
        right = right && seg_output_content_hash(out, &hash[c]) == SEG_OK;
        seg_output_free(out);
    }
    if (seg_comm_rank(comm) == 0) right = right && hash[0] == hash[1] && hash[0] != hash[2];
    assert_true(all_agree(right));
}

static void store_refuses_rows_that_are_not_written_once(void **state)
{
    (void)state;
    const int32_t *rows = NULL;
    seg_output *out = NULL;

    assert_int_equal(seg_agree(comm, seg_alloc(4096, sizeof *rows, &rows)), SEG_OK);
    for (int twice = 0; twice < 2; twice++) {
        bool first = seg_comm_rank(comm) == 0;
        assert_int_equal(seg_output_open(comm, path, "model", true, &out), SEG_OK);
        seg_status local = seg_output_dim(out, "client", 4000);
        if (local == SEG_OK) local = seg_output_rows(out, "x", SEG_INT32, 0, "client");
        assert_int_equal(seg_output_start_rows(comm, out, local), SEG_OK);
        expect(seg_output_write(out, "x", 5, 1024, rows), SEG_ERR_INTERNAL, "whole blocks");
        expect(seg_output_write(out, "x", 1024, 100, rows), SEG_ERR_INTERNAL, "whole blocks");
        expect(seg_output_write(out, "x", 3072, 1024, rows), SEG_ERR_INTERNAL, "whole blocks");
        expect(seg_output_write(out, "y", 0, 1024, rows), SEG_ERR_INTERNAL, "'y'");
        local = first ? seg_output_write(out, "x", 0, twice ? 4000 : 1024, rows) : SEG_OK;
        if (first && local == SEG_OK) local = seg_output_write(out, "x", 3072, 928, rows);
        expect(seg_output_commit(comm, out, local), SEG_ERR_INTERNAL, "exactly once");
        seg_output_free(out);
    }
    seg_free((void *)rows);
}

/* ---- targets ---- */

static void store_keeps_an_existing_target_without_force(void **state)
{
    (void)state;
    struct stat file;
    char fifo[300];

    (void)snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(store_write(comm, path, 100, true), SEG_OK);
    expect(store_write(comm, path, 200, false), SEG_ERR_CANTCREATE, "--force");
    expect(store_write(comm, "/tmp", 1, true), SEG_ERR_CANTCREATE, "not a regular file");
    expect(store_write(comm, "/tmp/", 1, true), SEG_ERR_CANTCREATE, "not the name");
    expect(store_write(comm, "/tmp/no/such/x.h5", 1, true), SEG_ERR_CANTCREATE, "folder");
    if (seg_comm_rank(comm) == 0) (void)mkfifo(fifo, 0600);
    seg_barrier(comm);
    expect(store_write(comm, fifo, 1, true), SEG_ERR_CANTCREATE, "not a regular file");
    if (seg_comm_rank(comm) == 0) (void)unlink(fifo);
    seg_barrier(comm);
    seg_input *in = open_all();
    seg_shape shape;
    bool right = seg_input_shape(in, "features", &shape) == SEG_OK && shape.dim[0] == 100;
    seg_input_close(in);
    right = right && stat(path, &file) == 0 && (file.st_mode & 0777) == 0600;
    right = right && store_count_files(folder, false) == 1;
    assert_true(all_agree(right));
}

/* Rank 0 makes a file of that name; the others wait. */
static void make_file(const char *name, const char *content)
{
    if (seg_comm_rank(comm) == 0) {
        FILE *file = fopen(name, "w");
        if (file) {
            (void)fputs(content, file);
            (void)fclose(file);
        }
    }
    seg_barrier(comm);
}

static void store_does_not_follow_a_link_at_the_target(void **state)
{
    (void)state;
    char victim[100];
    struct stat file;

    (void)snprintf(victim, sizeof victim, "%s/victim", folder);
    make_file(victim, "precious");
    if (seg_comm_rank(comm) == 0) {
        (void)unlink(path);
        if (symlink(victim, path) != 0) print_error("no link\n");
    }
    expect(store_write(comm, path, 100, false), SEG_ERR_CANTCREATE, "exists");
    assert_int_equal(store_write(comm, path, 100, true), SEG_OK);
    bool right = lstat(path, &file) == 0 && S_ISREG(file.st_mode);
    right = right && stat(victim, &file) == 0 && file.st_size == 8;
    assert_true(all_agree(right));
    seg_barrier(comm);
    if (seg_comm_rank(comm) == 0) (void)unlink(victim);
    seg_barrier(comm);
}

static void store_removes_what_a_killed_run_has_left_and_nothing_else(void **state)
{
    (void)state;
    static const char *const names[] = { ".out.h5.abc123.part", ".out.h5.abc123.part.locktest.0",
                                         ".out.h5.abc123.part-1-2.lock", ".out.h5.abc12.part",
                                         ".x.h5.abc123.part" };
    char name[5][120];

    for (int i = 0; i < 5; i++) {
        (void)snprintf(name[i], sizeof name[i], "%s/%s", folder, names[i]);
        make_file(name[i], "x");
    }
    assert_int_equal(store_write(comm, path, 100, true), SEG_OK);
    bool right = true;
    for (int i = 0; i < 5; i++)
        right = right && (access(name[i], F_OK) == 0) == (i >= 3);
    assert_true(all_agree(right));
    seg_barrier(comm);
    for (int i = 3; i < 5 && seg_comm_rank(comm) == 0; i++)
        (void)unlink(name[i]);
    seg_barrier(comm);
}

static void store_lets_one_of_two_runs_have_the_output(void **state)
{
    (void)state;
    seg_output *first = NULL, *second = NULL;

    if (seg_comm_rank(comm) == 0) (void)unlink(path);
    seg_barrier(comm);
    assert_int_equal(seg_output_open(comm, path, "model", false, &first), SEG_OK);
    expect(seg_output_open(comm, path, "model", true, &second), SEG_ERR_CANTCREATE, "another run");
    assert_null(second);
    make_file(path, "came first"); /* by a run that did not see ours */
    expect(seg_output_commit(comm, first, SEG_OK), SEG_ERR_CANTCREATE, "meanwhile");
    seg_output_free(first);
    seg_barrier(comm);
    struct stat file;
    bool right = stat(path, &file) == 0 && file.st_size == 10;
    right = right && store_count_files(folder, false) == 1;
    assert_true(all_agree(right));
    seg_barrier(comm);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_reads_rows_of_every_type_as_written),
        cmocka_unit_test(store_converts_types_and_refuses_what_does_not_fit),
        cmocka_unit_test(store_reads_small_arrays_texts_and_attributes_as_written),
        cmocka_unit_test(store_lists_members_in_the_order_of_their_creation),
        cmocka_unit_test(store_says_where_a_file_comes_from),
        cmocka_unit_test(store_content_does_not_depend_on_ranks),
        cmocka_unit_test(store_model_hash_depends_on_small_values_only),
        cmocka_unit_test(store_refuses_rows_that_are_not_written_once),
        cmocka_unit_test(store_keeps_an_existing_target_without_force),
        cmocka_unit_test(store_does_not_follow_a_link_at_the_target),
        cmocka_unit_test(store_removes_what_a_killed_run_has_left_and_nothing_else),
        cmocka_unit_test(store_lets_one_of_two_runs_have_the_output),
    };

    seg_store_init();
    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    store_folder(comm, folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/out.h5", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_barrier(comm);
    if (seg_comm_rank(comm) == 0) (void)store_count_files(folder, true);
    seg_comm_close(comm);
    return failed;
}
