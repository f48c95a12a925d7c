/* Outputs for the tests of the store: arrays of every type whose values follow from the row, in a
 * folder of their own.  Included by tests after cmocka. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/comm.h"
#include "segmpi/memory.h"
#include "segmpi/provenance.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

enum { STORE_WIDTH = 5, STORE_FEATURES = 3, STORE_ARRAYS = 9 };

typedef struct store_array {
    const char *path;
    seg_type type;
    int width;
    const char *dims;
    int columns;
} store_array;

static const store_array store_arrays[STORE_ARRAYS] = {
    { "features", SEG_FLOAT64, 0, "client,feature", STORE_FEATURES },
    { "narrow", SEG_FLOAT32, 0, "client,feature", STORE_FEATURES },
    { "labels/cluster", SEG_INT16, 0, "client", 1 },
    { "labels/segment", SEG_INT8, 0, "client", 1 },
    { "labels/n", SEG_UINT8, 0, "client", 1 },
    { "labels/wide", SEG_INT32, 0, "client", 1 },
    { "ids/source_row", SEG_INT64, 0, "client", 1 },
    { "ids/hash", SEG_UINT64, 0, "client", 1 },
    { "ids/client_id", SEG_TEXT, STORE_WIDTH, "client", 1 },
};

static const char *const store_names[STORE_FEATURES] = { "BALANCE", "CREDIT_LIMIT", "Größe" };
static const double store_basis[2][STORE_FEATURES] = { { 0.1, -2.5, 1e300 }, { 4, 5e-324, -0.0 } };

/* Value of row i, column t, as bytes of the type. */
static inline void store_value(const store_array *a, int64_t i, int t, char *at)
{
    const int64_t whole = i * 7 + t - 100;
    const double real = (double)whole + 0.5;
    const float narrow = (float)whole + 0.25F;
    char text[32];

    switch (a->type) {
    case SEG_FLOAT64:
        memcpy(at, &real, sizeof real);
        return;
    case SEG_FLOAT32:
        memcpy(at, &narrow, sizeof narrow);
        return;
    case SEG_TEXT:
        memset(at, 0, STORE_WIDTH);
        (void)snprintf(text, sizeof text, "%lld", (long long)i);
        memcpy(at, text, strlen(text) < STORE_WIDTH ? strlen(text) : STORE_WIDTH);
        return;
    case SEG_INT8:
    case SEG_UINT8:
    case SEG_INT16:
    case SEG_INT32:
    case SEG_INT64:
    case SEG_UINT64: /* two's complement, little-endian: the low bytes are the value */
        memcpy(at, &whole, (size_t)seg_type_size(a->type, 0));
        return;
    }
}

/* Rows [first, first + count) of an array; owned by the caller. */
static inline char *store_rows(const store_array *a, int64_t first, int64_t count)
{
    int64_t size = seg_type_size(a->type, a->width);
    char *data;

    if (seg_alloc(count * a->columns, (size_t)size, &data) != SEG_OK) return NULL;
    for (int64_t i = 0; i < count; i++)
        for (int t = 0; t < a->columns; t++)
            store_value(a, first + i, t, data + (i * a->columns + t) * size);
    return data;
}

/* Local.  This rank's rows in two pieces, the first one block long. */
static inline seg_status store_write_rows(seg_comm *comm, seg_output *out, int64_t n)
{
    const seg_rows rows = seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm));
    seg_status status = SEG_OK;

    for (int k = 0; k < STORE_ARRAYS && rows.count > 0 && status == SEG_OK; k++) {
        const store_array *a = &store_arrays[k];
        const int64_t row_bytes = seg_type_size(a->type, a->width) * a->columns;
        char *data = store_rows(a, rows.first, rows.count);
        int64_t one = rows.count < SEG_BLOCK_ROWS ? rows.count : SEG_BLOCK_ROWS;
        status = seg_output_write(out, a->path, rows.first, one, data);
        if (status == SEG_OK && one < rows.count)
            status = seg_output_write(out, a->path, rows.first + one, rows.count - one,
                                      data + one * row_bytes);
        seg_free(data);
    }
    return status;
}

/* What rank 0 writes. */
static inline seg_status store_write_small(seg_output *out, int64_t n, int ranks)
{
    static const int32_t numbers[2] = { 0, 1 };
    static const int16_t codes[2] = { 1, 0 };
    static const char *const words[2] = { "Frugal Users", "" };
    static const char *const meanings[2] = { "no", "well yes" };
    const uint64_t largest = UINT64_MAX;
    const seg_provenance provenance = { .command = "test",
                                        .options = "{}",
                                        .seed = 5,
                                        .input_name = "x.csv",
                                        .rows_read = n,
                                        .command_line = "segmpi test",
                                        .ranks = ranks,
                                        .simd = "ref" };

    SEG_TRY(seg_output_dim(out, "client", n));
    SEG_TRY(seg_output_names(out, "feature", STORE_FEATURES, store_names));
    SEG_TRY(seg_output_coordinates(out, "cluster", SEG_INT32, 2, numbers));
    SEG_TRY(seg_output_dim(out, "pca/component", 2));
    SEG_TRY(seg_output_array(out, "pca/components", SEG_FLOAT64, "component,feature", store_basis));
    SEG_TRY(seg_output_array(out, "largest", SEG_UINT64, "", &largest));
    SEG_TRY(seg_output_array(out, "segments/code", SEG_INT16, "cluster", codes));
    SEG_TRY(seg_output_texts(out, "segments/name", "cluster", words));
    SEG_TRY(seg_output_attr_flags(out, "segments/code", 2, meanings));
    SEG_TRY(seg_output_attr_text(out, "pca", "nothing", ""));
    SEG_TRY(seg_output_attr_text(out, "pca", "note", "naïve"));
    SEG_TRY(seg_output_attr_int(out, "pca/components", "whole", -7));
    SEG_TRY(seg_output_attr_double(out, "pca/components", "real", 0.1));
    return seg_provenance_write(&provenance, out);
}

static inline seg_status store_write(seg_comm *comm, const char *path, int64_t n, bool force)
{
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    SEG_TRY_OR_DONE(seg_output_open(comm, path, "model", force, &out));
    status = store_write_small(out, n, seg_comm_size(comm));
    for (int k = 0; k < STORE_ARRAYS && status == SEG_OK; k++)
        status = seg_output_rows(out, store_arrays[k].path, store_arrays[k].type,
                                 store_arrays[k].width, store_arrays[k].dims);
    SEG_TRY_OR_DONE(seg_output_start_rows(comm, out, status));
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, store_write_rows(comm, out, n)));
done:
    seg_output_free(out);
    return status;
}

/* ---- the folder ---- */

/* Collective.  A new folder, the same for all ranks; in memory where that is possible. */
static inline void store_folder(seg_comm *comm, char *folder, size_t size)
{
    bool memory = access("/dev/shm", W_OK) == 0;

    if (seg_comm_rank(comm) == 0) {
        (void)seg_text_template(folder, size,
                                memory ? "/dev/shm/segmpi_store_" : "/tmp/segmpi_store_");
        if (!mkdtemp(folder)) perror(folder);
    }
    seg_bcast(comm, folder, (int64_t)size);
}

/* Local.  Files in the folder; all are removed if `clean`, and the folder with them. */
static inline int store_count_files(const char *folder, bool clean)
{
    char path[600];
    DIR *entries = opendir(folder);
    int n = 0;

    for (struct dirent *e; entries && (e = readdir(entries)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        n++;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (clean) (void)unlink(path);
    }
    if (entries) (void)closedir(entries);
    if (clean) (void)rmdir(folder);
    return n;
}
