/* k-means for one k: the best run, and its labels. */
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

seg_kmeans_opts seg_kmeans_defaults(void)
{
    return (seg_kmeans_opts) { .n_clusters = 8,
                               .init = SEG_INIT_KMEANSPP,
                               .n_init = 10,
                               .max_iter = 300,
                               .tol = 1e-4,
                               .swaps = true };
}

void seg_kmeans_release(seg_kmeans *kmeans)
{
    seg_free(kmeans->cluster_centers);
    seg_free(kmeans->cluster_size);
    seg_free(kmeans->restart_inertia);
    seg_free(kmeans->label);
    seg_free(kmeans->distance);
    seg_free(kmeans->margin);
    *kmeans = (seg_kmeans) { 0 };
}

seg_status kmeans_alloc(seg_kmeans *kmeans, int k, int d, int n_init)
{
    *kmeans = (seg_kmeans) { .n_clusters = k, .d = d, .n_init = n_init };
    SEG_TRY(seg_alloc(k, (size_t)d * sizeof(double), &kmeans->cluster_centers));
    SEG_TRY(seg_alloc(k, sizeof(int64_t), &kmeans->cluster_size));
    return seg_alloc(n_init, sizeof(double), &kmeans->restart_inertia);
}

/* Local. */
static seg_status alloc_rows(seg_kmeans *kmeans, const seg_matrix *m, const seg_kmeans_opts *opts)
{
    int64_t n = m->rows.count;

    SEG_TRY(seg_fault("kmeans_alloc", SEG_ERR_MEMORY));
    SEG_TRY(kmeans_alloc(kmeans, opts->n_clusters, m->d, opts->n_init));
    SEG_TRY(seg_alloc(n, sizeof *kmeans->label, &kmeans->label));
    SEG_TRY(seg_alloc(n, sizeof *kmeans->distance, &kmeans->distance));
    return seg_alloc(n, sizeof *kmeans->margin, &kmeans->margin);
}

static void tell(const seg_kmeans_opts *opts, const seg_kmeans *kmeans)
{
    if (kmeans->n_clusters < opts->n_clusters)
        seg_log_warning("%d clusters instead of %d: there are no more distinct clients",
                        kmeans->n_clusters, opts->n_clusters);
    if (!kmeans->converged && opts->swaps)
        seg_log_warning("k-means stopped after %d iterations before it converged; --max-iter "
                        "allows more",
                        kmeans->n_iter);
}

seg_status seg_kmeans_fit(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                          const seg_kmeans_opts *opts, seg_kmeans *kmeans)
{
    seg_status status = SEG_OK;
    int k = opts->n_clusters;
    kmeans_search s = { .kernels = kernels, .m = m, .opts = opts, .k_most = k, .n_k = 1 };

    *kmeans = (seg_kmeans) { 0 };
    if (k > m->rows.total)
        return SEG_FAIL(SEG_ERR_DATA,
                        "%d clusters are more than there are clients, %lld; -k sets fewer", k,
                        (long long)m->rows.total);
    SEG_TRY_OR_DONE(seg_agree(comm, alloc_rows(kmeans, m, opts)));
    SEG_TRY_OR_DONE(kmeans_search_init(comm, &s));
    kmeans_best best = { .k = k, .restart_inertia = kmeans->restart_inertia };
    SEG_TRY_OR_DONE(kmeans_search_run(comm, &s, 1, &best));
    SEG_TRY_OR_DONE(kmeans_search_finish(comm, &s, &best, kmeans));
    tell(opts, kmeans);
done:
    if (status != SEG_OK) seg_kmeans_release(kmeans);
    kmeans_search_release(&s);
    return status;
}

int64_t seg_kmeans_memory(int64_t total_rows, int64_t rows, int d, const seg_kmeans_opts *opts)
{
    int64_t results = 12 * rows + ((int64_t)d + 1) * opts->n_clusters * 8;

    return results + kmeans_search_memory(total_rows, rows, d, opts, opts->n_clusters, 1);
}
