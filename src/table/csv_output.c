/* A CSV file from a temporary file beside the target to its name.  The temporary file is locked
 * while its run lives, so that the next run can tell what a killed one has left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segmpi/csv_output.h"

/* Bytes of the path up to the base name. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (int)(slash - path) + 1 : 0;
}

/* False if another run holds it. */
static bool remove_stale(const char *name)
{
    int file = open(name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat found;

    if (file < 0) return errno == ENOENT;
    bool stale = fstat(file, &found) == 0 && S_ISREG(found.st_mode) && found.st_uid == geteuid() &&
                 flock(file, LOCK_EX | LOCK_NB) == 0 && unlink(name) == 0;
    (void)close(file);
    return stale;
}

/* Exclusive, mode 0600, locked. */
static seg_status create_locked(seg_csv_output *csv)
{
    struct stat made;

    for (int attempt = 0; attempt < 10; attempt++) {
        csv->file = open(csv->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         S_IRUSR | S_IWUSR);
        if (csv->file < 0 && errno != EEXIST)
            return SEG_FAIL(errno == EACCES ? SEG_ERR_PERMISSION : SEG_ERR_CANTCREATE,
                            "cannot create a file beside '%s': %s", csv->path, strerror(errno));
        if (csv->file < 0 && !remove_stale(csv->temporary)) break;
        if (csv->file < 0) continue;
        if ((flock(csv->file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) &&
            fstat(csv->file, &made) == 0 && made.st_nlink == 1)
            return SEG_OK;
        (void)close(csv->file); /* another run took it for a stale one before it was locked */
        csv->file = -1;
    }
    return SEG_FAIL(SEG_ERR_CANTCREATE,
                    "'%s' is being written by another run, or '%s' is in the way", csv->path,
                    csv->temporary);
}

static seg_status create_temporary(seg_csv_output *csv)
{
    const int folder = folder_length(csv->path);
    struct stat found;

    SEG_TRY(seg_fault("generate_csv_create", SEG_ERR_CANTCREATE));
    if (!csv->force && lstat(csv->path, &found) == 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists; --force replaces it", csv->path);
    if (snprintf(csv->temporary, sizeof csv->temporary, "%.*s.%s.part", folder, csv->path,
                 csv->path + folder) >= (int)sizeof csv->temporary)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "the path of the CSV file is too long");
    return create_locked(csv);
}

static seg_status open_temporary(seg_csv_output *csv)
{
    SEG_TRY(seg_fault("generate_csv_open", SEG_ERR_IO));
    csv->file = open(csv->temporary, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (csv->file < 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open the new file beside '%s': %s",
                        csv->path, strerror(errno));
    return SEG_OK;
}

seg_status seg_csv_output_open(seg_comm *comm, const char *path, bool force, seg_csv_output *csv)
{
    const bool root = seg_comm_rank(comm) == 0;

    *csv = (seg_csv_output) { .path = path, .root = root, .force = force, .file = -1 };
    SEG_TRY(seg_agree(comm, root ? create_temporary(csv) : SEG_OK));
    seg_bcast(comm, csv->temporary, sizeof csv->temporary);
    return seg_agree(comm, root ? SEG_OK : open_temporary(csv));
}

seg_status seg_csv_output_put(const seg_csv_output *csv, const char *bytes, int64_t size,
                              int64_t offset)
{
    SEG_TRY(seg_fault("generate_csv_write", SEG_ERR_IO));
    while (size > 0) {
        ssize_t done = pwrite(csv->file, bytes, (size_t)size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0)
            return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", csv->path, strerror(errno));
        bytes += done;
        size -= done;
        offset += done;
    }
    return SEG_OK;
}

/* Rank 0 keeps its descriptor, which holds the lock. */
seg_status seg_csv_output_sync(seg_csv_output *csv)
{
    SEG_TRY(seg_fault("generate_csv_sync", SEG_ERR_IO));
    int error = fsync(csv->file) != 0 ? errno : 0;

    if (!csv->root) {
        if (close(csv->file) != 0 && error == 0) error = errno;
        csv->file = -1;
    }
    if (error != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", csv->path, strerror(error));
    return SEG_OK;
}

/* Makes the new name durable, where the file system can. */
static void sync_folder(const char *path)
{
    char name[SEG_CSV_PATH];
    const int length = folder_length(path);

    (void)snprintf(name, sizeof name, "%.*s", length > 0 ? length : 1, length > 0 ? path : ".");
    int folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    (void)fsync(folder);
    (void)close(folder);
}

/* link() refuses to replace a file that appeared in the meantime; rename() replaces it. */
static seg_status give_name(seg_csv_output *csv)
{
    SEG_TRY(seg_fault("generate_csv_rename", SEG_ERR_IO));
    if ((csv->force ? rename(csv->temporary, csv->path) : link(csv->temporary, csv->path)) != 0)
        return SEG_FAIL(errno == EEXIST ? SEG_ERR_CANTCREATE : SEG_ERR_IO, "cannot name '%s': %s",
                        csv->path, strerror(errno));
    if (!csv->force) (void)unlink(csv->temporary);
    csv->named = true;
    sync_folder(csv->path);
    return SEG_OK;
}

seg_status seg_csv_output_commit(seg_comm *comm, seg_csv_output *csv)
{
    return seg_agree(comm, csv->root ? give_name(csv) : SEG_OK);
}

void seg_csv_output_withdraw(const seg_csv_output *csv)
{
    if (csv->named && !csv->force) (void)unlink(csv->path);
}

void seg_csv_output_release(seg_csv_output *csv)
{
    if (csv->root && csv->file >= 0 && !csv->named) (void)unlink(csv->temporary);
    if (csv->file >= 0) (void)close(csv->file);
    csv->file = -1;
}
