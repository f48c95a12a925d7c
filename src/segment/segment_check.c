/* What a merge costs and how sharply it parts: clusters fitted directly in the number of segments,
 * and clients that stand between two segments. */
#include <math.h>

#include "segment_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

#define RESTARTS 10
#define BETWEEN  0.1 /* the nearest center of another segment is less than this farther away */

/* ---- a direct fit ---- */

/* Collective on `self`, one rank alone.  *centers [*k][d] of the sample, owned by the caller. */
static seg_status fit_sample(seg_comm *self, const seg_kernels *kernels,
                             const segment_sample *sample, uint64_t seed, int *k, double **centers)
{
    seg_kmeans_opts opts = seg_kmeans_defaults();
    seg_kmeans kmeans;

    opts.n_clusters = *k;
    opts.n_init = RESTARTS;
    opts.seed = seed;
    SEG_TRY(seg_fault("direct_fit", SEG_ERR_MEMORY));
    SEG_TRY(seg_kmeans_fit(self, kernels, &sample->m, &opts, &kmeans));
    *k = kmeans.n_clusters;
    *centers = kmeans.cluster_centers;
    kmeans.cluster_centers = NULL;
    seg_kmeans_release(&kmeans);
    return SEG_OK;
}

/* Collective.  The cost of clusters that are fitted to the sample and then moved to their place
 * among all clients: an upper bound of the least. */
static seg_status fit_direct(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                             const segment_sample *sample, uint64_t seed, int k, double *cost)
{
    seg_status status = SEG_OK;
    seg_kmeans_opts opts = seg_kmeans_defaults();
    seg_kmeans kmeans = { 0 };
    double *centers = NULL;

    SEG_TRY_OR_DONE(
        seg_agree(comm, fit_sample(seg_comm_self(comm), kernels, sample, seed, &k, &centers)));
    opts.n_clusters = k;
    opts.init = SEG_INIT_CENTERS;
    opts.init_centers = centers;
    opts.n_init = 1;
    opts.swaps = false;
    SEG_TRY_OR_DONE(seg_kmeans_fit(comm, kernels, m, &opts, &kmeans));
    *cost = kmeans.inertia;
done:
    seg_kmeans_release(&kmeans);
    seg_free(centers);
    return status;
}

seg_status segment_direct_cost(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                               const segment_sample *sample, uint64_t seed, seg_segments *segments)
{
    seg_status status = SEG_OK;

    segments->direct_cost = segments->cost;
    seg_log_hush(true);
    if (segments->n_segments < segments->n_clusters)
        status = fit_direct(comm, kernels, m, sample, seed, segments->n_segments,
                            &segments->direct_cost);
    seg_log_hush(false);
    return status;
}

/* ---- clients between segments ---- */

typedef struct distances {
    const seg_kernels *kernels;
    const seg_segments_input *in;
    const seg_segments *segments;
    float *centers; /* [k][d] */
    float *d2;      /* [k][SEG_BLOCK_ROWS] */
} distances;

static seg_status distances_init(distances *s)
{
    const seg_kmeans *kmeans = s->in->found;
    int64_t cells = (int64_t)kmeans->n_clusters * kmeans->d;

    SEG_TRY(seg_fault("between_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(cells, sizeof *s->centers, &s->centers));
    SEG_TRY(seg_alloc(kmeans->n_clusters, SEG_BLOCK_ROWS * sizeof *s->d2, &s->d2));
    for (int64_t cell = 0; cell < cells; cell++)
        s->centers[cell] = (float)kmeans->cluster_centers[cell];
    return SEG_OK;
}

/* True if the client number `lane` of the block, of cluster `own`, is nearly as close to another
 * segment. */
static bool is_between(const distances *s, int own, int64_t lane)
{
    const int *segment = s->segments->cluster_to_segment;
    float other = INFINITY;

    for (int j = 0; j < s->segments->n_clusters; j++)
        if (segment[j] != segment[own] && s->d2[j * SEG_BLOCK_ROWS + lane] < other)
            other = s->d2[j * SEG_BLOCK_ROWS + lane];
    return sqrt((double)s->d2[own * SEG_BLOCK_ROWS + lane]) > (1 - BETWEEN) * sqrt((double)other);
}

/* Local. */
static void count_between(const distances *s, int64_t *count)
{
    const seg_matrix *m = s->in->space;
    const int32_t *label = s->in->found->label;

    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile), first = tile * SEG_LANES;
        for (int j = 0; j < s->segments->n_clusters; j++)
            s->kernels->distance(m->d, &s->centers[j * m->d], n, &m->x[first * m->d],
                                 &s->d2[j * SEG_BLOCK_ROWS]);
        for (int64_t i = 0; i < n * SEG_LANES && first + i < m->rows.count; i++)
            if (is_between(s, label[first + i], i))
                count[s->segments->cluster_to_segment[label[first + i]]] +=
                    seg_matrix_weight(m, first + i);
    }
}

seg_status segment_between(seg_comm *comm, const seg_kernels *kernels, const seg_segments_input *in,
                           seg_segments *segments)
{
    distances s = { .kernels = kernels, .in = in, .segments = segments };
    int64_t count[SEG_SEGMENTS_MAX] = { 0 };

    seg_status status = seg_agree(comm, distances_init(&s));
    if (status == SEG_OK) count_between(&s, count);
    seg_free(s.centers);
    seg_free(s.d2);
    SEG_TRY(status);
    seg_sum_int64(comm, count, segments->n_segments);
    for (int i = 0; i < segments->n_segments; i++)
        segments->segment[i].between = (double)count[i] / (double)segments->segment[i].size;
    return SEG_OK;
}
