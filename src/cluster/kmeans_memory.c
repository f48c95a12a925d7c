/* How much memory a fit takes, to the byte but for alignment: see alloc_small(), seeding_init(),
 * kmeans_runs_init(), seg_matrix_sample() and swapping_init(). */
#include "cluster_internal.h"

static int64_t lanes_of(int64_t rows)
{
    return (rows + SEG_LANES - 1) / SEG_LANES * SEG_LANES;
}

int64_t kmeans_runs_memory(int64_t n, int64_t rows, int k, int d)
{
    int64_t cells = (int64_t)k * d;

    return n * (4 * lanes_of(rows) + 24 * cells + 12 * k + 8 * kmeans_delta_size(k, d) +
                4 * seg_kernels_packed_size(k, d) + (int64_t)sizeof(kmeans_run));
}

int64_t kmeans_search_memory(int64_t total_rows, int64_t rows, int d, const seg_kmeans_opts *opts,
                             int k_most, int n_k)
{
    int64_t n_init = opts->n_init, cells = (int64_t)k_most * d;
    int64_t sampled = total_rows < KMEANS_SAMPLE_ROWS ? total_rows : KMEANS_SAMPLE_ROWS;
    int64_t small = 8 * (n_init * cells + n_k * cells + 3 * cells);
    int64_t seeding = opts->init == SEG_INIT_KMEANSPP ? 4 * n_init * lanes_of(rows) : 0;
    int64_t gathering = 3 * sampled * (d + 1) * 4;
    int64_t swapping = sampled * 14 + kmeans_runs_memory(9, sampled, k_most, d);
    int64_t running = kmeans_runs_memory(n_k * (n_init + 1), rows, k_most, d);

    if (opts->swaps) running += sampled * d * 4 + swapping;
    if (opts->swaps && gathering > running) running = gathering;
    return small + (seeding > running ? seeding : running);
}
