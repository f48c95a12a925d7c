/* The elbow on one screen: table -> prepared matrix -> code -> a fit for every k -> indices ->
 * choice. */
#include <math.h>

#include "model_internal.h"
#include "segmpi/matrix.h"
#include "segmpi/memory.h"
#include "segmpi/timer.h"

seg_status seg_elbow_run(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                         const seg_elbow_opts *opts, seg_elbow *elbow)
{
    seg_status status = SEG_OK;

    *elbow = (seg_elbow) { .k_min = opts->sweep.k_min,
                           .k_max = opts->sweep.k_max,
                           .n = m->rows.total,
                           .n_references = opts->n_references,
                           .gap_kind = opts->gap_kind,
                           .n_bootstraps = opts->n_bootstraps };
    seg_phase_begin("sweep");
    SEG_TRY_OR_DONE(seg_sweep_run(comm, kernels, m, &opts->sweep, &elbow->sweep));
    SEG_TRY_OR_DONE(seg_agree(comm, model_elbow_alloc(elbow)));

    seg_phase_begin("quality");
    SEG_TRY_OR_DONE(model_assess(comm, kernels, m, opts, elbow));
    if (opts->n_references > 0) {
        seg_phase_begin("gap");
        SEG_TRY_OR_DONE(model_gap(comm, kernels, m, opts, elbow));
    }
    if (opts->n_bootstraps > 0) {
        seg_phase_begin("stability");
        SEG_TRY_OR_DONE(model_stability(comm, kernels, m, opts, elbow));
    }
    elbow->choice = seg_elbow_choose(elbow);
done:
    seg_phase_end();
    if (status != SEG_OK) seg_elbow_release(elbow);
    return status;
}

seg_status seg_model_sweep(seg_comm *comm, const seg_kernels *kernels, seg_table *table,
                           const seg_fit_opts *opts, seg_model *model)
{
    seg_status status = SEG_OK;
    seg_matrix m = { 0 }, code = { 0 };
    const seg_matrix *x = &m; /* what is clustered */

    *model = (seg_model) { 0 };
    SEG_TRY_OR_DONE(model_prepare(comm, table, opts, model, &m, &code));
    if (opts->embed.method != SEG_EMBED_NONE) {
        seg_matrix_release(&m);
        x = &code;
    }
    SEG_TRY_OR_DONE(seg_elbow_run(comm, kernels, x, &opts->elbow, &model->elbow));
done:
    seg_phase_end();
    if (status != SEG_OK) seg_model_release(model);
    seg_matrix_release(&m);
    seg_matrix_release(&code);
    return status;
}

seg_status model_elbow_alloc(seg_elbow *elbow)
{
    int64_t n_k = elbow->sweep.n_k;

    SEG_TRY(seg_fault("elbow_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(SEG_N_INDICES * n_k, sizeof *elbow->index[0], &elbow->index[0]));
    for (int i = 1; i < SEG_N_INDICES; i++)
        elbow->index[i] = elbow->index[0] + i * n_k;
    for (int64_t i = 0; i < SEG_N_INDICES * n_k; i++)
        elbow->index[0][i] = NAN;
    SEG_TRY(seg_alloc(n_k, sizeof *elbow->silhouette_clients, &elbow->silhouette_clients));
    if (elbow->n_bootstraps == 0) return SEG_OK;
    SEG_TRY(seg_alloc(n_k * elbow->k_max, sizeof *elbow->stability, &elbow->stability));
    for (int64_t i = 0; i < n_k * elbow->k_max; i++)
        elbow->stability[i] = NAN;
    return SEG_OK;
}

void seg_elbow_release(seg_elbow *elbow)
{
    seg_sweep_release(&elbow->sweep);
    seg_free(elbow->index[0]);
    seg_free(elbow->silhouette_clients);
    seg_free(elbow->stability);
    *elbow = (seg_elbow) { 0 };
}
