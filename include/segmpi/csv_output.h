/* CSV files for other systems: written by all ranks into one file that is complete or absent, and
 * cells that are safe in a spreadsheet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/part.h"

/* Bytes of a cell of `length` bytes of text at most. */
#define SEG_CSV_TEXT(length) (2 * (length) + 3)
#define SEG_CSV_INT          20

/* Local.  A cell at `to`; the end of what was written.  Text is quoted where it must be; one that a
 * spreadsheet would take for a formula (it begins with = + - @ or a tab) gets a ' in front. */
char *seg_csv_put_text(char *to, const char *text, size_t length);
char *seg_csv_put_int(char *to, int64_t value);

/* A CSV file that is complete or absent. */
typedef struct seg_csv_output {
    seg_part part;
    bool root; /* this rank creates and names it */
} seg_csv_output;

/* Collective.  SEG_ERR_CANTCREATE if `path` exists, unless `force`.  In any case to be released. */
seg_status seg_csv_output_open(seg_comm *comm, const char *path, bool force, seg_csv_output *csv);
/* Collective.  Each rank its own bytes. */
seg_status seg_csv_output_put(seg_comm *comm, const seg_csv_output *csv, const char *bytes,
                              int64_t size, int64_t offset);
seg_status seg_csv_output_sync(seg_comm *comm, seg_csv_output *csv);
/* Collective.  Gives the file, which is synced, its name; after the HDF5 output beside it has its
 * own, so that new CSV never stands beside an old one. */
seg_status seg_csv_output_commit(seg_comm *comm, seg_csv_output *csv);
/* Local.  Removes what was not committed. */
void seg_csv_output_release(seg_csv_output *csv);
