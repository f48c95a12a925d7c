/* Inside table/: which columns of a file make the table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/pseudonym.h"
#include "segmpi/store.h"

#define SEG_IDS          "ids/client_id"
#define SEG_COLUMNS_MOST (1 << 20)

/* Local.  keep [n], filled: true for the columns in the comma-separated list `columns` (NULL: all)
 * that are not in `exclude` (NULL: none); blanks around a name are ignored.  SEG_ERR_USAGE for an
 * unknown name, with the nearest one, and if no column is left. */
seg_status seg_columns_select(int n, const char *const *names, const char *columns,
                              const char *exclude, bool *keep);

/* Local.  column [n_wanted], filled: the place of each wanted name.  SEG_ERR_DATA naming those that
 * are not there, with the nearest name each. */
seg_status seg_columns_match(int n, const char *const *names, int n_wanted,
                             const char *const *wanted, int *column);

/* Local.  Two columns of the same name, in the order of the file; -1 if there are none. */
seg_status seg_columns_find_twins(int n, const char *const *names, int *first, int *second);

/* Local.  SEG_ERR_USAGE for a name that is no column's, with the nearest one. */
seg_status seg_columns_unknown(int n, const char *const *names, const char *name);

/* Numeric columns of equal length in an HDF5 file: a 2-D dataset, or a group of 1-D datasets. */
typedef struct seg_source {
    char path[512]; /* of the dataset or the group, "" is the root */
    bool is_group;
    int64_t rows;
    int n;        /* columns */
    char **names; /* [n], one block; owned (seg_free) */
    bool has_ids;
    seg_shape id;                            /* as they stand in the file */
    char pseudonym_key[SEG_KEY_FINGERPRINT]; /* "" if ids are what they were */
} seg_source;

/* Local.  The source that `dataset` names; NULL: the only one that the file can mean.  Names of
 * columns without a name are column_0, column_1, ... */
seg_status seg_source_find(seg_input *in, const char *dataset, seg_source *source);

/* Local.  Warns of those of its d selected columns, whose names it has and whose numbers in the
 * file are `column`, that look like the number of the client: whole values in the first block of
 * rows that stand in order, or that are distinct under a name that says so.  x: room for a block of
 * its rows, or of a column where it is a group. */
seg_status seg_source_warn(seg_input *in, const seg_source *source, int d, const int *column,
                           double *x);

/* Collective.  Rank 0's source to all. */
seg_status seg_source_bcast(seg_comm *comm, seg_source *source);
