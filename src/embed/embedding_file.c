/* Group embedding/ of a model: the method, what it learned, and the grid of the embedded values;
 * the network stands in autoencoder/.  The root's dimension `code` numbers the embedded columns.
 * Without an embedding there is no such group. */
#include <limits.h>
#include <string.h>

#include "embed_internal.h"
#include "segmpi/embedding.h"

#define GROUP "embedding"

static const char *const method_names[] = { "none", "pca", "autoencoder" };

seg_status seg_embedding_write(const seg_embedding *e, seg_output *out)
{
    if (e->opts.method == SEG_EMBED_NONE) return SEG_OK;
    SEG_TRY(seg_output_attr_text(out, GROUP, "method", method_names[e->opts.method]));

    SEG_TRY(seg_output_array(out, GROUP "/grid", SEG_INT32, "code", e->grid));
    SEG_TRY(seg_output_array(out, GROUP "/max_abs", SEG_FLOAT64, "code", e->max_abs));
    if (e->opts.method == SEG_EMBED_AUTOENCODER) return seg_ae_write(&e->autoencoder, out);
    SEG_TRY(seg_output_attr_int(out, GROUP, "whiten", e->opts.whiten));
    SEG_TRY(
        seg_output_array(out, GROUP "/components", SEG_FLOAT64, "code,feature", e->pca.components));
    SEG_TRY(seg_output_array(out, GROUP "/explained_variance", SEG_FLOAT64, "code",
                             e->pca.explained_variance));
    SEG_TRY(seg_output_array(out, GROUP "/explained_variance_ratio", SEG_FLOAT64, "code",
                             e->pca.explained_variance_ratio));
    SEG_TRY(seg_output_array(out, GROUP "/whitening", SEG_FLOAT64, "code", e->whitening));
    return seg_output_array(out, GROUP "/mean", SEG_FLOAT64, "feature", e->pca.mean);
}

static seg_status read_pca(seg_input *in, seg_embedding *e)
{
    seg_shape shape;
    int64_t whiten;

    SEG_TRY(seg_input_shape(in, GROUP "/components", &shape));
    if (shape.rank != 2 || shape.dim[0] < 1 || shape.dim[0] > shape.dim[1] ||
        shape.dim[1] > INT_MAX)
        return SEG_FAIL(SEG_ERR_DATA, "'" GROUP "/components' in '%s' has the wrong shape",
                        seg_input_path(in));
    int n = (int)shape.dim[0], d = (int)shape.dim[1];
    e->opts.components = n;
    SEG_TRY(seg_pca_init(&e->pca, d, n));
    SEG_TRY(seg_embedding_init(e, d, n));
    SEG_TRY(seg_input_attr_int(in, GROUP, "whiten", &whiten));
    e->opts.whiten = whiten != 0;
    SEG_TRY(seg_input_array(in, GROUP "/components", SEG_FLOAT64, n, d, e->pca.components));
    SEG_TRY(seg_input_array(in, GROUP "/explained_variance", SEG_FLOAT64, n, 0,
                            e->pca.explained_variance));
    SEG_TRY(seg_input_array(in, GROUP "/explained_variance_ratio", SEG_FLOAT64, n, 0,
                            e->pca.explained_variance_ratio));
    SEG_TRY(seg_input_array(in, GROUP "/whitening", SEG_FLOAT64, n, 0, e->whitening));
    return seg_input_array(in, GROUP "/mean", SEG_FLOAT64, d, 0, e->pca.mean);
}

static seg_status read_autoencoder(seg_input *in, seg_embedding *e)
{
    const seg_ae_opts *opts = &e->autoencoder.opts;

    SEG_TRY(seg_ae_read(in, &e->autoencoder));
    e->opts.autoencoder = *opts;
    return seg_embedding_init(e, opts->width[0], opts->width[opts->code]);
}

static seg_status read_all(seg_input *in, seg_embedding *e)
{
    char method[16];

    SEG_TRY(seg_input_attr_text(in, GROUP, "method", method, sizeof method));
    if (strcmp(method, "pca") == 0)
        e->opts.method = SEG_EMBED_PCA;
    else if (strcmp(method, "autoencoder") == 0)
        e->opts.method = SEG_EMBED_AUTOENCODER;
    else
        return SEG_FAIL(SEG_ERR_DATA,
                        "the embedding in '%s' is '%s', which this version does not "
                        "know",
                        seg_input_path(in), method);
    SEG_TRY(e->opts.method == SEG_EMBED_PCA ? read_pca(in, e) : read_autoencoder(in, e));
    SEG_TRY(seg_input_array(in, GROUP "/grid", SEG_INT32, e->d_out, 0, e->grid));
    return seg_input_array(in, GROUP "/max_abs", SEG_FLOAT64, e->d_out, 0, e->max_abs);
}

seg_status seg_embedding_read(seg_input *in, seg_embedding *e)
{
    *e = (seg_embedding) { 0 };
    if (!seg_input_has(in, GROUP)) return SEG_OK;

    seg_status status = read_all(in, e);
    if (status != SEG_OK) seg_embedding_release(e);
    return status;
}
