/* Numbers of foreign files in types that segmpi has no place for: read as the next that can hold
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hdf5.h>

#include "store_fixture.h"

enum { N = 3000, CHUNK = 1000 };

static char folder[64], path[80];

/* "x" of a file of its own: [n] values in memory of type `memory`. */
static void make(hid_t type, hid_t memory, hsize_t n, hsize_t chunk, const void *values)
{
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t list = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &n, NULL);

    if (chunk > 0) (void)H5Pset_chunk(list, 1, &chunk);
    hid_t set = H5Dcreate2(file, "x", type, space, H5P_DEFAULT, list, H5P_DEFAULT);
    (void)H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    (void)H5Dclose(set);
    (void)H5Pclose(list);
    (void)H5Sclose(space);
    (void)H5Fclose(file);
}

static seg_status read_as(seg_type expected, hsize_t n, double *x)
{
    seg_input *in = NULL;
    seg_shape s = { 0 };
    seg_status status = seg_input_open(path, &in);

    if (status == SEG_OK) status = seg_input_shape(in, "x", &s);
    if (status == SEG_OK) status = seg_input_read(in, "x", SEG_FLOAT64, 0, (int64_t)n, x);
    seg_input_close(in);
    return status == SEG_OK && s.type != expected ? SEG_ERR_INTERNAL : status;
}

/* The look at the file before it is read needs room for what they become. */
static void unsigned_numbers_become_wider_signed_ones(void **state)
{
    (void)state;
    const hid_t types[] = { H5T_STD_U16LE, H5T_STD_U16BE, H5T_STD_U32LE, H5T_STD_U32BE };
    static uint32_t values[N];
    static double x[N];

    for (int k = 0; k < 8; k++) {
        const uint32_t most = k % 4 < 2 ? UINT16_MAX : UINT32_MAX;
        for (int i = 0; i < N; i++)
            values[i] = most - (uint32_t)i;
        make(types[k % 4], H5T_NATIVE_UINT32, N, k < 4 ? 0 : CHUNK, values);
        assert_int_equal(seg_input_probe(path), SEG_OK);
        assert_int_equal(read_as(k % 4 < 2 ? SEG_INT32 : SEG_INT64, N, x), SEG_OK);
        for (int i = 0; i < N; i++)
            assert_true(x[i] == (double)values[i]);
    }
}

/* An enumeration of 0 and `yes`. */
static hid_t enumeration(int8_t yes)
{
    const int8_t no = 0;
    hid_t type = H5Tenum_create(H5T_STD_I8LE);

    (void)H5Tenum_insert(type, "FALSE", &no);
    (void)H5Tenum_insert(type, "TRUE", &yes);
    return type;
}

static void truth_values_become_numbers_and_codes_do_not(void **state)
{
    (void)state;
    const int8_t truth[4] = { 0, 1, 1, 0 }, code[4] = { 0, 2, 2, 0 };
    hid_t type = enumeration(1);
    double x[4];

    for (hsize_t chunk = 0; chunk <= 2; chunk += 2) {
        make(type, type, 4, chunk, truth);
        assert_int_equal(seg_input_probe(path), SEG_OK);
        assert_int_equal(read_as(SEG_INT8, 4, x), SEG_OK);
        assert_true(x[0] == 0 && x[1] == 1 && x[2] == 1 && x[3] == 0);
    }
    (void)H5Tclose(type);
    type = enumeration(2);
    make(type, type, 4, 0, code);
    (void)H5Tclose(type);
    assert_int_equal(read_as(SEG_INT8, 4, x), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "of a type that segmpi does not read"));
    seg_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_numbers_become_wider_signed_ones),
        cmocka_unit_test(truth_values_become_numbers_and_codes_do_not),
    };

    (void)seg_store_library(); /* the library as segmpi sets it up */
    (void)seg_text_template(folder, sizeof folder, "/tmp/segmpi_store_");
    if (!mkdtemp(folder)) return 1;
    (void)snprintf(path, sizeof path, "%s/types.h5", folder);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)store_count_files(folder, true);
    return failed;
}
