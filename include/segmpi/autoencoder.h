/* The autoencoder: a dense network that reproduces its input through a narrow layer, the code,
 * which is then clustered.  Trained by Adam on the mean squared error, data-parallel on all ranks,
 * the same weights bit for bit on any number of them.  A stage.
 *
 * Method.  Layer i maps a [n][width i] to activation(a W + b), W [width i][width i + 1]; the last
 * layer is linear.  Rows of a batch come from a counter-based permutation of global rows, so a
 * batch does not depend on ranks; it is cut into micro-blocks of 32 rows, block b computed by rank
 * b mod size with BLAS in a fixed shape; gradients are rounded to multiples of 2^-40 and added as
 * integers. Sources: Glorot and Bengio 2010; Kingma and Ba 2015; Loshchilov and Hutter 2019 (weight
 * decay). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/keep.h"
#include "segmpi/matrix.h"
#include "segmpi/store.h"

#define SEG_AE_LAYERS_MAX 16
#define SEG_AE_BLOCK_ROWS 32 /* rows of a micro-block */

typedef enum seg_activation {
    SEG_LINEAR,
    SEG_RELU,
    SEG_ELU, /* alpha 1 */
    SEG_TANH
} seg_activation;
#define SEG_N_ACTIVATIONS (SEG_TANH + 1)
extern const char *const seg_activation_names[SEG_N_ACTIVATIONS]; /* in options and files */

typedef struct seg_ae_opts {
    int n_layers; /* of encoder and decoder together */
    int width[SEG_AE_LAYERS_MAX +
              1];              /* [n_layers + 1] first and last are the columns: 0, filled in */
    int code;                  /* number of the layer whose output is the code, 1-based */
    seg_activation activation; /* of hidden layers */
    seg_activation code_activation;
    int epochs;
    int batch;            /* rows */
    double learning_rate; /* of Adam */
    double weight_decay;  /* decoupled */
    int patience;         /* epochs without a better validation loss before it stops; 0: never */
    double validation;    /* share of clients kept out of training, at most SEG_AE_VALIDATION_MAX */
    uint64_t seed;
    const seg_keeper *keeper; /* of the state of training; NULL: none; borrowed for the fit */
} seg_ae_opts;

#define SEG_AE_VALIDATION_MAX 16384 /* clients */

/* 64-32-10-32-64 with a linear code, ELU, 40 epochs of batches of 128 at 1e-3. */
seg_ae_opts seg_ae_defaults(void);
/* The study's network: 7-500-500-2000-10-2000-500, ReLU everywhere but at the output, 25 epochs,
 * all clients in training. */
seg_ae_opts seg_ae_study(void);

typedef struct seg_autoencoder {
    seg_ae_opts opts; /* widths complete */
    int64_t n_params;
    float *params;  /* [n_params] W and b of each layer in turn; owned */
    int n_epochs;   /* trained */
    int best_epoch; /* whose weights these are, 0-based */
    double *loss;   /* [epochs] mean squared error per cell of the batches, as they were; owned */
    double *validation_loss; /* [epochs] after each epoch; NaN without a validation share; owned */
} seg_autoencoder;

/* Where W and b of layer i begin in params. */
int64_t seg_ae_weights(const seg_ae_opts *opts, int i);
int64_t seg_ae_bias(const seg_ae_opts *opts, int i);

/* Local.  Weights and biases of a network on d columns, and bytes that its training allocates. */
int64_t seg_ae_size(const seg_ae_opts *opts, int d);
int64_t seg_ae_memory(const seg_ae_opts *opts, int d);
/* Local.  Bytes that a trained network takes, with the workspace of a pass; widths are complete. */
int64_t seg_ae_apply_memory(const seg_ae_opts *opts);

/* Collective.  SEG_ERR_DATA with advice if the loss stops being finite.  `ae` is empty on failure.
 */
seg_status seg_ae_fit(seg_comm *comm, const seg_matrix *m, const seg_ae_opts *opts,
                      seg_autoencoder *ae);
void seg_ae_release(seg_autoencoder *ae);

/* Local.  Workspace of one forward pass over a block of SEG_BLOCK_ROWS rows; owned (seg_free). */
seg_status seg_ae_workspace(const seg_autoencoder *ae, float **work);
/* Local, cannot fail.  n <= SEG_BLOCK_ROWS rows of the block, z [n][d] -> code [n][width of the
 * code] and error [n], the mean squared error over the row's cells (may be NULL).  BLAS runs in the
 * full shape of a block, so results do not depend on n. */
void seg_ae_apply(const seg_autoencoder *ae, int64_t n, const double *z, float *work, double *code,
                  float *error);

seg_status seg_ae_write(const seg_autoencoder *ae, seg_output *out); /* group autoencoder/ */
seg_status seg_ae_read(seg_input *in, seg_autoencoder *ae);
