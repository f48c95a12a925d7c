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

#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/text.h"
#include "store_internal.h"

#define SIZES  "do not fit together"
#define TREE   "is no tree"
#define COUNTS "do not add up"
#define REPORT "holds no counts of clients"
#define MORE   4096 /* times as many values in a dataset of another shape */

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

static void copy(const char *name, const char *path)
{
    static char bytes[1 << 20];
    char golden[200];

    (void)snprintf(golden, sizeof golden, GOLDEN "/%s", name);
    FILE *in = fopen(golden, "rb"), *out = fopen(path, "wb");

    assert_non_null(in);
    assert_non_null(out);
    const size_t size = fread(bytes, 1, sizeof bytes, in);
    assert_true(size > 0 && fwrite(bytes, 1, size, out) == size);
    assert_int_equal(fclose(in) | fclose(out), 0);
}

static seg_status read_any(seg_input *in)
{
    seg_model model;
    seg_describe d;

    if (strcmp(seg_input_format(in), "describe") == 0) {
        SEG_TRY(seg_describe_read(in, "", &d));
        seg_describe_release(&d);
        return SEG_OK;
    }
    SEG_TRY(strcmp(seg_input_format(in), "elbow") == 0 ? seg_elbow_read(in, &model)
                                                       : seg_model_read(in, &model));
    seg_model_release(&model);
    return SEG_OK;
}

static seg_status read_model(const char *path)
{
    seg_input *in = NULL;

    assert_int_equal(seg_input_open(path, &in), SEG_OK);
    in->sealed = true; /* the content's checksum is believed */
    seg_status status = read_any(in);
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
    copy("model.h5", path);
    assert_int_equal(read_model(path), SEG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy("model.h5", path);
        change(path, cases[i].path, cases[i].at, cases[i].value);
        const seg_status status = read_model(path);
        if (status != SEG_ERR_DATA || !strstr(seg_error_get()->text, cases[i].says))
            fail_msg("%s[%d] = %g: %d %s", cases[i].path, cases[i].at, cases[i].value, (int)status,
                     seg_error_get()->text);
        seg_error_clear();
    }
    assert_int_equal(unlink(path) | rmdir(folder), 0);
}

/* The dataset with a dimension more, which makes it MORE times as large. */
static void widen(const char *path, const char *name)
{
    hid_t file = store_open_serial(path, H5F_ACC_RDWR), set = H5Dopen2(file, name, H5P_DEFAULT);
    hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    hsize_t dim[8] = { 1 };
    int rank = H5Sget_simple_extent_dims(space, dim, NULL);

    assert_true(rank >= 0);
    if (rank == 0) rank = 1;
    dim[rank] = MORE;
    hid_t wider = H5Screate_simple(rank + 1, dim, NULL);
    H5Dclose(set);
    assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    hid_t made = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_alloc_time(made, H5D_ALLOC_TIME_EARLY) >= 0); /* it holds zeros */
    set = H5Dcreate2(file, name, type, wider, H5P_DEFAULT, made, H5P_DEFAULT);
    assert_true(set >= 0);
    H5Pclose(made);
    H5Dclose(set);
    H5Sclose(wider);
    H5Sclose(space);
    H5Tclose(type);
    assert_true(H5Fclose(file) >= 0);
}

/* Widens each dataset of the group, one at a time; those that are read are refused. */
static int widen_all(const char *golden, const char *path, const char *group)
{
    seg_input *in = NULL;
    char **names = NULL, name[200];
    int n = 0, refused = 0;

    (void)snprintf(name, sizeof name, GOLDEN "/%s", golden);
    assert_int_equal(seg_input_open(name, &in), SEG_OK);
    assert_int_equal(seg_input_list(in, group, &n, &names), SEG_OK);
    for (int i = 0; i < n; i++) {
        (void)snprintf(name, sizeof name, "%s%s%s", group, *group ? "/" : "", names[i]);
        if (seg_input_is_group(in, name)) {
            refused += widen_all(golden, path, name);
            continue;
        }
        copy(golden, path);
        widen(path, name);
        const seg_status status = read_model(path);
        if (status != SEG_OK && status != SEG_ERR_DATA) fail_msg("%s: %d", name, (int)status);
        refused += status == SEG_ERR_DATA;
        seg_error_clear();
    }
    seg_free(names);
    seg_input_close(in);
    return refused;
}

/* What a dataset of another shape holds goes nowhere. */
static void arrays_of_another_shape_are_refused(void **state)
{
    static const char *const golden[] = { "model.h5", "code.h5", "elbow.h5", "describe.h5" };
    char folder[64], path[80];

    (void)state;
    assert_true(seg_text_template(folder, sizeof folder, "/tmp/segmpi-shapes-"));
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/model.h5", folder);
    for (int i = 0; i < 4; i++) {
        const int refused = widen_all(golden[i], path, "");
        print_message("%s: %d refused\n", golden[i], refused);
        assert_true(refused >= 20);
    }
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_that_cannot_be_is_refused),
        cmocka_unit_test(arrays_of_another_shape_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
