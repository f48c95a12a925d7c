/* The whole method and its file: table -> prepared matrix -> PCA -> clusters -> model.h5. */
#pragma once

#include "segmpi/kmeans.h"
#include "segmpi/pca.h"
#include "segmpi/prep.h"
#include "segmpi/provenance.h"

typedef struct seg_fit_opts {
    seg_prep_opts prep;
    seg_kmeans_opts kmeans;
} seg_fit_opts;

typedef struct seg_model {
    seg_prep prep;
    seg_pca pca;
    seg_kmeans kmeans;
} seg_model;

/* Collective.  `model` is empty on failure. */
seg_status seg_model_fit(seg_comm *comm, const seg_kernels *kernels, seg_table *table,
                         const seg_fit_opts *opts, seg_model *model);
/* Collective.  Rank 0 writes everything small, all ranks their labels; commits `out`. */
seg_status seg_model_write(seg_comm *comm, const seg_model *model, const seg_table *table,
                           const seg_provenance *provenance, seg_output *out);
void seg_model_release(seg_model *model);
