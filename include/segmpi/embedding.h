/* Embedding: the stage that maps the prepared columns to fewer ones before clustering: none,
 * principal components, or the code of an autoencoder.  The same verbs as every stage. */
#pragma once

#include "segmpi/autoencoder.h"
#include "segmpi/pca.h"

typedef enum seg_embed_method {
    SEG_EMBED_NONE,
    SEG_EMBED_PCA,
    SEG_EMBED_AUTOENCODER
} seg_embed_method;

typedef struct seg_embed_opts {
    seg_embed_method method;
    double components; /* PCA: how many (1 or more), or the share of variance to keep (below 1) */
    bool whiten;       /* PCA: every component to variance 1; those with nearly none are left out */
    seg_ae_opts autoencoder;
} seg_embed_opts;

typedef struct seg_embedding {
    seg_embed_opts opts;
    int d_in, d_out;
    seg_pca pca;       /* of the prepared matrix; SEG_EMBED_PCA only */
    double *whitening; /* [d_out] scores are multiplied by it; SEG_EMBED_PCA only; owned */
    seg_autoencoder autoencoder; /* SEG_EMBED_AUTOENCODER only */
    int *grid;                   /* [d_out] as in seg_matrix; owned */
    double *max_abs;             /* [d_out]; owned */
    float *reconstruction_error; /* [rows.count] mean squared error of each of this rank's clients,
                                    in the order of the matrix; SEG_EMBED_AUTOENCODER only; owned */
} seg_embedding;

/* Local.  Columns after the embedding of d columns; a share of variance may leave fewer. */
int seg_embedding_width(int d, const seg_embed_opts *opts);
/* Collective.  Learns from the prepared matrix; nothing to learn for SEG_EMBED_NONE.  `e` is empty
 * on failure. */
seg_status seg_embedding_fit(seg_comm *comm, const seg_matrix *m, const seg_embed_opts *opts,
                             seg_embedding *e);
/* Local.  The embedded matrix, owned by the caller (seg_matrix_release), with its cells where
 * `place` says; NULL: in memory.  Not for SEG_EMBED_NONE. */
seg_status seg_embedding_apply(const seg_embedding *e, const seg_matrix *m, const seg_place *place,
                               seg_matrix *out);
/* Local.  Workspace of seg_embedding_rows(), owned by the caller (seg_free). */
seg_status seg_embedding_workspace(const seg_embedding *e, float **work);
/* Local, cannot fail.  The rows of one block, n <= SEG_BLOCK_ROWS: z [n][d_in] -> code [n][d_out],
 * not rounded to the grid; error [n] as reconstruction_error (NULL: not wanted). */
void seg_embedding_rows(const seg_embedding *e, int64_t n, const double *z, float *work,
                        double *code, float *error);
/* Local.  True if both have learned the same, to the bit; options do not count. */
bool seg_embedding_same(const seg_embedding *a, const seg_embedding *b);
/* Local.  Bytes that learning and applying allocate on a rank beside the two matrices. */
int64_t seg_embedding_memory(int64_t rows, int d, const seg_embed_opts *opts);
seg_status seg_embedding_write(const seg_embedding *e, seg_output *out); /* group embedding/ */
seg_status seg_embedding_read(seg_input *in, seg_embedding *e);
void seg_embedding_release(seg_embedding *e);
