/* Inside model/: the parts of a fit and of an elbow. */
#pragma once

#include "segmpi/model.h"

/* Collective.  What a model learns before it clusters: preparation and embedding.  The prepared
 * matrix, and its code where there is an embedding; owned by the caller. */
seg_status model_prepare(seg_comm *comm, seg_table *table, const seg_fit_opts *opts,
                         seg_model *model, seg_matrix *m, seg_matrix *code);

/* Collective.  Labels of every k from the centers of the sweep, and the indices of each. */
seg_status model_assess(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        const seg_elbow_opts *opts, seg_elbow *elbow);
/* Collective.  The gap statistic on a sample. */
seg_status model_gap(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                     const seg_elbow_opts *opts, seg_elbow *elbow);
/* Collective.  Stability of each cluster under resampling, on a sample. */
seg_status model_stability(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                           const seg_elbow_opts *opts, seg_elbow *elbow);

/* Local.  Of a model of d columns, what it holds for pairs of them: correlations, gaps that come
 * together, components. */
int64_t model_bytes(int64_t d);

/* Local.  Storage for the figures of sweep->n_k values of k; `elbow` says which parts. */
seg_status model_elbow_alloc(seg_elbow *elbow);
