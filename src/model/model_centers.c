/* Starting centers from a file: a model.h5, or any HDF5 file with the same dataset. */
#include <math.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/model.h"

#define CENTERS "kmeans/cluster_centers_original"

/* *at = the place of `name` among the n names of the file. */
static seg_status find_feature(const char *name, int n, char *const *names, int *at)
{
    for (*at = 0; *at < n; (*at)++)
        if (strcmp(names[*at], name) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "the centers have no feature '%s'", name);
}

/* Reorders the columns of `file` [k][n] into centers [k][d]. */
static seg_status pick_features(const seg_prep *prep, int k, int n, char *const *names,
                                const double *file, double *centers)
{
    for (int t = 0; t < prep->d; t++) {
        int from;
        SEG_TRY(find_feature(prep->names[t], n, names, &from));
        for (int j = 0; j < k; j++) {
            double value = file[(int64_t)j * n + from];
            if (!isfinite(value))
                return SEG_FAIL(SEG_ERR_DATA, "'%s' of center %d is not a number", prep->names[t],
                                j);
            centers[(int64_t)j * prep->d + t] = value;
        }
    }
    return SEG_OK;
}

static seg_status read_centers(seg_input *in, const seg_prep *prep, int k, double *centers)
{
    seg_status status = SEG_OK;
    seg_shape shape;
    char **names = NULL;
    double *file = NULL;
    int n = 0;

    SEG_TRY_OR_DONE(seg_input_shape(in, CENTERS, &shape));
    SEG_TRY_OR_DONE(seg_input_column_names(in, CENTERS, &n, &names));
    if (shape.rank != 2 || shape.dim[1] != n) {
        status = SEG_FAIL(SEG_ERR_DATA, "'" CENTERS "' needs two dimensions and named features");
        goto done;
    }
    if (shape.dim[0] != k) {
        status = SEG_FAIL(SEG_ERR_DATA, "the file holds %lld centers, not %d; say -k %lld",
                          (long long)shape.dim[0], k, (long long)shape.dim[0]);
        goto done;
    }
    SEG_TRY_OR_DONE(seg_alloc((int64_t)k * n, sizeof *file, &file));
    SEG_TRY_OR_DONE(seg_input_array(in, CENTERS, SEG_FLOAT64, k, n, file));
    SEG_TRY_OR_DONE(pick_features(prep, k, n, names, file, centers));
    seg_prep_apply_rows(prep, k, centers);
done:
    seg_free(file);
    seg_free(names);
    return status;
}

seg_status seg_centers_read(const char *path, const seg_prep *prep, int k, double **centers)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;

    *centers = NULL;
    SEG_TRY_OR_DONE(seg_fault("centers_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc((int64_t)k * prep->d, sizeof **centers, centers));
    SEG_TRY_OR_DONE(seg_fault("centers_read", SEG_ERR_IO));
    SEG_TRY_OR_DONE(seg_input_open(path, &in));
    if (strcmp(seg_input_format(in), "model") == 0) SEG_TRY_OR_DONE(seg_input_expect(in, "model"));
    SEG_TRY_OR_DONE(read_centers(in, prep, k, *centers));
done:
    if (status != SEG_OK) {
        seg_error_while("reading starting centers from '%s'", path);
        seg_free(*centers);
        *centers = NULL;
    }
    seg_input_close(in);
    return status;
}
