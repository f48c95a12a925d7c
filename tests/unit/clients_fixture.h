/* A clients.h5 for tests, made from a function of row and column, so that every rank knows all
 * cells.  Included by tests after cmocka. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/comm.h"
#include "segmpi/memory.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

typedef double (*fixture_cell)(int64_t row, int column);

/* A path that only this run of the test uses. */
static inline void fixture_path(seg_comm *comm, char *path, size_t size)
{
    if (seg_comm_rank(comm) == 0) {
        (void)seg_text_template(path, size, "/tmp/segmpi_test_");
        int file = mkstemp(path);
        if (file >= 0) close(file);
    }
    seg_bcast(comm, path, (int64_t)size);
}

static inline void fixture_remove(seg_comm *comm, const char *path)
{
    seg_barrier(comm);
    if (seg_comm_rank(comm) == 0) (void)unlink(path);
}

/* This rank's rows of a declared row array [client][d]. */
static inline seg_status fixture_write_rows(seg_comm *comm, seg_output *out, const char *path,
                                            int64_t n, int d, fixture_cell cell)
{
    seg_rows rows = seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm));
    double *x;

    SEG_TRY(seg_alloc(rows.count * d, sizeof *x, &x));
    for (int64_t i = 0; i < rows.count; i++)
        for (int t = 0; t < d; t++)
            x[i * d + t] = cell(rows.first + i, t);
    seg_status status =
        rows.count > 0 ? seg_output_write(out, path, rows.first, rows.count, x) : SEG_OK;
    seg_free(x);
    return status;
}

static inline seg_status fixture_clients(seg_comm *comm, const char *path, int64_t n, int d,
                                         const char *const *names, fixture_cell cell)
{
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    SEG_TRY_OR_DONE(seg_output_open(comm, path, "clients", true, &out));
    status = seg_output_dim(out, "client", n);
    if (status == SEG_OK) status = seg_output_names(out, "feature", d, names);
    if (status == SEG_OK)
        status = seg_output_rows(out, "features", SEG_FLOAT64, 0, "client,feature");
    SEG_TRY_OR_DONE(seg_output_start_rows(comm, out, status));
    SEG_TRY_OR_DONE(
        seg_output_commit(comm, out, fixture_write_rows(comm, out, "features", n, d, cell)));
done:
    seg_output_free(out);
    return status;
}
