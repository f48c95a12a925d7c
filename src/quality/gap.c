/* The gap statistic: how far the logarithm of the cost lies below what clients without clusters
 * give, that is clients drawn evenly from a box around the real ones.
 * Source: Tibshirani, Walther and Hastie, Estimating the number of clusters, 2001. */
#include <math.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/quality.h"
#include "segmpi/random.h"

typedef struct drawing {
    const seg_matrix *sample;
    const seg_gap_box *box;
    int n;        /* axes */
    double *low;  /* [n] of the sample along the axes */
    double *high; /* [n] */
    double *x;    /* [d] a client */
    double *most; /* [d] largest |value| of a reference */
    int *grid;    /* [d] */
} drawing;

static void drawing_release(drawing *w)
{
    seg_free(w->low);
    seg_free(w->grid);
}

static seg_status drawing_init(drawing *w)
{
    int d = w->sample->d;

    w->n = w->box->axes ? w->box->n_axes : d;
    SEG_TRY(seg_fault("gap_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(2 * (w->n + d), sizeof *w->low, &w->low));
    w->high = w->low + w->n;
    w->x = w->high + w->n;
    w->most = w->x + d;
    return seg_alloc(d, sizeof *w->grid, &w->grid);
}

/* Where x [d] lies along axis c. */
static double along(const drawing *w, int c, const double *x)
{
    int d = w->sample->d;
    double sum = 0;

    if (!w->box->axes) return x[c];
    for (int t = 0; t < d; t++)
        sum += (x[t] - w->box->origin[t]) * w->box->axes[(int64_t)c * d + t];
    return sum;
}

static void find_box(drawing *w)
{
    for (int c = 0; c < w->n; c++) {
        w->low[c] = INFINITY;
        w->high[c] = -INFINITY;
    }
    for (int64_t i = 0; i < w->sample->rows.count; i++) {
        if (seg_matrix_weight(w->sample, i) == 0) continue;
        seg_matrix_get(w->sample, i, 1, w->x);
        for (int c = 0; c < w->n; c++) {
            double place = along(w, c, w->x);
            w->low[c] = fmin(w->low[c], place);
            w->high[c] = fmax(w->high[c], place);
        }
    }
}

/* A turned box reaches farther along the columns than the sample does. */
static void find_grid(drawing *w)
{
    const seg_matrix *m = w->sample;

    for (int t = 0; t < m->d; t++) {
        double most = w->box->axes ? fabs(w->box->origin[t]) : m->max_abs[t];
        for (int c = 0; c < w->n && w->box->axes; c++)
            most +=
                fabs(w->box->axes[(int64_t)c * m->d + t]) * fmax(fabs(w->low[c]), fabs(w->high[c]));
        int finest = seg_matrix_grid(m->total_weight, most, INFINITY);
        w->most[t] = most;
        w->grid[t] = finest < m->grid[t] ? finest : m->grid[t];
    }
}

/* x = client i of reference b. */
static void draw(const drawing *w, seg_random key, int64_t i, int b)
{
    int d = w->sample->d;

    for (int t = 0; t < d && w->box->axes; t++)
        w->x[t] = w->box->origin[t];
    for (int c = 0; c < w->n; c++) {
        double u = seg_random_uniform(key, i, (uint64_t)b << 32 | (uint64_t)c);
        double place = w->low[c] + u * (w->high[c] - w->low[c]);
        for (int t = 0; t < d && w->box->axes; t++)
            w->x[t] += place * w->box->axes[(int64_t)c * d + t];
        if (!w->box->axes) w->x[c] = place;
    }
}

seg_status seg_gap_reference(const seg_matrix *sample, const seg_gap_box *box, uint64_t seed, int b,
                             seg_matrix *reference)
{
    seg_status status = SEG_OK;
    const seg_random key = { .seed = seed, .purpose = SEG_RANDOM_GAP };
    drawing w = { .sample = sample, .box = box };

    *reference = (seg_matrix) { 0 };
    SEG_TRY_OR_DONE(drawing_init(&w));
    find_box(&w);
    find_grid(&w);
    SEG_TRY_OR_DONE(seg_matrix_init(reference, sample->rows, sample->d, w.grid, w.most));
    SEG_TRY_OR_DONE(seg_matrix_copy_weights(sample, reference));
    for (int64_t i = 0; i < sample->rows.count; i++) {
        draw(&w, key, i, b);
        seg_matrix_set(reference, i, 1, w.x);
    }
done:
    if (status != SEG_OK) seg_matrix_release(reference);
    drawing_release(&w);
    return status;
}

void seg_gap_of(int n_k, int n_b, const double *cost, const double *reference, double *gap,
                double *error)
{
    for (int i = 0; i < n_k; i++) {
        double mean = 0, squares = 0;
        for (int b = 0; b < n_b; b++)
            mean += log(reference[(int64_t)b * n_k + i]) / n_b;
        for (int b = 0; b < n_b; b++) {
            double off = log(reference[(int64_t)b * n_k + i]) - mean;
            squares += off * off;
        }
        gap[i] = mean - log(cost[i]);
        error[i] = sqrt(squares / n_b) * sqrt(1 + 1.0 / n_b);
    }
}

int seg_gap_first(int n_k, const double *gap, const double *error)
{
    for (int i = 0; i + 1 < n_k; i++)
        if (gap[i] >= gap[i + 1] - error[i + 1]) return i;
    return -1;
}
