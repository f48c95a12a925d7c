/* What the step from clusters to segments allocates, before it is run. */
#include "segment_internal.h"

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t medians_memory(int64_t groups, int64_t d)
{
    return seg_order_statistics_memory(groups * d, 2) + 2 * (int64_t)SEG_SLICE_ROWS * d * 8;
}

int64_t seg_segments_memory(int64_t total_rows, int64_t rows, int d, int k, int n_segments)
{
    seg_kmeans_opts direct = seg_kmeans_defaults(), redraw = seg_kmeans_defaults();
    int64_t n = total_rows < SAMPLE_MOST ? total_rows : SAMPLE_MOST;
    int64_t sums = ((int64_t)k + 1) * d * (2 * (int64_t)sizeof(seg_exact) + 40);
    int64_t sample = n * ((d + 1) * 8 + 4 * (int64_t)d);
    int64_t drawn = n * (4 * (int64_t)d + 28);

    if (k > SEG_REFINE_MAX) return 0;
    direct.n_clusters = n_segments;
    direct.n_init = 1;
    redraw.n_clusters = k;
    int64_t step = larger(seg_kmeans_memory(total_rows, rows, d, &direct),
                          drawn + seg_kmeans_memory(n, n, d, &redraw));
    return sums + larger(medians_memory((int64_t)k + n_segments, d), sample + step);
}
