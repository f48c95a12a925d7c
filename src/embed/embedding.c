/* One stage for all embeddings: learns, applies, and finds the grid that the embedded values are
 * rounded to. */
#include <math.h>
#include <string.h>

#include "embed_internal.h"
#include "segmpi/embedding.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

#define LEAST_VARIANCE 1e-9 /* of a component that is whitened, relative to the first */

void seg_embedding_release(seg_embedding *e)
{
    seg_pca_release(&e->pca);
    seg_ae_release(&e->autoencoder);
    seg_free(e->whitening);
    seg_free(e->grid);
    seg_free(e->max_abs);
    seg_free(e->reconstruction_error);
    *e = (seg_embedding) { 0 };
}

int seg_embedding_width(int d, const seg_embed_opts *opts)
{
    const seg_ae_opts *ae = &opts->autoencoder;

    if (opts->method == SEG_EMBED_AUTOENCODER) return ae->width[ae->code];
    if (opts->method == SEG_EMBED_PCA && opts->components >= 1 && opts->components < d)
        return (int)opts->components;
    return d;
}

/* Local. */
seg_status seg_embedding_init(seg_embedding *e, int d_in, int d_out)
{
    e->d_in = d_in;
    e->d_out = d_out;
    SEG_TRY(seg_fault("embedding_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d_out, sizeof *e->whitening, &e->whitening));
    SEG_TRY(seg_alloc(d_out, sizeof *e->grid, &e->grid));
    return seg_alloc(d_out, sizeof *e->max_abs, &e->max_abs);
}

/* ---- principal components ---- */

/* Components that the options ask for. */
static int components_wanted(const seg_embed_opts *opts, const seg_pca *pca)
{
    int n = 0;
    double share = 0;

    if (opts->components >= 1)
        n = opts->components < pca->n_components ? (int)opts->components : pca->n_components;
    else
        while (n < pca->n_components && share < opts->components)
            share += pca->explained_variance_ratio[n++];
    while (opts->whiten && n > 1 &&
           pca->explained_variance[n - 1] <= LEAST_VARIANCE * pca->explained_variance[0])
        n--;
    return n > 0 ? n : 1;
}

/* Collective. */
static seg_status fit_pca(seg_comm *comm, const seg_matrix *m, seg_embedding *e)
{
    SEG_TRY(seg_pca_fit(comm, m, &e->pca));
    int n = components_wanted(&e->opts, &e->pca);
    if (e->opts.components > n)
        seg_log_warning("%d components instead of %g", n, e->opts.components);
    SEG_TRY(seg_agree(comm, seg_embedding_init(e, m->d, n)));
    for (int c = 0; c < n; c++) {
        double variance = e->pca.explained_variance[c];
        e->whitening[c] = e->opts.whiten && variance > 0 ? 1 / sqrt(variance) : 1;
    }
    return SEG_OK;
}

/* Collective. */
static seg_status fit_autoencoder(seg_comm *comm, const seg_matrix *m, seg_embedding *e)
{
    const seg_ae_opts *opts = &e->opts.autoencoder;

    if (m->weight)
        return SEG_FAIL(SEG_ERR_USAGE,
                        "--embed autoencoder does not know --weights; leave one out");
    SEG_TRY(seg_ae_fit(comm, m, opts, &e->autoencoder));
    seg_status local = seg_embedding_init(e, m->d, opts->width[opts->code]);
    if (local == SEG_OK) local = seg_alloc(m->rows.count, sizeof(float), &e->reconstruction_error);
    return seg_agree(comm, local);
}

/* ---- rows ---- */

seg_status seg_embedding_workspace(const seg_embedding *e, float **work)
{
    if (e->opts.method == SEG_EMBED_AUTOENCODER) return seg_ae_workspace(&e->autoencoder, work);
    return seg_alloc(0, sizeof **work, work);
}

void seg_embedding_rows(const seg_embedding *e, int64_t n, const double *z, float *work,
                        double *code, float *error)
{
    if (e->opts.method == SEG_EMBED_AUTOENCODER) {
        seg_ae_apply(&e->autoencoder, n, z, work, code, error);
        return;
    }
    seg_pca_apply(&e->pca, n, z, e->d_out, code);
    for (int64_t i = 0; i < n * e->d_out; i++)
        code[i] *= e->whitening[i % e->d_out];
}

/* What one pass over a matrix does with each block of codes. */
typedef struct block_pass {
    double *z;    /* [SEG_BLOCK_ROWS][d_in] */
    double *code; /* [SEG_BLOCK_ROWS][d_out] */
    float *work;
} block_pass;

static seg_status pass_init(block_pass *pass, const seg_embedding *e)
{
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, (size_t)e->d_in * sizeof *pass->z, &pass->z));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, (size_t)e->d_out * sizeof *pass->code, &pass->code));
    return seg_embedding_workspace(e, &pass->work);
}

static void pass_release(block_pass *pass)
{
    seg_free(pass->z);
    seg_free(pass->code);
    seg_free(pass->work);
}

/* Codes of this rank's block that begins at row `at`; the number of its rows. */
static int64_t pass_block(block_pass *pass, const seg_embedding *e, const seg_matrix *m, int64_t at,
                          float *error)
{
    int64_t rest = m->rows.count - at, n = rest < SEG_BLOCK_ROWS ? rest : SEG_BLOCK_ROWS;

    seg_matrix_get(m, at, n, pass->z);
    seg_embedding_rows(e, n, pass->z, pass->work, pass->code, error);
    return n;
}

/* Local.  max_abs of this rank's codes, and the reconstruction error of its clients. */
static seg_status measure(seg_embedding *e, const seg_matrix *m)
{
    seg_status status = SEG_OK;
    block_pass pass = { 0 };

    SEG_TRY_OR_DONE(pass_init(&pass, e));
    for (int64_t at = 0; at < m->rows.count; at += SEG_BLOCK_ROWS) {
        float *error = e->reconstruction_error ? e->reconstruction_error + at : NULL;
        int64_t n = pass_block(&pass, e, m, at, error);
        for (int64_t i = 0; i < n * e->d_out; i++)
            e->max_abs[i % e->d_out] = fmax(e->max_abs[i % e->d_out], fabs(pass.code[i]));
    }
done:
    pass_release(&pass);
    return status;
}

/* ---- the stage ---- */

int64_t seg_embedding_memory(int64_t rows, int d, const seg_embed_opts *opts)
{
    int64_t width = seg_embedding_width(d, opts), block = SEG_BLOCK_ROWS * (d + width) * 8;

    if (opts->method != SEG_EMBED_AUTOENCODER) return block;
    return block + rows * (int64_t)sizeof(float) + seg_ae_memory(&opts->autoencoder, d);
}

static bool same_doubles(int64_t n, const double *a, const double *b)
{
    return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static bool same_network(const seg_autoencoder *a, const seg_autoencoder *b)
{
    size_t widths = (size_t)(a->opts.n_layers + 1) * sizeof *a->opts.width;

    return a->opts.n_layers == b->opts.n_layers && a->opts.code == b->opts.code &&
           a->opts.activation == b->opts.activation &&
           a->opts.code_activation == b->opts.code_activation &&
           memcmp(a->opts.width, b->opts.width, widths) == 0 &&
           memcmp(a->params, b->params, (size_t)a->n_params * sizeof *a->params) == 0;
}

bool seg_embedding_same(const seg_embedding *a, const seg_embedding *b)
{
    int n = a->d_out, d = a->d_in;

    if (a->opts.method != b->opts.method) return false;
    if (a->opts.method == SEG_EMBED_NONE) return true;
    if (n != b->d_out || d != b->d_in || !same_doubles(n, a->max_abs, b->max_abs)) return false;
    if (a->opts.method == SEG_EMBED_AUTOENCODER)
        return same_network(&a->autoencoder, &b->autoencoder);
    return same_doubles(n, a->whitening, b->whitening) &&
           same_doubles(d, a->pca.mean, b->pca.mean) &&
           same_doubles((int64_t)n * d, a->pca.components, b->pca.components);
}

/* Collective. */
static seg_status learn(seg_comm *comm, const seg_matrix *m, seg_embedding *e)
{
    if (e->opts.method == SEG_EMBED_PCA)
        SEG_TRY(fit_pca(comm, m, e));
    else
        SEG_TRY(fit_autoencoder(comm, m, e));
    SEG_TRY(seg_agree(comm, measure(e, m)));
    seg_max_double(comm, e->max_abs, e->d_out);
    for (int t = 0; t < e->d_out; t++)
        e->grid[t] = seg_matrix_grid(m->total_weight, e->max_abs[t], INFINITY);
    return SEG_OK;
}

seg_status seg_embedding_fit(seg_comm *comm, const seg_matrix *m, const seg_embed_opts *opts,
                             seg_embedding *e)
{
    *e = (seg_embedding) { .opts = *opts, .d_in = m->d, .d_out = m->d };
    if (opts->method == SEG_EMBED_NONE) return SEG_OK;

    seg_status status = learn(comm, m, e);
    e->opts.autoencoder.keeper = NULL; /* borrowed */
    if (status != SEG_OK) seg_embedding_release(e);
    return status;
}

seg_status seg_embedding_apply(const seg_embedding *e, const seg_matrix *m, const seg_place *place,
                               seg_matrix *out)
{
    seg_status status = SEG_OK;
    block_pass pass = { 0 };

    SEG_TRY_OR_DONE(seg_fault("embedding_apply", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_matrix_init_in(out, place, m->rows, e->d_out, e->grid, e->max_abs));
    SEG_TRY_OR_DONE(seg_matrix_copy_weights(m, out));
    SEG_TRY_OR_DONE(pass_init(&pass, e));
    for (int64_t at = 0; at < m->rows.count; at += SEG_BLOCK_ROWS) {
        int64_t n = pass_block(&pass, e, m, at, NULL);
        seg_matrix_set(out, at, n, pass.code);
        SEG_TRY_OR_DONE(seg_matrix_fill(out, at + n));
    }
done:
    if (status != SEG_OK) seg_matrix_release(out);
    pass_release(&pass);
    return status;
}
