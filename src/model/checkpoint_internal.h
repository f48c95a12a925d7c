/* Inside model/: generations of checkpoints as files. */
#pragma once

#include "segmpi/checkpoint.h"

#define CHECKPOINT_FORMAT "checkpoint"
#define CHECKPOINT_KEPT   2
#define CHECKPOINT_MOST   999999
#define CHECKPOINT_TEXT   17 /* a hash in hexadecimal */

/* What a checkpoint has to agree on with the run that goes on from it. */
typedef struct checkpoint_header {
    const char *command, *options, *version, *source, *blas;
    char data[CHECKPOINT_TEXT];   /* fingerprint of rows and columns */
    char others[CHECKPOINT_TEXT]; /* hash of other inputs */
    int64_t clients;
} checkpoint_header;

/* All of these are local, for rank 0. */

/* "model.h5.checkpoint-000007", owned by the caller. */
seg_status checkpoint_path(const char *output, int generation, char **path);
/* The highest number of a generation beside the output that is below `below`; 0: none. */
seg_status checkpoint_below(const char *output, int below, int *generation);
/* Removes all generations but the `kept` newest. */
seg_status checkpoint_prune(const char *output, int kept);
/* Removes all, and what a killed run left of number `next`. */
seg_status checkpoint_clean(const char *output, int next);

void checkpoint_header_of(const seg_provenance *run, checkpoint_header *header);
seg_status checkpoint_header_write(const checkpoint_header *header, int generation,
                                   seg_output *out);
/* Opens a generation and compares; SEG_ERR_DATA with the reason why it cannot be used. */
seg_status checkpoint_header_match(const checkpoint_header *header, const char *path,
                                   int generation, seg_input **in);
/* SEG_OK if an output is whole, and what this run would write; otherwise the reason. */
seg_status checkpoint_output_match(const checkpoint_header *header, const char *path);
