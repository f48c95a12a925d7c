/* Ranks: start, end, agreement and the typed collectives. */
#define _GNU_SOURCE /* environ */
#include "comm_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/memory.h"
#include "segmpi/stop.h"

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

/* Whoever starts several processes says so in their environment. */
static bool is_launched(void)
{
    static const char *const marks[] = { "PMI",   "OMPI_COMM_", "SLURM_PROCID=", "FLUX_TASK_",
                                         "PALS_", "ALPS_",      "MV2_COMM_" };

    for (char *const *at = environ; at && *at; at++)
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            if (strncmp(*at, marks[i], strlen(marks[i])) == 0) return true;
    return false;
}

static seg_status start_mpi(int *argc, char ***argv)
{
    int provided = 0;

    /* Before MPI, which waits for ever where the launcher or another rank has gone. */
    SEG_TRY(watchdog_start(seg_error_rank()));
    watchdog_enter();
    SEG_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_SINGLE, &provided));
    watchdog_leave();
    SEG_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    return SEG_OK;
}

/* A rank alone makes no call of MPI, and one that nobody has launched does not even start it: Open
 * MPI 4.1 would start a daemon for it, and crash in MPI_Finalize() now and then
 * (open-mpi/ompi#10117). */
seg_status seg_comm_open(int *argc, char ***argv, seg_comm **out)
{
    const bool launched = is_launched();
    seg_comm *comm = NULL, *self = NULL;

    *out = NULL;
    if (launched) SEG_TRY(start_mpi(argc, argv));
    SEG_TRY(seg_alloc(1, sizeof *comm, &comm));
    SEG_TRY(seg_alloc(1, sizeof *self, &self));
    *self = (seg_comm) { .mpi = MPI_COMM_NULL, .rank = 0, .size = 1 };
    *comm = *self;
    comm->self = self;
    if (launched) {
        comm->mpi = MPI_COMM_WORLD;
        SEG_MPI(MPI_Comm_rank(comm->mpi, &comm->rank));
        SEG_MPI(MPI_Comm_size(comm->mpi, &comm->size));
        watchdog_set_rank(comm->rank);
    }
    seg_error_set_rank(comm->rank);
    *out = comm;
    return SEG_OK;
}

static void end_mpi(seg_comm *comm)
{
    seg_barrier(comm);
    watchdog_enter();
    SEG_MPI(MPI_Finalize());
    watchdog_leave();
    watchdog_stop();
}

void seg_comm_close(seg_comm *comm)
{
    if (!comm) return;
    if (comm->mpi != MPI_COMM_NULL) end_mpi(comm);
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

/* Number of elements of `size` bytes in the next slice of a transfer of n. */
static int slice(int64_t n, size_t size)
{
    int64_t most = SLICE_BYTES / (int64_t)size;

    return (int)(n < most ? n : most);
}

static void bcast_from(seg_comm *comm, int root, void *bytes, int64_t size)
{
    char *at = bytes;

    if (comm->size == 1) return;
    watchdog_enter();
    for (int n; size > 0; at += n, size -= n) {
        n = slice(size, 1);
        SEG_MPI(MPI_Bcast(at, n, MPI_BYTE, root, comm->mpi));
    }
    watchdog_leave();
}

seg_status seg_agree(seg_comm *comm, seg_status local)
{
    if (local == SEG_OK) local = seg_stop_check();
    /* The lowest failing rank speaks for all, so the message does not depend on timing. */
    int speaker = local == SEG_OK ? comm->size : comm->rank;

    if (comm->size > 1) {
        watchdog_enter();
        SEG_MPI(MPI_Allreduce(MPI_IN_PLACE, &speaker, 1, MPI_INT, MPI_MIN, comm->mpi));
        watchdog_leave();
    }
    if (speaker == comm->size) return SEG_OK;

    seg_error record = { .status = local };
    if (comm->rank == speaker) {
        if (seg_error_get()->status == SEG_OK) /* a status without a record is a bug */
            (void)SEG_FAIL(local, "a failure left no message (status %d)", (int)local);
        record = *seg_error_get();
    }
    bcast_from(comm, speaker, &record, sizeof record);
    return seg_error_adopt(&record);
}

void seg_barrier(seg_comm *comm)
{
    if (comm->size == 1) return;
    watchdog_enter();
    SEG_MPI(MPI_Barrier(comm->mpi));
    watchdog_leave();
}

void seg_bcast(seg_comm *comm, void *bytes, int64_t size)
{
    bcast_from(comm, 0, bytes, size);
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
    watchdog_enter();
    for (int64_t done = 0; done < n && comm->size > 1;) {
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
    if (comm->size == 1) {
        memcpy(all, values, (size_t)n * sizeof *values);
        return;
    }
    watchdog_enter();
    SEG_MPI(MPI_Allgather(values, (int)n, MPI_INT64_T, all, (int)n, MPI_INT64_T, comm->mpi));
    watchdog_leave();
}

/* What of `size` bytes from `at` on lies between first and last. */
static int64_t overlap(int64_t at, int64_t size, int64_t first, int64_t last, int64_t *begin)
{
    int64_t end = at + size < last ? at + size : last;

    *begin = at > first ? at : first;
    return end > *begin ? end - *begin : 0;
}

/* The parts, end to end in `all`, travel a slice of the whole at a time: MPI counts in int.
 * counts, places: [size]. */
static void gather_parts(seg_comm *comm, const char *bytes, const int64_t *sizes, int64_t total,
                         int *counts, int *places, char *all)
{
    watchdog_enter();
    for (int64_t first = 0, last; first < total; first = last) {
        const char *mine = bytes;
        last = first + slice(total - first, 1);
        for (int64_t r = 0, at = 0, begin; r < comm->size; at += sizes[r++]) {
            counts[r] = (int)overlap(at, sizes[r], first, last, &begin);
            places[r] = counts[r] > 0 ? (int)(begin - first) : 0;
            if (r == comm->rank && counts[r] > 0) mine = bytes + (begin - at);
        }
        SEG_MPI(MPI_Allgatherv(mine, counts[comm->rank], MPI_BYTE, all + first, counts, places,
                               MPI_BYTE, comm->mpi));
    }
    watchdog_leave();
}

static seg_status gather_init(const seg_comm *comm, int64_t **sizes, int **counts)
{
    SEG_TRY(seg_alloc(comm->size, sizeof **sizes, sizes));
    return seg_alloc(2 * (int64_t)comm->size, sizeof **counts, counts);
}

seg_status seg_gather_bytes(seg_comm *comm, const void *bytes, int64_t size, void *all,
                            int64_t *total)
{
    seg_status status = SEG_OK;
    const void *nothing = NULL;
    int64_t *sizes = NULL;
    int *counts = NULL;
    char *gathered = NULL;

    memcpy(all, &nothing, sizeof nothing);
    SEG_TRY_OR_DONE(seg_agree(comm, gather_init(comm, &sizes, &counts)));
    seg_gather_int64(comm, &size, 1, sizes);
    *total = 0;
    for (int r = 0; r < comm->size; r++)
        *total += sizes[r];

    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(*total, 1, &gathered)));
    if (comm->size == 1 && size > 0)
        memcpy(gathered, bytes, (size_t)size);
    else
        gather_parts(comm, bytes, sizes, *total, counts, counts + comm->size, gathered);
    memcpy(all, &gathered, sizeof gathered);
done:
    if (status != SEG_OK) seg_free(gathered);
    seg_free(counts);
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
