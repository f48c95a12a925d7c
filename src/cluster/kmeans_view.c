/* Clusters as they look in columns other than those that they were found in. */
#include <math.h>

#include "cluster_internal.h"
#include "segmpi/memory.h"

/* Collective.  Sums [k][d] and counts [k] of the clusters. */
static void sum_clusters(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m, int k,
                         const int32_t *label, int64_t *sum)
{
    int64_t cells = (int64_t)k * m->d;
    uint16_t narrow[SEG_BLOCK_ROWS];

    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile), first = tile * SEG_LANES;
        for (int64_t i = 0; i < n * SEG_LANES && first + i < m->rows.count; i++)
            narrow[i] = (uint16_t)label[first + i];
        kmeans_add(kernels, m, tile, n, narrow, sum, sum + cells);
    }
    seg_sum_int64(comm, sum, cells + k);
}

seg_status seg_kmeans_view(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                           const seg_kmeans *kmeans, seg_kmeans *seen)
{
    seg_status status = SEG_OK;
    int k = kmeans->n_clusters;
    int64_t cells = (int64_t)k * m->d, *sum = NULL;
    kmeans_totals totals;

    *seen = *kmeans;
    seen->d = m->d;
    seen->cluster_centers = NULL;
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(cells + k, sizeof *sum, &sum)));
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(cells, sizeof(double), &seen->cluster_centers)));
    SEG_TRY_OR_DONE(kmeans_totals_fit(comm, m, &totals));
    sum_clusters(comm, kernels, m, k, kmeans->label, sum);
    for (int64_t c = 0; c < cells; c++)
        if (sum[cells + c / m->d] > 0)
            seen->cluster_centers[c] =
                ldexp((double)sum[c], -m->grid[c % m->d]) / (double)sum[cells + c / m->d];
    seen->total_squares = totals.squares[0];
    seen->total_inertia = totals.inertia;
    seen->inertia = kmeans_inertia(m, &totals, k, seen->cluster_centers, sum, sum + cells);
done:
    seg_free(sum);
    return status;
}
