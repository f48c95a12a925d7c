/* What no model says, written into one by another tool that makes the checksums fit: each check at
 * the reading of a model refuses it with its sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/model.h"
#include "segmpi/text.h"
#include "store_internal.h"

#define SIZES  "do not fit together"
#define TREE   "is no tree"
#define COUNTS "do not add up"
#define REPORT "holds no counts of clients"

/* A dataset, or "object@attribute"; which value of it becomes which other; what is said. */
static const struct {
    const char *path;
    int at;
    double value;
    const char *says;
} cases[] = {
    { "pca/components", 0, NAN, "are no unit vectors" },
    { "pca/components", 5, -1.1, "are no unit vectors" },
    { "preprocessing@n_clients", 0, 0, SIZES },
    { "preprocessing@n_clients", 0, 0x1p48, SIZES },
    { "kmeans/cluster_size", 1, -1, SIZES },
    { "kmeans/cluster_size", 1, 61, SIZES },
    { "segments/size", 1, -1, SIZES },
    { "segments/size", 1, 61, SIZES },
    { "segments/cluster_to_segment", 0, -1, "is in no segment" },
    { "segments/cluster_to_segment", 0, 3, "is in no segment" },
    { "segments/merge_tree", 0, -1, TREE },
    { "segments/merge_tree", 1, 3, TREE },
    { "segments/merge_tree", 4, 0, TREE }, /* joined before */
    { "segments/merge_tree", 3, -1, TREE },
    { "segments/merge_tree", 3, 1e15, TREE },
    { "segments/tree/segment", 0, -1, TREE },
    { "segments/tree/segment", 0, 3, TREE },
    { "segments/tree/feature", 0, 4, TREE },
    { "segments/tree/left", 1, 1, TREE },
    { "segments/tree/left", 1, 7, TREE },
    { "segments/tree/right", 1, 0, TREE },
    { "segments/tree/right", 1, 7, TREE },
    { "reference@n_clients", 0, -1, COUNTS },
    { "reference@n_clients", 0, 0x1p63, COUNTS },
    { "reference/bin_counts", 3, -1, COUNTS },
    { "reference/segment_count", 0, 61, COUNTS },
    { "reference/missing_count", 0, 1, COUNTS },
    { "report/pca_density@x_low", 0, 1e300, REPORT },
    { "report/pca_density@y_high", 0, -1e300, REPORT },
    { "report/pca_density@y_high", 0, INFINITY, REPORT },
    { "report/pca_density", 100, -1, REPORT },
    { "report/histogram", 100, 0x1p48, REPORT },
    { "report/pca_sample_segment", 59, -1, REPORT },
    { "report/pca_sample_segment", 59, 3, REPORT },
};

static double values[1 << 16];

static void change_attribute(hid_t file, const char *object, const char *name, double value)
{
    hid_t owner = H5Oopen(file, object, H5P_DEFAULT);
    hid_t attribute = H5Aopen(owner, name, H5P_DEFAULT);

    assert_true(attribute >= 0);
    assert_true(H5Awrite(attribute, H5T_NATIVE_DOUBLE, &value) >= 0);
    H5Aclose(attribute);
    H5Oclose(owner);
}

static void change_dataset(hid_t file, const char *name, int at, double value)
{
    hid_t set = H5Dopen2(file, name, H5P_DEFAULT);

    assert_true(set >= 0);
    assert_true(H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    assert_true(value != values[at]);
    values[at] = value;
    assert_true(H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(set);
}

static void change(const char *path, const char *place, int at, double value)
{
    hid_t file = store_open_serial(path, H5F_ACC_RDWR);
    char object[80];
    const char *name = strchr(place, '@');

    assert_true(file >= 0);
    if (name) {
        (void)snprintf(object, sizeof object, "%.*s", (int)(name - place), place);
        change_attribute(file, object, name + 1, value);
    } else {
        change_dataset(file, place, at, value);
    }
    assert_true(H5Fclose(file) >= 0);
}

static void copy_model(const char *path)
{
    static char bytes[1 << 20];
    FILE *in = fopen(GOLDEN "/model.h5", "rb"), *out = fopen(path, "wb");

    assert_non_null(in);
    assert_non_null(out);
    const size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_true(size > 0 && fwrite(bytes, 1, size, out) == size);
    assert_int_equal(fclose(in) | fclose(out), 0);
}

static seg_status read_model(const char *path)
{
    seg_input *in = NULL;
    seg_model model;

    assert_int_equal(seg_input_open(path, &in), SEG_OK);
    in->sealed = true; /* the content's checksum is believed */
    seg_status status = seg_model_read(in, &model);
    if (status == SEG_OK) seg_model_release(&model);
    seg_input_close(in);
    return status;
}

static void a_model_that_cannot_be_is_refused(void **state)
{
    char folder[64], path[80];

    (void)state;
    assert_true(seg_text_template(folder, sizeof folder, "/tmp/segmpi-values-"));
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/model.h5", folder);
    seg_store_init();
    copy_model(path);
    assert_int_equal(read_model(path), SEG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy_model(path);
        change(path, cases[i].path, cases[i].at, cases[i].value);
        const seg_status status = read_model(path);
        if (status != SEG_ERR_DATA || !strstr(seg_error_get()->text, cases[i].says))
            fail_msg("%s[%d] = %g: %d %s", cases[i].path, cases[i].at, cases[i].value, (int)status,
                     seg_error_get()->text);
        seg_error_clear();
    }
    assert_int_equal(unlink(path) | rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_model_that_cannot_be_is_refused) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
