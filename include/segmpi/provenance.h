/* Where a file comes from: version, options, input, seed; and, apart in provenance/run, what
 * legitimately differs between equal runs: time, ranks, host, command line, libraries, SIMD level,
 * SLURM job.  Local. */
#pragma once

#include "segmpi/json.h"
#include "segmpi/store.h"

typedef struct seg_provenance {
    /* group provenance */
    const char *command; /* "fit" */
    const char *options; /* effective options as one line of JSON */
    uint64_t seed;
    const char *input_name; /* base name; several joined by ", " */
    int64_t input_bytes;
    uint64_t input_fingerprint; /* does not depend on ranks */
    uint64_t other_inputs;      /* hash of what else decides the result; 0: nothing */
    int64_t rows_read, rows_kept, rows_dropped;
    /* group provenance/run */
    const char *command_line;
    int ranks;
    const char *simd;
    const char *blas; /* name, version and core of the BLAS library; NULL: not used */
    bool record_host;
} seg_provenance;

/* Version of the program ("0.1.0") and of the source (git describe, "unknown" outside a checkout).
 */
const char *seg_version(void);
const char *seg_version_source(void);

/* Adds the bytes of input files to other_inputs; NULL paths are skipped. */
seg_status seg_provenance_add_files(seg_provenance *p, int n, const char *const *paths);
seg_status seg_provenance_write(const seg_provenance *p, seg_output *out);
