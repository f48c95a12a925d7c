/* What a report draws, counted in one pass over the prepared clients.
 *
 * The grid over the principal components spans the middle 99.5 % of a sample and a margin: a few
 * far clients would leave the rest in one corner.  They are counted as outside. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/picture.h"
#include "segmpi/random.h"

#define BINS   SEG_PICTURE_BINS
#define CELLS  ((int64_t)SEG_PICTURE_X * SEG_PICTURE_Y)
#define TRIM   0.0025 /* of the sample, on each side */
#define MARGIN 0.06   /* of the range */
#define FIRST  0      /* of the quantiles of a description: 1 % and 99 % */
#define LAST   (SEG_QUANTILES - 1)

/* A drawn client. */
typedef struct drawn {
    double at[2];
    int64_t segment;
} drawn;

static int segment_of(const seg_picture_input *in, int64_t row)
{
    return in->n_segments > 0 ? in->cluster_to_segment[in->label[row]] : 0;
}

/* Everything but the sample, which is not known before clients are drawn. */
static seg_status picture_alloc(seg_picture *p, int n_segments, int d, int n_sample)
{
    int64_t counts = n_segments * (CELLS + 1 + (int64_t)d * BINS);
    int64_t edges = (int64_t)d * (BINS + 1);

    *p = (seg_picture) { .n_segments = n_segments, .d = d, .n_sample = n_sample };
    SEG_TRY(seg_fault("picture_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(counts + edges + 3 * (int64_t)n_sample, sizeof(int64_t), &p->density));
    p->outside = p->density + n_segments * CELLS;
    p->histogram = p->outside + n_segments;
    p->bin_edges = (double *)(p->density + counts);
    p->sample = p->bin_edges + edges;
    p->sample_segment = (int32_t *)(p->sample + 2 * (int64_t)n_sample);
    return SEG_OK;
}

void seg_picture_release(seg_picture *picture)
{
    seg_free(picture->density);
    *picture = (seg_picture) { 0 };
}

/* ---- the sample ---- */

/* The first two components of the client at local row `row`; z [d] is scratch. */
static void locate(const seg_picture_input *in, int64_t row, double *z, double at[2])
{
    at[0] = at[1] = 0;
    seg_matrix_get(in->space, row, 1, z);
    seg_pca_apply(in->pca, 1, z, in->pca->n_components < 2 ? in->pca->n_components : 2, at);
}

/* Local.  This rank's part of the sample: [*count], owned by the caller.  Who counts 0 times is
 * not drawn. */
static seg_status draw_own(const seg_picture_input *in, drawn **own, int64_t *count)
{
    seg_status status = SEG_OK;
    const seg_rows rows = in->space->rows;
    const seg_random key = { .seed = in->seed, .purpose = SEG_RANDOM_SAMPLE };
    int64_t size = rows.total < SEG_PICTURE_SAMPLE ? rows.total : SEG_PICTURE_SAMPLE;
    double *z = NULL;

    *count = 0;
    SEG_TRY_OR_DONE(seg_fault("picture_sample_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(in->space->d, sizeof *z, &z));
    SEG_TRY_OR_DONE(seg_alloc(size < rows.count ? size : rows.count, sizeof **own, own));
    for (int64_t s = 0; s < size; s++) {
        int64_t row = seg_random_of_range(key, s, size, rows.total, 0) - rows.first;
        if (row < 0 || row >= rows.count || seg_matrix_weight(in->space, row) == 0) continue;
        drawn *client = &(*own)[(*count)++];
        locate(in, row, z, client->at);
        client->segment = segment_of(in, row);
    }
done:
    seg_free(z);
    return status;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The range of one axis; sorted [n] is scratch. */
static void set_range(const seg_picture *p, int axis, double *sorted, double range[2])
{
    int n = p->n_sample, cut = (int)(TRIM * n);

    for (int i = 0; i < n; i++)
        sorted[i] = p->sample[2 * i + axis];
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    double low = n > 0 ? sorted[cut] : 0, high = n > 0 ? sorted[n - 1 - cut] : 0;
    double margin = high > low ? MARGIN * (high - low) : 0.5;
    range[0] = low - margin;
    range[1] = high + margin;
}

/* Local.  The drawn clients of all ranks, in order, into `p`, and the ranges of the grid. */
static seg_status take_sample(const drawn *all, seg_picture *p)
{
    double *sorted = NULL;

    SEG_TRY(seg_alloc(p->n_sample, sizeof *sorted, &sorted));
    for (int i = 0; i < p->n_sample; i++) {
        memcpy(&p->sample[2 * i], all[i].at, sizeof all[i].at);
        p->sample_segment[i] = (int32_t)all[i].segment;
    }
    set_range(p, 0, sorted, p->x);
    set_range(p, 1, sorted, p->y);
    seg_free(sorted);
    return SEG_OK;
}

/* ---- counts ---- */

/* Where the bins of each column begin and end in prepared units: ends [2][d], filled. */
static void set_ends(const seg_picture_input *in, double *ends)
{
    const seg_describe *statistics = in->statistics;
    int d = in->prep->d;

    for (int wide = 0; wide < 2; wide++) { /* percentiles, or extremes where those are one */
        double *row = &ends[2 * (int64_t)wide * d];
        for (int t = 0; t < d; t++) {
            const double *quantile = &statistics->quantile[(int64_t)t * SEG_QUANTILES];
            row[t] = wide ? statistics->min[t] : quantile[FIRST];
            row[d + t] = wide ? statistics->max[t] : quantile[LAST];
        }
        seg_prep_apply_rows(in->prep, 2, row);
    }
    for (int t = 0; t < d; t++)
        for (int wide = 1; wide < 3 && !(ends[t] < ends[d + t]); wide++) {
            ends[t] = wide == 1 ? ends[2 * d + t] : ends[t] - 0.5;
            ends[d + t] = wide == 1 ? ends[3 * d + t] : ends[d + t] + 0.5;
        }
}

static void set_edges(const seg_prep *prep, const double *ends, double *edges)
{
    for (int t = 0; t < prep->d; t++)
        for (int i = 0; i <= BINS; i++) {
            double low = ends[t], high = ends[prep->d + t];
            edges[t * (BINS + 1) + i] = seg_prep_original(prep, t, low + (high - low) * i / BINS);
        }
}

/* Prepared values are rounded to the grid: one that stands on an edge is not to fall below it. */
static void yield_to_rounding(const seg_matrix *features, double *ends)
{
    for (int t = 0; t < features->d; t++) {
        ends[t] -= ldexp(1, -features->grid[t]);
        ends[features->d + t] -= ldexp(1, -features->grid[t]);
    }
}

/* The part of n equal ones of a range that holds the value, from 0; -1 or n beyond it. */
static int part_of(double value, double low, double high, int n)
{
    double at = floor((value - low) / (high - low) * n);

    return at < 0 ? -1 : at < n ? (int)at : value > high ? n : n - 1;
}

static void count_cell(seg_picture *p, const double at[2], int segment, int64_t weight)
{
    int x = part_of(at[0], p->x[0], p->x[1], SEG_PICTURE_X);
    int y = part_of(at[1], p->y[0], p->y[1], SEG_PICTURE_Y);

    if (x < 0 || x == SEG_PICTURE_X || y < 0 || y == SEG_PICTURE_Y)
        p->outside[segment] += weight;
    else
        p->density[segment * CELLS + (int64_t)y * SEG_PICTURE_X + x] += weight;
}

static void count_bins(seg_picture *p, const double *z, const double *ends, int segment,
                       int64_t weight)
{
    int64_t *histogram = &p->histogram[(int64_t)segment * p->d * BINS];

    for (int t = 0; t < p->d; t++) {
        int bin = part_of(z[t], ends[t], ends[p->d + t], BINS);
        histogram[t * BINS + (bin < 0 ? 0 : bin < BINS ? bin : BINS - 1)] += weight;
    }
}

/* Local.  This rank's clients; z [the wider of both matrices] is scratch. */
static void count_own(const seg_picture_input *in, const double *ends, double *z, seg_picture *p)
{
    double at[2];

    for (int64_t row = 0; row < in->features->rows.count; row++) {
        int segment = segment_of(in, row);
        int64_t weight = seg_matrix_weight(in->features, row);
        locate(in, row, z, at);
        count_cell(p, at, segment, weight);
        if (in->space != in->features) seg_matrix_get(in->features, row, 1, z);
        count_bins(p, z, ends, segment, weight);
    }
}

/* Local.  ends [4][d] and z, owned by the caller. */
static seg_status counts_alloc(const seg_picture_input *in, double **ends, double **z)
{
    int d = in->prep->d, width = in->space->d > d ? in->space->d : d;

    SEG_TRY(seg_fault("picture_counts_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(4 * (int64_t)d, sizeof **ends, ends));
    return seg_alloc(width, sizeof **z, z);
}

seg_status seg_picture_fit(seg_comm *comm, const seg_picture_input *in, seg_picture *picture)
{
    seg_status status = SEG_OK;
    drawn *own = NULL, *all = NULL;
    double *ends = NULL, *z = NULL;
    int n_segments = in->n_segments > 0 ? in->n_segments : 1, d = in->prep->d;
    int64_t count = 0, bytes;

    *picture = (seg_picture) { 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, draw_own(in, &own, &count)));
    SEG_TRY_OR_DONE(seg_gather_bytes(comm, own, count * (int64_t)sizeof *own, &all, &bytes));
    int n_sample = (int)(bytes / (int64_t)sizeof *all);
    SEG_TRY_OR_DONE(seg_agree(comm, picture_alloc(picture, n_segments, d, n_sample)));
    SEG_TRY_OR_DONE(seg_agree(comm, take_sample(all, picture)));
    SEG_TRY_OR_DONE(seg_agree(comm, counts_alloc(in, &ends, &z)));
    set_ends(in, ends);
    /* Libraries on other CPUs may round log1p() in another way. */
    seg_bcast(comm, ends, 2 * d * (int64_t)sizeof *ends);
    set_edges(in->prep, ends, picture->bin_edges);
    yield_to_rounding(in->features, ends);
    count_own(in, ends, z, picture);
    seg_sum_int64(comm, picture->density, n_segments * (CELLS + 1 + (int64_t)d * BINS));
done:
    if (status != SEG_OK) seg_picture_release(picture);
    seg_free(own);
    seg_free(all);
    seg_free(ends);
    seg_free(z);
    return status;
}

/* ---- file ---- */

int64_t seg_picture_bytes(int64_t n, int d, int n_segments)
{
    int64_t counts = (n_segments > 0 ? n_segments : 1) * (CELLS + (int64_t)d * BINS);

    return 8 * (counts + (int64_t)d * (BINS + 1)) +
           20 * (n < SEG_PICTURE_SAMPLE ? n : SEG_PICTURE_SAMPLE);
}

static seg_status write_plane(const seg_picture *p, const char *segment, seg_output *out)
{
    char dims[80];

    SEG_TRY(seg_output_dim(out, "report/plane_x", SEG_PICTURE_X));
    SEG_TRY(seg_output_dim(out, "report/plane_y", SEG_PICTURE_Y));
    (void)snprintf(dims, sizeof dims, "%s,plane_y,plane_x", segment);
    SEG_TRY(seg_output_array(out, "report/pca_density", SEG_INT64, dims, p->density));
    SEG_TRY(seg_output_attr_text(out, "report/pca_density", "long_name",
                                 "clients in cells of the first two principal components"));
    SEG_TRY(seg_output_attr_double(out, "report/pca_density", "x_low", p->x[0]));
    SEG_TRY(seg_output_attr_double(out, "report/pca_density", "x_high", p->x[1]));
    SEG_TRY(seg_output_attr_double(out, "report/pca_density", "y_low", p->y[0]));
    SEG_TRY(seg_output_attr_double(out, "report/pca_density", "y_high", p->y[1]));
    SEG_TRY(seg_output_array(out, "report/pca_outside", SEG_INT64, segment, p->outside));
    if (p->n_sample == 0) return SEG_OK;
    SEG_TRY(seg_output_dim(out, "report/sampled", p->n_sample));
    SEG_TRY(seg_output_dim(out, "report/plane", 2));
    SEG_TRY(seg_output_array(out, "report/pca_sample", SEG_FLOAT64, "sampled,plane", p->sample));
    return seg_output_array(out, "report/pca_sample_segment", SEG_INT32, "sampled",
                            p->sample_segment);
}

seg_status seg_picture_write(const seg_picture *picture, bool has_segments, seg_output *out)
{
    const char *segment = has_segments ? "segment" : "all";
    char dims[80];

    if (!has_segments) SEG_TRY(seg_output_dim(out, "report/all", 1));
    SEG_TRY(write_plane(picture, segment, out));
    SEG_TRY(seg_output_dim(out, "report/bin", BINS));
    SEG_TRY(seg_output_dim(out, "report/bin_edge", BINS + 1));
    SEG_TRY(seg_output_array(out, "report/bin_edges", SEG_FLOAT64, "feature,bin_edge",
                             picture->bin_edges));
    (void)snprintf(dims, sizeof dims, "%s,feature,bin", segment);
    SEG_TRY(seg_output_array(out, "report/histogram", SEG_INT64, dims, picture->histogram));
    return seg_output_attr_text(out, "report/histogram", "long_name",
                                "clients by prepared value, the outermost bins with all beyond");
}

static seg_status read_arrays(seg_input *in, seg_picture *p)
{
    SEG_TRY(seg_input_attr_double(in, "report/pca_density", "x_low", &p->x[0]));
    SEG_TRY(seg_input_attr_double(in, "report/pca_density", "x_high", &p->x[1]));
    SEG_TRY(seg_input_attr_double(in, "report/pca_density", "y_low", &p->y[0]));
    SEG_TRY(seg_input_attr_double(in, "report/pca_density", "y_high", &p->y[1]));
    SEG_TRY(seg_input_read(in, "report/pca_density", SEG_INT64, 0, p->n_segments, p->density));
    SEG_TRY(seg_input_array(in, "report/pca_outside", SEG_INT64, p->n_segments, 0, p->outside));
    SEG_TRY(seg_input_array(in, "report/bin_edges", SEG_FLOAT64, p->d, BINS + 1, p->bin_edges));
    SEG_TRY(seg_input_read(in, "report/histogram", SEG_INT64, 0, p->n_segments, p->histogram));
    if (p->n_sample == 0) return SEG_OK;
    SEG_TRY(seg_input_array(in, "report/pca_sample", SEG_FLOAT64, p->n_sample, 2, p->sample));
    return seg_input_array(in, "report/pca_sample_segment", SEG_INT32, p->n_sample, 0,
                           p->sample_segment);
}

static bool shapes_fit(const seg_shape *density, const seg_shape *histogram, int64_t n_sample)
{
    return density->rank == 3 && density->dim[0] >= 1 && density->dim[0] <= INT8_MAX &&
           density->dim[1] == SEG_PICTURE_Y && density->dim[2] == SEG_PICTURE_X &&
           histogram->rank == 3 && histogram->dim[0] == density->dim[0] && histogram->dim[1] >= 1 &&
           histogram->dim[1] < INT32_MAX / BINS && histogram->dim[2] == BINS &&
           n_sample <= SEG_PICTURE_SAMPLE;
}

/* Counts of clients, ranges that have a length, and segments that there are. */
static bool is_sound(const seg_picture *p)
{
    const int64_t n = p->n_segments * (CELLS + 1 + (int64_t)p->d * BINS);
    bool sound = p->x[1] - p->x[0] > 0 && p->y[1] - p->y[0] > 0 &&
                 isfinite(p->x[1] - p->x[0] + p->y[1] - p->y[0]);

    for (int64_t i = 0; i < n; i++) /* density, outside and histogram are one block */
        sound = sound && p->density[i] >= 0 && p->density[i] < (int64_t)1 << 48;
    for (int i = 0; i < p->n_sample; i++)
        sound = sound && p->sample_segment[i] >= 0 && p->sample_segment[i] < p->n_segments;
    return sound;
}

seg_status seg_picture_read(seg_input *in, seg_picture *picture)
{
    seg_shape density, histogram, sample = { .dim = { 0 } };

    *picture = (seg_picture) { 0 };
    if (!seg_input_has(in, "report/pca_density")) return SEG_OK;
    SEG_TRY(seg_input_shape(in, "report/pca_density", &density));
    SEG_TRY(seg_input_shape(in, "report/histogram", &histogram));
    if (seg_input_has(in, "report/pca_sample"))
        SEG_TRY(seg_input_shape(in, "report/pca_sample", &sample));
    if (!shapes_fit(&density, &histogram, sample.dim[0]))
        return SEG_FAIL(SEG_ERR_DATA, "the group 'report' of '%s' is not of this version",
                        seg_input_path(in));
    seg_status status =
        picture_alloc(picture, (int)density.dim[0], (int)histogram.dim[1], (int)sample.dim[0]);
    if (status == SEG_OK) status = read_arrays(in, picture);
    if (status == SEG_OK && !is_sound(picture))
        status = SEG_FAIL(SEG_ERR_DATA, "the group 'report' of '%s' holds no counts of clients",
                          seg_input_path(in));
    if (status != SEG_OK) seg_picture_release(picture);
    return status;
}
