/* The temporary file of an output: created beside the target under a random dot name, locked while
 * its run lives, reserved, synced, and published under the target's name.  Rank 0 only. */
#define _GNU_SOURCE /* fallocate: posix_fallocate() would write every page where it is missing */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

#define SUFFIX   ".part"
#define RANDOM   6
#define ATTEMPTS 100

static seg_status cannot_create(const seg_output *out, int error_number)
{
    seg_status status = seg_status_of_errno(error_number);

    if (status == SEG_ERR_NOINPUT || error_number == EROFS || error_number == ENAMETOOLONG)
        status = SEG_ERR_CANTCREATE;
    return SEG_FAIL(status, "cannot create '%s': %s", out->path,
                    error_number == ENOENT ? "its folder does not exist" : strerror(error_number));
}

/* The descriptor of the folder, for fsync; -1 with errno. */
static int open_folder(const seg_output *out)
{
    char folder[4096];
    const char *name = seg_text_base_name(out->path);

    if ((size_t)(name - out->path) >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, out->path, (size_t)(name - out->path));
    folder[name - out->path] = '\0';
    return open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* ---- the target ---- */

static seg_status check_target(const seg_output *out)
{
    struct stat found;

    if (*seg_text_base_name(out->path) == '\0')
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' is not the name of a file", out->path);
    if (lstat(out->path, &found) != 0) return errno == ENOENT ? SEG_OK : cannot_create(out, errno);
    if (!S_ISREG(found.st_mode) && !S_ISLNK(found.st_mode))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists and is not a regular file", out->path);
    if (!out->force)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists; --force replaces it", out->path);
    return SEG_OK;
}

/* ---- what other runs have left ---- */

/* The length of .NAME.LETTERS.part at the beginning of `entry`, 0 if it is no such name.  MPI-IO
 * puts helpers beside the file, whose names go on after it. */
static size_t temp_length(const char *entry, const char *name)
{
    size_t length = strlen(name), end = 1 + length + 1 + RANDOM + sizeof SUFFIX - 1;
    bool ours = entry[0] == '.' && strncmp(entry + 1, name, length) == 0 &&
                entry[1 + length] == '.' && strlen(entry) >= end &&
                strncmp(entry + 2 + length + RANDOM, SUFFIX, sizeof SUFFIX - 1) == 0 &&
                (entry[end] == '\0' || entry[end] == '.' || entry[end] == '-');

    return ours ? end : 0;
}

/* A lock that is free means that the run has ended; one that is held, that another run is writing
 * the same output.  Files of other users and file systems without locks are left alone.  The lock
 * is kept while the name is removed: a run that has just created the file will find it taken. */
static seg_status remove_stale(const seg_output *out, int folder, const char *entry, size_t length)
{
    char temp[NAME_MAX + 1];
    struct stat found;

    memcpy(temp, entry, length);
    temp[length] = '\0';
    int file = openat(folder, temp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool stale = file < 0 && errno == ENOENT, live = false; /* a helper without its file is stale */
    if (file >= 0 && fstat(file, &found) == 0 && S_ISREG(found.st_mode) &&
        found.st_uid == geteuid()) {
        stale = flock(file, LOCK_EX | LOCK_NB) == 0;
        live = !stale && errno == EWOULDBLOCK;
    }
    if (stale && unlinkat(folder, entry, 0) == 0)
        seg_log_note("removed '%s', left by a run that was killed", entry);
    if (file >= 0) (void)close(file);
    if (!live) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' is being written by another run", out->path);
}

static seg_status clean_folder(const seg_output *out)
{
    seg_status status = SEG_OK;
    const char *name = seg_text_base_name(out->path);
    int folder = open_folder(out);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);

    if (!entries) {
        status = cannot_create(out, errno);
        if (folder >= 0) (void)close(folder);
        return status;
    }
    for (struct dirent *e; status == SEG_OK && (e = readdir(entries)) != NULL;) {
        size_t length = temp_length(e->d_name, name);
        if (length > 0) status = remove_stale(out, folder, e->d_name, length);
    }
    (void)closedir(entries);
    return status;
}

seg_status seg_output_clean(const char *path)
{
    const seg_output out = { .path = (char *)path };

    return clean_folder(&out);
}

/* ---- creation ---- */

/* Nobody has to guess it wrong: creation is exclusive and does not follow links. */
static void random_name(const seg_output *out, int attempt)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct timespec now;
    const char *name = seg_text_base_name(out->path);
    char *at = out->temp + (name - out->path);

    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t seed[] = { now.tv_sec, now.tv_nsec, getpid(), attempt };
    uint64_t random = seg_hash(seed, sizeof seed, 0);
    memcpy(out->temp, out->path, (size_t)(name - out->path));
    *at++ = '.';
    memcpy(at, name, strlen(name));
    at += strlen(name);
    *at++ = '.';
    for (int i = 0; i < RANDOM; i++, random /= 36)
        *at++ = letters[random % 36];
    memcpy(at, SUFFIX, sizeof SUFFIX);
}

/* Creates and locks.  Between the two another run could take the file for a stale one: then it is
 * gone, and the next name is tried. */
static seg_status create_locked(seg_output *out)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        random_name(out, attempt);
        int file =
            open(out->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
        if (file < 0 && errno == EEXIST) continue;
        if (file < 0) {
            int error_number = errno;
            *out->temp = '\0';
            return cannot_create(out, error_number);
        }

        struct stat made;
        bool taken = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (!taken && fstat(file, &made) == 0 && made.st_nlink == 1) {
            out->lock = file;
            return SEG_OK;
        }
        (void)close(file);
    }
    *out->temp = '\0';
    return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create a temporary file beside '%s'", out->path);
}

seg_status temp_create(seg_output *out)
{
    SEG_TRY(
        seg_alloc((int64_t)strlen(out->path) + 2 + RANDOM + (int64_t)sizeof SUFFIX, 1, &out->temp));
    SEG_TRY(clean_folder(out));
    SEG_TRY(check_target(out));
    return create_locked(out);
}

/* ---- space, sync, name ---- */

seg_status temp_reserve(const seg_output *out)
{
    struct stat file;
    struct statvfs space;
    char missing[32] = "", needed[32];

    if (fstat(out->lock, &file) != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot examine the temporary file of '%s': %s", out->path,
                        strerror(errno));
    if (file.st_size == 0 || fallocate(out->lock, 0, 0, file.st_size) == 0) return SEG_OK;
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) return SEG_OK; /* cannot reserve */

    int error_number = errno;
    int64_t used = (int64_t)file.st_blocks * 512, free_bytes = 0;
    if (error_number == ENOSPC && fstatvfs(out->lock, &space) == 0)
        free_bytes = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    int64_t short_of = (int64_t)file.st_size - used - free_bytes;
    if (error_number == ENOSPC && short_of > 0) seg_text_bytes(short_of, missing, sizeof missing);
    return SEG_FAIL(SEG_ERR_IO, "no room for '%s', which needs %s%s%s: %s", out->path,
                    seg_text_bytes((int64_t)file.st_size, needed, sizeof needed),
                    *missing ? ", missing are " : "", missing, strerror(error_number));
}

/* Any rank: what this node has written of the temporary file reaches the disk. */
seg_status temp_sync(const seg_output *out)
{
    int file = open(out->temp, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    seg_status status = SEG_OK;

    if (file < 0 || fsync(file) != 0)
        status = SEG_FAIL(SEG_ERR_IO, "cannot sync '%s': %s", out->path, strerror(errno));
    if (file >= 0 && close(file) != 0 && status == SEG_OK)
        status = SEG_FAIL(SEG_ERR_IO, "cannot close '%s': %s", out->path, strerror(errno));
    return status;
}

/* The name still leads to the file that was created. */
static bool is_ours(const seg_output *out)
{
    struct stat named, made;

    return fstat(out->lock, &made) == 0 && lstat(out->temp, &named) == 0 &&
           named.st_ino == made.st_ino && named.st_dev == made.st_dev;
}

/* Without force the name must be free at this very moment: link() never replaces.  Its answer can
 * be lost on a network file system, so what counts is the number of links. */
static seg_status link_name(const seg_output *out)
{
    struct stat made;

    if (link(out->temp, out->path) == 0) return SEG_OK;
    int error_number = errno;
    if (fstat(out->lock, &made) == 0 && made.st_nlink == 2) return SEG_OK;
    if (error_number == EEXIST)
        return SEG_FAIL(SEG_ERR_CANTCREATE,
                        "'%s' has come into being meanwhile; --force "
                        "replaces it",
                        out->path);
    if (error_number == EPERM || error_number == ENOTSUP || error_number == ENOSYS) {
        /* no hard links here: the next best */
        SEG_TRY(check_target(out));
        if (rename(out->temp, out->path) == 0) return SEG_OK;
        error_number = errno;
    }
    return SEG_FAIL(SEG_ERR_IO, "cannot name '%s': %s", out->path, strerror(error_number));
}

seg_status temp_publish(seg_output *out)
{
    if (!is_ours(out))
        return SEG_FAIL(SEG_ERR_IO, "the temporary file of '%s' was taken away", out->path);
    if (!out->force) {
        SEG_TRY(link_name(out));
        (void)unlink(out->temp); /* gone already where there are no hard links */
    } else if (rename(out->temp, out->path) != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot rename the temporary file to '%s': %s", out->path,
                        strerror(errno));
    *out->temp = '\0';

    int folder = open_folder(out);
    seg_status status = SEG_OK;
    if (folder < 0 || (fsync(folder) != 0 && errno != EINVAL)) /* cannot be synced here */
        status =
            SEG_FAIL(SEG_ERR_IO, "cannot sync the folder of '%s': %s", out->path, strerror(errno));
    if (folder >= 0) (void)close(folder);
    return status;
}

void temp_remove(seg_output *out)
{
    if (out->temp && *out->temp) {
        if (is_ours(out)) (void)unlink(out->temp);
        *out->temp = '\0';
    }
    if (out->lock >= 0) (void)close(out->lock);
    out->lock = -1;
}
