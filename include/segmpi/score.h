/* A model on clients that it need not have seen: model + table -> scores.h5.  Rows stream through a
 * rank in slices, so its memory does not depend on their number; nothing is learned.  The same
 * bytes in the datasets on any number of ranks; on the training table the labels of the fit. */
#pragma once

#include "segmpi/model.h"

/* Who is scored by what; all borrowed. */
typedef struct seg_scoring {
    const seg_model *model;
    const char *model_id;
    seg_table *table; /* its columns are the features of the model, in the model's order */
    int components; /* coordinates on principal components that are written; at most the model's */
    const char *csv_path;     /* ids and segments as CSV too; NULL: not */
    bool force;               /* replaces that file */
    const char *partial_path; /* what is kept of a run that is asked to stop */
    const char *identity;     /* what that depends on besides the model: 16 hex digits */
    bool resume;              /* goes on from what was kept, if there is anything */
    bool allow_drift; /* columns that look as if they were in another unit are only warned of */
} seg_scoring;

/* Over all clients. */
typedef struct seg_score_summary {
    int64_t n;
    int n_clusters, n_segments;
    int64_t *cluster_size; /* [n_clusters]; owned, one block */
    int64_t *segment_size; /* [n_segments] */
    int64_t imputed_cells;
    int64_t outliers;        /* clients with a value outside the bounds of a column */
    int64_t redone;          /* clients whose label was decided in float64 */
    int64_t memory;          /* bytes that a rank took at most, with the program */
    int64_t bytes;           /* read and written */
    double seconds;          /* of the pass over the rows */
    seg_reference reference; /* by the yardstick of the model; empty if it has none; owned */
} seg_score_summary;

/* Collective.  Scores the clients into `out`, declared and committed here.  Fills what `provenance`
 * says about the number of rows and their content.  SEG_ERR_DATA if columns look as if they were in
 * another unit than the training base; what has moved otherwise is warned of.
 * SEG_ERR_INTERRUPTED if it is asked to stop: what is scored, the rows of a step at least, is kept
 * as partial scores.  `summary` is empty
 * on failure. */
seg_status seg_score_run(seg_comm *comm, const seg_kernels *kernels, const seg_scoring *scoring,
                         seg_provenance *provenance, seg_output *out, seg_score_summary *summary);
void seg_score_summary_release(seg_score_summary *summary);
/* Local; allocates and reads nothing. */
seg_plan seg_score_plan(const seg_scoring *scoring);

/* Local.  A model and its identity.  `model` is empty on failure. */
seg_status seg_score_model_open(const char *path, seg_model *model, char id[SEG_MODEL_ID]);
