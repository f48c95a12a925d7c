/* What a report draws, counted over all clients when a model is fitted: a grid over the first two
 * principal components, a sample of points on it, and a histogram of each feature in each segment.
 * Counts are integers and clients are drawn by row number, so the same bits on any number of ranks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/describe.h"
#include "segmpi/matrix.h"
#include "segmpi/pca.h"
#include "segmpi/prep.h"
#include "segmpi/store.h"

#define SEG_PICTURE_SAMPLE 4000
#define SEG_PICTURE_X      64 /* cells of the grid */
#define SEG_PICTURE_Y      48
#define SEG_PICTURE_BINS   32

/* All borrowed. */
typedef struct seg_picture_input {
    const seg_matrix *features;     /* prepared */
    const seg_matrix *space;        /* what was clustered: these, or their code */
    const seg_pca *pca;             /* of `space` */
    const seg_prep *prep;           /* of `features` */
    const seg_describe *statistics; /* of the same columns as they come */
    int n_segments;                 /* 0: none, all clients are one */
    const int *cluster_to_segment;  /* with n_segments */
    const int32_t *label;           /* [rows.count] clusters */
    uint64_t seed;                  /* of the sample */
} seg_picture_input;

/* One block of memory, owned; n_segments 0: there is none. */
typedef struct seg_picture {
    int n_segments; /* at least 1 once it is fitted */
    int d;
    int n_sample;
    double x[2], y[2];  /* range of the grid, in principal components */
    int64_t *density;   /* [n_segments][SEG_PICTURE_Y][SEG_PICTURE_X] clients */
    int64_t *outside;   /* [n_segments] clients beyond the grid */
    double *bin_edges;  /* [d][SEG_PICTURE_BINS + 1] in the units of the columns; equal widths in
                           prepared ones, from the 1st to the 99th percentile */
    int64_t *histogram; /* [n_segments][d][SEG_PICTURE_BINS] clients, gaps filled; the outermost
                           bins hold what lies beyond */
    double *sample;     /* [n_sample][2] principal components */
    int32_t *sample_segment; /* [n_sample] */
} seg_picture;

/* Collective.  One pass over the matrix.  `picture` is empty on failure. */
seg_status seg_picture_fit(seg_comm *comm, const seg_picture_input *in, seg_picture *picture);
/* Local.  Bytes of its group in a file. */
int64_t seg_picture_bytes(int64_t n, int d, int n_segments);
/* Local.  Group report/, on the root's dimensions `segment` (if there are any) and `feature`. */
seg_status seg_picture_write(const seg_picture *picture, bool has_segments, seg_output *out);
seg_status seg_picture_read(seg_input *in, seg_picture *picture);
void seg_picture_release(seg_picture *picture); /* accepts an empty one */
