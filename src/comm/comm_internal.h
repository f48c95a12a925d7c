/* Shared by the files of comm/: the communicator, the check of MPI calls, the watchdog's hooks. */
#pragma once

#include <mpi.h>

#include "segmpi/comm.h"

struct seg_comm {
    MPI_Comm mpi; /* MPI_COMM_NULL: of no use to one rank alone */
    int rank, size;
    seg_comm *self; /* this rank alone; NULL in `self` itself */
};

#define SLICE_BYTES ((int64_t)256 << 20) /* of one transfer at most */

/* MPI's own failures cannot be agreed on: the job ends. */
#define SEG_MPI(call)                                                                              \
    do {                                                                                           \
        int seg_mpi_code = (call);                                                                 \
        if (seg_mpi_code != MPI_SUCCESS) comm_abort(seg_mpi_code, #call, __FILE__, __LINE__);      \
    } while (0)

_Noreturn void comm_abort(int code, const char *call, const char *file, int line);

/* The deadline runs between these two, around every collective; the time between them counts as
 * waiting. */
void watchdog_enter(void);
void watchdog_leave(void);
seg_status watchdog_start(int rank);
void watchdog_set_rank(int rank);
void watchdog_stop(void);
