/* The gap statistic of an elbow: the same sweep, without center swaps, over a sample of the clients
 * and over references without clusters.  The sweeps are dealt to the ranks, each of which holds the
 * sample. */
#include <string.h>

#include "model_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/pca.h"
#include "segmpi/stop.h"

/* Local.  Costs [n_k] of the sample (b = 0) or of reference number b - 1. */
static seg_status sweep_one(seg_comm *self, const seg_kernels *kernels, const seg_matrix *sample,
                            const seg_gap_box *box, const seg_sweep_opts *opts, int b, double *cost)
{
    seg_status status = SEG_OK;
    seg_matrix reference = { 0 };
    seg_sweep sweep = { 0 };

    if (b > 0)
        SEG_TRY_OR_DONE(seg_gap_reference(sample, box, opts->kmeans.seed, b - 1, &reference));
    SEG_TRY_OR_DONE(seg_sweep_run(self, kernels, b > 0 ? &reference : sample, opts, &sweep));
    for (int i = 0; i < sweep.n_k; i++)
        cost[i] = sweep.fit[i].inertia;
done:
    seg_sweep_release(&sweep);
    seg_matrix_release(&reference);
    return status;
}

/* Collective.  cost [1 + n_references][n_k]: of the sample, then of the references.  One sweep for
 * each rank at a time, so that none waits longer for another than a sweep lasts. */
static seg_status sweep_all(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *sample,
                            const seg_gap_box *box, const seg_elbow_opts *opts, int64_t n_k,
                            double *cost)
{
    seg_sweep_opts sweep = opts->sweep;
    const seg_keeper *keeper = sweep.kmeans.keeper;
    int size = seg_comm_size(comm), n = 1 + opts->n_references;
    int64_t done = 0;
    const seg_field state[] = { { "done", SEG_INT64, 1, &done },
                                { "cost", SEG_FLOAT64, n * n_k, cost } };
    bool found;

    SEG_TRY(seg_restore(comm, keeper, "gap", 2, state, &found));
    if (done < 0 || done > n)
        return SEG_FAIL(SEG_ERR_DATA, "the state of the gap statistic cannot be gone on with");
    sweep.kmeans.keeper = NULL;
    sweep.kmeans.swaps = false;
    seg_progress_begin("gap statistic", n, "sweeps");
    while (done < n) {
        int b = (int)done + seg_comm_rank(comm);
        seg_status local = SEG_OK;
        if (b < n)
            local = sweep_one(seg_comm_self(comm), kernels, sample, box, &sweep, b, cost + b * n_k);
        SEG_TRY(seg_agree(comm, local));
        int64_t end = done + size < n ? done + size : n;
        seg_merge_double(comm, cost + done * n_k, (end - done) * n_k);
        int64_t asked = seg_stop_asked();
        seg_sum_int64(comm, &asked, 1);
        done = end;
        seg_progress_set(done);
        SEG_TRY(seg_keep(comm, keeper, "gap", 2, state, asked));
    }
    seg_progress_end(NULL);
    return SEG_OK;
}

seg_status model_gap(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                     const seg_elbow_opts *opts, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    seg_matrix sample = { 0 };
    seg_pca pca = { 0 };
    seg_gap_box box = { 0 };
    int n_k = elbow->sweep.n_k;
    double *cost = NULL;

    SEG_TRY_OR_DONE(seg_matrix_sample(comm, m, SEG_ELBOW_SAMPLE, opts->sweep.kmeans.seed, &sample));
    if (opts->gap_kind == SEG_GAP_PCA) {
        SEG_TRY_OR_DONE(seg_pca_fit(comm, m, &pca));
        box = (seg_gap_box) { pca.n_components, pca.components, pca.mean };
    }
    SEG_TRY_OR_DONE(
        seg_agree(comm, seg_alloc((int64_t)(1 + opts->n_references) * n_k, sizeof *cost, &cost)));
    SEG_TRY_OR_DONE(sweep_all(comm, kernels, &sample, &box, opts, n_k, cost));
    seg_gap_of(n_k, opts->n_references, cost, cost + n_k, elbow->index[SEG_INDEX_GAP],
               elbow->index[SEG_INDEX_GAP_ERROR]);
done:
    seg_free(cost);
    seg_pca_release(&pca);
    seg_matrix_release(&sample);
    return status;
}
