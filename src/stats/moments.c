/* Counts, extremes, sums and sums of squares of columns, exact and free of order; means and
 * variances from them. */
#include <math.h>

#include "segmpi/memory.h"
#include "segmpi/stats.h"

/* One block: sum [d], square [d], count [d], missing [d], min [d], max [d]. */
seg_status seg_moments_init(seg_moments *m, int d, bool squares)
{
    char *block;
    size_t n = (size_t)d;

    *m = (seg_moments) { 0 };
    SEG_TRY(seg_alloc(d, 2 * sizeof(seg_exact) + 2 * sizeof(int64_t) + 2 * sizeof(double), &block));
    m->d = d;
    m->sum = (seg_exact *)(void *)block;
    m->square = squares ? m->sum + n : NULL;
    m->count = (int64_t *)(void *)(m->sum + 2 * n);
    m->missing = m->count + n;
    m->min = (double *)(m->missing + n);
    m->max = m->min + n;
    for (int t = 0; t < d; t++) {
        m->min[t] = INFINITY;
        m->max[t] = -INFINITY;
    }
    return SEG_OK;
}

void seg_moments_release(seg_moments *m)
{
    seg_free(m->sum);
    *m = (seg_moments) { 0 };
}

static void add_value(seg_moments *m, int t, double value, int32_t weight)
{
    if (isnan(value)) {
        m->missing[t] += weight;
        return;
    }
    m->count[t] += weight;
    if (value < m->min[t]) m->min[t] = value;
    if (value > m->max[t]) m->max[t] = value;
    if (weight == 1) {
        seg_exact_add(&m->sum[t], value);
        if (m->square) seg_exact_add_product(&m->square[t], value, value);
        return;
    }
    seg_exact_add_product(&m->sum[t], value, weight);
    if (!m->square) return;
    double square = value * value, rest = fma(value, value, -square);
    seg_exact_add_product(&m->square[t], square, weight);
    if (isfinite(square)) seg_exact_add_product(&m->square[t], rest, weight);
}

void seg_moments_add(seg_moments *m, int64_t n, const double *x, const int32_t *weight)
{
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < m->d && !(weight && weight[i] == 0); t++)
            add_value(m, t, x[i * m->d + t], weight ? weight[i] : 1);
}

void seg_moments_sum(seg_comm *comm, seg_moments *m)
{
    seg_exact_sum(comm, m->sum, m->square ? 2 * (int64_t)m->d : m->d); /* squares follow */
    seg_sum_int64(comm, m->count, 2 * (int64_t)m->d);                  /* and missing */
    seg_min_double(comm, m->min, m->d);
    seg_max_double(comm, m->max, m->d);
    for (int t = 0; t < m->d; t++) { /* -0 and 0 are equal, and either may have won */
        m->min[t] += 0.0;
        m->max[t] += 0.0;
    }
}

/* A constant column is answered by its value, so that its deviations are exactly 0, and so that
 * 1e308 does not overflow. */
double seg_moments_mean(const seg_moments *m, int t)
{
    if (m->count[t] == 0) return NAN;
    if (m->min[t] == m->max[t]) return m->min[t];

    double n = (double)m->count[t], low;
    double sum = seg_exact_value(&m->sum[t], &low);
    double quotient = sum / n;
    double rest = fma(-quotient, n, sum) + low;
    return quotient + rest / n;
}

#define TERMS 4

/* A sum to 212 bits, as doubles, the largest first. */
static void split(seg_exact sum, double term[TERMS])
{
    for (int i = 0; i < TERMS; i++) {
        term[i] = seg_exact_value(&sum, NULL);
        seg_exact_add(&sum, -term[i]);
    }
}

/* (n * sum of squares - square of sum) / n^2.  Of the two nearly all may cancel: of values that
 * differ in their last bits, twice these 53 bits and those of n. */
double seg_moments_variance(const seg_moments *m, int t)
{
    if (m->count[t] == 0) return NAN;
    if (m->min[t] == m->max[t]) return 0;

    seg_exact difference = { 0 };
    double n = (double)m->count[t], sum[TERMS], square[TERMS];

    split(m->sum[t], sum);
    split(m->square[t], square);
    for (int i = 0; i < TERMS; i++) {
        seg_exact_add_product(&difference, square[i], n);
        for (int j = 0; j < TERMS; j++)
            seg_exact_add_product(&difference, sum[i], -sum[j]);
    }
    double value = seg_exact_value(&difference, NULL) / n / n;
    return value < 0 ? 0 : value;
}
