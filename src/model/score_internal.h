/* Inside model/: scoring.  score_run.c is the whole; score_rows.c one rank's rows; score_file.c
 * what scores.h5 holds; score_check.c reads back who has which label. */
#pragma once

#include "segmpi/csv_output.h"
#include "segmpi/score.h"

#define SCORE_CHUNK ((int64_t)64 * SEG_BLOCK_ROWS) /* rows that are written at once */

/* What is said of each client. */
enum {
    SCORE_CLUSTER,
    SCORE_SEGMENT,
    SCORE_DISTANCE,
    SCORE_MARGIN,
    SCORE_IMPUTED,
    SCORE_OUTLIER,
    SCORE_ERROR,
    SCORE_COMPONENTS,
    SCORE_ID,
    SCORE_ARRAYS
};

typedef struct score_array {
    const char *path, *dims, *long_name;
    seg_type type;
    int width;         /* of texts */
    int64_t row_bytes; /* 0: not in the file */
} score_array;

/* Hashes of clients, and of clients with their labels, added in two halves each. */
typedef struct score_sums {
    int64_t half[4];
} score_sums;

/* Local.  The arrays of the file, all SCORE_ARRAYS. */
void score_layout(const seg_scoring *scoring, score_array *arrays);
/* Local, all ranks: dimensions and row arrays. */
seg_status score_declare(const seg_scoring *scoring, const score_array *arrays, seg_output *out);
/* Local, rank 0: what is known when the rows are. */
seg_status score_write_small(const seg_reference *reference, const seg_provenance *provenance,
                             seg_output *out);

/* ---- this rank's rows ---- */

typedef struct scorer {
    const seg_kernels *kernels;
    const seg_scoring *scoring;
    score_array array[SCORE_ARRAYS];
    char *data[SCORE_ARRAYS];    /* [SCORE_CHUNK] of each array; NULL: not in the file; owned */
    bool has_ids;                /* otherwise clients are known by the number of their row */
    const double *lower, *upper; /* [d] bounds beyond which a value is an outlier */
    seg_labeller labeller;

    /* a slice; owned */
    double *x, *z, *y; /* [SEG_SLICE_ROWS][d], and a block before and after the embedding */
    float *work;
    int32_t *label; /* [SEG_SLICE_ROWS] */
    seg_matrix features, code;

    /* so far */
    seg_score_summary count;
    score_sums sums;
    int64_t content[2]; /* of the fingerprint */
    double *bounds;     /* [2 d]; owned */
    char *done;         /* [blocks of this rank] scored already; owned */
    int64_t next;       /* rows of this rank before it are done */
    seg_status last;    /* of this rank's last step */
} scorer;

/* Local. */
seg_status scorer_init(const seg_kernels *kernels, const seg_scoring *scoring, scorer *s);
void scorer_release(scorer *s); /* accepts an empty one */
/* Local.  Rows of this rank that are not done. */
int64_t scorer_left(const scorer *s);
/* Local.  Scores and writes the next rows that are not done, about `most`: whole chunks. */
seg_status scorer_rows(scorer *s, int64_t most, seg_output *out);

/* ---- are these clients like those of the training base? ---- */

/* Collective.  Looks at a sample of blocks for columns in another unit. */
seg_status score_gate(seg_comm *comm, scorer *s);
/* Local.  Warns of columns that have moved; r over all clients. */
void score_warn(const seg_reference *base, const seg_reference *r);

/* ---- who has which label ---- */

/* Local.  Adds n clients from row `row` of the table on, as the arrays of the file hold them. */
void score_sums_add(const scorer *s, int64_t row, int64_t n, char *const data[SCORE_ARRAYS],
                    score_sums *sums);
/* Collective.  Reads back what other ranks have written and compares.  The scorer's chunk is
 * overwritten. */
seg_status score_check(seg_comm *comm, scorer *s, const seg_output *out);

/* Collective.  Clients and segments as CSV, from what was written; not committed yet. */
seg_status score_csv_write(seg_comm *comm, scorer *s, const seg_output *out, seg_csv_output *csv);

/* ---- a run that is asked to stop ---- */

/* Collective.  Keeps what is scored as partial scores; SEG_ERR_INTERRUPTED if that is done. */
seg_status score_partial_save(seg_comm *comm, scorer *s, seg_output *out);
/* Collective.  Copies the rows of partial scores, if there are any, and goes on from their counts.
 */
seg_status score_partial_load(seg_comm *comm, scorer *s, seg_output *out);
/* Collective.  Refuses to score where a file of another kind would be replaced or removed. */
seg_status score_partial_check(seg_comm *comm, const seg_scoring *scoring);
/* Local, rank 0.  The scores are there: the partial ones go. */
void score_partial_remove(const seg_scoring *scoring);
