/* Inside embed/: the network's arithmetic, and batches that do not depend on ranks. */
#pragma once

#include "segmpi/autoencoder.h"
#include "segmpi/random.h"

/* ---- network (ae_network.c): local ---- */

/* Fills the widths that are left to the data, checks the shape, allocates: zeroed. */
seg_status ae_init(seg_autoencoder *ae, const seg_ae_opts *opts, int d);
/* Glorot uniform weights from (seed, number of the parameter); zero biases. */
void ae_randomise(seg_autoencoder *ae);

/* Floats that the activations of n rows take, from the input to the output of each layer. */
int64_t ae_activations_size(const seg_ae_opts *opts, int64_t n);
/* Where the output of layer i begins in them; i = 0: the input, which the caller fills. */
int64_t ae_activation_at(const seg_ae_opts *opts, int64_t n, int i);
/* Layers first + 1 .. last. */
void ae_forward(const seg_ae_opts *opts, const float *params, int64_t n, int first, int last,
                float *activations);
/* Gradient [n_params] of (1 / cells) * sum of squared errors over the first `rows` of n rows,
 * filled; returns that sum of squared errors (not divided).  delta: two buffers of n * the largest
 * width. */
double ae_backward(const seg_ae_opts *opts, const float *params, int64_t n, int64_t rows,
                   double cells, const float *activations, float *delta, float *gradient);
int ae_largest_width(const seg_ae_opts *opts);

/* ---- batches (ae_batches.c) ---- */

/* Positions 0 .. n_train are the clients to train on, the rest those to validate on; an epoch
 * visits training positions in an order of its own. */
typedef struct ae_order {
    int64_t n, n_train;
    uint64_t seed;
} ae_order;

ae_order ae_order_of(const seg_matrix *m, const seg_ae_opts *opts);
/* The row at training position `at` of an epoch; at >= n_train: a validation row. */
int64_t ae_row_at(const ae_order *order, int epoch, int64_t at);
/* Collective.  Values of the `count` rows at positions from `at` on, the same on every rank: rows
 * [count][d], filled; its storage has room for an even number of floats. */
void ae_gather(seg_comm *comm, const seg_matrix *m, const ae_order *order, int epoch, int64_t at,
               int64_t count, float *rows);
