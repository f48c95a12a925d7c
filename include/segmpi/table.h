/* Clients as rows of numeric columns, read from an HDF5 file in blocks; a rank sees the blocks that
 * it owns.  The rows stay in the file: memory holds one slice at a time.
 *
 * Sources: segmpi's own clients.h5; any HDF5 file with a 2-D numeric dataset; a group with one 1-D
 * dataset per column. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/provenance.h"
#include "segmpi/pseudonym.h"
#include "segmpi/rows.h"
#include "segmpi/store.h"

/* Rows that one slice holds at most: whole blocks. */
#define SEG_SLICE_ROWS (8 * SEG_BLOCK_ROWS)

typedef struct seg_table_opts {
    const char
        *dataset; /* path of the 2-D dataset, or of the group of columns; NULL: found by itself */
    const char *columns;         /* comma-separated names to keep, in the file's order; NULL: all */
    const char *exclude_columns; /* comma-separated names to leave out; NULL: none */
    int n_features; /* above 0: these columns and no others, in this order; SEG_ERR_DATA names those
                       that are not there */
    const char *const *features; /* [n_features] */
    const char *weights; /* the column that says how often a client counts: whole numbers from 0 to
                    2^31 - 1; it is no feature; NULL: every client counts once */
    const seg_key
        *key; /* ids are read as pseudonyms by it; borrowed by the table; NULL: as they are */
} seg_table_opts;

typedef struct seg_table seg_table;

/* Collective.  Rank 0 looks into the file and tells the others its columns and where rows stand;
 * each opens it for its own.  *out owned (seg_table_free). */
seg_status seg_table_open(seg_comm *comm, const char *path, const seg_table_opts *opts,
                          seg_table **out);
void seg_table_free(seg_table *table); /* accepts NULL */

/* Local.  True if the file says so, or its name does: .h5, .hdf5, .nc; otherwise it is for
 * seg_csv_import(). */
bool seg_table_is_hdf5(const char *path);

/* Local. */
const char *seg_table_path(const seg_table *table);
seg_rows seg_table_rows(const seg_table *table);
int seg_table_columns(const seg_table *table);              /* d */
const char *const *seg_table_names(const seg_table *table); /* [d], borrowed from the table */
bool seg_table_has_ids(const seg_table *table);

/* Local.  Reads rows [first, first + count) of this rank's range, counted from its first row, count
 * <= SEG_SLICE_ROWS, into x [count][d], in the units of the file, missing = NaN (infinite cells
 * too). */
seg_status seg_table_read(seg_table *table, int64_t first, int64_t count, double *x);
/* Local.  Weights of the rows that were read last [count], borrowed until the next read; NULL: all
 * count once. */
const int32_t *seg_table_weights(const seg_table *table);
/* Local.  Type of the ids and bytes of a text; false if the table has none. */
bool seg_table_id_type(const seg_table *table, seg_type *type, int *width);
/* Local.  Fingerprint of the key where ids are pseudonyms, stored or made; "" otherwise. */
const char *seg_table_pseudonym_key(const seg_table *table);
/* Local.  Ids of rows [first, first + count) of this rank's range, of that type. */
seg_status seg_table_read_ids(seg_table *table, int64_t first, int64_t count, void *ids);
/* Local.  Those rows, as far as there are any, will be read soon; see seg_input_ahead(). */
void seg_table_ahead(seg_table *table, int64_t first, int64_t count);
/* Local.  Infinite cells that reading has met so far on this rank. */
int64_t seg_table_infinite(const seg_table *table);

/* Collective.  A checksum of the values of the selected columns that does not depend on ranks;
 * reads the data once. */
seg_status seg_table_fingerprint(seg_comm *comm, seg_table *table, uint64_t *fingerprint);
/* The same in a pass that reads anyway: local, adds the rows that were read last, which begin a
 * block, to sum [2]; then collective. */
void seg_table_hash(const seg_table *table, int64_t first, int64_t count, const double *x,
                    int64_t sum[2]);
uint64_t seg_table_fingerprint_of(seg_comm *comm, const seg_table *table, const int64_t sum[2]);

/* ---- from CSV to clients.h5 ---- */

typedef struct seg_csv_opts {
    int n_paths;
    const char *const *paths; /* several files with the same header make one table */
    const char *id_column;    /* NULL: detected; "" : none */
    const char *columns;      /* as above */
    const char *exclude_columns;
    int n_features; /* above 0: these columns and no others; they are numbers */
    const char *const *features;
    char delimiter;           /* 0: detected */
    char decimal;             /* 0: detected; '.' or ',' */
    char thousands;           /* 0: none; between groups of three digits: , . ' _ or a blank */
    const char *missing;      /* comma-separated markers besides the usual ones; NULL: none */
    int64_t skip_bad_rows;    /* bad rows to leave out at most; 0: the first one ends the run */
    bool float32;             /* store features as float32 */
    const char *pseudonymize; /* file with a key (segmpi/pseudonym.h): ids are stored as pseudonyms;
                                 NULL: as they are */
    const char *exclude_ids; /* file with ids, one in a line, whose rows are left out; NULL: none */
} seg_csv_opts;

typedef struct seg_csv_summary {
    int64_t rows;               /* clients written */
    int64_t bad_rows;           /* left out */
    int64_t excluded_rows;      /* left out by exclude_ids */
    int64_t excluded_not_found; /* ids of that list that no client has */
    int64_t missing_cells;
    int64_t repeated_ids; /* clients whose id another one before them has (warned) */
    int d;
    int64_t bytes;        /* of CSV */
    double parse_seconds; /* slowest rank, without opening, sync and read-back */
} seg_csv_summary;

/* Collective.  Writes rows, ids and names to `out` (declared and committed by this function),
 * constant memory per rank.  Method: each rank counts the records of its byte range under both
 * hypotheses about an open quote; an exclusive scan tells which one holds; then each rank parses
 * whole blocks of rows.  Fills the input_ and rows_ fields of `provenance` and writes it (the
 * caller owns the texts it points to afterwards: input_name is borrowed from `opts`). */
seg_status seg_csv_import(seg_comm *comm, const seg_csv_opts *opts, seg_provenance *provenance,
                          seg_output *out, seg_csv_summary *summary);

/* Collective.  Clients of a file of format `clients` whose id another client before them has; reads
 * all ids, more than once where a rank would have to hold more than `most` of them. */
seg_status seg_ids_repeated(seg_comm *comm, seg_input *in, int64_t most, int64_t *repeated);

/* ---- synthetic card holders ---- */

/* Collective.  n clients with the 17 columns of data/schema/, the same for any number of ranks, to
 * `out` (declared and committed here) and, if csv_path is not NULL, to a CSV file as well. */
seg_status seg_generate(seg_comm *comm, int64_t n, uint64_t seed, seg_provenance *provenance,
                        seg_output *out, const char *csv_path, bool force);
