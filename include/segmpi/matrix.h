/* The client matrix: prepared values as float32 in tiles of 16 clients, x[tile][column][lane], each
 * value rounded once to a multiple of 2^-grid[column], so that sums over clients are exact in int64
 * and free of order.  Local, unless said otherwise. */
#pragma once

#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/rows.h"
#include "segmpi/scratch.h"

typedef struct seg_matrix {
    seg_rows rows;
    int d;
    int64_t n_tiles;      /* of this rank; the last one is padded with zeros */
    int64_t total_weight; /* of all ranks: clients, each as often as it counts */
    int32_t *weight; /* [n_tiles * 16] how often a client counts, 0 in padding; NULL: once; owned */
    float *x;        /* [n_tiles][d][16]; owned */
    seg_scratch *scratch; /* holds x where that is larger than memory; NULL: it is memory; owned */
    int *grid;            /* [d]; owned; equal on all ranks */
    double
        *max_abs; /* [d]; owned; largest |value| over all ranks, a bound: value before rounding */
} seg_matrix;

/* Owned contents; every client counts once, x is all zeros, grid and max_abs are filled from the
 * arguments [d]. */
seg_status seg_matrix_init(seg_matrix *m, seg_rows rows, int d, const int *grid,
                           const double *max_abs);
/* The same with x where `place` says; NULL: in memory.  It is then set front to back, by
 * seg_matrix_set() and seg_matrix_fill() in turn. */
seg_status seg_matrix_init_in(seg_matrix *m, const seg_place *place, seg_rows rows, int d,
                              const int *grid, const double *max_abs);
void seg_matrix_release(seg_matrix *m); /* accepts an empty one */
/* Local rows up to `end` are set. */
seg_status seg_matrix_fill(seg_matrix *m, int64_t end);

/* Every pass over x goes front to back, block by block, and calls this for each: the tiles of the
 * block that begins at `tile`.  Those before it may leave memory until the next pass. */
int64_t seg_matrix_block(const seg_matrix *m, int64_t tile);
/* Clients that are looked at out of order are named first, by local row (negative: nobody), of
 * `count` so many at once; those named before may go.  seg_matrix_rest() ends it. */
#define SEG_MATRIX_WANTED 512
void seg_matrix_want(const seg_matrix *m, int64_t count, const int64_t *row);
void seg_matrix_rest(const seg_matrix *m);

/* Adds weights, all zeros, to be filled in by the caller, as is total_weight. */
seg_status seg_matrix_add_weights(seg_matrix *m);
/* Weights of the same clients in another matrix, if they have any. */
seg_status seg_matrix_copy_weights(const seg_matrix *from, seg_matrix *to);

/* How often the client at local row `at` counts. */
static inline int32_t seg_matrix_weight(const seg_matrix *m, int64_t at)
{
    return m->weight ? m->weight[at] : 1;
}

/* The finest grid at most 20 with total_weight * min(max_abs, rms bound) * 2^(grid + 1) < 2^62,
 * where rms bounds the root mean square of the column (INFINITY if unknown).  May be negative. */
int seg_matrix_grid(int64_t total_weight, double max_abs, double rms);

/* Writes `count` rows z [count][d], rounded to the grid, at local row `at` (rows counted from this
 * rank's first). */
void seg_matrix_set(seg_matrix *m, int64_t at, int64_t count, const double *z);
/* Reads `count` rows from local row `at` into z [count][d]; rows are asked for front to back. */
void seg_matrix_get(const seg_matrix *m, int64_t at, int64_t count, double *z);

/* Collective.  The clients at local rows row [count] of every rank, in order, on every rank: *all,
 * owned by the caller (seg_matrix_release). */
seg_status seg_matrix_gather(seg_comm *comm, const seg_matrix *m, int64_t count, const int64_t *row,
                             seg_matrix *all);
/* Collective.  The same for at most `most` clients drawn by row number, one from each of equal
 * ranges of rows; they do not depend on ranks. */
seg_status seg_matrix_sample(seg_comm *comm, const seg_matrix *m, int64_t most, uint64_t seed,
                             seg_matrix *sample);
