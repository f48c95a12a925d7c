/* Inside the CSV reader:
 *
 *   csv_number.c   text -> double, correctly rounded
 *   csv_record.c   bytes -> cells -> one client
 *   csv_complain.c what is wrong with one
 *   csv_file.c     bytes of a file through a window of memory
 *   csv_dialect.c  what separates the cells and the decimals
 *   csv_schema.c   which columns are numbers, which one is the id (rank 0, from the head)
 *   csv_scan.c     pass 1: where the records of a range begin, and their number
 *   csv_read.c     one record after the other from a place in the files
 *   csv_import.c   pass 2, all ranks: rows -> clients.h5
 *
 * A record ends at a line feed with an even number of quotes before it in its file.  A record
 * belongs to the line feed before it: the first one to the line feed that ends the header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/table.h"

#define CSV_PIECE       ((int64_t)1 << 20)  /* ranges of ranks begin at multiples of it */
#define CSV_WINDOW      ((int64_t)1 << 20)  /* bytes read at once */
#define CSV_RECORD_MOST ((int64_t)16 << 20) /* a longer record means a quote that never closes */
#define CSV_NUMBER_MOST 1024                /* bytes of a cell that holds a number */
#define CSV_ID_MOST     255                 /* bytes of an id */
#define CSV_SAMPLE      10000               /* records that decide about the columns */
#define CSV_BLANKS      ' '                 /* the delimiter "runs of blanks and tabs" */

/* ---- numbers ---- */

/* The number that begins at `text`: its end, *value filled; NULL if none begins there.  A byte that
 * is no part of a number must follow it.  Correctly rounded, the same in any locale. */
const char *csv_number(const char *text, char decimal, double *value);

/* True if all of the text is an integer as a program would write it (no '+', no leading zeros) that
 * fits *value. */
bool csv_integer(const char *text, int64_t length, int64_t *value);

/* ---- records ---- */

/* How cells are told apart. */
typedef struct csv_dialect {
    char delimiter;           /* CSV_BLANKS: runs of blanks and tabs */
    char decimal;             /* '.' or ',' */
    char thousands;           /* the mark between groups of three digits; 0: none */
    unsigned char stops[256]; /* nonzero for bytes that end or spoil a bare cell */
} csv_dialect;

void csv_dialect_init(char delimiter, char decimal, csv_dialect *dialect);

/* True if all of the text is a number, *value filled.  With thousands marks: all of them or none,
 * one before each three digits of the whole part. */
bool csv_dialect_number(const csv_dialect *dialect, const char *text, int64_t length,
                        double *value);

/* The thousands mark that would make a number of a text that is none; 0: none would. */
char csv_dialect_mark(const csv_dialect *dialect, const char *text, int64_t length);

/* Cells that stand for no value, besides the usual ones.  One that is a number means the value. */
typedef struct csv_missing {
    int n_words, n_values;
    char **words;   /* [n_words], owned, one block with their text */
    double *values; /* [n_values], owned */
} csv_missing;

/* `list` is comma-separated and may be NULL. */
seg_status csv_missing_init(const char *list, csv_missing *missing);
void csv_missing_release(csv_missing *missing);

/* What becomes of a column of the file: a feature (its number), or one of these. */
#define CSV_SKIPPED (-1)
#define CSV_ID      (-2)

typedef struct csv_schema {
    csv_dialect dialect;
    csv_missing missing;
    int n;            /* columns of the file */
    int d;            /* features */
    int id;           /* the id's column, or -1 */
    double limit;     /* finite numbers from here on cannot be stored */
    bool nameless;    /* most names are numbers: they may be those of a client */
    int *target;      /* [n], owned */
    char **names;     /* [n], owned, one block with the originals: trimmed, without quotes */
    char **originals; /* [n], in the block of `names`: as they stand in the file */
} csv_schema;

void csv_schema_release(csv_schema *schema);

/* Bytes to parse: *end is a line feed that the caller put there; `last` if the file ends at it. */
typedef struct csv_view {
    const char *at, *end;
    bool last;
} csv_view;

typedef struct csv_cell {
    const char *text; /* borrowed; without padding and the outer quotes, "" not yet undoubled */
    int64_t length;
    bool quoted;
} csv_cell;

/* Digits, most of it, in what begins with one or with a sign: no date, no code of letters. */
bool csv_looks_numeric(const csv_cell *cell);

/* Bytes of the cell as text. */
int64_t csv_cell_length(const csv_cell *cell);
/* The cell as text; false if it does not fit into `size` bytes with its NUL. */
bool csv_cell_copy(const csv_cell *cell, char *to, int64_t size);

typedef enum csv_verdict {
    CSV_GOOD,
    CSV_BAD,
    CSV_MORE /* the view ends inside the record */
} csv_verdict;

typedef enum csv_flaw {
    CSV_NO_NUMBER,
    CSV_TOO_LARGE,
    CSV_TOO_FEW_CELLS,
    CSV_TOO_MANY_CELLS,
    CSV_STRAY_QUOTE,
    CSV_OPEN_QUOTE,
    CSV_NUL_BYTE,
    CSV_LONG_NUMBER,
    CSV_ID_EMPTY,
    CSV_ID_LONG,
    CSV_ID_ENCODING
} csv_flaw;

typedef struct csv_record {
    const char *next; /* where the next record begins; also after CSV_BAD */
    int64_t line;     /* that it begins in, from 1; only the reader knows */
    int64_t lines;    /* line feeds up to `next` */
    int64_t missing;  /* cells */
    csv_cell id;
    csv_flaw flaw; /* of CSV_BAD, with the column, the cell and the line feeds before it */
    int flaw_column;
    csv_cell flaw_cell;
    int64_t flaw_lines;
} csv_record;

/* A cell as a number: NaN and counted if it stands for no value; CSV_BAD with the flaw. */
csv_verdict csv_cell_judge(const csv_schema *schema, const csv_cell *cell, double *value,
                           csv_record *record);
bool csv_text_is_utf8(const char *text, int64_t length);
/* One record: its features into row [d] (missing = NaN), the id as it stands. */
csv_verdict csv_record_parse(const csv_schema *schema, csv_view view, double *row,
                             csv_record *record);
/* Only the id, which must exist; record->next is not filled. */
csv_verdict csv_record_id(const csv_schema *schema, csv_view view, csv_record *record);
/* Up to `most` cells of any content; *n = how many the record has. */
csv_verdict csv_record_cells(const csv_dialect *dialect, csv_view view, int most, csv_cell *cells,
                             int *n, csv_record *record);
/* A column's name in quotes, clean, or "column 3" where the line of names seems to be missing. */
const char *csv_name_shown(const csv_schema *schema, int column, char *buffer, size_t size);
/* The option that would read a cell which has this thousands mark, or may have another one (0). */
const char *csv_mark_remedy(char mark, char *buffer, size_t size);
/* The sentence for CSV_BAD: "line 7: 'BALANCE' is no number, it has a letter at place 3 of 5".  No
 * cell is shown. */
void csv_record_complain(const csv_schema *schema, const csv_record *record, char *buffer,
                         size_t size);

/* ---- clients who are left out ---- */

typedef struct csv_excluded {
    int64_t n, n_slots;
    char *text;     /* all ids, each with its NUL; owned */
    int64_t *slot;  /* [n_slots] place of an id in `text` + 1, 0: free; owned */
    uint8_t *found; /* [n_slots] bit of each kind of records that have it; owned */
} csv_excluded;

/* Collective.  Rank 0 reads the list, CSV in the dialect of the schema, which has an id; empty if
 * path is NULL.  The caller releases it, also after a failure. */
seg_status csv_excluded_read(seg_comm *comm, const char *path, const csv_schema *schema,
                             csv_excluded *excluded);
void csv_excluded_release(csv_excluded *excluded);
/* Local.  `excluded` may be NULL. */
bool csv_is_excluded(const csv_excluded *excluded, const csv_cell *id);
/* The same, and remembers that a record of this kind (CSV_OUTSIDE, ...) has it. */
bool csv_excluded_mark(const csv_excluded *excluded, const csv_cell *id, int kind);
/* Collective.  How many ids of the list no record has, counting those of the kinds in a mask that
 * each rank has its own of; says so. */
int64_t csv_excluded_missed(seg_comm *comm, csv_excluded *excluded, int kinds);

/* ---- files ---- */

/* The bytes [0, size) count: blanks and line ends at the end of the file do not. */
typedef struct csv_file {
    int64_t size;
    int64_t disk_size;   /* as the directory says */
    int64_t header;      /* where the line feed after the header stands; size if there is no data */
    int64_t header_line; /* the line that it ends, from 1 */
    int64_t piece;       /* number of its first piece among those of all files */
} csv_file;

typedef struct csv_window {
    int descriptor; /* -1: no file is open */
    int file;
    char *bytes;                    /* owned */
    int64_t base, length, capacity; /* of the file's bytes: place of the first, number, room */
} csv_window;

#define CSV_WINDOW_EMPTY ((csv_window) { .descriptor = -1, .file = -1 })

/* What both passes need to know. */
typedef struct csv_plan {
    int n_files;
    const char *const *paths; /* borrowed */
    csv_file *files;          /* [n_files], owned by whoever made the plan */
    const csv_schema *schema; /* borrowed */
    int64_t piece_bytes;      /* CSV_PIECE; tests cut finer */
    int64_t window_bytes;     /* CSV_WINDOW */
    int64_t block_rows;       /* SEG_BLOCK_ROWS */
    bool skip_bad;
    const csv_excluded *excluded; /* borrowed; NULL: nobody */
} csv_plan;

/* Local.  Opens a file and finds how many of its bytes count; the header is not known yet. */
seg_status csv_file_measure(const char *path, csv_file *file);
/* Local.  Makes the bytes [offset, offset + want) of a file present, as far as it has them. */
seg_status csv_window_read(csv_window *window, const csv_plan *plan, int file, int64_t offset,
                           int64_t want);
/* Local.  For a record at `offset` that the window cuts: reads it from there on, with twice as much
 * of it as before; not *extended if it is longer than CSV_RECORD_MOST. */
seg_status csv_window_extend(csv_window *window, const csv_plan *plan, int file, int64_t offset,
                             bool *extended);
/* The bytes of the file from `offset` on that the window holds, maybe none. */
csv_view csv_window_view(const csv_window *window, const csv_plan *plan, int file, int64_t offset);
void csv_window_release(csv_window *window);

/* ---- the head ---- */

/* Local, for rank 0.  Fills dialect, names, target, id of the schema, and the headers of the files,
 * which must agree; says what it leaves out. */
seg_status csv_schema_detect(const csv_plan *plan, const seg_csv_opts *opts, csv_schema *schema);
/* Collective.  Rank 0's schema and files to all. */
seg_status csv_schema_bcast(seg_comm *comm, csv_schema *schema);

/* Local.  Delimiter and decimal mark of the file whose first bytes are `head`. */
void csv_dialect_detect(csv_view head, const seg_csv_opts *opts, csv_dialect *dialect);
/* Local.  Says what was found. */
void csv_dialect_note(const csv_dialect *dialect);

/* ---- pass 1 ---- */

/* Records that follow the line feeds of one kind; all int64, so that they travel as they are. */
typedef struct csv_count {
    int64_t records;
    int64_t dropped;  /* bad ones, where they may be skipped, and excluded ones */
    int64_t excluded; /* of these */
    int64_t id_width; /* the longest id, in bytes */
    int64_t id_texts; /* ids that are no int64 */
    int64_t first_file, first_offset, first_line;
} csv_count;

enum { CSV_OUTSIDE, CSV_INSIDE, CSV_CERTAIN }; /* kinds of records */

typedef struct csv_scan {
    csv_count count[3]; /* records if the range begins outside quotes, inside, and in any case */
    int64_t quotes;     /* odd: quotes since the range, or the last file in it, began */
    int64_t certain;    /* a file begins in the range */
    int64_t lines;      /* since the range began; lines of the file if certain */
    int64_t hash_low, hash_high; /* sums over pieces of the halves of their hashes */
} csv_scan;

#define CSV_SCAN_VALUES ((int)(sizeof(csv_scan) / sizeof(int64_t)))

/* Local.  Scans pieces [first, end). */
seg_status csv_scan_pieces(const csv_plan *plan, int64_t first, int64_t end, csv_scan *scan);
int64_t csv_plan_pieces(const csv_plan *plan);

/* Where a rank's first record stands, and what all ranks have. */
typedef struct csv_start {
    int file;
    int64_t offset, line;               /* of the first record, if the range has one */
    int64_t record;                     /* its number among all records */
    int64_t row;                        /* its number among the good ones */
    int64_t records, dropped, excluded; /* in the range */
    int kinds;                          /* mask of those that are records */
} csv_start;

typedef struct csv_total {
    int64_t records, dropped, excluded, id_width, id_texts;
} csv_total;

/* Local.  From the scans of all ranks in order: start[r] for each, and the total. */
void csv_scan_resolve(int n, const csv_scan *scans, csv_start *starts, csv_total *total);

/* ---- pass 2 ---- */

typedef struct csv_reader {
    const csv_plan *plan; /* borrowed */
    csv_window window;
    int file;
    int64_t offset, line, record; /* of the next record */
} csv_reader;

void csv_reader_init(const csv_plan *plan, const csv_start *start, csv_reader *reader);
void csv_reader_release(csv_reader *reader);
/* Local.  The next good record, whose number is reader->record - 1; its id is valid until the next
 * call.  A bad one is SEG_ERR_DATA, or left out if the plan says so. */
seg_status csv_reader_next(csv_reader *reader, double *row, csv_record *record);
/* Local.  The complaint about the next bad record, which must exist. */
seg_status csv_reader_next_bad(csv_reader *reader, double *row, char *text, size_t size);
