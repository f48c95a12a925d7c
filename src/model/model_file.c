/* model.h5: the stages, the centers in original units, and the labels of all clients. */
#include <inttypes.h>
#include <stdio.h>

#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/timer.h"

#define ERRORS      "labels/reconstruction_error"
#define STATISTICS  "statistics"
#define LABEL_SLICE (1024 * (int64_t)SEG_BLOCK_ROWS) /* rows of labels converted at a time */

/* int16 where the cluster numbers fit. */
static seg_type label_type(int k)
{
    return k <= INT16_MAX + 1 ? SEG_INT16 : SEG_INT32;
}

static seg_status write_dims(const seg_model *model, int64_t n, seg_output *out)
{
    seg_status status = SEG_OK;
    int k = model->kmeans.n_clusters, n_segments = model->segments.n_segments;
    int32_t *number = NULL;

    SEG_TRY_OR_DONE(seg_fault("model_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(k, sizeof *number, &number));
    for (int j = 0; j < k; j++)
        number[j] = j;
    SEG_TRY_OR_DONE(
        seg_output_names(out, "feature", model->prep.d, (const char *const *)model->prep.names));
    if (model->feature_centers)
        SEG_TRY_OR_DONE(seg_output_dim(out, "code", model->embedding.d_out));
    SEG_TRY_OR_DONE(seg_output_coordinates(out, "cluster", SEG_INT32, k, number));
    if (n_segments > 0)
        SEG_TRY_OR_DONE(seg_output_coordinates(out, "segment", SEG_INT32, n_segments, number));
    SEG_TRY_OR_DONE(seg_output_dim(out, "client", n));
done:
    seg_free(number);
    return status;
}

static seg_status write_centers_original(const seg_model *model, seg_output *out)
{
    seg_status status = SEG_OK;
    int k = model->kmeans.n_clusters;
    double *original = NULL;

    SEG_TRY_OR_DONE(seg_alloc((int64_t)k * model->prep.d, sizeof *original, &original));
    seg_prep_invert(&model->prep, k, seg_model_centers(model), original);
    SEG_TRY_OR_DONE(seg_output_array(out, "kmeans/cluster_centers_original", SEG_FLOAT64,
                                     "cluster,feature", original));
    SEG_TRY_OR_DONE(seg_output_attr_text(out, "kmeans/cluster_centers_original", "long_name",
                                         "cluster centers in the units of the columns"));
    if (model->feature_centers)
        SEG_TRY_OR_DONE(seg_output_array(out, "kmeans/feature_centers", SEG_FLOAT64,
                                         "cluster,feature", model->feature_centers));
done:
    seg_free(original);
    return status;
}

/* Rank 0.  Everything small, then the hash of it all as the model's identity. */
static seg_status write_small(const seg_model *model, int64_t n, const seg_provenance *provenance,
                              seg_output *out)
{
    const char *columns = model->feature_centers ? "code" : "feature";
    uint64_t hash;
    char model_id[17];

    SEG_TRY(seg_fault("model_write", SEG_ERR_IO));
    SEG_TRY(write_dims(model, n, out));
    SEG_TRY(seg_describe_write(&model->statistics, STATISTICS, out));
    SEG_TRY(seg_prep_write(&model->prep, out));
    SEG_TRY(seg_embedding_write(&model->embedding, out));
    SEG_TRY(seg_kmeans_write(&model->kmeans, columns, out));
    SEG_TRY(write_centers_original(model, out));
    SEG_TRY(seg_pca_write(&model->pca, columns, out));
    SEG_TRY(seg_segments_write(&model->segments, out));
    if (model->elbow.sweep.n_k > 0)
        SEG_TRY(seg_elbow_write_group(&model->elbow, model->feature_centers ? NULL : &model->prep,
                                      "elbow", out));
    SEG_TRY(seg_reference_write(&model->reference, out));
    SEG_TRY(seg_picture_write(&model->picture, model->segments.n_segments > 0, out));
    SEG_TRY(seg_provenance_write(provenance, out));
    SEG_TRY(seg_output_content_hash(out, &hash));
    (void)snprintf(model_id, sizeof model_id, "%016" PRIx64, hash);
    return seg_output_attr_text(out, "", "model_id", model_id);
}

/* Local, on all ranks. */
static seg_status declare_segment_labels(const seg_segments *segments, seg_output *out)
{
    const char *names[SEG_SEGMENTS_MAX];

    if (segments->n_segments == 0) return SEG_OK;
    for (int i = 0; i < segments->n_segments; i++)
        names[i] = segments->segment[i].name;
    SEG_TRY(seg_output_rows(out, "labels/segment", SEG_INT8, 0, "client"));
    SEG_TRY(seg_output_attr_text(out, "labels/segment", "long_name", "segment of each client"));
    return seg_output_attr_flags(out, "labels/segment", segments->n_segments, names);
}

/* Local, on all ranks. */
static seg_status declare_labels(const seg_model *model, seg_output *out)
{
    static const char *const long_names[][2] = {
        { "labels/cluster", "cluster of each client, numbered by size" },
        { "labels/distance", "distance to the center of the own cluster, in scaled units" },
        { "labels/margin", "1 - distance / distance to the second nearest center" },
    };

    SEG_TRY(
        seg_output_rows(out, "labels/cluster", label_type(model->kmeans.n_clusters), 0, "client"));
    SEG_TRY(seg_output_rows(out, "labels/distance", SEG_FLOAT32, 0, "client"));
    SEG_TRY(seg_output_rows(out, "labels/margin", SEG_FLOAT32, 0, "client"));
    for (int i = 0; i < 3; i++)
        SEG_TRY(seg_output_attr_text(out, long_names[i][0], "long_name", long_names[i][1]));
    if (model->embedding.reconstruction_error) {
        SEG_TRY(seg_output_rows(out, ERRORS, SEG_FLOAT32, 0, "client"));
        SEG_TRY(seg_output_attr_text(out, ERRORS, "long_name",
                                     "mean squared error of the autoencoder, in scaled units"));
    }
    return declare_segment_labels(&model->segments, out);
}

/* Local.  This rank's rows. */
static seg_status write_segment_labels(const seg_model *model, seg_rows rows, seg_output *out)
{
    seg_status status = SEG_OK;
    int8_t *label = NULL;

    if (model->segments.n_segments == 0) return SEG_OK;
    SEG_TRY_OR_DONE(seg_alloc(LABEL_SLICE, sizeof *label, &label));
    for (int64_t at = 0; at < rows.count; at += LABEL_SLICE) {
        int64_t rest = rows.count - at, count = rest < LABEL_SLICE ? rest : LABEL_SLICE;
        for (int64_t i = 0; i < count; i++)
            label[i] = (int8_t)model->segments.cluster_to_segment[model->kmeans.label[at + i]];
        SEG_TRY_OR_DONE(seg_output_write(out, "labels/segment", rows.first + at, count, label));
    }
done:
    seg_free(label);
    return status;
}

/* Local.  This rank's rows. */
static seg_status write_cluster_labels(const seg_kmeans *kmeans, seg_rows rows, seg_output *out)
{
    seg_status status = SEG_OK;
    bool narrow = label_type(kmeans->n_clusters) == SEG_INT16;
    int16_t *label = NULL;

    SEG_TRY_OR_DONE(seg_fault("labels_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(LABEL_SLICE, sizeof *label, &label));
    for (int64_t at = 0; at < rows.count; at += LABEL_SLICE) {
        int64_t rest = rows.count - at, count = rest < LABEL_SLICE ? rest : LABEL_SLICE;
        int64_t first = rows.first + at;
        for (int64_t i = 0; i < count && narrow; i++)
            label[i] = (int16_t)kmeans->label[at + i];
        SEG_TRY_OR_DONE(seg_output_write(out, "labels/cluster", first, count,
                                         narrow ? (const void *)label : &kmeans->label[at]));
        SEG_TRY_OR_DONE(
            seg_output_write(out, "labels/distance", first, count, &kmeans->distance[at]));
        SEG_TRY_OR_DONE(seg_output_write(out, "labels/margin", first, count, &kmeans->margin[at]));
    }
done:
    seg_free(label);
    return status;
}

/* Local.  This rank's rows. */
static seg_status write_labels(const seg_model *model, seg_rows rows, seg_output *out)
{
    const float *errors = model->embedding.reconstruction_error;

    SEG_TRY(write_cluster_labels(&model->kmeans, rows, out));
    if (errors && rows.count > 0)
        SEG_TRY(seg_output_write(out, ERRORS, rows.first, rows.count, errors));
    return write_segment_labels(model, rows, out);
}

seg_status seg_model_write(seg_comm *comm, const seg_model *model, const seg_table *table,
                           const seg_provenance *provenance, seg_output *out)
{
    seg_rows rows = seg_table_rows(table);

    seg_phase_begin("write");
    seg_phase_add_bytes(rows.count * (seg_type_size(label_type(model->kmeans.n_clusters), 0) + 8));
    seg_status local =
        seg_comm_rank(comm) == 0 ? write_small(model, rows.total, provenance, out) : SEG_OK;
    if (local == SEG_OK) local = declare_labels(model, out);
    SEG_TRY(seg_output_start_rows(comm, out, local));
    SEG_TRY(seg_output_commit(comm, out, write_labels(model, rows, out)));
    seg_phase_end();
    return SEG_OK;
}

static seg_status read_feature_centers(seg_input *in, seg_model *model)
{
    int k = model->kmeans.n_clusters, d = model->prep.d;

    if (model->embedding.opts.method == SEG_EMBED_NONE) return SEG_OK;
    SEG_TRY(seg_alloc((int64_t)k * d, sizeof(double), &model->feature_centers));
    return seg_input_array(in, "kmeans/feature_centers", SEG_FLOAT64, k, d, model->feature_centers);
}

/* Clusters and segments are parts of the clients. */
static bool sizes_fit(const seg_model *model)
{
    const int64_t n = model->prep.n, *size = model->kmeans.cluster_size;
    bool fit = n > 0 && n < (int64_t)1 << 48;

    for (int j = 0; j < model->kmeans.n_clusters; j++)
        fit = fit && size[j] >= 0 && size[j] <= n;
    for (int i = 0; i < model->segments.n_segments; i++)
        fit = fit && model->segments.segment[i].size >= 0 && model->segments.segment[i].size <= n;
    return fit;
}

/* The stages are of the same columns. */
static bool fits_together(const seg_model *model)
{
    const seg_embedding *e = &model->embedding;
    bool embedded = e->opts.method != SEG_EMBED_NONE;
    int d = embedded ? e->d_out : model->prep.d;

    return sizes_fit(model) && (!embedded || e->d_in == model->prep.d) && model->kmeans.d == d &&
           model->pca.d == d && (model->elbow.sweep.n_k == 0 || model->elbow.sweep.d == d) &&
           (model->reference.d == 0 || model->reference.d == model->prep.d) &&
           (model->segments.n_segments == 0 ||
            model->segments.n_clusters == model->kmeans.n_clusters) &&
           (model->picture.n_segments == 0 || model->picture.d == model->prep.d);
}

seg_status seg_model_read(seg_input *in, seg_model *model)
{
    seg_status status = SEG_OK;

    *model = (seg_model) { 0 };
    SEG_TRY_OR_DONE(seg_input_expect(in, "model"));
    if (seg_input_has(in, STATISTICS))
        SEG_TRY_OR_DONE(seg_describe_read(in, STATISTICS, &model->statistics));
    SEG_TRY_OR_DONE(seg_prep_read(in, &model->prep));
    SEG_TRY_OR_DONE(seg_embedding_read(in, &model->embedding));
    SEG_TRY_OR_DONE(seg_kmeans_read(in, &model->kmeans));
    SEG_TRY_OR_DONE(seg_pca_read(in, &model->pca));
    SEG_TRY_OR_DONE(seg_segments_read(in, &model->segments));
    SEG_TRY_OR_DONE(read_feature_centers(in, model));
    if (seg_input_has(in, "elbow"))
        SEG_TRY_OR_DONE(seg_elbow_read_group(in, "elbow", &model->elbow));
    SEG_TRY_OR_DONE(seg_reference_read(in, &model->reference));
    SEG_TRY_OR_DONE(seg_picture_read(in, &model->picture));
    if (!fits_together(model))
        status =
            SEG_FAIL(SEG_ERR_DATA, "the stages of '%s' do not fit together", seg_input_path(in));
done:
    if (status != SEG_OK) seg_model_release(model);
    return status;
}

seg_status seg_model_load(const char *path, seg_model *model, char *id)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;

    *model = (seg_model) { 0 };
    SEG_TRY_OR_DONE(seg_input_open(path, &in));
    SEG_TRY_OR_DONE(seg_model_read(in, model));
    if (id) SEG_TRY_OR_DONE(seg_input_attr_text(in, "", "model_id", id, SEG_MODEL_ID));
done:
    seg_input_close(in);
    if (status != SEG_OK) seg_model_release(model);
    return status;
}
