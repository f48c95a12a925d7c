/* Inertia without distances: from exact sums, so that it is right to the last bits and costs
 * nothing per client.  inertia = sum |x|^2 - 2 sum(c S) + sum(n |c|^2), the first term computed
 * once. */
#include <math.h>

#include "cluster_internal.h"
#include "segmpi/exact.h"
#include "segmpi/memory.h"

#define NARROW 0x1p31 /* cells below it, in units of the grid, have squares that fit 62 bits */

/* Adds value * 2^exponent. */
static void add_unsigned(seg_exact *sum, uint64_t value, int exponent)
{
    seg_exact_add_int64(sum, (int64_t)(value >> 32), exponent + 32);
    seg_exact_add_int64(sum, (int64_t)(value & UINT32_MAX), exponent);
}

/* Local.  Column t of the n tiles from `first` on: adds to its sum in units of its grid, and its
 * squares to `squares`.  Padding is 0. */
static void add_column(const seg_matrix *m, int t, int64_t first, int64_t n, int64_t *sum,
                       seg_exact *squares)
{
    float units = ldexpf(1, m->grid[t]);
    bool narrow = !m->weight && m->max_abs[t] * units < NARROW - 1;
    uint64_t low = 0, high = 0;

    for (int64_t tile = first; tile < first + n; tile++) {
        const float *x = &m->x[(tile * m->d + t) * SEG_LANES];
        for (int lane = 0; lane < SEG_LANES; lane++) {
            int64_t cell = (int64_t)(x[lane] * units);
            int32_t weight = m->weight ? m->weight[tile * SEG_LANES + lane] : 1;
            *sum += weight * cell;
            if (narrow) {
                uint64_t square = (uint64_t)(cell * cell);
                low += square & UINT32_MAX;
                high += square >> 32;
            } else {
                /* the square of a float is a double */
                seg_exact_add_product(squares, (double)x[lane] * (double)x[lane], weight);
            }
        }
    }
    add_unsigned(squares, low, -2 * m->grid[t]);
    add_unsigned(squares, high, 32 - 2 * m->grid[t]);
}

seg_status kmeans_totals_fit(seg_comm *comm, const seg_matrix *m, kmeans_totals *totals)
{
    seg_exact squares = { 0 };
    int64_t *sum, n = m->total_weight;

    SEG_TRY(seg_agree(comm, seg_alloc(2 * (int64_t)m->d, sizeof *sum, &sum)));
    double *mean = (double *)(void *)(sum + m->d);
    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t some = seg_matrix_block(m, tile);
        for (int t = 0; t < m->d; t++)
            add_column(m, t, tile, some, &sum[t], &squares);
    }
    seg_sum_int64(comm, sum, m->d);
    seg_exact_sum(comm, &squares, 1);

    for (int t = 0; t < m->d; t++)
        mean[t] = ldexp((double)sum[t], -m->grid[t]) / (double)n;
    totals->squares[0] = seg_exact_value(&squares, &totals->squares[1]);
    totals->inertia = kmeans_inertia(m, totals, 1, mean, sum, &n);
    seg_free(sum);
    return SEG_OK;
}

double kmeans_inertia(const seg_matrix *m, const kmeans_totals *totals, int k,
                      const double *centers, const int64_t *sum, const int64_t *count)
{
    seg_exact inertia = { 0 };

    seg_exact_add(&inertia, totals->squares[0]);
    seg_exact_add(&inertia, totals->squares[1]);
    for (int j = 0; j < k; j++)
        for (int t = 0; t < m->d; t++) {
            double c = centers[(int64_t)j * m->d + t], n = (double)count[j];
            int64_t s = sum[(int64_t)j * m->d + t], low = s % ((int64_t)1 << 32);
            double square = c * c;
            seg_exact_add_product(&inertia, -2 * c, ldexp((double)(s - low), -m->grid[t]));
            seg_exact_add_product(&inertia, -2 * c, ldexp((double)low, -m->grid[t]));
            seg_exact_add_product(&inertia, n, square);
            seg_exact_add_product(&inertia, n, fma(c, c, -square));
        }
    double value = seg_exact_value(&inertia, NULL);
    return value > 0 ? value : 0;
}
