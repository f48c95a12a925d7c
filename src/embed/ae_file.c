/* The network in a model file: group autoencoder/ with a group for each layer, and the loss curve.
 */
#include <stdio.h>
#include <string.h>

#include "ae_internal.h"

#define GROUP "autoencoder"

const char *const seg_activation_names[SEG_N_ACTIVATIONS] = { "linear", "relu", "elu", "tanh" };

/* ---- writing ---- */

static seg_status write_layer(const seg_autoencoder *ae, int i, seg_output *out)
{
    char path[80], in[80], to[80], dims[170];
    const seg_ae_opts *opts = &ae->opts;

    (void)snprintf(in, sizeof in, GROUP "/layer_%d/input", i);
    (void)snprintf(to, sizeof to, GROUP "/layer_%d/output", i);
    SEG_TRY(seg_output_dim(out, in, opts->width[i - 1]));
    SEG_TRY(seg_output_dim(out, to, opts->width[i]));
    (void)snprintf(dims, sizeof dims, "input,output");
    (void)snprintf(path, sizeof path, GROUP "/layer_%d/weight", i);
    SEG_TRY(seg_output_array(out, path, SEG_FLOAT32, dims, ae->params + seg_ae_weights(opts, i)));
    (void)snprintf(path, sizeof path, GROUP "/layer_%d/bias", i);
    return seg_output_array(out, path, SEG_FLOAT32, "output", ae->params + seg_ae_bias(opts, i));
}

static seg_status write_opts(const seg_autoencoder *ae, seg_output *out)
{
    const seg_ae_opts *opts = &ae->opts;

    SEG_TRY(seg_output_attr_int(out, GROUP, "n_layers", opts->n_layers));
    SEG_TRY(seg_output_attr_int(out, GROUP, "code_layer", opts->code));
    SEG_TRY(seg_output_attr_text(out, GROUP, "activation", seg_activation_names[opts->activation]));
    SEG_TRY(seg_output_attr_text(out, GROUP, "code_activation",
                                 seg_activation_names[opts->code_activation]));
    SEG_TRY(seg_output_attr_int(out, GROUP, "epochs", opts->epochs));
    SEG_TRY(seg_output_attr_int(out, GROUP, "batch", opts->batch));
    SEG_TRY(seg_output_attr_double(out, GROUP, "learning_rate", opts->learning_rate));
    SEG_TRY(seg_output_attr_double(out, GROUP, "weight_decay", opts->weight_decay));
    SEG_TRY(seg_output_attr_int(out, GROUP, "patience", opts->patience));
    SEG_TRY(seg_output_attr_double(out, GROUP, "validation", opts->validation));
    return seg_output_attr_int(out, GROUP, "best_epoch", ae->best_epoch);
}

seg_status seg_ae_write(const seg_autoencoder *ae, seg_output *out)
{
    SEG_TRY(write_opts(ae, out));
    for (int i = 1; i <= ae->opts.n_layers; i++)
        SEG_TRY(write_layer(ae, i, out));
    SEG_TRY(seg_output_dim(out, GROUP "/epoch", ae->n_epochs));
    SEG_TRY(seg_output_array(out, GROUP "/loss_curve", SEG_FLOAT64, "epoch", ae->loss));
    SEG_TRY(seg_output_attr_text(out, GROUP "/loss_curve", "long_name",
                                 "mean squared error per cell of the batches of an epoch"));
    return seg_output_array(out, GROUP "/validation_loss_curve", SEG_FLOAT64, "epoch",
                            ae->validation_loss);
}

/* ---- reading ---- */

static seg_status read_activation(seg_input *in, const char *name, seg_activation *activation)
{
    char text[16];

    SEG_TRY(seg_input_attr_text(in, GROUP, name, text, sizeof text));
    for (int i = 0; i < SEG_N_ACTIVATIONS; i++)
        if (strcmp(text, seg_activation_names[i]) == 0) {
            *activation = (seg_activation)i;
            return SEG_OK;
        }
    return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is '%s', which this version does not know", name,
                    seg_input_path(in), text);
}

static seg_status wrong_shape(seg_input *in)
{
    return SEG_FAIL(SEG_ERR_DATA, "the autoencoder in '%s' has layers that do not fit together",
                    seg_input_path(in));
}

/* An attribute that is a whole number from `least` to `most`. */
static seg_status read_int(seg_input *in, const char *name, int least, int most, int *value)
{
    int64_t wide;

    SEG_TRY(seg_input_attr_int(in, GROUP, name, &wide));
    if (wide < least || wide > most) return wrong_shape(in);
    *value = (int)wide;
    return SEG_OK;
}

static seg_status read_opts(seg_input *in, seg_ae_opts *opts)
{
    seg_shape shape;
    char path[80];

    SEG_TRY(read_int(in, "n_layers", 2, SEG_AE_LAYERS_MAX, &opts->n_layers));
    SEG_TRY(read_int(in, "code_layer", 1, opts->n_layers - 1, &opts->code));
    SEG_TRY(read_activation(in, "activation", &opts->activation));
    SEG_TRY(read_activation(in, "code_activation", &opts->code_activation));
    SEG_TRY(read_int(in, "epochs", 1, INT32_MAX, &opts->epochs));
    SEG_TRY(read_int(in, "batch", 1, INT32_MAX, &opts->batch));
    SEG_TRY(read_int(in, "patience", 0, INT32_MAX, &opts->patience));
    SEG_TRY(seg_input_attr_double(in, GROUP, "learning_rate", &opts->learning_rate));
    SEG_TRY(seg_input_attr_double(in, GROUP, "weight_decay", &opts->weight_decay));
    SEG_TRY(seg_input_attr_double(in, GROUP, "validation", &opts->validation));
    for (int i = 1; i <= opts->n_layers; i++) {
        (void)snprintf(path, sizeof path, GROUP "/layer_%d/weight", i);
        SEG_TRY(seg_input_shape(in, path, &shape));
        if (shape.rank != 2 || shape.dim[0] < 1 || shape.dim[0] > INT32_MAX || shape.dim[1] < 1 ||
            shape.dim[1] > INT32_MAX || (i > 1 && shape.dim[0] != opts->width[i - 1]))
            return wrong_shape(in);
        opts->width[i - 1] = (int)shape.dim[0];
        opts->width[i] = (int)shape.dim[1];
    }
    return opts->width[0] == opts->width[opts->n_layers] ? SEG_OK : wrong_shape(in);
}

static seg_status read_arrays(seg_input *in, seg_autoencoder *ae)
{
    const seg_ae_opts *opts = &ae->opts;
    char path[80];

    for (int i = 1; i <= opts->n_layers; i++) {
        (void)snprintf(path, sizeof path, GROUP "/layer_%d/weight", i);
        SEG_TRY(seg_input_array(in, path, SEG_FLOAT32, opts->width[i - 1], opts->width[i],
                                ae->params + seg_ae_weights(opts, i)));
        (void)snprintf(path, sizeof path, GROUP "/layer_%d/bias", i);
        SEG_TRY(seg_input_array(in, path, SEG_FLOAT32, opts->width[i], 0,
                                ae->params + seg_ae_bias(opts, i)));
    }
    SEG_TRY(seg_input_array(in, GROUP "/loss_curve", SEG_FLOAT64, ae->n_epochs, 0, ae->loss));
    return seg_input_array(in, GROUP "/validation_loss_curve", SEG_FLOAT64, ae->n_epochs, 0,
                           ae->validation_loss);
}

seg_status seg_ae_read(seg_input *in, seg_autoencoder *ae)
{
    seg_ae_opts opts = { 0 };
    seg_shape curve;

    *ae = (seg_autoencoder) { 0 };
    SEG_TRY(read_opts(in, &opts));
    SEG_TRY(seg_input_shape(in, GROUP "/loss_curve", &curve));
    if (curve.rank != 1 || curve.dim[0] < 1 || curve.dim[0] > opts.epochs) return wrong_shape(in);

    seg_status status = ae_init(ae, &opts, opts.width[0]);
    if (status == SEG_OK) {
        ae->n_epochs = (int)curve.dim[0];
        status = read_int(in, "best_epoch", 0, ae->n_epochs - 1, &ae->best_epoch);
    }
    if (status == SEG_OK) status = read_arrays(in, ae);
    if (status != SEG_OK) seg_ae_release(ae);
    return status;
}
