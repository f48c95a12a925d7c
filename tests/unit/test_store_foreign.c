/* Files that segmpi did not write, made with HDF5 itself: what is read, and what is refused with a
 * sentence before anything is allocated or another file is opened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hdf5.h>
#include <hdf5_hl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store_fixture.h"

enum { N = 3000, D = 3 };

static char folder[64], path[80];
static const hsize_t shape[2] = { N, D };
static const char *const names[D] = { "BALANCE", "é", "TENURE" };

static double cell(int64_t i, int t)
{
    return (double)(i % 100) - 50 * t;
}

/* ---- making files ---- */

static hid_t create(void)
{
    return H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

/* A dataset [N][D] (or [N] at rank 1) of cell() in any type, chunked where chunk > 0. */
static hid_t table(hid_t file, const char *name, int rank, hid_t type, hsize_t chunk)
{
    static double x[N * D];
    const hsize_t chunks[2] = { chunk, 2 };
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(rank, shape, NULL);
    const int d = rank == 2 ? D : 1;

    for (int64_t i = 0; i < N; i++)
        for (int t = 0; t < d; t++)
            x[i * d + t] = cell(i, t);
    if (chunk > 0) {
        (void)H5Pset_chunk(list, rank, chunks);
        (void)H5Pset_shuffle(list);
        (void)H5Pset_deflate(list, 1);
    }
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    (void)H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x);
    (void)H5Sclose(space);
    (void)H5Pclose(list);
    return set;
}

static hid_t text_type(size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    (void)H5Tset_size(type, size);
    (void)H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static void text_attribute(hid_t object, const char *name, const char *value)
{
    hid_t type = text_type(strlen(value)), space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);

    (void)H5Awrite(attribute, type, value);
    (void)H5Aclose(attribute);
    (void)H5Sclose(space);
    (void)H5Tclose(type);
}

/* ---- reading ---- */

static void expect(seg_status got, seg_status status, const char *part)
{
    bool right = got == status && strstr(seg_error_get()->text, part);

    if (!right) print_error("%d: %s\n", got, seg_error_get()->text);
    seg_error_clear();
    assert_true(right);
}

static seg_input *open_file(void)
{
    seg_input *in = NULL;

    assert_int_equal(seg_input_open(path, &in), SEG_OK);
    return in;
}

/* Opening, or the first look at dataset "x", fails with that sentence; so does the check. */
static void expect_refused(const char *part)
{
    seg_input *in = open_file();
    seg_shape s;
    double x[4];

    expect(seg_input_shape(in, "x", &s), SEG_ERR_DATA, part);
    expect(seg_input_read(in, "x", SEG_FLOAT64, 0, 1, x), SEG_ERR_DATA, part);
    expect(seg_input_check(in, NULL), SEG_ERR_DATA, part);
    seg_input_close(in);
}

static void store_reads_numbers_of_all_orders_and_layouts(void **state)
{
    (void)state;
    const hid_t types[] = { H5T_IEEE_F64BE, H5T_IEEE_F32LE, H5T_STD_I16BE,
                            H5T_STD_I64BE,  H5T_STD_I32LE,  H5T_STD_I8LE };
    const seg_type as[] = { SEG_FLOAT64, SEG_FLOAT32, SEG_INT16, SEG_INT64, SEG_INT32, SEG_INT8 };
    const hsize_t chunks[] = { 0, 1000, N };
    static double x[N * D];

    for (int k = 0; k < 18; k++) {
        hid_t file = create();
        seg_shape s;
        (void)H5Dclose(table(file, "x", 2, types[k % 6], chunks[k / 6]));
        (void)H5Fclose(file);
        seg_input *in = open_file();
        assert_int_equal(seg_input_shape(in, "x", &s), SEG_OK);
        assert_true(s.type == as[k % 6] && s.rank == 2 && s.dim[0] == N && s.dim[1] == D);
        for (int64_t at = 0; at < N; at += 700) /* slices along nothing */
            assert_int_equal(
                seg_input_read(in, "x", SEG_FLOAT64, at, N - at < 700 ? N - at : 700, x + at * D),
                SEG_OK);
        bool right = true;
        for (int64_t i = 0; i < N; i++)
            for (int t = 0; t < D; t++)
                right = right && x[i * D + t] == cell(i, t);
        assert_true(right);
        assert_int_equal(seg_input_check(in, NULL), SEG_OK);
        seg_input_close(in);
    }
}

static void store_widens_unsigned_types(void **state)
{
    (void)state;
    const uint32_t large[1] = { UINT32_MAX };
    const hsize_t one = 1;
    hid_t file = create(), space = H5Screate_simple(1, &one, NULL);
    hid_t set = H5Dcreate2(file, "x", H5T_STD_U32BE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    int64_t value = 0;
    seg_shape s;

    (void)H5Dwrite(set, H5T_NATIVE_UINT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, large);
    (void)H5Dclose(set);
    (void)H5Sclose(space);
    (void)H5Fclose(file);
    seg_input *in = open_file();
    assert_int_equal(seg_input_shape(in, "x", &s), SEG_OK);
    assert_int_equal(s.type, SEG_INT64);
    assert_int_equal(seg_input_read(in, "x", SEG_INT64, 0, 1, &value), SEG_OK);
    assert_true(value == UINT32_MAX);
    seg_input_close(in);
}

static void store_finds_column_names_in_scales_and_attributes(void **state)
{
    (void)state;
    const hsize_t d = D;
    hid_t file = create(), text = text_type(H5T_VARIABLE);
    hid_t space = H5Screate_simple(1, &d, NULL), set = table(file, "x", 2, H5T_NATIVE_DOUBLE, 0);
    hid_t attribute = H5Acreate2(set, "columns", text, space, H5P_DEFAULT, H5P_DEFAULT);
    char **found = NULL;
    int n = 0;

    (void)H5Awrite(attribute, text, names);
    (void)H5Aclose(attribute);
    text_attribute(set, "a", "not the names");
    (void)H5Dclose(set);
    set = table(file, "y", 2, H5T_NATIVE_DOUBLE, 0);
    hid_t scale = H5Dcreate2(file, "c", text, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    (void)H5Dwrite(scale, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, names);
    (void)H5DSset_scale(scale, "c");
    (void)H5DSattach_scale(set, scale, 1);
    (void)H5Dclose(scale);
    (void)H5Dclose(set);
    (void)H5Dclose(table(file, "z", 2, H5T_NATIVE_DOUBLE, 0));
    (void)H5Sclose(space);
    (void)H5Tclose(text);
    (void)H5Fclose(file);

    seg_input *in = open_file();
    for (const char *name = "x"; *name; name = *name == 'x' ? "y" : "") {
        assert_int_equal(seg_input_column_names(in, name, &n, &found), SEG_OK);
        assert_int_equal(n, D);
        assert_string_equal(found[1], "é");
        seg_free(found);
    }
    assert_int_equal(seg_input_column_names(in, "z", &n, &found), SEG_OK);
    assert_int_equal(n, 0);
    seg_input_close(in);
}

/* ---- what is refused ---- */

static void store_follows_no_link_out_of_its_place(void **state)
{
    (void)state;
    char **found = NULL;
    int n = 0;
    hid_t file = create();

    (void)H5Dclose(table(file, "real", 1, H5T_NATIVE_DOUBLE, 0));
    (void)H5Lcreate_soft("/real", file, "x", H5P_DEFAULT, H5P_DEFAULT);
    (void)H5Lcreate_external("other.h5", "/x", file, "out", H5P_DEFAULT, H5P_DEFAULT);
    (void)H5Fclose(file);
    seg_input *in = open_file();
    seg_shape s;
    expect(seg_input_shape(in, "x", &s), SEG_ERR_DATA, "does not follow");
    expect(seg_input_shape(in, "out", &s), SEG_ERR_DATA, "does not follow");
    expect(seg_input_shape(in, "out/x", &s), SEG_ERR_DATA, "no 'out/x'");
    expect(seg_input_check(in, NULL), SEG_ERR_DATA, "does not follow");
    assert_false(seg_input_has(in, "x"));
    assert_int_equal(seg_input_list(in, "", &n, &found), SEG_OK);
    assert_int_equal(n, 1);
    seg_free(found);
    seg_input_close(in);
}

static void store_refuses_values_in_other_files(void **state)
{
    (void)state;
    hid_t file = create(), list = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(2, shape, NULL);

    (void)H5Pset_external(list, "/etc/hostname", 0, H5F_UNLIMITED);
    (void)H5Dclose(H5Dcreate2(file, "x", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    (void)H5Pclose(list);
    (void)H5Fclose(file);
    expect_refused("in another file");

    file = create();
    list = H5Pcreate(H5P_DATASET_CREATE);
    (void)H5Pset_virtual(list, space, "other.h5", "/x", space);
    (void)H5Dclose(H5Dcreate2(file, "x", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, list, H5P_DEFAULT));
    (void)H5Pclose(list);
    (void)H5Sclose(space);
    (void)H5Fclose(file);
    expect_refused("virtual");
}

/* A chunked dataset of that shape without a single value. */
static void make_bomb(hid_t type, hsize_t rows, hsize_t chunk, hsize_t columns)
{
    const hsize_t dim[2] = { rows, columns }, chunks[2] = { chunk, columns };
    hid_t file = create(), list = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(2, dim, NULL);

    if (chunk > 0) (void)H5Pset_chunk(list, 2, chunks);
    (void)H5Dclose(H5Dcreate2(file, "x", type, space, H5P_DEFAULT, list, H5P_DEFAULT));
    (void)H5Sclose(space);
    (void)H5Pclose(list);
    (void)H5Fclose(file);
}

static void store_refuses_sizes_that_are_not_there(void **state)
{
    (void)state;
    hid_t wide = text_type(65536);

    make_bomb(wide, (hsize_t)1 << 48, 1024, 1); /* 2^64 bytes */
    expect_refused("impossible size");
    (void)H5Tclose(wide);
    make_bomb(H5T_NATIVE_DOUBLE, (hsize_t)1 << 40, 1024, 16);
    expect_refused("far more values");
    make_bomb(H5T_NATIVE_DOUBLE, (hsize_t)1 << 60, 1024, 4);
    expect_refused("impossible size");
    make_bomb(H5T_NATIVE_DOUBLE, 1000000, 300000, 1000);
    expect_refused("1 GiB");
    make_bomb(H5T_NATIVE_DOUBLE, 1000, 0, 4);
    expect_refused("holds no values");
}

static void store_refuses_filters_and_types_that_it_does_not_know(void **state)
{
    (void)state;
    const hsize_t chunk[2] = { 100, D }, dim[5] = { 2, 2, 2, 2, 2 };
    hid_t file = create(), list = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(2, shape, NULL), five = H5Screate_simple(5, dim, NULL);
    hid_t pair = H5Tcreate(H5T_COMPOUND, 16);

    (void)H5Pset_chunk(list, 2, chunk);
    (void)H5Pset_scaleoffset(list, H5Z_SO_INT, 0);
    (void)H5Dclose(H5Dcreate2(file, "x", H5T_NATIVE_INT, space, H5P_DEFAULT, list, H5P_DEFAULT));
    (void)H5Pclose(list);
    (void)H5Fclose(file);
    expect_refused("filter");

    file = create();
    (void)H5Tinsert(pair, "a", 0, H5T_NATIVE_DOUBLE);
    (void)H5Dclose(H5Dcreate2(file, "x", pair, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    (void)H5Fclose(file);
    expect_refused("records of several fields");

    file = create();
    (void)H5Dclose(
        H5Dcreate2(file, "x", H5T_NATIVE_INT, five, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    (void)H5Fclose(file);
    expect_refused("4 dimensions");
    (void)H5Tclose(pair);
    (void)H5Sclose(space);
    (void)H5Sclose(five);
}

static void store_leaves_a_circle_of_groups(void **state)
{
    (void)state;
    hid_t file = create();
    hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    (void)H5Lcreate_hard(file, "/", group, "a", H5P_DEFAULT, H5P_DEFAULT);
    (void)H5Lcreate_hard(file, "/", group, "b", H5P_DEFAULT, H5P_DEFAULT);
    (void)H5Gclose(group);
    (void)H5Fclose(file);
    seg_input *in = open_file();
    expect(seg_input_check(in, NULL), SEG_ERR_DATA, "circle");
    seg_input_close(in);
}

static void store_reads_its_own_major_version_only(void **state)
{
    (void)state;
    static const char *const versions[] = { "1.7", "2.0", "1", "x.y", "-1.0" };
    static const char *const sentences[] = { "content_checksum", "use a newer one", "no valid",
                                             "no valid", "no valid" };

    for (int k = 0; k < 5; k++) {
        hid_t file = create();
        text_attribute(file, "format", "model");
        text_attribute(file, "format_version", versions[k]);
        (void)H5Fclose(file);
        seg_input *in = open_file();
        expect(seg_input_expect(in, "model"), SEG_ERR_DATA, sentences[k]);
        seg_input_close(in);
    }
    (void)H5Fclose(create());
    seg_input *in = open_file();
    expect(seg_input_expect(in, "model"), SEG_ERR_DATA, "not a file of segmpi");
    seg_input_close(in);
}

static void store_says_what_is_not_hdf5(void **state)
{
    (void)state;
    seg_input *in = NULL;
    FILE *file = fopen(path, "w");

    (void)fputs("id,a\n1,2\n", file);
    (void)fclose(file);
    expect(seg_input_open(path, &in), SEG_ERR_DATA, "not an HDF5 file");
    assert_int_equal(truncate(path, 0), 0);
    expect(seg_input_open(path, &in), SEG_ERR_DATA, "not an HDF5 file");
    expect(seg_input_open(folder, &in), SEG_ERR_DATA, "not a regular file");
    (void)unlink(path);
    (void)mkfifo(path, 0600);
    expect(seg_input_open(path, &in), SEG_ERR_DATA, "not a regular file");
    (void)unlink(path);
    expect(seg_input_open(path, &in), SEG_ERR_NOINPUT, "cannot open");
    assert_null(in);
}

/* ---- what another tool has changed ---- */

/* segmpi's own file, written by a child with MPI. */
static bool make_own(void)
{
    int status = 1;
    pid_t child = fork();
    seg_comm *comm;

    if (child == 0) {
        if (seg_comm_open(NULL, NULL, &comm) != SEG_OK) _exit(1);
        seg_status made = store_write(comm, path, 40, true);
        seg_comm_close(comm);
        _exit((int)made);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* An object is added, so that the file is written anew from its root on. */
static void touch(hid_t file)
{
    (void)H5Gclose(H5Gcreate2(file, "x", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    (void)H5Ldelete(file, "x", H5P_DEFAULT);
}

static void change_run(hid_t file)
{
    hid_t run = H5Gopen2(file, "provenance/run", H5P_DEFAULT);

    text_attribute(run, "more", "x");
    (void)H5Gclose(run);
}

static void change_value(hid_t file)
{
    const double other[2][D] = { { 0.1, -2.5, 1e300 }, { 4, 1e-323, -0.0 } };
    hid_t set = H5Dopen2(file, "pca/components", H5P_DEFAULT);

    (void)H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, other);
    (void)H5Dclose(set);
}

static void change_rows(hid_t file)
{
    const int8_t other[40] = { 0 };
    hid_t set = H5Dopen2(file, "labels/segment", H5P_DEFAULT);

    (void)H5Dwrite(set, H5T_NATIVE_INT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, other);
    (void)H5Dclose(set);
}

static void drop_sums(hid_t file)
{
    (void)H5Ldelete(file, "checksums/features", H5P_DEFAULT);
}

static void swap_scale(hid_t file)
{
    hid_t set = H5Dopen2(file, "pca/components", H5P_DEFAULT);
    hid_t scale = H5Dopen2(file, "pca/component", H5P_DEFAULT);

    (void)H5DSdetach_scale(set, scale, 0);
    (void)H5Dclose(scale);
    (void)H5Dclose(set);
}

static void add_link(hid_t file)
{
    (void)H5Lcreate_soft("/pca", file, "link", H5P_DEFAULT, H5P_DEFAULT);
}

static void store_check_finds_what_another_tool_has_changed(void **state)
{
    (void)state;
    const struct {
        void (*change)(hid_t file);
        const char *part; /* of the sentence; NULL: nothing to find */
        bool expected;    /* and seg_input_expect() has found it */
    } changes[] = {
        { touch, NULL, false },
        { change_run, "'checksum'", true },
        { change_value, "'content_checksum'", true },
        { change_rows, "rows 0 to 39 of 'labels/segment'", false },
        { drop_sums, "'content_checksum'", true },
        { swap_scale, "'content_checksum'", true },
        { add_link, "soft or external links", false },
    };

    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
        (void)unlink(path);
        assert_true(make_own());
        hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
        changes[k].change(file);
        (void)H5Fclose(file);
        seg_input *in = open_file();
        seg_status expected = seg_input_expect(in, "model");
        assert_int_equal(expected, changes[k].expected ? SEG_ERR_DATA : SEG_OK);
        seg_error_clear();
        if (changes[k].part)
            expect(seg_input_check(in, NULL), SEG_ERR_DATA, changes[k].part);
        else
            assert_int_equal(seg_input_check(in, NULL), SEG_OK);
        seg_input_close(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_reads_numbers_of_all_orders_and_layouts),
        cmocka_unit_test(store_widens_unsigned_types),
        cmocka_unit_test(store_finds_column_names_in_scales_and_attributes),
        cmocka_unit_test(store_follows_no_link_out_of_its_place),
        cmocka_unit_test(store_refuses_values_in_other_files),
        cmocka_unit_test(store_refuses_sizes_that_are_not_there),
        cmocka_unit_test(store_refuses_filters_and_types_that_it_does_not_know),
        cmocka_unit_test(store_leaves_a_circle_of_groups),
        cmocka_unit_test(store_reads_its_own_major_version_only),
        cmocka_unit_test(store_check_finds_what_another_tool_has_changed),
        cmocka_unit_test(store_says_what_is_not_hdf5),
    };

    (void)seg_store_library(); /* the library as segmpi sets it up */
    (void)seg_text_template(folder, sizeof folder, "/tmp/segmpi_store_");
    if (!mkdtemp(folder)) return 1;
    (void)snprintf(path, sizeof path, "%s/foreign.h5", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)store_count_files(folder, true);
    return failed;
}
