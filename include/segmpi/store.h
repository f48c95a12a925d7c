/* HDF5 files: the only door to HDF5 and xxHash.
 *
 * Files are netCDF-4 compatible HDF5: named dimension scales on every array, UTF-8 text, creation
 * order tracked, object times off, little-endian.  Every file carries `format` and
 * `format_version`; arrays over clients ("row arrays") carry one XXH3 checksum per block of 1,024
 * rows in checksums/<path>; all else is covered by the root attribute `content_checksum`
 * (provenance/run by its own attribute `checksum`, as it differs between equal runs).  Behind the
 * end of the HDF5 file stands a seal, a checksum of all bytes but those of row arrays.
 *
 * Writing (commit protocol): rank 0 creates a temporary file beside the target and writes skeleton
 * and small results with serial HDF5; all ranks write their own rows, as bytes at their places;
 * every range is read back by another rank and compared with its checksums; sync; rename; sync of
 * the directory.  An output path holds the complete old file or the complete new file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/rows.h"

/* Element types in memory and in files. */
typedef enum seg_type {
    SEG_INT8 = 1,
    SEG_UINT8,
    SEG_INT16,
    SEG_INT32,
    SEG_INT64,
    SEG_UINT64,
    SEG_FLOAT32,
    SEG_FLOAT64,
    SEG_TEXT /* fixed-length UTF-8, NUL-padded; the width goes with it */
} seg_type;

int64_t seg_type_size(seg_type type, int width); /* bytes of one element; width for SEG_TEXT only */

/* ---- writing ---- */

typedef struct seg_output seg_output;
typedef struct seg_input seg_input;

/* Collective.  Checks the target (exists without force, or another run is writing it:
 * SEG_ERR_CANTCREATE) and creates the temporary file, mode 0600.  *out owned by the caller; NULL on
 * failure. */
seg_status seg_output_open(seg_comm *comm, const char *path, const char *format, bool force,
                           seg_output **out);

/* Local: these act on rank 0 and return SEG_OK elsewhere (but remember row arrays everywhere).
 * Allowed until seg_output_start_rows(). Paths are relative to the root ("kmeans/cluster_centers");
 * groups on the way are made.  A dimension `dim` is looked up in the array's own group, then in the
 * root. */
seg_status seg_output_dim(seg_output *out, const char *path,
                          int64_t length); /* without coordinates */
seg_status seg_output_names(seg_output *out, const char *path, int n,
                            const char *const *names); /* UTF-8 labels */
seg_status seg_output_coordinates(seg_output *out, const char *path, seg_type type, int64_t n,
                                  const void *values);
/* `dims` names the dimensions, comma-separated, slowest first; "" is a scalar.  Shape = their
 * lengths. */
seg_status seg_output_array(seg_output *out, const char *path, seg_type type, const char *dims,
                            const void *data);
seg_status seg_output_texts(seg_output *out, const char *path, const char *dim,
                            const char *const *texts);
/* Attributes of an object ("" is the root; a group is made if absent). */
seg_status seg_output_attr_text(seg_output *out, const char *object, const char *name,
                                const char *value);
seg_status seg_output_attr_int(seg_output *out, const char *object, const char *name,
                               int64_t value);
seg_status seg_output_attr_double(seg_output *out, const char *object, const char *name,
                                  double value);
/* Category codes as CF: flag_values and flag_meanings. */
seg_status seg_output_attr_flags(seg_output *out, const char *object, int n,
                                 const char *const *meanings);

/* Declares a row array, to be written by all ranks: first dimension in `dims` = clients.
 * Contiguous, allocated at once.  Called on all ranks in the same order. */
seg_status seg_output_rows(seg_output *out, const char *path, seg_type type, int width,
                           const char *dims);

/* Collective.  Ends the serial part (agreeing on its status, given as `local`), tells all ranks
 * where the row arrays stand, and opens the file on each.  Not needed for files without row arrays.
 */
seg_status seg_output_start_rows(seg_comm *comm, seg_output *out, seg_status local);
/* Local, independent.  first is a multiple of SEG_BLOCK_ROWS; count too, unless it ends the array.
 * Each row is written once.  data: [count][...] of the declared type. */
seg_status seg_output_write(seg_output *out, const char *path, int64_t first, int64_t count,
                            const void *data);
/* Collective.  What has been written so far is to be kept as `path`, beside the target and in place
 * of what stands there: arrays may miss blocks.  Then the steps below. */
seg_status seg_output_divert(seg_comm *comm, seg_output *out, const char *path);

/* For small results that are known only when the rows are, in this order:
 * Collective.  Agrees on `local`; the rows are complete, closed and synced. */
seg_status seg_output_end_rows(seg_comm *comm, seg_output *out, seg_status local);
/* Local.  What all ranks have written, to be read back; closed before the next step. */
seg_status seg_output_read(const seg_output *out, seg_input **in);
/* Collective.  Agrees on `local`; arrays, names and attributes may be written again. */
seg_status seg_output_resume(seg_comm *comm, seg_output *out, seg_status local);

/* Collective.  Agrees on `local`, closes, verifies by reading back on another rank, syncs, renames.
 * Afterwards only seg_output_free(), and the run is not stopped any more (seg_stop_hold). */
seg_status seg_output_commit(seg_comm *comm, seg_output *out, seg_status local);
/* Local.  Removes the temporary file of an output that was not committed (rank 0).  Accepts NULL.
 */
void seg_output_free(seg_output *out);

/* Opaque hash of all content except group `provenance`, for model_id: of the committed skeleton on
 * rank 0; same on any number of ranks.  Row arrays are left out (labels follow from the rest).
 * Local; rank 0; before seg_output_start_rows(). */
seg_status seg_output_content_hash(seg_output *out, uint64_t *hash);

/* ---- reading: local, but for seg_input_share() ---- */

typedef struct seg_shape {
    seg_type type;
    int width; /* bytes, SEG_TEXT only */
    int rank;  /* number of dimensions, at most 4 */
    int64_t dim[4];
} seg_shape;

/* Read-only, no lock, no plug-ins; the seal is compared first, as damage can make HDF5 crash.
 * Missing: SEG_ERR_NOINPUT; not HDF5 or damaged: SEG_ERR_DATA. */
seg_status seg_input_open(const char *path, seg_input **out);
/* Only a file that ends as segmpi ends it: HDF5 does not see any other, nor a damaged one. */
seg_status seg_input_open_sealed(const char *path, seg_input **out);
/* Local.  True if HDF5 would take the file for one of its own. */
bool seg_input_is_hdf5(const char *path);
/* Local; before MPI has started, as it forks.  SEG_ERR_DATA if a child process that looks at the
 * whole structure under limits does not survive it; SEG_ERR_IO if that is because the file cannot
 * be read.  Other failures are left to those who open the file; what is no HDF5 file is not looked
 * at. */
seg_status seg_input_probe(const char *path);
/* Collective.  Rank 0 has opened the file `path` as *in, and will read rows of `n` datasets; the
 * other ranks get an input of theirs, which knows these.  Where all stand in one piece they are
 * told where, and open the file without a look into it; otherwise as by seg_input_open().
 * SEG_ERR_CONFIG if a rank finds another file there. */
seg_status seg_input_share(seg_comm *comm, const char *path, int n, const char *const *paths,
                           seg_input **in);
void seg_input_close(seg_input *in); /* accepts NULL */
const char *seg_input_path(const seg_input *in);
/* The value of the root attribute `format`, "" if there is none. */
const char *seg_input_format(const seg_input *in);
/* SEG_ERR_DATA with a sentence unless format and major version fit; a newer minor version is a
 * warning.  Compares the content's checksum where a tool has dropped the seal. */
seg_status seg_input_expect(const seg_input *in, const char *format);
/* Also true where it cannot be known because reading fails: who reads it will hear why. */
bool seg_input_has(const seg_input *in, const char *path);
seg_status seg_input_shape(const seg_input *in, const char *path, seg_shape *shape);
/* Reads rows [first, first + count) of an array (all dimensions but the first whole), converted to
 * `type` (SEG_TEXT: width bytes each, as stored), in slices.  Whole blocks are compared with their
 * checksums where the file has them: SEG_ERR_DATA with the place. */
seg_status seg_input_read(seg_input *in, const char *path, seg_type type, int64_t first,
                          int64_t count, void *data);
/* The same rows will be read soon: the kernel is asked to fetch them meanwhile, where they stand in
 * one piece.  Nothing fails. */
void seg_input_ahead(seg_input *in, const char *path, int64_t first, int64_t count);
/* A whole array whose shape must be [n] or [n][m] (m = 0: one dimension). */
seg_status seg_input_array(seg_input *in, const char *path, seg_type type, int64_t n, int64_t m,
                           void *data);
/* Texts (variable or fixed length) of a 1-D dataset; *names owned: one block, freed by seg_free().
 */
seg_status seg_input_names(seg_input *in, const char *path, int *n, char ***names);
/* Names of the columns of a 2-D dataset: from its second dimension scale or an attribute that holds
 * as many texts; *n = 0 if none. */
seg_status seg_input_column_names(seg_input *in, const char *path, int *n, char ***names);
seg_status seg_input_attr_text(seg_input *in, const char *object, const char *name, char *value,
                               size_t size);
seg_status seg_input_attr_int(seg_input *in, const char *object, const char *name, int64_t *value);
seg_status seg_input_attr_double(seg_input *in, const char *object, const char *name,
                                 double *value);
bool seg_input_has_attr(const seg_input *in, const char *object, const char *name);
/* Names of all members of a group ("" is the root), in creation order where tracked, otherwise by
 * name; one block, freed by seg_free(). */
seg_status seg_input_list(seg_input *in, const char *group, int *n, char ***names);
bool seg_input_is_group(const seg_input *in, const char *path);
/* Names of all attributes of an object. */
seg_status seg_input_attr_list(seg_input *in, const char *object, int *n, char ***names);
/* Walks the whole file: structure, all block checksums, content checksum.  SEG_ERR_DATA with the
 * first damage; *n_blocks (may be NULL) filled. */
seg_status seg_input_check(seg_input *in, int64_t *n_blocks);
/* XXH3 of bytes. */
uint64_t seg_hash(const void *bytes, size_t size, uint64_t seed);
/* Local.  Sets the HDF5 library up: no messages of its own, no plug-ins, no locks.  Before MPI
 * starts, as MPI_Finalize() would end the library otherwise, and HDF5 1.10.8 can crash or loop then
 * where the system has failed one of its calls. */
void seg_store_init(void);
/* One line: name and version of the HDF5 library. */
const char *seg_store_library(void);
