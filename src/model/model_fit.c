/* The method on one screen: table -> prepared matrix -> PCA -> clusters -> segments. */
#include "segmpi/matrix.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/timer.h"

seg_status seg_model_fit(seg_comm *comm, const seg_kernels *kernels, seg_table *table,
                         seg_table *extra, const seg_fit_opts *opts, seg_model *model)
{
    seg_status status = SEG_OK;
    seg_matrix m = { 0 };
    seg_kmeans_opts kmeans = opts->kmeans;
    seg_segments_input input = { table, extra, &model->prep, &m, &model->kmeans };
    seg_guide *guide = NULL;
    double *centers = NULL;

    *model = (seg_model) { 0 };
    SEG_TRY_OR_DONE(seg_guide_load(comm, &input, &opts->segments, &guide));
    seg_phase_begin("prepare");
    SEG_TRY_OR_DONE(seg_prep_fit(comm, table, &opts->prep, &model->prep));
    SEG_TRY_OR_DONE(seg_agree(comm, seg_prep_apply(&model->prep, table, &m)));

    seg_phase_begin("pca");
    SEG_TRY_OR_DONE(seg_pca_fit(comm, &m, &model->pca));

    seg_phase_begin("k-means");
    if (kmeans.init == SEG_INIT_CENTERS)
        SEG_TRY_OR_DONE(seg_agree(comm, seg_centers_read(opts->init_centers_path, &model->prep,
                                                         kmeans.n_clusters, &centers)));
    kmeans.init_centers = centers;
    SEG_TRY_OR_DONE(seg_kmeans_fit(comm, kernels, &m, &kmeans, &model->kmeans));

    seg_phase_begin("segments");
    SEG_TRY_OR_DONE(
        seg_segments_fit(comm, kernels, &input, guide, &opts->segments, &model->segments));
done:
    seg_phase_end();
    if (status != SEG_OK) seg_model_release(model);
    seg_matrix_release(&m);
    seg_guide_free(guide);
    seg_free(centers);
    return status;
}

void seg_model_release(seg_model *model)
{
    seg_prep_release(&model->prep);
    seg_pca_release(&model->pca);
    seg_kmeans_release(&model->kmeans);
    seg_segments_release(&model->segments);
}
