/* Ranks: start, end, agreement and the typed collectives. */
#include "comm_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/stop.h"

#define SLICE_BYTES ((int64_t)256 << 20)

_Noreturn void comm_abort(int code, const char *call, const char *file, int line)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;

    MPI_Error_string(code, text, &length);
    (void)seg_error_record(SEG_ERR_PEER, file, line, "the MPI library failed: %s", text);
    seg_error_while("calling %s", call);
    seg_error_print(NULL, true);
    MPI_Abort(MPI_COMM_WORLD, SEG_ERR_PEER);
    _Exit(SEG_ERR_PEER);
}

seg_status seg_comm_open(int *argc, char ***argv, seg_comm **out)
{
    int provided = 0;
    seg_comm *comm = NULL, *self = NULL;

    *out = NULL;
    /* Before MPI, which waits for ever where the launcher or another rank has gone. */
    SEG_TRY(watchdog_start(seg_error_rank()));
    watchdog_enter();
    SEG_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_SINGLE, &provided));
    watchdog_leave();
    SEG_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    SEG_MPI(MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN));

    SEG_TRY(seg_alloc(1, sizeof *comm, &comm));
    SEG_TRY(seg_alloc(1, sizeof *self, &self));
    *self = (seg_comm) { .mpi = MPI_COMM_SELF, .rank = 0, .size = 1 };
    *comm = (seg_comm) { .mpi = MPI_COMM_WORLD, .self = self };
    SEG_MPI(MPI_Comm_rank(comm->mpi, &comm->rank));
    SEG_MPI(MPI_Comm_size(comm->mpi, &comm->size));
    seg_error_set_rank(comm->rank);
    watchdog_set_rank(comm->rank);
    *out = comm;
    return SEG_OK;
}

void seg_comm_close(seg_comm *comm)
{
    if (!comm) return;
    seg_barrier(comm);
    watchdog_enter();
    SEG_MPI(MPI_Finalize());
    watchdog_leave();
    watchdog_stop();
    seg_free(comm->self);
    seg_free(comm);
}

seg_comm *seg_comm_self(seg_comm *comm)
{
    return comm->self ? comm->self : comm;
}

int seg_comm_rank(const seg_comm *comm)
{
    return comm->rank;
}

int seg_comm_size(const seg_comm *comm)
{
    return comm->size;
}

const char *seg_comm_library(void)
{
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;

    SEG_MPI(MPI_Get_library_version(text, &length));
    text[strcspn(text, ",\n")] = '\0'; /* the rest is the build's host and date */
    for (char *tab = strchr(text, '\t'); tab; tab = strchr(tab, '\t'))
        *tab = ' ';
    return text;
}

seg_status seg_agree(seg_comm *comm, seg_status local)
{
    if (local == SEG_OK) local = seg_stop_check();
    /* The lowest failing rank speaks for all, so the message does not depend on timing. */
    int speaker = local == SEG_OK ? comm->size : comm->rank;

    if (local == SEG_OK && comm->size == 1) return SEG_OK;
    watchdog_enter();
    SEG_MPI(MPI_Allreduce(MPI_IN_PLACE, &speaker, 1, MPI_INT, MPI_MIN, comm->mpi));
    watchdog_leave();
    if (speaker == comm->size) return SEG_OK;

    seg_error record = { .status = local };
    if (comm->rank == speaker) {
        if (seg_error_get()->status == SEG_OK) /* a status without a record is a bug */
            (void)SEG_FAIL(local, "a failure left no message (status %d)", (int)local);
        record = *seg_error_get();
    }
    watchdog_enter();
    SEG_MPI(MPI_Bcast(&record, (int)sizeof record, MPI_BYTE, speaker, comm->mpi));
    watchdog_leave();
    return seg_error_adopt(&record);
}

void seg_barrier(seg_comm *comm)
{
    watchdog_enter();
    SEG_MPI(MPI_Barrier(comm->mpi));
    watchdog_leave();
}

/* Number of elements of `size` bytes in the next slice of a transfer of n. */
static int slice(int64_t n, size_t size)
{
    int64_t most = SLICE_BYTES / (int64_t)size;

    return (int)(n < most ? n : most);
}

void seg_bcast(seg_comm *comm, void *bytes, int64_t size)
{
    char *at = bytes;

    watchdog_enter();
    for (int n; size > 0; at += n, size -= n) {
        n = slice(size, 1);
        SEG_MPI(MPI_Bcast(at, n, MPI_BYTE, 0, comm->mpi));
    }
    watchdog_leave();
}

/* In-place all-reduce of n elements in slices. */
static void reduce(seg_comm *comm, void *values, int64_t n, MPI_Datatype type, MPI_Op op)
{
    char *at = values;

    if (comm->size == 1) return;
    watchdog_enter();
    for (int count; n > 0; at += (int64_t)count * 8, n -= count) {
        count = slice(n, 8);
        SEG_MPI(MPI_Allreduce(MPI_IN_PLACE, at, count, type, op, comm->mpi));
    }
    watchdog_leave();
}

void seg_sum_int64(seg_comm *comm, int64_t *values, int64_t n)
{
    reduce(comm, values, n, MPI_INT64_T, MPI_SUM);
}

void seg_min_int64(seg_comm *comm, int64_t *values, int64_t n)
{
    reduce(comm, values, n, MPI_INT64_T, MPI_MIN);
}

void seg_max_int64(seg_comm *comm, int64_t *values, int64_t n)
{
    reduce(comm, values, n, MPI_INT64_T, MPI_MAX);
}

void seg_or_int64(seg_comm *comm, int64_t *values, int64_t n)
{
    reduce(comm, values, n, MPI_INT64_T, MPI_BOR);
}

void seg_min_double(seg_comm *comm, double *values, int64_t n)
{
    reduce(comm, values, n, MPI_DOUBLE, MPI_MIN);
}

void seg_max_double(seg_comm *comm, double *values, int64_t n)
{
    reduce(comm, values, n, MPI_DOUBLE, MPI_MAX);
}

void seg_merge_double(seg_comm *comm, double *values, int64_t n)
{
    reduce(comm, values, n, MPI_INT64_T, MPI_BOR); /* bits, so that nothing is rounded */
}

void seg_exscan_int64(seg_comm *comm, int64_t *values, int64_t n)
{
    int64_t done = 0;

    watchdog_enter();
    while (done < n) {
        int count = slice(n - done, 8);
        SEG_MPI(MPI_Exscan(MPI_IN_PLACE, values + done, count, MPI_INT64_T, MPI_SUM, comm->mpi));
        done += count;
    }
    watchdog_leave();
    if (comm->rank == 0 && n > 0) /* MPI leaves rank 0's values undefined */
        memset(values, 0, (size_t)n * sizeof *values);
}

void seg_gather_int64(seg_comm *comm, const int64_t *values, int64_t n, int64_t *all)
{
    SEG_ASSERT(n * 8 <= SLICE_BYTES);
    watchdog_enter();
    SEG_MPI(MPI_Allgather(values, (int)n, MPI_INT64_T, all, (int)n, MPI_INT64_T, comm->mpi));
    watchdog_leave();
}

/* Every rank broadcasts its part in turn: no int displacements, and slices where parts are long. */
static void gather_parts(seg_comm *comm, const void *bytes, const int64_t *sizes, char *all)
{
    watchdog_enter();
    for (int r = 0; r < comm->size; r++) {
        if (r == comm->rank && sizes[r] > 0) memcpy(all, bytes, (size_t)sizes[r]);
        for (int64_t at = 0; at < sizes[r];) {
            int n = slice(sizes[r] - at, 1);
            SEG_MPI(MPI_Bcast(all + at, n, MPI_BYTE, r, comm->mpi));
            at += n;
        }
        all += sizes[r];
    }
    watchdog_leave();
}

seg_status seg_gather_bytes(seg_comm *comm, const void *bytes, int64_t size, void *all,
                            int64_t *total)
{
    seg_status status = SEG_OK;
    const void *nothing = NULL;
    int64_t *sizes = NULL;
    char *gathered = NULL;

    memcpy(all, &nothing, sizeof nothing);
    SEG_TRY(seg_agree(comm, seg_alloc(comm->size, sizeof *sizes, &sizes)));
    seg_gather_int64(comm, &size, 1, sizes);
    *total = 0;
    for (int r = 0; r < comm->size; r++)
        *total += sizes[r];

    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(*total, 1, &gathered)));
    gather_parts(comm, bytes, sizes, gathered);
    memcpy(all, &gathered, sizeof gathered);
done:
    seg_free(sizes);
    return status;
}

/* MPI_Op over records that begin with seg_rival: keeps the least (key, row). */
static void keep_least(void *in, void *inout, int *n, MPI_Datatype *type)
{
    int size = 0;

    SEG_MPI(MPI_Type_size(*type, &size));
    for (int i = 0; i < *n; i++) {
        char *a = (char *)in + (int64_t)i * size, *b = (char *)inout + (int64_t)i * size;
        seg_rival x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        if (x.key < y.key || (x.key == y.key && x.row < y.row)) memcpy(b, a, (size_t)size);
    }
}

void seg_min_record(seg_comm *comm, void *records, int64_t n, size_t size)
{
    char *at = records;
    MPI_Datatype type;
    MPI_Op op;

    if (comm->size == 1) return;
    watchdog_enter();
    SEG_MPI(MPI_Type_contiguous((int)size, MPI_BYTE, &type));
    SEG_MPI(MPI_Type_commit(&type));
    SEG_MPI(MPI_Op_create(keep_least, 1, &op));
    for (int count; n > 0; at += (int64_t)count * (int64_t)size, n -= count) {
        count = slice(n, size);
        SEG_MPI(MPI_Allreduce(MPI_IN_PLACE, at, count, type, op, comm->mpi));
    }
    SEG_MPI(MPI_Op_free(&op));
    SEG_MPI(MPI_Type_free(&type));
    watchdog_leave();
}
