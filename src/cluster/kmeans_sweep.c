/* k-means for every k of a range: one search over all of them, or over groups. */
#include <math.h>
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/stats.h"
#include "segmpi/sweep.h"

/* Values of k that share passes. */
static int group_size(const seg_sweep_opts *opts)
{
    int n_k = opts->k_max - opts->k_min + 1;

    return opts->together < 1 || opts->together > n_k ? n_k : opts->together;
}

void seg_sweep_release(seg_sweep *sweep)
{
    for (int i = 0; sweep->fit && i < sweep->n_k; i++) {
        seg_free(sweep->fit[i].cluster_centers);
        seg_free(sweep->fit[i].cluster_size);
        seg_free(sweep->fit[i].restart_inertia);
    }
    seg_free(sweep->fit);
    *sweep = (seg_sweep) { 0 };
}

seg_status seg_sweep_init(seg_sweep *sweep, int k_min, int k_max, int d, int n_init)
{
    int n_k = k_max - k_min + 1;

    *sweep = (seg_sweep) { .d = d, .n_init = n_init };
    SEG_TRY(seg_fault("sweep_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(n_k, sizeof *sweep->fit, &sweep->fit));
    sweep->n_k = n_k;
    for (int i = 0; i < n_k; i++) {
        seg_sweep_fit *fit = &sweep->fit[i];
        fit->k = k_min + i;
        SEG_TRY(seg_alloc(fit->k, (size_t)d * sizeof(double), &fit->cluster_centers));
        SEG_TRY(seg_alloc(fit->k, sizeof(int64_t), &fit->cluster_size));
        SEG_TRY(seg_alloc(n_init, sizeof(double), &fit->restart_inertia));
    }
    return SEG_OK;
}

/* Collective.  Mean adjusted Rand index of the other restarts of k number i with the best one.
 * table [k_max][k_max]. */
static double agreement_of(seg_comm *comm, const kmeans_search *s, int i, int best, int64_t *table)
{
    const kmeans_run *a = &s->runs.run[best];
    int n_init = s->opts->n_init, first = kmeans_first_run(s, i);
    double sum = 0;

    for (int r = first; r < first + n_init; r++) {
        const kmeans_run *b = &s->runs.run[r];
        if (r == best) continue;
        memset(table, 0, (size_t)a->k * (size_t)b->k * sizeof *table);
        for (int64_t row = 0; row < s->m->rows.count; row++)
            table[(int64_t)a->label[row] * b->k + b->label[row]] += seg_matrix_weight(s->m, row);
        seg_sum_int64(comm, table, (int64_t)a->k * b->k);
        sum += seg_adjusted_rand(a->k, b->k, table);
    }
    return n_init > 1 ? sum / (n_init - 1) : NAN;
}

/* Collective.  The best run as the result for one k. */
static seg_status finish(seg_comm *comm, kmeans_search *s, const kmeans_best *best,
                         seg_sweep_fit *fit)
{
    seg_kmeans kmeans = { .d = s->m->d,
                          .cluster_centers = fit->cluster_centers,
                          .cluster_size = fit->cluster_size };

    SEG_TRY(kmeans_search_finish(comm, s, best, &kmeans));
    fit->n_clusters = kmeans.n_clusters;
    fit->inertia = kmeans.inertia;
    fit->n_iter = kmeans.n_iter;
    fit->n_swap_rounds = kmeans.n_swap_rounds;
    fit->n_swaps = kmeans.n_swaps;
    fit->converged = kmeans.converged;
    return SEG_OK;
}

/* Collective.  n_k values of k that share passes. */
static seg_status run_group(seg_comm *comm, kmeans_search *s, int n_k, seg_sweep_fit *fit)
{
    seg_status status = SEG_OK;
    kmeans_best *best = NULL;
    int64_t *table = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(n_k, sizeof *best, &best)));
    SEG_TRY_OR_DONE(
        seg_agree(comm, seg_alloc(s->k_most, (size_t)s->k_most * sizeof *table, &table)));
    for (int i = 0; i < n_k; i++)
        best[i] = (kmeans_best) { .k = fit[i].k, .restart_inertia = fit[i].restart_inertia };
    SEG_TRY_OR_DONE(kmeans_search_run(comm, s, n_k, best));
    for (int i = 0; i < n_k; i++) {
        fit[i].restart_agreement = agreement_of(comm, s, i, best[i].restart, table);
        SEG_TRY_OR_DONE(finish(comm, s, &best[i], &fit[i]));
    }
done:
    seg_free(best);
    seg_free(table);
    return status;
}

/* Collective.  Sizes of the groups so far [n_k], each at the number of its first k, 0 elsewhere: a
 * sweep that is gone on with keeps to them, though more or fewer might fit on these ranks. *most:
 * the largest, filled. */
static seg_status restore_groups(seg_comm *comm, const seg_keeper *keeper, const seg_field *groups,
                                 int *most)
{
    const int64_t *size = groups->data;
    bool found;

    SEG_TRY(seg_restore(comm, keeper, "groups", 1, groups, &found));
    for (int64_t i = 0; i < groups->n; i++) {
        if (size[i] < 0 || size[i] > groups->n - i)
            return SEG_FAIL(SEG_ERR_DATA, "the state of a sweep cannot be gone on with");
        if (size[i] > *most) *most = (int)size[i];
    }
    return SEG_OK;
}

/* Collective. */
static seg_status run_groups(seg_comm *comm, kmeans_search *s, seg_sweep *sweep, int64_t *size,
                             int most)
{
    const seg_field groups = { "n_k", SEG_INT64, sweep->n_k, size };
    const seg_keeper *keeper = s->opts->keeper;

    s->n_k = most;
    SEG_TRY(restore_groups(comm, keeper, &groups, &s->n_k));
    SEG_TRY(kmeans_search_init(comm, s));
    sweep->total_inertia = s->totals.inertia;
    for (int first = 0; first < sweep->n_k; first += (int)size[first]) {
        int rest = sweep->n_k - first;
        if (size[first] == 0) size[first] = rest < most ? rest : most;
        SEG_TRY(seg_keep(comm, keeper, "groups", 1, &groups, 0));
        SEG_TRY(run_group(comm, s, (int)size[first], &sweep->fit[first]));
    }
    return SEG_OK;
}

seg_status seg_sweep_run(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                         const seg_sweep_opts *opts, seg_sweep *sweep)
{
    seg_status status = SEG_OK;
    kmeans_search s = { .kernels = kernels, .m = m, .opts = &opts->kmeans, .k_most = opts->k_max };
    int64_t *size = NULL;

    *sweep = (seg_sweep) { 0 };
    if (opts->k_max > m->rows.total)
        return SEG_FAIL(SEG_ERR_DATA,
                        "up to %d clusters are more than there are clients, %lld; --k-max sets a "
                        "lower end",
                        opts->k_max, (long long)m->rows.total);
    SEG_TRY_OR_DONE(seg_agree(
        comm, seg_sweep_init(sweep, opts->k_min, opts->k_max, m->d, opts->kmeans.n_init)));
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(sweep->n_k, sizeof *size, &size)));
    SEG_TRY_OR_DONE(run_groups(comm, &s, sweep, size, group_size(opts)));
done:
    seg_free(size);
    if (status != SEG_OK) seg_sweep_release(sweep);
    kmeans_search_release(&s);
    return status;
}

int seg_sweep_groups(const seg_sweep_opts *opts)
{
    int n_k = opts->k_max - opts->k_min + 1, size = group_size(opts);

    return (n_k + size - 1) / size;
}

int64_t seg_sweep_memory(int64_t total_rows, int64_t rows, int d, const seg_sweep_opts *opts)
{
    int64_t n_k = opts->k_max - opts->k_min + 1;
    int64_t results = n_k * opts->k_max * ((int64_t)d + 1) * 8;

    return results +
           kmeans_search_memory(total_rows, rows, d, &opts->kmeans, opts->k_max, group_size(opts));
}
