/* Loaded before the program (LD_PRELOAD): what all ranks together ask of MPI and of .h5 files
 * (finished or not), added to COUNT_FILE as a line of JSON when MPI ends.  "each_": the most that
 * one of the ranks 2, 3, ... asks for; ranks 0 and 1 look into files for the others. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "../unit/count_messages.h"

enum { FILES = 4096, SMALL = 8192 };

static bool is_h5[FILES];
static int64_t opens, reads, small_reads, read_bytes, writes, write_bytes;

static int opened(const char *path, int file)
{
    if (file >= 0 && file < FILES) is_h5[file] = strstr(path, ".h5") != NULL;
    if (file >= 0 && file < FILES && is_h5[file]) opens++;
    return file;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        int (*next)(const char *, int, ...) =                                                      \
            (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);                              \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t mode = va_arg(rest, mode_t);                                                        \
        va_end(rest);                                                                              \
        return opened(path, next(path, flags, mode));                                              \
    }
OPEN(open)
OPEN(open64)

static void has_read(int file, ssize_t n)
{
    if (file < 0 || file >= FILES || !is_h5[file] || n <= 0) return;
    reads++;
    small_reads += n <= SMALL;
    read_bytes += n;
}

static void has_written(int file, ssize_t n)
{
    if (file < 0 || file >= FILES || !is_h5[file] || n <= 0) return;
    writes++;
    write_bytes += n;
}

#define READ(name, type)                                                                           \
    ssize_t name(int file, void *to, size_t n, type at)                                            \
    {                                                                                              \
        ssize_t (*next)(int, void *, size_t, type) =                                               \
            (ssize_t(*)(int, void *, size_t, type))dlsym(RTLD_NEXT, #name);                        \
        ssize_t done = next(file, to, n, at);                                                      \
        has_read(file, done);                                                                      \
        return done;                                                                               \
    }
READ(pread, off_t)
READ(pread64, off64_t)

#define WRITE(name, type)                                                                          \
    ssize_t name(int file, const void *from, size_t n, type at)                                    \
    {                                                                                              \
        ssize_t (*next)(int, const void *, size_t, type) =                                         \
            (ssize_t(*)(int, const void *, size_t, type))dlsym(RTLD_NEXT, #name);                  \
        ssize_t done = next(file, from, n, at);                                                    \
        has_written(file, done);                                                                   \
        return done;                                                                               \
    }
WRITE(pwrite, off_t)
WRITE(pwrite64, off64_t)

ssize_t read(int file, void *to, size_t n)
{
    static ssize_t (*next)(int, void *, size_t);

    if (!next) next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
    ssize_t done = next(file, to, n);
    has_read(file, done);
    return done;
}

int MPI_Finalize(void)
{
    const char *path = getenv("COUNT_FILE");
    int64_t own[6 + 2 * COUNT_KINDS] = {
        opens, reads, small_reads, read_bytes, writes, write_bytes
    };
    int64_t all[6 + 2 * COUNT_KINDS], each[6] = { 0 }, most[6];
    int rank, size;

    memcpy(own + 6, counted.calls, sizeof counted.calls);
    memcpy(own + 6 + COUNT_KINDS, counted.bytes, sizeof counted.bytes);
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    PMPI_Comm_size(MPI_COMM_WORLD, &size);
    PMPI_Reduce(own, all, 6 + 2 * COUNT_KINDS, MPI_INT64_T, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank > 1) memcpy(each, own, sizeof each);
    PMPI_Reduce(each, most, 6, MPI_INT64_T, MPI_MAX, 0, MPI_COMM_WORLD);
    FILE *file = rank == 0 && path ? fopen(path, "a") : NULL;
    if (file) {
        static const char *const names[] = { "opens",        "reads",       "small_reads",
                                             "read_bytes",   "writes",      "write_bytes",
                                             "reduces",      "bcasts",      "barriers",
                                             "gathers",      "scans",       "exchanges",
                                             "reduce_bytes", "bcast_bytes", "barrier_bytes",
                                             "gather_bytes", "scan_bytes",  "exchange_bytes" };
        fprintf(file, "{\"ranks\": %d", size);
        for (int i = 0; i < 6 + 2 * COUNT_KINDS; i++)
            fprintf(file, ", \"%s\": %lld", names[i], (long long)all[i]);
        for (int i = 0; i < 6; i++)
            fprintf(file, ", \"each_%s\": %lld", names[i], (long long)most[i]);
        fprintf(file, "}\n");
        fclose(file);
    }
    return PMPI_Finalize();
}
