/* The method on one screen: table -> statistics -> prepared matrix -> code -> PCA -> number of
 * clusters -> clusters -> segments. */
#include "model_internal.h"
#include "segmpi/log.h"
#include "segmpi/matrix.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

seg_status model_prepare(seg_comm *comm, seg_table *table, const seg_fit_opts *opts,
                         seg_model *model, seg_matrix *m, seg_matrix *code)
{
    seg_phase_begin("prepare");
    seg_progress_begin("preparing", SEG_ROWS_READ, "rows read");
    SEG_TRY(seg_prep_fit(comm, table, &opts->prep, &model->prep));
    SEG_TRY(seg_agree(comm, seg_prep_apply(&model->prep, table, &opts->matrix, m)));
    seg_progress_end(NULL);
    if (opts->embed.method == SEG_EMBED_NONE) return SEG_OK;

    seg_phase_begin("embed");
    SEG_TRY(seg_embedding_fit(comm, m, &opts->embed, &model->embedding));
    return seg_agree(comm, seg_embedding_apply(&model->embedding, m, &opts->code, code));
}

/* Local.  The earlier model, whose segments the new ones are compared with, and its identity. */
static seg_status open_previous(const char *path, seg_model *model, char id[SEG_MODEL_ID])
{
    char clean[200];
    seg_status status = seg_fault("previous_read", SEG_ERR_IO);

    if (status == SEG_OK) status = seg_model_load(path, model, id);
    if (status == SEG_OK && model->segments.n_segments == 0)
        status = SEG_FAIL(SEG_ERR_DATA, "the model has no segments");
    if (status != SEG_OK)
        seg_error_while("reading the model to match, '%s'",
                        seg_text_clean(path, clean, sizeof clean));
    return status;
}

/* Collective.  The elbow of a file, or one that is run to choose k; none otherwise. */
static seg_status elbow_of(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                           const seg_fit_opts *opts, seg_model *model)
{
    if (opts->elbow_path) return seg_agree(comm, seg_elbow_load(opts->elbow_path, model));
    if (opts->choose_k) return seg_elbow_run(comm, kernels, m, &opts->elbow, &model->elbow);
    return SEG_OK;
}

/* Collective.  The clusters as they look in the prepared features: as they are, unless a code of
 * the features was clustered. */
static seg_status see_in_features(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                                  seg_model *model, seg_kmeans *seen)
{
    *seen = model->kmeans;
    if (model->embedding.opts.method == SEG_EMBED_NONE) return SEG_OK;
    SEG_TRY(seg_kmeans_view(comm, kernels, m, &model->kmeans, seen));
    model->feature_centers = seen->cluster_centers;
    return SEG_OK;
}

/* Collective. */
static seg_status fit_reference(seg_comm *comm, seg_table *table, seg_model *model)
{
    int64_t size[SEG_SEGMENTS_MAX];

    for (int i = 0; i < model->segments.n_segments; i++)
        size[i] = model->segments.segment[i].size;
    return seg_reference_fit(comm, table, &model->statistics, model->segments.n_segments, size,
                             &model->reference);
}

/* Collective. */
static seg_status picture_of(seg_comm *comm, const seg_matrix *m, const seg_matrix *x,
                             uint64_t seed, seg_model *model)
{
    const seg_picture_input input = {
        .features = m,
        .space = x,
        .pca = &model->pca,
        .prep = &model->prep,
        .statistics = &model->statistics,
        .n_segments = model->segments.n_segments,
        .cluster_to_segment = model->segments.cluster_to_segment,
        .label = model->kmeans.label,
        .seed = seed,
    };

    return seg_picture_fit(comm, &input, &model->picture);
}

seg_status seg_model_fit(seg_comm *comm, const seg_kernels *kernels, seg_table *table,
                         seg_table *extra, const seg_fit_opts *opts, seg_model *model)
{
    seg_status status = SEG_OK;
    seg_matrix m = { 0 }, code = { 0 };
    const seg_matrix *x = &m; /* what is clustered */
    seg_kmeans_opts kmeans = opts->kmeans;
    seg_segments_opts segments = opts->segments;
    seg_kmeans seen = { 0 };
    seg_model old = { 0 };
    seg_previous previous = { &old.prep, &old.embedding, &old.kmeans, &old.segments, "" };
    seg_segments_input input = { table, extra, &model->prep, &m, &seen, x, &model->kmeans, NULL };
    const seg_describe_opts statistics = { .full = false };
    seg_guide *guide = NULL;
    double *centers = NULL;

    *model = (seg_model) { 0 };
    if (opts->match_path) {
        SEG_TRY_OR_DONE(seg_agree(comm, open_previous(opts->match_path, &old, previous.id)));
        input.previous = &previous;
    }
    SEG_TRY_OR_DONE(seg_guide_load(comm, &input, &opts->segments, &guide));
    seg_phase_begin("statistics");
    seg_progress_begin("statistics", SEG_ROWS_READ, "rows read");
    SEG_TRY_OR_DONE(seg_describe_run(comm, table, &statistics, &model->statistics));
    seg_progress_end(NULL);
    SEG_TRY_OR_DONE(model_prepare(comm, table, opts, model, &m, &code));
    if (opts->embed.method != SEG_EMBED_NONE) input.space = x = &code;
    seg_phase_begin("pca");
    SEG_TRY_OR_DONE(seg_pca_fit(comm, x, &model->pca));

    SEG_TRY_OR_DONE(elbow_of(comm, kernels, x, opts, model));
    if (opts->choose_k) {
        kmeans.n_clusters = model->elbow.choice.recommended;
        if (segments.n_segments > kmeans.n_clusters) segments.n_segments = kmeans.n_clusters;
        seg_log_note("number of clusters: %d, as the sweep recommends", kmeans.n_clusters);
    }

    seg_phase_begin("k-means");
    if (kmeans.init == SEG_INIT_CENTERS)
        SEG_TRY_OR_DONE(seg_agree(comm, seg_centers_read(opts->init_centers_path, &model->prep,
                                                         kmeans.n_clusters, &centers)));
    kmeans.init_centers = centers;
    SEG_TRY_OR_DONE(seg_kmeans_fit(comm, kernels, x, &kmeans, &model->kmeans));

    seg_phase_begin("segments");
    SEG_TRY_OR_DONE(see_in_features(comm, kernels, &m, model, &seen));
    SEG_TRY_OR_DONE(seg_segments_fit(comm, kernels, &input, guide, &segments, &model->segments));
    seg_phase_begin("reference");
    SEG_TRY_OR_DONE(fit_reference(comm, table, model));
    SEG_TRY_OR_DONE(picture_of(comm, &m, x, kmeans.seed, model));
done:
    seg_phase_end();
    if (status != SEG_OK) seg_model_release(model);
    seg_matrix_release(&m);
    seg_matrix_release(&code);
    seg_guide_free(guide);
    seg_model_release(&old);
    seg_free(centers);
    return status;
}

const double *seg_model_centers(const seg_model *model)
{
    return model->feature_centers ? model->feature_centers : model->kmeans.cluster_centers;
}

void seg_model_release(seg_model *model)
{
    seg_describe_release(&model->statistics);
    seg_prep_release(&model->prep);
    seg_embedding_release(&model->embedding);
    seg_pca_release(&model->pca);
    seg_kmeans_release(&model->kmeans);
    seg_segments_release(&model->segments);
    seg_free(model->feature_centers);
    model->feature_centers = NULL;
    seg_elbow_release(&model->elbow);
    seg_reference_release(&model->reference);
    seg_picture_release(&model->picture);
}
