/* The network: parameters in one block, forward and backward as in the formulas.
 *
 *   forward    a_i = f(a_{i-1} W_i + b_i)
 *   backward   D_last = 2 (a_last - x) / cells;  dW_i = a_{i-1}' D_i;  db_i = sum of rows of D_i;
 *              D_{i-1} = (D_i W_i') * f'(a_{i-1})
 *
 * f' is written in terms of f's value, so that only activations are kept. */
#include <math.h>
#include <string.h>

#include "ae_internal.h"
#include "segmpi/kernels.h"
#include "segmpi/memory.h"

/* ---- shape ---- */

static seg_ae_opts opts_of(int n_layers, const int *hidden, int code)
{
    seg_ae_opts opts = { .n_layers = n_layers, .code = code, .batch = 128, .learning_rate = 1e-3 };

    memcpy(&opts.width[1], hidden, (size_t)(n_layers - 1) * sizeof *hidden);
    return opts;
}

seg_ae_opts seg_ae_defaults(void)
{
    seg_ae_opts opts = opts_of(6, (const int[]) { 64, 32, 10, 32, 64 }, 3);

    opts.activation = SEG_ELU;
    opts.code_activation = SEG_LINEAR;
    opts.epochs = 40;
    opts.validation = 0.1;
    return opts;
}

seg_ae_opts seg_ae_study(void)
{
    seg_ae_opts opts = opts_of(8, (const int[]) { 7, 500, 500, 2000, 10, 2000, 500 }, 5);

    opts.activation = opts.code_activation = SEG_RELU;
    opts.epochs = 25;
    return opts;
}

int64_t seg_ae_weights(const seg_ae_opts *opts, int i)
{
    int64_t at = 0;

    for (int layer = 1; layer < i; layer++)
        at += ((int64_t)opts->width[layer - 1] + 1) * opts->width[layer];
    return at;
}

int64_t seg_ae_bias(const seg_ae_opts *opts, int i)
{
    return seg_ae_weights(opts, i) + (int64_t)opts->width[i - 1] * opts->width[i];
}

int ae_largest_width(const seg_ae_opts *opts)
{
    int most = 0;

    for (int i = 0; i <= opts->n_layers; i++)
        if (opts->width[i] > most) most = opts->width[i];
    return most;
}

static seg_ae_opts complete(const seg_ae_opts *opts, int d)
{
    seg_ae_opts whole = *opts;

    whole.width[0] = whole.width[opts->n_layers] = d;
    return whole;
}

int64_t seg_ae_size(const seg_ae_opts *opts, int d)
{
    const seg_ae_opts whole = complete(opts, d);

    return seg_ae_weights(&whole, opts->n_layers + 1);
}

seg_status ae_init(seg_autoencoder *ae, const seg_ae_opts *opts, int d)
{
    *ae = (seg_autoencoder) { .opts = complete(opts, d) };
    ae->opts.keeper = NULL; /* borrowed */
    ae->n_params = seg_ae_weights(&ae->opts, opts->n_layers + 1);
    SEG_TRY(seg_fault("autoencoder_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(ae->n_params, sizeof *ae->params, &ae->params));
    SEG_TRY(seg_alloc(opts->epochs, 2 * sizeof *ae->loss, &ae->loss));
    ae->validation_loss = ae->loss + opts->epochs;
    return SEG_OK;
}

void seg_ae_release(seg_autoencoder *ae)
{
    seg_free(ae->params);
    seg_free(ae->loss);
    *ae = (seg_autoencoder) { 0 };
}

void ae_randomise(seg_autoencoder *ae)
{
    const seg_random key = { .seed = ae->opts.seed, .purpose = SEG_RANDOM_WEIGHTS };

    memset(ae->params, 0, (size_t)ae->n_params * sizeof *ae->params);
    for (int i = 1; i <= ae->opts.n_layers; i++) {
        double limit = sqrt(6.0 / (ae->opts.width[i - 1] + ae->opts.width[i]));
        for (int64_t p = seg_ae_weights(&ae->opts, i); p < seg_ae_bias(&ae->opts, i); p++)
            ae->params[p] = (float)(limit * (2 * seg_random_uniform(key, p, 0) - 1));
    }
}

/* ---- activations ---- */

static seg_activation activation_of(const seg_ae_opts *opts, int i)
{
    if (i == opts->n_layers) return SEG_LINEAR;
    return i == opts->code ? opts->code_activation : opts->activation;
}

/* Exponentials in double, rounded to float: the same on any mathematical library worth its name. */
static void activate(seg_activation f, int64_t n, float *a)
{
    switch (f) {
    case SEG_LINEAR:
        return;
    case SEG_RELU:
        for (int64_t i = 0; i < n; i++)
            a[i] = a[i] > 0 ? a[i] : 0;
        return;
    case SEG_ELU:
        for (int64_t i = 0; i < n; i++)
            if (!(a[i] > 0)) a[i] = (float)expm1((double)a[i]);
        return;
    case SEG_TANH:
        for (int64_t i = 0; i < n; i++)
            a[i] = (float)tanh((double)a[i]);
        return;
    }
}

/* delta *= f'(.), where a = f(.) */
static void multiply_by_slope(seg_activation f, int64_t n, const float *a, float *delta)
{
    switch (f) {
    case SEG_LINEAR:
        return;
    case SEG_RELU:
        for (int64_t i = 0; i < n; i++)
            delta[i] = a[i] > 0 ? delta[i] : 0;
        return;
    case SEG_ELU:
        for (int64_t i = 0; i < n; i++)
            delta[i] *= a[i] > 0 ? 1 : a[i] + 1;
        return;
    case SEG_TANH:
        for (int64_t i = 0; i < n; i++)
            delta[i] *= 1 - a[i] * a[i];
        return;
    }
}

/* ---- forward and backward ---- */

int64_t ae_activation_at(const seg_ae_opts *opts, int64_t n, int i)
{
    int64_t at = 0;

    for (int layer = 0; layer < i; layer++)
        at += n * opts->width[layer];
    return at;
}

int64_t ae_activations_size(const seg_ae_opts *opts, int64_t n)
{
    return ae_activation_at(opts, n, opts->n_layers + 1);
}

void ae_forward(const seg_ae_opts *opts, const float *params, int64_t n, int first, int last,
                float *activations)
{
    for (int i = first + 1; i <= last; i++) {
        int in = opts->width[i - 1], out = opts->width[i];
        const float *weights = params + seg_ae_weights(opts, i),
                    *bias = params + seg_ae_bias(opts, i);
        float *a = activations + ae_activation_at(opts, n, i);

        for (int64_t row = 0; row < n; row++)
            memcpy(a + row * out, bias, (size_t)out * sizeof *bias);
        seg_blas_sgemm(false, false, (int)n, out, in,
                       activations + ae_activation_at(opts, n, i - 1), weights, 1, a);
        activate(activation_of(opts, i), n * out, a);
    }
}

/* D of the last layer; the sum of squared errors. */
static double output_delta(int64_t n, int64_t rows, int d, double cells, const float *x,
                           const float *y, float *delta)
{
    float scale = (float)(2 / cells);
    double squares = 0;

    for (int64_t i = 0; i < n * d; i++) {
        float error = i < rows * d ? y[i] - x[i] : 0;
        delta[i] = scale * error;
        squares += (double)error * (double)error;
    }
    return squares;
}

double ae_backward(const seg_ae_opts *opts, const float *params, int64_t n, int64_t rows,
                   double cells, const float *activations, float *delta, float *gradient)
{
    int last = opts->n_layers;
    float *here = delta, *before = delta + n * ae_largest_width(opts);
    double squares = output_delta(n, rows, opts->width[0], cells, activations,
                                  activations + ae_activation_at(opts, n, last), here);

    for (int i = last; i >= 1; i--) {
        int in = opts->width[i - 1], out = opts->width[i];
        const float *a = activations + ae_activation_at(opts, n, i - 1);
        float *bias = gradient + seg_ae_bias(opts, i);

        seg_blas_sgemm(true, false, in, out, (int)n, a, here, 0,
                       gradient + seg_ae_weights(opts, i));
        memset(bias, 0, (size_t)out * sizeof *bias);
        for (int64_t row = 0; row < n; row++)
            for (int j = 0; j < out; j++)
                bias[j] += here[row * out + j];
        if (i == 1) break;
        seg_blas_sgemm(false, true, (int)n, in, out, here, params + seg_ae_weights(opts, i), 0,
                       before);
        multiply_by_slope(activation_of(opts, i - 1), n * in, a, before);
        float *swap = here;
        here = before;
        before = swap;
    }
    return squares;
}
