/* A canary in a folder: an output by the commit protocol, read by every rank, and what the protocol
 * asks of a file system beyond that: locks, hard links, space set aside. */
#define _GNU_SOURCE /* fallocate */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/doctor_files.h"
#include "segmpi/log.h"
#include "segmpi/text.h"
#include "store_internal.h"

#define BLOCKS 4 /* of each rank */
#define ROWS   (BLOCKS * SEG_BLOCK_ROWS)
#define PRIME  2654435761 /* so that values differ in all their bytes */
#define VALUES "values"
#define NAME   ".segmpi-doctor-" /* and a number */
#define STALE  3600              /* seconds: no run takes that long */

typedef struct canary {
    seg_comm *comm;
    seg_findings *findings;
    char output[4096], plain[4096], second[4096];
    int64_t x[ROWS];
} canary;

/* ---- an output ---- */

/* Local. */
static seg_status declare(seg_output *out, int size)
{
    SEG_TRY(seg_output_dim(out, "row", (int64_t)ROWS * size));
    return seg_output_rows(out, VALUES, SEG_INT64, 0, "row");
}

/* Collective. */
static seg_status write_output(canary *c)
{
    seg_status status = SEG_OK;
    seg_output *out = NULL;
    int64_t first = (int64_t)ROWS * seg_comm_rank(c->comm);

    SEG_TRY_OR_DONE(seg_output_open(c->comm, c->output, "canary", false, &out));
    SEG_TRY_OR_DONE(seg_output_start_rows(c->comm, out, declare(out, seg_comm_size(c->comm))));
    for (int64_t i = 0; i < ROWS; i++)
        c->x[i] = (first + i) * PRIME;
    SEG_TRY_OR_DONE(
        seg_output_commit(c->comm, out, seg_output_write(out, VALUES, first, ROWS, c->x)));
done:
    seg_output_free(out);
    return status;
}

/* Local.  The rows of the next rank, who may be on another node. */
static seg_status read_output(canary *c)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;
    int64_t first = (int64_t)ROWS * ((seg_comm_rank(c->comm) + 1) % seg_comm_size(c->comm));

    SEG_TRY_OR_DONE(seg_input_open(c->output, &in));
    SEG_TRY_OR_DONE(seg_input_check(in, NULL));
    SEG_TRY_OR_DONE(seg_input_read(in, VALUES, SEG_INT64, first, ROWS, c->x));
    for (int64_t i = 0; i < ROWS; i++)
        if (c->x[i] != (first + i) * PRIME) {
            status = SEG_FAIL(SEG_ERR_IO, "what was read is not what was written");
            goto done;
        }
done:
    seg_input_close(in);
    return status;
}

/* ---- files ---- */

/* Rank 0.  A new file that is locked; its descriptor, -1 with errno. */
static int create_locked(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);

    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) return file;
    if (file >= 0) (void)close(file);
    return -1;
}

/* The last rank.  What another holds cannot be had. */
static seg_status try_lock(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);

    if (file < 0) return SEG_FAIL(SEG_ERR_IO, "another rank cannot open it: %s", strerror(errno));
    bool free_to_have = flock(file, LOCK_EX | LOCK_NB) == 0;
    (void)close(file);
    if (!free_to_have) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "two hold one lock: two jobs that write one output are not told apart");
}

/* Collective. */
static void check_locks(canary *c)
{
    int rank = seg_comm_rank(c->comm), file = -1;
    seg_status local = SEG_OK;

    if (rank == 0 && (file = create_locked(c->plain)) < 0)
        local = SEG_FAIL(SEG_ERR_IO, "cannot lock a file: %s", strerror(errno));
    seg_barrier(c->comm);
    if (local == SEG_OK && rank == seg_comm_size(c->comm) - 1) local = try_lock(c->plain);
    seg_doctor_conclude(c->comm, c->findings, "locks", local, SEG_VERDICT_NOTE,
                        "a lock keeps others out");
    if (file >= 0) (void)close(file);
}

static seg_status set_aside(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    bool done = file >= 0 && fallocate(file, 0, 0, 1 << 20) == 0;
    int error_number = errno;

    if (file >= 0) (void)close(file);
    if (done) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "%s: a full disk is noticed while writing, not before",
                    strerror(error_number));
}

static seg_status second_name(const char *path, const char *second)
{
    if (link(path, second) == 0 && unlink(second) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO,
                    "%s: without --force an output could replace one that comes into being in "
                    "the same moment",
                    strerror(errno));
}

static seg_status other_name(const char *path, const char *second)
{
    struct stat found;

    if (rename(path, second) != 0)
        return SEG_FAIL(SEG_ERR_IO, "a file cannot be renamed: %s", strerror(errno));
    if (lstat(path, &found) == 0)
        return SEG_FAIL(SEG_ERR_IO, "a renamed file still has its old name");
    return SEG_OK;
}

/* ---- the folder ---- */

static const char *file_system(const char *folder)
{
    static const struct {
        long type;
        const char *name;
    } known[] = { { 0xEF53, "ext4" },       { 0x58465342, "XFS" },     { 0x9123683E, "Btrfs" },
                  { 0x01021994, "tmpfs" },  { 0x794c7630, "overlay" }, { 0x6969, "NFS" },
                  { 0x0BD00BD0, "Lustre" }, { 0x47504653, "GPFS" },    { 0x19830326, "BeeGFS" },
                  { 0x2FC12FC1, "ZFS" },    { 0x65735546, "FUSE" },    { 0xFF534D42, "CIFS" },
                  { 0x00C36400, "Ceph" } };
    struct statfs found;

    if (statfs(folder, &found) != 0) return "unknown";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((unsigned long)found.f_type == (unsigned long)known[i].type) return known[i].name;
    return "another file system";
}

static void tell_room(canary *c, const char *folder)
{
    struct statvfs space;
    char text[160], room[32] = "unknown room";

    if (statvfs(folder, &space) == 0)
        seg_text_bytes((int64_t)space.f_bavail * (int64_t)space.f_frsize, room, sizeof room);
    (void)snprintf(text, sizeof text, "%s, %s free", file_system(folder), room);
    seg_findings_add(c->findings, "folder", SEG_VERDICT_FINE, text, NULL);
}

/* Collective.  Names that no other run uses. */
static seg_status name_files(canary *c, const char *folder)
{
    int64_t number = getpid();
    int length;

    seg_bcast(c->comm, &number, (int64_t)sizeof number);
    (void)snprintf(c->plain, sizeof c->plain, "%s/" NAME "%lld", folder, (long long)number);
    (void)snprintf(c->second, sizeof c->second, "%s/" NAME "%lld.2", folder, (long long)number);
    length = snprintf(c->output, sizeof c->output, "%s/" NAME "%lld.h5", folder, (long long)number);
    if (length < (int)sizeof c->output) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CANTCREATE, "the name of the folder is too long");
}

/* Rank 0.  What runs have left that were killed; their temporary file has one more dot. */
static void remove_stale(const char *folder)
{
    DIR *entries = opendir(folder);
    struct stat found;

    if (!entries) return;
    for (struct dirent *e; errno = 0, (e = readdir(entries)) != NULL;) {
        const char *name = e->d_name + (strncmp(e->d_name, "..", 2) == 0);
        if (strncmp(name, NAME, sizeof NAME - 1) == 0 &&
            fstatat(dirfd(entries), e->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(found.st_mode) && found.st_uid == geteuid() &&
            found.st_mtime < time(NULL) - STALE)
            (void)unlinkat(dirfd(entries), e->d_name, 0);
    }
    if (errno != 0)
        seg_log_warning("cannot look for what runs that were killed have left in '%s': %s", folder,
                        strerror(errno));
    (void)closedir(entries);
}

void seg_doctor_folder(seg_comm *comm, const char *folder, seg_findings *findings)
{
    canary c = { .comm = comm, .findings = findings };
    bool root = seg_comm_rank(comm) == 0;
    seg_status status = name_files(&c, folder);

    if (root) remove_stale(folder);
    if (root) tell_room(&c, folder);
    if (status == SEG_OK) status = write_output(&c);
    seg_doctor_conclude(comm, findings, "output", status, SEG_VERDICT_BAD,
                        "written by all ranks, synced, read back, named");
    if (status == SEG_OK)
        seg_doctor_conclude(comm, findings, "reading", read_output(&c), SEG_VERDICT_BAD,
                            "every rank sees what another has written");
    if (status == SEG_OK) {
        check_locks(&c);
        seg_doctor_conclude(comm, findings, "space", root ? set_aside(c.plain) : SEG_OK,
                            SEG_VERDICT_NOTE, "can be set aside");
        seg_doctor_conclude(comm, findings, "links", root ? second_name(c.plain, c.second) : SEG_OK,
                            SEG_VERDICT_NOTE, "are made");
        seg_doctor_conclude(comm, findings, "names", root ? other_name(c.plain, c.second) : SEG_OK,
                            SEG_VERDICT_BAD, "are changed");
    }
    if (root) {
        (void)unlink(c.output);
        (void)unlink(c.plain);
        (void)unlink(c.second);
    }
}
