/* Checkpoints: generations of files beside an output, PATH.checkpoint-000001 and so on, each the
 * whole state of a run that is stopped or killed before the output is there.  Written by the commit
 * protocol of all outputs; the newest two are kept, none once the output is there.  A resumed run
 * ends in the same bits on any number of ranks. */
#pragma once

#include "segmpi/keep.h"
#include "segmpi/provenance.h"

typedef struct seg_checkpoint seg_checkpoint;

typedef struct seg_checkpoint_opts {
    const char *path;          /* the output */
    const seg_provenance *run; /* command, options, inputs, BLAS: a checkpoint fits this run alone
                                */
    bool resume;               /* from the newest checkpoint that is valid */
    bool force;                /* an output that another run has written may be replaced */
} seg_checkpoint_opts;

/* Collective.  SEG_ERR_CANTCREATE if a run that resumes finds the output of another; SEG_ERR_DATA
 * if there are checkpoints to resume from and none is valid; a fresh start with a note if there is
 * none.  *out owned by the caller (seg_checkpoint_free); NULL on failure. */
seg_status seg_checkpoint_open(seg_comm *comm, const seg_checkpoint_opts *opts,
                               seg_checkpoint **out);
/* Local.  A run that resumes has found its own output, whole: it was killed between its last step
 * and its exit.  There is nothing left to compute. */
bool seg_checkpoint_is_done(const seg_checkpoint *checkpoint);
/* Local.  The keeper for the work of a stage; borrowed from the checkpoint. */
typedef enum seg_kept_stage {
    SEG_KEPT_AUTOENCODER,
    SEG_KEPT_SWEEP,
    SEG_KEPT_KMEANS
} seg_kept_stage;
const seg_keeper *seg_checkpoint_keeper(seg_checkpoint *checkpoint, seg_kept_stage stage);
/* Collective.  The end of a run with this status: if it was asked to stop, writes what is new and
 * says how to go on; if the output is there, removes all generations.  Returns the status of it
 * all.  Accepts NULL. */
seg_status seg_checkpoint_close(seg_comm *comm, seg_checkpoint *checkpoint, seg_status status);
void seg_checkpoint_free(seg_checkpoint *checkpoint); /* accepts NULL */
