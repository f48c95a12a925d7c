/* scores.h5: what it holds for each client, and besides. */
#include "score_internal.h"
#include "segmpi/memory.h"

void score_layout(const seg_scoring *scoring, score_array *arrays)
{
    const seg_model *model = scoring->model;
    const bool wide = model->kmeans.n_clusters > INT16_MAX + 1;
    const int c = scoring->components;
    seg_type id_type;
    int id_width;
    const bool has_ids = seg_table_id_type(scoring->table, &id_type, &id_width);
    const score_array all[SCORE_ARRAYS] = {
        [SCORE_CLUSTER] = { "cluster", "client", "cluster of each client",
                            wide ? SEG_INT32 : SEG_INT16, 0, wide ? 4 : 2 },
        [SCORE_SEGMENT] = { "segment", "client", "segment of each client", SEG_INT8, 0,
                            model->segments.n_segments > 0 },
        [SCORE_DISTANCE] = { "distance", "client",
                             "distance to the center of the own cluster, in scaled units",
                             SEG_FLOAT32, 0, 4 },
        [SCORE_MARGIN] = { "margin", "client",
                           "1 - distance / distance to the second nearest center", SEG_FLOAT32, 0,
                           4 },
        [SCORE_IMPUTED] = { "n_imputed", "client", "missing cells that were filled, at most 255",
                            SEG_UINT8, 0, 1 },
        [SCORE_OUTLIER] = { "outlier", "client", "columns outside their bounds, at most 255",
                            SEG_UINT8, 0, 1 },
        [SCORE_ERROR] = { "reconstruction_error", "client",
                          "mean squared error of the autoencoder, in scaled units", SEG_FLOAT32, 0,
                          model->embedding.opts.method == SEG_EMBED_AUTOENCODER ? 4 : 0 },
        [SCORE_COMPONENTS] = { "pc", "client,component", "coordinates on the principal components",
                               SEG_FLOAT32, 0, 4 * (int64_t)c },
        [SCORE_ID] = { "ids/client_id", "client", "as in the table", id_type, id_width,
                       has_ids ? seg_type_size(id_type, id_width) : 0 },
    };

    for (int i = 0; i < SCORE_ARRAYS; i++)
        arrays[i] = all[i];
}

/* Local, all ranks. */
static seg_status declare_segments(const seg_segments *segments, seg_output *out)
{
    const char *names[SEG_SEGMENTS_MAX];

    if (segments->n_segments == 0) return SEG_OK;
    for (int i = 0; i < segments->n_segments; i++)
        names[i] = segments->segment[i].name;
    SEG_TRY(seg_output_attr_flags(out, "segment", segments->n_segments, names));
    SEG_TRY(seg_output_dim(out, "segments/segment", segments->n_segments));
    return seg_output_texts(out, "segments/name", "segment", names);
}

seg_status score_declare(const seg_scoring *scoring, const score_array *arrays, seg_output *out)
{
    SEG_TRY(seg_fault("score_declare", SEG_ERR_IO));
    SEG_TRY(seg_output_dim(out, "client", seg_table_rows(scoring->table).total));
    if (scoring->components > 0) SEG_TRY(seg_output_dim(out, "component", scoring->components));
    for (int i = 0; i < SCORE_ARRAYS; i++) {
        const score_array *a = &arrays[i];
        if (a->row_bytes == 0) continue;
        SEG_TRY(seg_output_rows(out, a->path, a->type, a->width, a->dims));
        SEG_TRY(seg_output_attr_text(out, a->path, "long_name", a->long_name));
    }
    if (*seg_table_pseudonym_key(scoring->table))
        SEG_TRY(seg_output_attr_text(out, "ids/client_id", SEG_PSEUDONYM_ATTRIBUTE,
                                     seg_table_pseudonym_key(scoring->table)));
    SEG_TRY(seg_output_attr_text(out, "", "model_id", scoring->model_id));
    return declare_segments(&scoring->model->segments, out);
}

seg_status score_write_small(const seg_reference *reference, const seg_provenance *provenance,
                             seg_output *out)
{
    SEG_TRY(seg_fault("score_write", SEG_ERR_IO));
    SEG_TRY(seg_reference_write(reference, out));
    return seg_provenance_write(provenance, out);
}
