/* Ranks: the only door to MPI.  A function that takes a seg_comm * is collective: every rank of the
 * communicator calls it, in the same order; the accessors are the exception.  Calls to MPI that
 * fail end the job.  Every collective is under the watchdog's deadline.  Counts are int64_t;
 * transfers are cut into slices of at most 256 MiB. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segmpi/error.h"

typedef struct seg_comm seg_comm;

/* Starts MPI and the watchdog if a launcher has started this process, and sets the record's rank.
 * Owned by the caller (seg_comm_close). */
seg_status seg_comm_open(int *argc, char ***argv, seg_comm **out);
/* A last barrier and the end of MPI.  Accepts NULL.  After it a process only returns its status. */
void seg_comm_close(seg_comm *comm);

/* This rank alone, for work that every rank repeats with the same result; borrowed from `comm`. */
seg_comm *seg_comm_self(seg_comm *comm);

/* Local accessors. */
int seg_comm_rank(const seg_comm *comm);
int seg_comm_size(const seg_comm *comm);
const char *seg_comm_library(void); /* one line: name and version of the MPI library */

/* The same status on every rank: SEG_OK if all are, otherwise the status and record of the lowest
 * failing rank; a rank that is asked to stop (stop.h) fails with SEG_ERR_INTERRUPTED. Stands
 * between every local step that can fail and the next collective. */
seg_status seg_agree(seg_comm *comm, seg_status local);

void seg_barrier(seg_comm *comm);
/* Rank 0's bytes to all. */
void seg_bcast(seg_comm *comm, void *bytes, int64_t size);
/* In place, element by element, over all ranks; integers only, so the order does not matter. */
void seg_sum_int64(seg_comm *comm, int64_t *values, int64_t n);
void seg_min_int64(seg_comm *comm, int64_t *values, int64_t n);
void seg_max_int64(seg_comm *comm, int64_t *values, int64_t n);
void seg_or_int64(seg_comm *comm, int64_t *values, int64_t n); /* bit by bit */
void seg_min_double(seg_comm *comm, double *values, int64_t n);
void seg_max_double(seg_comm *comm, double *values, int64_t n);
/* In place: each value is from the one rank that has it, and 0 on all others. */
void seg_merge_double(seg_comm *comm, double *values, int64_t n);
/* sum over lower ranks; 0 on rank 0. */
void seg_exscan_int64(seg_comm *comm, int64_t *values, int64_t n);
/* all[r * n .. ] = rank r's values; all is [size * n], filled. */
void seg_gather_int64(seg_comm *comm, const int64_t *values, int64_t n, int64_t *all);
/* all = every rank's bytes in order of ranks; sizes may differ; *all owned by the caller, *total
 * filled.  For small things only: every rank holds all of it. */
seg_status seg_gather_bytes(seg_comm *comm, const void *bytes, int64_t size, void *all,
                            int64_t *total);

/* Everyone to everyone: `send` holds the parts for ranks 0, 1, ..., one behind the other, send_size
 * [size] their bytes; receive_size [size] is filled by the first call, `receive` by the second, in
 * order of ranks. */
void seg_exchange_sizes(seg_comm *comm, const int64_t *send_size, int64_t *receive_size);
void seg_exchange_bytes(seg_comm *comm, const void *send, const int64_t *send_size, void *receive,
                        const int64_t *receive_size);

/* For each of `n` records of `size` bytes that begin with seg_rival: the record with the least
 * (key, row) of all ranks, in place.  The rest of a record travels with it (coordinates of a
 * client, say).  A rank without a candidate sends key = INFINITY and row = INT64_MAX. */
typedef struct seg_rival {
    double key;
    int64_t row;
} seg_rival;
void seg_min_record(seg_comm *comm, void *records, int64_t n, size_t size);

/* The watchdog.  A collective, MPI's start or its end that lasts longer than `seconds` ends the
 * process with 76; rank 0 speaks first.  Default 300, or the environment's SEGMPI_DEADLINE.  0
 * switches it off.  Local. */
void seg_watchdog_set(double seconds);

/* Injected faults, for tests (SEGMPI_FAULT=site[:rank=R][:kind=fail|kill|hang|stop], compiled in
 * with SEG_FAULTS).  SEG_OK, or `status` recorded as the failure of that site.  Local. */
#ifdef SEG_FAULTS
seg_status seg_fault(const char *site, seg_status status);
#else
static inline seg_status seg_fault(const char *site, seg_status status)
{
    (void)site;
    (void)status;
    return SEG_OK;
}
#endif
