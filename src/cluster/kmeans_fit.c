/* k-means on one screen: starting centers, all restarts together, center swaps on the best, labels
 * of the centers that are written. */
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

/* Memory of a fit, all of it: run `n_init` is the challenger of the best restart. */
typedef struct fitting {
    kmeans_totals totals;
    kmeans_runs runs;
    double *seeds; /* [n_init][k][d] */
    int *n_seeds;  /* [n_init] */
    int64_t *sums; /* [kmeans_delta_size()] */
    seg_matrix sample;
} fitting;

static void fitting_release(fitting *f)
{
    kmeans_runs_release(&f->runs);
    seg_free(f->seeds);
    seg_free(f->n_seeds);
    seg_free(f->sums);
    seg_matrix_release(&f->sample);
}

/* Local. */
static seg_status fitting_init(fitting *f, const seg_matrix *m, const seg_kmeans_opts *opts,
                               seg_kmeans *kmeans)
{
    int k = opts->n_clusters;

    SEG_TRY(seg_fault("kmeans_alloc", SEG_ERR_MEMORY));
    SEG_TRY(kmeans_alloc(kmeans, k, m->d, opts->n_init));
    SEG_TRY(seg_alloc(m->rows.count, sizeof *kmeans->label, &kmeans->label));
    SEG_TRY(seg_alloc(m->rows.count, sizeof *kmeans->distance, &kmeans->distance));
    SEG_TRY(seg_alloc(m->rows.count, sizeof *kmeans->margin, &kmeans->margin));
    SEG_TRY(seg_alloc(opts->n_init, (size_t)k * (size_t)m->d * sizeof *f->seeds, &f->seeds));
    SEG_TRY(seg_alloc(opts->n_init, sizeof *f->n_seeds, &f->n_seeds));
    return seg_alloc(kmeans_delta_size(k, m->d), sizeof *f->sums, &f->sums);
}

/* Collective.  All restarts; the best one. */
static int run_restarts(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        const seg_kmeans_opts *opts, fitting *f, seg_kmeans *kmeans)
{
    kmeans_stop stop = { .max_iter = opts->max_iter,
                         .shift =
                             opts->tol * kmeans->total_inertia / ((double)m->rows.total * m->d) };
    int best = 0;

    for (int r = 0; r < opts->n_init; r++)
        kmeans_run_start(&f->runs, m, r, f->n_seeds[r],
                         f->seeds + (int64_t)r * opts->n_clusters * m->d);
    kmeans_lloyd(comm, kernels, m, &f->totals, stop, &f->runs);
    for (int r = 0; r < opts->n_init; r++) {
        kmeans->restart_inertia[r] = f->runs.run[r].cost;
        if (f->runs.run[r].cost < f->runs.run[best].cost) best = r;
    }
    return best;
}

/* Collective.  Takes run r to its fixed point. */
static void settle(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                   const seg_kmeans_opts *opts, fitting *f, int r)
{
    kmeans_run *run = &f->runs.run[r];
    kmeans_stop stop = { .max_iter = run->n_iter + opts->max_iter, .shift = -1 };

    run->active = !run->fixed;
    kmeans_lloyd(comm, kernels, m, &f->totals, stop, &f->runs);
}

/* Collective.  Searches on a sample for centers that are better than those of run *best; they win
 * if they are on all clients too. */
static seg_status improve(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                          const seg_kmeans_opts *opts, fitting *f, int *best, seg_kmeans *kmeans)
{
    int challenger = opts->n_init, k = f->runs.run[*best].k;
    double *centers = f->seeds;
    kmeans_search search;

    SEG_TRY(kmeans_sample(comm, m, opts->seed, &f->sample));
    memcpy(centers, f->runs.run[*best].centers, (size_t)k * (size_t)m->d * sizeof *centers);
    SEG_TRY(
        kmeans_swap(comm, kernels, &f->sample, opts->seed, opts->max_iter, &k, centers, &search));
    kmeans->n_swap_rounds = search.n_rounds;
    kmeans->n_swaps = search.n_swaps;
    if (search.n_swaps == 0) return SEG_OK;

    kmeans_run_start(&f->runs, m, challenger, k, centers);
    settle(comm, kernels, m, opts, f, challenger);
    if (f->runs.run[challenger].cost < f->runs.run[*best].cost) *best = challenger;
    return SEG_OK;
}

/* ---- the result ---- */

/* True if cluster a stands before b: larger, or of equals the one with the lower coordinates. */
static bool is_before(const kmeans_run *run, int d, int a, int b)
{
    if (run->count[a] != run->count[b]) return run->count[a] > run->count[b];
    for (int t = 0; t < d; t++) {
        double x = run->centers[(int64_t)a * d + t], y = run->centers[(int64_t)b * d + t];
        if (x < y || x > y) return x < y;
    }
    return a < b;
}

/* The clusters of the run in their final order. */
static void take_centers(const kmeans_run *run, int d, seg_kmeans *kmeans)
{
    kmeans->n_clusters = run->k;
    kmeans->n_iter = run->n_iter;
    kmeans->converged = run->fixed;
    for (int j = 0; j < run->k; j++) {
        int place = 0;
        for (int other = 0; other < run->k; other++)
            place += is_before(run, d, other, j);
        memcpy(kmeans->cluster_centers + (int64_t)place * d, run->centers + (int64_t)j * d,
               (size_t)d * sizeof *run->centers);
    }
}

/* Collective.  Labels and inertia of the centers that are written.  Labels decide the sizes, which
 * decide the order of the centers, which decides exact ties: so until the order stands. */
static seg_status finish(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                         fitting *f, kmeans_run *run, seg_kmeans *kmeans)
{
    enum { MOST_TRIES = 8 };
    int d = m->d;

    for (int tries = 0, sorted = 0; tries < MOST_TRIES && !sorted; tries++) {
        take_centers(run, d, kmeans);
        SEG_TRY(kmeans_label(comm, kernels, m, kmeans, f->sums));
        memcpy(run->centers, kmeans->cluster_centers,
               (size_t)run->k * (size_t)d * sizeof *run->centers);
        memcpy(run->count, f->sums + (int64_t)run->k * d, (size_t)run->k * sizeof *run->count);
        sorted = 1;
        for (int j = 1; j < run->k; j++)
            if (!is_before(run, d, j - 1, j)) sorted = 0;
    }
    memcpy(kmeans->cluster_size, run->count, (size_t)run->k * sizeof *run->count);
    kmeans->inertia =
        kmeans_inertia(m, &f->totals, run->k, run->centers, f->sums, kmeans->cluster_size);
    return SEG_OK;
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
    fitting f = { 0 };
    int best;

    *kmeans = (seg_kmeans) { 0 };
    if (opts->n_clusters > m->rows.total)
        return SEG_FAIL(SEG_ERR_DATA, "%d clusters are more than there are clients, %lld",
                        opts->n_clusters, (long long)m->rows.total);
    SEG_TRY_OR_DONE(seg_agree(comm, fitting_init(&f, m, opts, kmeans)));
    SEG_TRY_OR_DONE(kmeans_totals_fit(comm, m, &f.totals));
    kmeans->total_squares = f.totals.squares[0];
    kmeans->total_inertia = f.totals.inertia;

    SEG_TRY_OR_DONE(kmeans_seed(comm, kernels, m, opts, &f.totals, f.seeds, f.n_seeds));
    SEG_TRY_OR_DONE(
        seg_agree(comm, kmeans_runs_init(&f.runs, m, opts->n_init + 1, opts->n_clusters)));
    seg_progress_begin("k-means", 0, "iterations");
    best = run_restarts(comm, kernels, m, opts, &f, kmeans);
    if (opts->swaps) settle(comm, kernels, m, opts, &f, best);
    if (opts->swaps && f.runs.run[best].k > 1)
        SEG_TRY_OR_DONE(improve(comm, kernels, m, opts, &f, &best, kmeans));
    seg_progress_end(NULL);
    SEG_TRY_OR_DONE(finish(comm, kernels, m, &f, &f.runs.run[best], kmeans));
    tell(opts, kmeans);
done:
    if (status != SEG_OK) seg_kmeans_release(kmeans);
    fitting_release(&f);
    return status;
}
