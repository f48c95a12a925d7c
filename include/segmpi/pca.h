/* Principal components of the prepared matrix: second moments per block by BLAS, added exactly,
 * eigenvectors by LAPACK on rank 0.  scikit-learn's names and meaning (explained_variance with n -
 * 1).  A stage. */
#pragma once

#include "segmpi/comm.h"
#include "segmpi/kernels.h"
#include "segmpi/matrix.h"
#include "segmpi/store.h"

typedef struct seg_pca {
    int d;
    int n_components;   /* min(n, d) */
    double *components; /* [n_components][d], orthonormal rows, largest loading positive; owned (one
                           block) */
    double *explained_variance;       /* [n_components] */
    double *explained_variance_ratio; /* [n_components] */
    double *singular_values;          /* [n_components] */
    double *mean;                     /* [d] of the matrix */
} seg_pca;

/* Collective.  All ranks hold the same bits.  One client or no variance: variances 0, ratios 0. */
seg_status seg_pca_fit(seg_comm *comm, const seg_matrix *m, seg_pca *pca);
/* Local.  z [n][d] -> scores [n][n_out], n_out <= n_components. */
void seg_pca_apply(const seg_pca *pca, int64_t n, const double *z, int n_out, double *scores);
/* Group pca/; the columns stand on the root's dimension `columns`. */
seg_status seg_pca_write(const seg_pca *pca, const char *columns, seg_output *out);
seg_status seg_pca_read(seg_input *in, seg_pca *pca);
void seg_pca_release(seg_pca *pca);
