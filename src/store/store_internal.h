/* Shared by the files of store/: HDF5 in the house's terms, and the two objects, seg_output and
 * seg_input.  All is local unless it says otherwise. */
#pragma once

#include <hdf5.h>
#include <hdf5_hl.h>
#include <sys/types.h>

#include "segmpi/part.h"
#include "segmpi/rows.h"
#include "segmpi/store.h"

#define STORE_MAJOR        1
#define STORE_MINOR        0
#define STORE_VERSION      "1.0"
#define STORE_SLICE        ((int64_t)4 << 20)   /* bytes that are hashed while they are in cache */
#define STORE_WIDEST       ((int64_t)256 << 20) /* bytes of a row at most */
#define STORE_PATH         512                  /* a path inside a file, with its NUL */
#define STORE_DEPTH        16                   /* groups below groups at most */
#define STORE_MOST_OBJECTS 100000               /* of a sane file */
#define STORE_MOST_NAMES   (1 << 24)            /* in a list */
#define STORE_NOT_A_COORD  "This is a netCDF dimension but not a netCDF variable."
#define STORE_CHECKSUMS    "checksums"
#define STORE_BLOCKS       STORE_CHECKSUMS "/block"
#define STORE_CONTENT      "content_checksum"
#define STORE_RUN          "provenance/run"
#define STORE_RUN_CHECKSUM "checksum"

/* Bytes of one HDF5 call at most; debug builds have a few, so that every transfer has slices. */
#ifndef STORE_TRANSFER
#define STORE_TRANSFER STORE_WIDEST
#endif

/* Files hold little-endian values and so does memory: one type serves both. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "store/ needs a little-endian machine");

/* ---- store_library.c: the library and its types ---- */

/* Why the last HDF5 call failed: the system's reason where there is one (then *system = true),
 * otherwise HDF5's innermost sentence. */
const char *store_reason(char *buffer, size_t size, bool *system);
/* How often the system has failed a call of HDF5. */
int store_system_failures(void);
/* True once HDF5 has asked for memory in vain. */
bool store_lacked_memory(void);
/* A failed HDF5 call of a reader: SEG_ERR_IO with the system's reason, otherwise SEG_ERR_DATA. */
seg_status store_read_failed(const char *what, const char *path, const char *file);
/* A failed HDF5 call of a writer: SEG_ERR_IO. */
seg_status store_write_failed(const char *what, const char *path, const char *file);

/* Both to be closed with H5Tclose(). */
hid_t store_type(seg_type type, int width); /* fixed size */
hid_t store_text_type(void);                /* variable-length UTF-8 */
/* The type of a file, of any byte order; SEG_TEXT with width 0 for variable-length text.  False for
 * types that segmpi does not read. */
bool store_type_of(hid_t type, seg_type *out, int *width);
/* H5Treclaim() by the name that this version has for it. */
void store_reclaim(hid_t type, hid_t space, void *data);

/* Serial driver; -1 on failure. */
hid_t store_open_serial(const char *path, unsigned flags);
/* Property list for new objects of a class: order of attributes (and members) tracked, no times. */
hid_t store_object_list(hid_t class);

/* Makes room for `more` elements behind `used` ones; `array` is the address of an owned pointer. */
seg_status store_grow(void *array, int64_t used, int64_t more, int64_t *room, size_t size);

/* Bytes [at, at + size) of a file, which was so long before; `path` is for the message. */
seg_status store_read_bytes(int file, void *bytes, int64_t size, int64_t at, const char *path);

/* Rows of that many bytes that make whole blocks and, if they can, fit into STORE_SLICE. */
int64_t store_piece_rows(int64_t row_bytes);
/* Rows [first, first + count) of a dataset of `rank` dimensions (0: the scalar), in one independent
 * transfer, which is the caller's to keep below STORE_TRANSFER. */
herr_t store_read_rows(hid_t set, hid_t type, int rank, const hsize_t *dim, int64_t first,
                       int64_t count, void *data);

/* ---- store_names.c: links, paths and texts ---- */

typedef enum store_kind {
    STORE_NOTHING,
    STORE_GROUP,
    STORE_DATASET,
    STORE_OTHER,  /* a link of another kind, or an object */
    STORE_UNKNOWN /* it cannot be read: nobody may take it for nothing */
} store_kind;

/* What stands at `path` ("" is the root); only hard links are followed. */
store_kind store_find(hid_t file, const char *path);
/* group/name; false if it does not fit. */
bool store_join(const char *group, const char *name, char path[STORE_PATH]);
/* Names of all links of a group or attributes of an object, in one block (seg_free); by creation
 * (H5_INDEX_CRT_ORDER) where the file knows it, otherwise by name. */
seg_status store_links(hid_t group, H5_index_t order, int *n, char ***names);
seg_status store_attributes(hid_t object, H5_index_t order, int *n, char ***names);
/* Texts of a dataset or attribute of any text type and at most one dimension, in one block;
 * SEG_ERR_DATA if there are more than `most`. */
seg_status store_texts(hid_t source, bool attribute, int most, int *n, char ***texts);
/* n texts of `width` bytes at most, in one block; NULL counts as "". */
seg_status store_texts_copy(int n, char *const *from, char ***texts);
/* HDF5 1.10.8's own H5DSis_scale() reads on behind a class that has no end, and frees it twice. */
seg_status store_is_scale(hid_t set, bool *is_scale);
/* Calls `visit` for each scale of dimension `dim` until it does not return 0; its last return,
 * negative on failure.  HDF5 1.10.8's own H5DSiterate_scales() tells nobody of a failed read, nor
 * of any failure of the library from there on. */
typedef herr_t (*store_visit)(hid_t scale, int dim, void *data);
herr_t store_scales(hid_t set, int dim, store_visit visit, void *data);

/* ---- content.c: the checksum of all that is not row data ---- */

typedef enum content_part {
    CONTENT_FILE, /* everything but CONTENT_RUN: the root's content_checksum */
    CONTENT_RUN,  /* group provenance/run: its own checksum, as it differs between equal runs */
    CONTENT_MODEL /* everything but group provenance and row arrays: a model's identity */
} content_part;

seg_status content_hash(hid_t file, content_part part, uint64_t *hash);
/* As the attributes hold it. */
#define CONTENT_TEXT 17
void content_text(uint64_t hash, char text[CONTENT_TEXT]);
/* Compares a file with what it says about itself; `path`: what messages call it. */
seg_status content_verify(const seg_input *in, const char *path);

/* ---- seal.c: the checksum of the file's bytes, compared before HDF5 sees them ---- */

/* Bytes of the file. */
typedef struct row_range {
    int64_t first, size;
} row_range;

/* Appends the seal; `range` holds the places of the row arrays and is sorted. */
seg_status seal_write(int file, int64_t n, row_range *range, const char *path);
/* *sealed is false for a file without a seal. */
seg_status seal_verify(const char *path, bool *sealed);

/* ---- seg_output ---- */

/* Block checksums that this rank has made, in runs of blocks that follow each other. */
typedef struct row_run {
    int64_t first, count; /* blocks */
} row_run;

/* Where an array and its checksums stand in the file, each in one piece. */
typedef struct row_place {
    int rank;
    hsize_t dim[4];
    int64_t at, sums_at;
} row_place;

typedef struct row_array {
    char path[STORE_PATH];
    seg_type type;
    int width;
    /* from seg_output_start_rows() on: */
    row_place place;
    int64_t row_bytes;
    /* what was written */
    int64_t n_runs, runs_room, n_sums, sums_room;
    row_run *run;  /* [n_runs], owned */
    uint64_t *sum; /* [n_sums] run after run, owned */
    /* what the next rank has written, for this one to read back */
    int64_t n_peer;
    row_run *peer; /* [n_peer], owned */
} row_array;

struct seg_output {
    seg_part part;
    bool root;    /* this rank makes the skeleton, and the part */
    bool writing; /* rows, on all ranks */
    bool partial; /* arrays may miss blocks */
    bool ended;   /* rows are complete, closed and synced */
    hid_t file;   /* root: while the skeleton is made; -1 else */
    int n_rows;
    int64_t rows_room;
    row_array *rows; /* [n_rows], owned */
};

/* output_space.c */
seg_status output_reserve(const seg_output *out); /* root: for all rows */

/* output_skeleton.c */
seg_status skeleton_group(const seg_output *out, const char *path); /* and those that lead to it */
seg_status output_close(seg_output *out);                           /* of the file, if it is open */

/* output_rows.c */
seg_status rows_add(seg_output *out, const char *path, seg_type type, int width, row_array **array);
void rows_release(seg_output *out);
/* Writes the checksums of what this rank has written. */
seg_status rows_finish(seg_output *out);

/* ---- seg_input ---- */

typedef struct input_set input_set;

struct seg_input {
    char *path;    /* owned */
    hid_t file;    /* -1: this rank was told by another one where the rows stand */
    int rows;      /* through which it reads them where they stand in one piece */
    int64_t bytes; /* of the file */
    bool sealed;   /* and the seal fits */
    int failures;  /* store_system_failures() when it was opened */
    char format[32];
    int n_sets;
    int64_t sets_room, caches; /* caches: bytes of wide chunk caches */
    input_set *sets;           /* datasets that have been read, kept open; owned */
};

/* A dataset that has passed all checks.  The window holds checksums of blocks. */
#define INPUT_WINDOW 4096
struct input_set {
    char path[STORE_PATH];
    hid_t set, file_type;
    seg_shape shape;
    int64_t row_bytes; /* in the file */
    bool empty;        /* a dimension without coordinates */
    int64_t band;      /* bytes of all chunks that a row touches; 0: not in chunks */
    bool has_sums;
    hid_t sums;
    int64_t at, sums_at; /* where they stand in one piece; -1: HDF5 has to read them */
    int64_t window_first, window_count;
    uint64_t *window; /* [INPUT_WINDOW], owned */
};

/* input_open.c: SEG_ERR_IO once the system has failed a read since the file was opened.  HDF5 may
 * then keep parts of an object header, in which other attributes and links seem not to exist. */
seg_status input_sound(const seg_input *in, const char *path);
/* Closes the datasets that have been read. */
void input_forget(seg_input *in);

/* input_share.c: what all ranks have written so far, to be read in place. */
seg_status input_of_rows(const seg_output *out, seg_input **in);

/* input_set.c */
seg_status set_open(const seg_input *in, const char *path, input_set *set);
void set_close(input_set *set);
/* It could be opened. */
seg_status set_check(const seg_input *in, const char *path);
/* Compares rows [first, first + count), whole blocks, with their checksums. */
seg_status set_verify(const seg_input *in, input_set *set, int64_t first, int64_t count);
/* NULL, or the set of `path` from the cache. */
input_set *set_known(const seg_input *in, const char *path);
/* The opened set of `path`, from the cache or opened into it. */
seg_status set_find(seg_input *in, const char *path, input_set **out);
