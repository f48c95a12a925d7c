/* The clients of two scorings: how far they are from their centers, and who moved from which
 * segment to which. */
#pragma once

#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/store.h"

/* Distances of clients to their centers, exact; NaN without clients. */
typedef struct seg_distances {
    double mean, median, p90; /* quantiles by numpy's linear method */
} seg_distances;

/* Collective.  Of a row array of float32 in a file, n values, none negative; each rank reads its
 * rows. */
seg_status seg_distances_read(seg_comm *comm, seg_input *in, const char *path, int64_t n,
                              seg_distances *distances);

/* A file with ids/client_id [n] and the segments of the same clients at `path`. */
typedef struct seg_labelled {
    seg_input *in;
    const char *path;
    int64_t n;
} seg_labelled;

typedef struct seg_migration {
    int n;           /* segments, the larger number of both sides */
    int64_t *counts; /* [n][n] clients of both sides by old and new segment; owned, one block */
    int64_t *entered_by_segment; /* [n] clients of the new side alone */
    int64_t *left_by_segment;    /* [n] clients of the old side alone */
    int64_t stayed, moved, entered, left;
    int64_t duplicates[2]; /* rows of the old and the new side that are left out, as their id stands
                              in one of the sides more than once */
} seg_migration;

/* Collective.  Ids are dealt to ranks by their hash, in as many passes over the files as keep a
 * rank's share below `memory` bytes (100,000 at least), even if one id stands on most rows; rows
 * may stand in any order, ids are compared as they are written (the number 17 is the text "17").
 * SEG_ERR_DATA if an id is neither a whole number nor a text, or a segment is not below n.  `m` is
 * empty on failure. */
seg_status seg_migration_fit(seg_comm *comm, const seg_labelled side[2], int n, int64_t memory,
                             seg_migration *m);
void seg_migration_release(seg_migration *m); /* accepts an empty one */
