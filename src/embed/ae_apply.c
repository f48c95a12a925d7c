/* The trained network on rows: code and reconstruction error, a block at a time in one fixed shape.
 */
#include <string.h>

#include "ae_internal.h"
#include "segmpi/memory.h"
#include "segmpi/rows.h"

int64_t seg_ae_apply_memory(const seg_ae_opts *opts)
{
    return (int64_t)sizeof(float) *
           (seg_ae_weights(opts, opts->n_layers + 1) + ae_activations_size(opts, SEG_BLOCK_ROWS));
}

seg_status seg_ae_workspace(const seg_autoencoder *ae, float **work)
{
    SEG_TRY(seg_fault("encode_alloc", SEG_ERR_MEMORY));
    return seg_alloc(ae_activations_size(&ae->opts, SEG_BLOCK_ROWS), sizeof **work, work);
}

void seg_ae_apply(const seg_autoencoder *ae, int64_t n, const double *z, float *work, double *code,
                  float *error)
{
    const seg_ae_opts *opts = &ae->opts;
    int d = opts->width[0], width = opts->width[opts->code];
    const float *at_code = work + ae_activation_at(opts, SEG_BLOCK_ROWS, opts->code);
    const float *y = work + ae_activation_at(opts, SEG_BLOCK_ROWS, opts->n_layers);

    for (int64_t i = 0; i < n * d; i++)
        work[i] = (float)z[i];
    memset(work + n * d, 0, (size_t)((SEG_BLOCK_ROWS - n) * d) * sizeof *work);
    ae_forward(opts, ae->params, SEG_BLOCK_ROWS, 0, error ? opts->n_layers : opts->code, work);
    for (int64_t i = 0; i < n * width; i++)
        code[i] = (double)at_code[i];
    for (int64_t i = 0; error && i < n; i++) {
        double squares = 0;
        for (int t = 0; t < d; t++) {
            double off = (double)(y[i * d + t] - work[i * d + t]);
            squares += off * off;
        }
        error[i] = (float)(squares / d);
    }
}
