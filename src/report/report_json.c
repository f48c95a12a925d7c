/* A model's figures as JSON: the names of model.h5, without the labels. */
#include "report_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"

static void add_columns(seg_json *json, const seg_prep *prep)
{
    seg_json *stage = seg_json_object(), *missing = seg_json_array(), *capped = seg_json_array();

    seg_json_add_int(json, "n_clients", prep->n);
    seg_json_add_texts(json, "features", prep->d, (const char *const *)prep->names);
    for (int t = 0; t < prep->d; t++) {
        seg_json_add_int(missing, NULL, prep->missing[t]);
        seg_json_add_int(capped, NULL, prep->capped[t]);
    }
    seg_json_add(stage, "missing", missing);
    seg_json_add(stage, "capped", capped);
    seg_json_add_doubles(stage, "fill_value", prep->d, prep->fill_value);
    seg_json_add_doubles(stage, "lower_bound", prep->d, prep->lower_bound);
    seg_json_add_doubles(stage, "upper_bound", prep->d, prep->upper_bound);
    seg_json_add_doubles(stage, "mean", prep->d, prep->mean);
    seg_json_add_doubles(stage, "scale", prep->d, prep->scale);
    seg_json_add(json, "preprocessing", stage);
}

static void add_clusters(seg_json *json, const seg_model *model, double *original)
{
    const seg_kmeans *kmeans = &model->kmeans;
    seg_json *part = seg_json_object(), *size = seg_json_array(), *centers = seg_json_array();
    int k = kmeans->n_clusters, d = model->prep.d;

    seg_prep_invert(&model->prep, k, seg_model_centers(model), original);
    for (int j = 0; j < k; j++) {
        seg_json_add_int(size, NULL, kmeans->cluster_size[j]);
        seg_json_add_doubles(centers, NULL, d, &original[(int64_t)j * d]);
    }
    seg_json_add_int(part, "n_clusters", k);
    seg_json_add(part, "cluster_size", size);
    seg_json_add(part, "cluster_centers_original", centers);
    seg_json_add_double(part, "inertia", kmeans->inertia);
    seg_json_add_double(part, "total_inertia", kmeans->total_inertia);
    seg_json_add_int(part, "n_iter", kmeans->n_iter);
    seg_json_add_bool(part, "converged", kmeans->converged);
    seg_json_add_int(part, "n_swaps", kmeans->n_swaps);
    seg_json_add_int(part, "n_redone", kmeans->n_redone);
    seg_json_add_doubles(part, "restart_inertia", kmeans->n_init, kmeans->restart_inertia);
    seg_json_add(json, "kmeans", part);
}

static void add_components(seg_json *json, const seg_pca *pca)
{
    seg_json *part = seg_json_object();

    seg_json_add_doubles(part, "explained_variance", pca->n_components, pca->explained_variance);
    seg_json_add_doubles(part, "explained_variance_ratio", pca->n_components,
                         pca->explained_variance_ratio);
    seg_json_add(json, "pca", part);
}

void report_embedding_json(seg_json *json, const seg_embedding *e)
{
    const seg_autoencoder *ae = &e->autoencoder;
    seg_json *part, *widths;

    if (e->opts.method == SEG_EMBED_NONE) return;
    part = seg_json_object();
    seg_json_add(json, "embedding", part);
    seg_json_add_int(part, "n_columns", e->d_out);
    if (e->opts.method == SEG_EMBED_PCA) {
        seg_json_add_doubles(part, "explained_variance_ratio", e->d_out,
                             e->pca.explained_variance_ratio);
        return;
    }
    widths = seg_json_array();
    for (int i = 0; i <= ae->opts.n_layers; i++)
        seg_json_add_int(widths, NULL, ae->opts.width[i]);
    seg_json_add(part, "widths", widths);
    seg_json_add_int(part, "best_epoch", ae->best_epoch);
    seg_json_add_doubles(part, "loss_curve", ae->n_epochs, ae->loss);
    seg_json_add_doubles(part, "validation_loss_curve", ae->n_epochs, ae->validation_loss);
}

seg_status seg_report_model_json(const seg_model *model, seg_json **out)
{
    double *original;

    SEG_TRY(seg_fault("report_alloc", SEG_ERR_MEMORY));
    SEG_TRY(
        seg_alloc((int64_t)model->kmeans.n_clusters * model->prep.d, sizeof *original, &original));
    *out = seg_json_object();
    report_segments_json(*out, &model->segments, model->prep.n);
    add_columns(*out, &model->prep);
    report_embedding_json(*out, &model->embedding);
    add_clusters(*out, model, original);
    add_components(*out, &model->pca);
    if (model->elbow.sweep.n_k > 0) seg_json_add(*out, "elbow", report_sweep_json(&model->elbow));
    seg_free(original);
    return SEG_OK;
}
