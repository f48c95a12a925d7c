/* Group reference/ of a model or of scores, with dimensions of its own, so that a reader needs
 * nothing else. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/reference.h"
#include "stats_internal.h"

#define GROUP "reference"
#define BINS  SEG_REFERENCE_BINS

typedef struct array {
    const char *path, *dims, *long_name;
    seg_type type;
    int width; /* 0: one dimension */
    void *data;
} array;

#define N_ARRAYS 5

static void arrays_of(const seg_reference *r, array arrays[N_ARRAYS])
{
    const array all[N_ARRAYS] = {
        { GROUP "/bin_edges", "feature,bin_edge",
          "deciles of the training base; a bin holds its upper edge", SEG_FLOAT64, BINS + 1,
          r->bin_edges },
        { GROUP "/bin_counts", "feature,bin", "clients in a bin", SEG_INT64, BINS, r->bin_count },
        { GROUP "/missing_count", "feature", "clients who miss the feature", SEG_INT64, 0,
          r->missing },
        { GROUP "/min", "feature", "least value", SEG_FLOAT64, 0, r->min },
        { GROUP "/max", "feature", "largest value", SEG_FLOAT64, 0, r->max },
    };

    memcpy(arrays, all, sizeof all);
}

static seg_status write_segments(const seg_reference *r, seg_output *out)
{
    seg_status status = SEG_OK;
    int n = r->n_segments;
    int32_t *number = NULL;
    double *share = NULL;

    if (n == 0) return SEG_OK;
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *number, &number));
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *share, &share));
    for (int j = 0; j < n; j++) {
        number[j] = j;
        share[j] = r->n > 0 ? (double)r->segment_count[j] / (double)r->n : 0;
    }
    SEG_TRY_OR_DONE(seg_output_coordinates(out, GROUP "/segment", SEG_INT32, n, number));
    SEG_TRY_OR_DONE(
        seg_output_array(out, GROUP "/segment_count", SEG_INT64, "segment", r->segment_count));
    SEG_TRY_OR_DONE(seg_output_array(out, GROUP "/segment_share", SEG_FLOAT64, "segment", share));
done:
    seg_free(number);
    seg_free(share);
    return status;
}

seg_status seg_reference_write(const seg_reference *r, seg_output *out)
{
    array arrays[N_ARRAYS];

    if (r->d == 0) return SEG_OK;
    SEG_TRY(seg_fault("reference_write", SEG_ERR_IO));
    SEG_TRY(seg_output_names(out, GROUP "/feature", r->d, (const char *const *)r->names));
    SEG_TRY(seg_output_dim(out, GROUP "/bin", BINS));
    SEG_TRY(seg_output_dim(out, GROUP "/bin_edge", BINS + 1));
    arrays_of(r, arrays);
    for (int i = 0; i < N_ARRAYS; i++) {
        const array *a = &arrays[i];
        SEG_TRY(seg_output_array(out, a->path, a->type, a->dims, a->data));
        SEG_TRY(seg_output_attr_text(out, a->path, "long_name", a->long_name));
    }
    SEG_TRY(seg_output_attr_int(out, GROUP, "n_clients", r->n));
    return write_segments(r, out);
}

/* Segments in the file; 0 if there are none. */
static seg_status read_n_segments(seg_input *in, int *n)
{
    seg_shape shape;

    *n = 0;
    if (!seg_input_has(in, GROUP "/segment_count")) return SEG_OK;
    SEG_TRY(seg_input_shape(in, GROUP "/segment_count", &shape));
    if (shape.rank != 1 || shape.dim[0] > INT8_MAX)
        return SEG_FAIL(SEG_ERR_DATA, "'" GROUP "/segment_count' in '%s' has the wrong shape",
                        seg_input_path(in));
    *n = (int)shape.dim[0];
    return SEG_OK;
}

/* No count is negative, and those of a column add up to the clients. */
static seg_status check_counts(seg_input *in, const seg_reference *r)
{
    bool sound = r->n >= 0 && r->n <= INT64_MAX / (BINS + 2);

    for (int64_t i = 0; i < (int64_t)r->d * (BINS + 1) + r->n_segments; i++)
        sound = sound && r->bin_count[i] >= 0 && r->bin_count[i] <= r->n;
    for (int t = 0; t < r->d && sound; t++) {
        int64_t all = r->missing[t];
        for (int b = 0; b < BINS && all <= r->n; b++)
            all += r->bin_count[(int64_t)t * BINS + b];
        sound = all == r->n;
    }
    return sound ? SEG_OK
                 : SEG_FAIL(SEG_ERR_DATA, "the counts in '" GROUP "' of '%s' do not add up",
                            seg_input_path(in));
}

static seg_status read_all(seg_input *in, int d, const char *const *names, seg_reference *r)
{
    array arrays[N_ARRAYS];
    int n_segments;

    SEG_TRY(read_n_segments(in, &n_segments));
    SEG_TRY(stats_reference_init(r, d, names, n_segments));
    SEG_TRY(seg_input_attr_int(in, GROUP, "n_clients", &r->n));
    arrays_of(r, arrays);
    for (int i = 0; i < N_ARRAYS; i++)
        SEG_TRY(seg_input_array(in, arrays[i].path, arrays[i].type, d, arrays[i].width,
                                arrays[i].data));
    if (n_segments > 0)
        SEG_TRY(seg_input_array(in, GROUP "/segment_count", SEG_INT64, n_segments, 0,
                                r->segment_count));
    return check_counts(in, r);
}

seg_status seg_reference_read(seg_input *in, seg_reference *r)
{
    char **names = NULL;
    int d;

    *r = (seg_reference) { 0 };
    if (!seg_input_has(in, GROUP)) return SEG_OK;
    SEG_TRY(seg_input_names(in, GROUP "/feature", &d, &names));
    seg_status status = read_all(in, d, (const char *const *)names, r);
    if (status != SEG_OK) seg_reference_release(r);
    seg_free(names);
    return status;
}
