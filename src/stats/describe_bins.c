/* Histograms and outliers: what can be counted once extremes, quantiles and moments are known.
 *
 * The edges.  The body of a column is as wide as its interquartile range; where that is 0, as the
 * first of the ranges from 5 to 95 %, from 1 to 99 % and from least to most that is not.  If the
 * body covers at least four of the bins, bins have equal widths.  Otherwise the tail is long, and
 * they have equal widths in asinh((x - median) / body), which is nearly linear in the body and
 * logarithmic in both tails.  A constant column has its value amid bins of a total width of 1. */
#include <math.h>

#include "describe_internal.h"

#define BINS      SEG_HISTOGRAM_BINS /* a power of two */
#define BODY_BINS 4
#define FENCE     1.5
#define Z_MOST    3

enum { Q01, Q05, Q25, Q50, Q75, Q95, Q99 };

static double body_of(const double *quantile, double range)
{
    double widths[] = { quantile[Q75] - quantile[Q25], quantile[Q95] - quantile[Q05],
                        quantile[Q99] - quantile[Q01], range };
    int i = 0;

    while (i < 3 && !(widths[i] > 0))
        i++;
    return widths[i];
}

static void set_linear(double least, double most, double *edges)
{
    for (int j = 0; j <= BINS; j++)
        edges[j] = least * ((double)(BINS - j) / BINS) + most * ((double)j / BINS);
}

static void set_asinh(double least, double most, double median, double body, double *edges)
{
    double low = asinh((least - median) / body), high = asinh((most - median) / body);

    for (int j = 1; j < BINS; j++)
        edges[j] = median + body * sinh(low + (high - low) * j / BINS);
    edges[0] = least;
    edges[BINS] = most;
}

static void set_column(seg_describe *out, int t)
{
    const double *quantile = &out->quantile[(int64_t)t * SEG_QUANTILES];
    double *edges = &out->bin_edges[(int64_t)t * (BINS + 1)];
    double least = out->min[t], most = out->max[t], range = most - least;
    double body = body_of(quantile, range);
    double reach = range / body; /* in bodies; not a number in a constant column */

    out->bin_scale[t] = SEG_BINS_LINEAR;
    if (out->count[t] == 0) return;
    if (least == most) {
        least -= 0.5;
        most += 0.5;
    }
    if (reach * BODY_BINS > BINS && isfinite(reach)) {
        out->bin_scale[t] = SEG_BINS_ASINH;
        set_asinh(least, most, quantile[Q50], body, edges);
    } else {
        set_linear(least, most, edges);
    }
    for (int j = 1; j <= BINS; j++) /* rounding may have crossed those that are close together */
        edges[j] = fmin(fmax(edges[j], edges[j - 1]), most);
}

void describe_bins_set(seg_comm *comm, seg_describe *out)
{
    for (int t = 0; t < out->d; t++)
        set_column(out, t);
    /* Libraries on other CPUs may round asinh() in another way. */
    seg_bcast(comm, out->bin_edges, out->d * (BINS + 1) * (int64_t)sizeof *out->bin_edges);
}

/* The last bin whose lower edge is not above the value. */
static int bin_of(const double *edges, double value)
{
    int bin = 0;

    for (int step = BINS / 2; step > 0; step /= 2)
        if (value >= edges[bin + step]) bin += step;
    return bin;
}

void describe_bins_add(seg_describe *out, int64_t n, const double *x, const int32_t *weight)
{
    for (int t = 0; t < out->d; t++) {
        const double *quantile = &out->quantile[(int64_t)t * SEG_QUANTILES];
        const double *edges = &out->bin_edges[(int64_t)t * (BINS + 1)];
        int64_t *count = &out->bin_count[(int64_t)t * BINS];
        double fence = FENCE * (quantile[Q75] - quantile[Q25]);
        double low = quantile[Q25] - fence, high = quantile[Q75] + fence;
        double mean = out->mean[t], reach = Z_MOST * out->std[t];

        for (int64_t i = 0; i < n; i++) {
            double value = x[i * out->d + t];
            int64_t times = weight ? weight[i] : 1;
            if (isnan(value)) continue;
            count[bin_of(edges, value)] += times;
            out->iqr_outliers[t] += value < low || value > high ? times : 0;
            out->z_outliers[t] += fabs(value - mean) > reach ? times : 0;
        }
    }
}

void describe_bins_sum(seg_comm *comm, seg_describe *out)
{
    seg_sum_int64(comm, out->bin_count, (int64_t)out->d * BINS);
    seg_sum_int64(comm, out->iqr_outliers, out->d);
    seg_sum_int64(comm, out->z_outliers, out->d);
}
