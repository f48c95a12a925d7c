/* The whole method and its file: table -> prepared matrix -> PCA -> clusters -> segments ->
 * model.h5. */
#pragma once

#include "segmpi/checkpoint.h"
#include "segmpi/describe.h"
#include "segmpi/elbow.h"
#include "segmpi/embedding.h"
#include "segmpi/kmeans.h"
#include "segmpi/pca.h"
#include "segmpi/picture.h"
#include "segmpi/prep.h"
#include "segmpi/provenance.h"
#include "segmpi/reference.h"
#include "segmpi/segment.h"

typedef struct seg_fit_opts {
    seg_prep_opts prep;
    seg_embed_opts embed;
    seg_kmeans_opts kmeans;
    seg_segments_opts segments;
    const char *match_path; /* an earlier model, whose segments keep number and name; NULL: none */
    bool choose_k;          /* the k that an elbow recommends, instead of kmeans.n_clusters */
    const char *elbow_path; /* of the same table, preparation and embedding; NULL: run if a k is to
                               be chosen */
    seg_elbow_opts elbow;
    bool sweep_alone;              /* only the elbow is wanted */
    int64_t memory_limit;          /* bytes for a rank; 0: none */
    const char *scratch;           /* folder for clients that memory has no room for; borrowed */
    seg_place matrix, code;        /* of prepared clients and their code: see seg_model_settle() */
    const char *init_centers_path; /* for SEG_INIT_CENTERS: an HDF5 file with
                                      kmeans/cluster_centers_original */
} seg_fit_opts;

typedef struct seg_model {
    seg_describe statistics; /* of the columns as they come; not full; empty in older models */
    seg_prep prep;
    seg_embedding embedding;
    seg_pca pca; /* of what was clustered: the features, or their code */
    seg_kmeans kmeans;
    double *feature_centers; /* [k][d] centers of clusters in scaled features where their code was
                                clustered; owned; see seg_model_centers() */
    seg_segments segments;
    seg_elbow elbow;         /* empty where no sweep was run */
    seg_reference reference; /* the training base, for drift; empty in older models */
    seg_picture picture;     /* what a report draws; empty in older models */
} seg_model;

/* What a run will need, before it is started. */
typedef struct seg_plan {
    int64_t n;            /* clients */
    int d;                /* columns */
    int64_t memory;       /* bytes that the rank with most rows will take at its peak, with
                             the program */
    int64_t scratch;      /* bytes of the file that holds its clients where memory does not */
    int64_t output_bytes; /* of the arrays that make nearly all of the output */
    int n_groups;         /* of a sweep alone: groups of k whose fits share passes; 0: it is none */
    int64_t sweep;        /* bytes of `memory` for these fits */
    int64_t weights;      /* of an autoencoder; 0: none is trained */
    double flops;         /* of its training, at most, on all ranks together */
} seg_plan;

/* Local.  How the run keeps to its limit: fewer k at once, then clients in a file.  Completes opts:
 * elbow.sweep.together, matrix and code.  SEG_ERR_MEMORY names the smallest limit that works. */
seg_status seg_model_settle(const seg_table *table, int n_ranks, seg_fit_opts *opts);

/* Collective.  `extra`: columns of the same clients that are only profiled, or NULL.  `model` is
 * empty on failure. */
seg_status seg_model_fit(seg_comm *comm, const seg_kernels *kernels, seg_table *table,
                         seg_table *extra, const seg_fit_opts *opts, seg_model *model);
/* Local.  From here on the state of long work is kept in checkpoints, which is borrowed. */
void seg_fit_keep(seg_checkpoint *checkpoint, seg_fit_opts *opts);
/* Local; allocates and reads nothing. */
seg_plan seg_model_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts);
/* Collective.  Rank 0 writes everything small, all ranks their labels; commits `out`. */
seg_status seg_model_write(seg_comm *comm, const seg_model *model, const seg_table *table,
                           const seg_provenance *provenance, seg_output *out);
/* Collective.  The part of the method that `elbow` runs: fills prep, embedding and elbow of a model
 * and leaves the rest empty.  The whole is empty on failure. */
seg_status seg_model_sweep(seg_comm *comm, const seg_kernels *kernels, seg_table *table,
                           const seg_fit_opts *opts, seg_model *model);
/* Local; allocates and reads nothing. */
seg_plan seg_model_sweep_plan(const seg_table *table, int n_ranks, const seg_fit_opts *opts);
/* Collective.  elbow.h5, with these three parts; commits `out`. */
seg_status seg_elbow_write(seg_comm *comm, const seg_model *model, const seg_provenance *provenance,
                           seg_output *out);
/* Local.  The same three parts from it; `model` is empty on failure. */
seg_status seg_elbow_read(seg_input *in, seg_model *model);
/* Local.  The elbow of a file into `model`, whose preparation and embedding are learned already;
 * SEG_ERR_DATA if the file's are others. */
seg_status seg_elbow_load(const char *path, seg_model *model);
/* Local.  Everything but the labels.  `model` is empty on failure. */
seg_status seg_model_read(seg_input *in, seg_model *model);
/* Local.  The same from the file `path`; id [SEG_MODEL_ID]: its model_id, filled; may be NULL. */
seg_status seg_model_load(const char *path, seg_model *model, char *id);
void seg_model_release(seg_model *model);
/* Local.  Centers [k][d] of the clusters in scaled features, whatever was clustered; borrowed. */
const double *seg_model_centers(const seg_model *model);

/* Local.  Starting centers from a file, matched to the features of `prep` by name and prepared as
 * the clients are: k points in original units -> *centers [k][d] scaled, owned by the caller
 * (seg_free). SEG_ERR_DATA if a feature is missing or the file holds another number of centers. */
seg_status seg_centers_read(const char *path, const seg_prep *prep, int k, double **centers);
