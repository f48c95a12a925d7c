/* Counts the collectives of a process and what it opens and reads: between the program and MPI, and
 * libc.  Part of test_messages.c, and of a library that the benchmark of scaling loads before the
 * program. */
#pragma once

#include <mpi.h>
#include <stdint.h>

enum {
    COUNT_REDUCE,
    COUNT_BCAST,
    COUNT_BARRIER,
    COUNT_GATHER,
    COUNT_SCAN,
    COUNT_EXCHANGE,
    COUNT_KINDS
};

/* calls, and bytes that this rank hands over */
static struct {
    int64_t calls[COUNT_KINDS], bytes[COUNT_KINDS];
    int64_t reduces[1024]; /* by their number of eight bytes, where it is small */
} counted;

static void count(int kind, int n, MPI_Datatype type)
{
    int size = 0;

    if (type != MPI_DATATYPE_NULL) MPI_Type_size(type, &size);
    counted.calls[kind]++;
    counted.bytes[kind] += (int64_t)n * size;
    if (kind == COUNT_REDUCE && (int64_t)n * size < 8 * 1024) counted.reduces[n * size / 8]++;
}

int MPI_Allreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    count(COUNT_REDUCE, n, type);
    return PMPI_Allreduce(from, to, n, type, op, comm);
}

int MPI_Bcast(void *bytes, int n, MPI_Datatype type, int root, MPI_Comm comm)
{
    count(COUNT_BCAST, n, type);
    return PMPI_Bcast(bytes, n, type, root, comm);
}

int MPI_Barrier(MPI_Comm comm)
{
    count(COUNT_BARRIER, 0, MPI_DATATYPE_NULL);
    return PMPI_Barrier(comm);
}

int MPI_Allgather(const void *from, int n, MPI_Datatype type, void *to, int n_to,
                  MPI_Datatype type_to, MPI_Comm comm)
{
    count(COUNT_GATHER, n, type);
    return PMPI_Allgather(from, n, type, to, n_to, type_to, comm);
}

int MPI_Exscan(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm)
{
    count(COUNT_SCAN, n, type);
    return PMPI_Exscan(from, to, n, type, op, comm);
}

int MPI_Alltoall(const void *from, int n, MPI_Datatype type, void *to, int n_to,
                 MPI_Datatype type_to, MPI_Comm comm)
{
    count(COUNT_EXCHANGE, n, type);
    return PMPI_Alltoall(from, n, type, to, n_to, type_to, comm);
}

int MPI_Alltoallv(const void *from, const int *n, const int *at, MPI_Datatype type, void *to,
                  const int *n_to, const int *at_to, MPI_Datatype type_to, MPI_Comm comm)
{
    int size, all = 0;

    MPI_Comm_size(comm, &size);
    for (int r = 0; r < size; r++)
        all += n[r];
    count(COUNT_EXCHANGE, all, type);
    return PMPI_Alltoallv(from, n, at, type, to, n_to, at_to, type_to, comm);
}
