/* Bytes of every rank to every rank, pair by pair: no sum of sizes need fit an int, as it must in
 * MPI_Alltoallv(), and parts longer than a slice travel in several. */
#include <string.h>

#include "comm_internal.h"

void seg_exchange_sizes(seg_comm *comm, const int64_t *send_size, int64_t *receive_size)
{
    if (comm->size == 1) {
        *receive_size = *send_size;
        return;
    }
    watchdog_enter();
    SEG_MPI(MPI_Alltoall(send_size, 1, MPI_INT64_T, receive_size, 1, MPI_INT64_T, comm->mpi));
    watchdog_leave();
}

/* Bytes of all parts before that of `rank`. */
static int64_t offset_of(const int64_t *size, int rank)
{
    int64_t offset = 0;

    for (int r = 0; r < rank; r++)
        offset += size[r];
    return offset;
}

/* Sends `n_send` bytes to one rank and receives `n_receive` from another; either may end first. */
static void exchange_pair(seg_comm *comm, const char *send, int64_t n_send, int to, char *receive,
                          int64_t n_receive, int from)
{
    while (n_send > 0 || n_receive > 0) {
        int out = (int)(n_send < SLICE_BYTES ? n_send : SLICE_BYTES);
        int in = (int)(n_receive < SLICE_BYTES ? n_receive : SLICE_BYTES);
        SEG_MPI(MPI_Sendrecv(send, out, MPI_BYTE, out > 0 ? to : MPI_PROC_NULL, 0, receive, in,
                             MPI_BYTE, in > 0 ? from : MPI_PROC_NULL, 0, comm->mpi,
                             MPI_STATUS_IGNORE));
        send += out;
        receive += in;
        n_send -= out;
        n_receive -= in;
    }
}

void seg_exchange_bytes(seg_comm *comm, const void *send, const int64_t *send_size, void *receive,
                        const int64_t *receive_size)
{
    const char *out = send;
    char *in = receive;

    watchdog_enter();
    for (int step = 0; step < comm->size; step++) {
        int to = (comm->rank + step) % comm->size;
        int from = (comm->rank + comm->size - step) % comm->size;
        const char *part = out + offset_of(send_size, to);
        char *place = in + offset_of(receive_size, from);
        if (step == 0 && send_size[to] > 0)
            memcpy(place, part, (size_t)send_size[to]);
        else if (step > 0)
            exchange_pair(comm, part, send_size[to], to, place, receive_size[from], from);
    }
    watchdog_leave();
}
