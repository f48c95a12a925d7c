/* Complete or absent: a temporary file or folder beside the target, until it gets its name. */
#define _GNU_SOURCE    /* sync_file_range; renameat2, as only an exchange replaces a folder in one \
                          step */
#include "segmpi/part.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"
#include "segmpi/text.h"

#define SUFFIX   ".part"
#define ASIDE    ".old"
#define RANDOM   6
#define ATTEMPTS 100
#define DEPTH    3 /* folders in a folder that is removed */

_Static_assert(sizeof ".." SUFFIX + RANDOM == SEG_PART_LETTERS, "room for .NAME.LETTERS.part");

static seg_status cannot_create(const seg_part *part, int error_number)
{
    seg_status status = seg_status_of_errno(error_number);

    if (status == SEG_ERR_NOINPUT || error_number == EROFS || error_number == ENAMETOOLONG)
        status = SEG_ERR_CANTCREATE;
    return SEG_FAIL(status, "cannot create '%s': %s", part->path,
                    error_number == ENOENT ? "its folder does not exist" : strerror(error_number));
}

/* The descriptor of the folder that the target stands in; -1 with errno. */
static int open_folder(const seg_part *part)
{
    char folder[4096];
    const size_t length = (size_t)(seg_text_base_name(part->path) - part->path);

    if (length >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, part->path, length);
    folder[length] = '\0';
    return open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

seg_status seg_part_init(const char *path, bool force, seg_part *part)
{
    *part = (seg_part) { .force = force, .file = -1 };
    SEG_TRY(seg_text_duplicate(path, &part->path));
    return seg_alloc((int64_t)strlen(path) + SEG_PART_LETTERS, 1, &part->temp);
}

/* ---- the target ---- */

static seg_status check_target(const seg_part *part)
{
    struct stat found;

    if (*seg_text_base_name(part->path) == '\0')
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' is not the name of a file", part->path);
    if (lstat(part->path, &found) != 0)
        return errno == ENOENT ? SEG_OK : cannot_create(part, errno);
    if (part->folder && !S_ISDIR(found.st_mode))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists and is no folder", part->path);
    if (!part->folder && !S_ISREG(found.st_mode) && !S_ISLNK(found.st_mode))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists and is not a regular file", part->path);
    if (!part->force)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists; --force replaces it", part->path);
    return SEG_OK;
}

/* ---- what other runs have left ---- */

/* The next one; NULL with errno, which is 0 at the end. */
static struct dirent *next_entry(DIR *entries)
{
    errno = 0;
    return readdir(entries);
}

/* A file, or a folder with all that is in it.  Links are not followed. */
static bool remove_all(int place, const char *name, int depth)
{
    if (unlinkat(place, name, 0) == 0 || errno == ENOENT) return true;
    if ((errno != EISDIR && errno != EPERM) || depth == 0) return false;

    int folder = openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    if (!entries) {
        if (folder >= 0) (void)close(folder);
        return false;
    }
    for (struct dirent *e; (e = readdir(entries)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)remove_all(dirfd(entries), e->d_name, depth - 1);
    (void)closedir(entries);
    return unlinkat(place, name, AT_REMOVEDIR) == 0;
}

/* The length of .NAME.LETTERS.part at the beginning of `entry`, 0 if it is no such name.  MPI-IO,
 * of versions before this one, put helpers beside the file, whose names go on after it. */
static size_t temp_length(const char *entry, const char *name)
{
    size_t length = strlen(name), end = 1 + length + 1 + RANDOM + sizeof SUFFIX - 1;
    bool ours = entry[0] == '.' && strncmp(entry + 1, name, length) == 0 &&
                entry[1 + length] == '.' && strlen(entry) >= end &&
                strncmp(entry + 2 + length + RANDOM, SUFFIX, sizeof SUFFIX - 1) == 0 &&
                (entry[end] == '\0' || entry[end] == '.' || entry[end] == '-');

    return ours ? end : 0;
}

/* For a lock: of a file for writing, as locks over a network ask for it. */
static int open_left(int folder, const char *name)
{
    const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int file = openat(folder, name, O_RDWR | flags);

    return file < 0 && errno == EISDIR ? openat(folder, name, O_RDONLY | flags) : file;
}

/* What a run that was killed has left; `end`: of its name.  An old folder that was moved aside
 * comes back, unless the new one has its name. */
static void clear_away(const seg_part *part, int folder, const char *entry, const char *end)
{
    if (strcmp(end, ASIDE) == 0 &&
        renameat(folder, entry, folder, seg_text_base_name(part->path)) == 0)
        seg_log_note("brought back '%s', which a run was about to replace that was killed",
                     part->path);
    else if (remove_all(folder, entry, DEPTH))
        seg_log_note("removed '%s', left by a run that was killed", entry);
    else
        seg_log_warning("cannot remove '%s', left by a run that was killed", entry);
}

/* A lock that is free means that the run has ended; one that is held, that another run is writing
 * the same output.  What belongs to other users and file systems without locks are left alone.  The
 * lock is kept while the name is removed: a run that has just created it will find it taken. */
static seg_status remove_stale(const seg_part *part, int folder, const char *entry, size_t length)
{
    char temp[NAME_MAX + 1];
    struct stat found;

    memcpy(temp, entry, length);
    temp[length] = '\0';
    int file = open_left(folder, temp);
    bool stale = file < 0 && errno == ENOENT, live = false; /* a helper without its file is stale */
    if (file >= 0 && fstat(file, &found) == 0 &&
        (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode)) && found.st_uid == geteuid()) {
        stale = flock(file, LOCK_EX | LOCK_NB) == 0;
        live = !stale && errno == EWOULDBLOCK;
    }
    if (stale) clear_away(part, folder, entry, entry + length);
    if (file >= 0) (void)close(file);
    if (!live) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' is being written by another run", part->path);
}

static seg_status clean_folder(const seg_part *part)
{
    seg_status status = SEG_OK;
    const char *name = seg_text_base_name(part->path);
    int folder = open_folder(part);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);

    if (!entries) {
        status = cannot_create(part, errno);
        if (folder >= 0) (void)close(folder);
        return status;
    }
    for (struct dirent *e; status == SEG_OK && (e = next_entry(entries)) != NULL;) {
        size_t length = temp_length(e->d_name, name);
        if (length > 0) status = remove_stale(part, folder, e->d_name, length);
    }
    if (status == SEG_OK && errno != 0)
        seg_log_warning("cannot look for what runs that were killed have left beside '%s': %s",
                        part->path, strerror(errno));
    (void)closedir(entries);
    return status;
}

bool seg_part_is_held(const char *path)
{
    int file = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool held = file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

    if (file >= 0) (void)close(file);
    return held;
}

seg_status seg_part_clean(const char *path)
{
    const seg_part part = { .path = (char *)path };

    return clean_folder(&part);
}

/* ---- creation ---- */

/* Nobody has to guess it wrong: creation is exclusive and does not follow links. */
static void random_name(const seg_part *part, int attempt)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    struct timespec now;
    const char *name = seg_text_base_name(part->path);
    char *at = part->temp + (name - part->path);

    (void)clock_gettime(CLOCK_REALTIME, &now);
    const seg_random key = { (uint64_t)now.tv_sec << 32 | (uint64_t)now.tv_nsec, 0 };
    uint64_t random = seg_random_bits(key, getpid(), (uint64_t)attempt).a;
    memcpy(part->temp, part->path, (size_t)(name - part->path));
    *at++ = '.';
    memcpy(at, name, strlen(name));
    at += strlen(name);
    *at++ = '.';
    for (int i = 0; i < RANDOM; i++, random /= 36)
        *at++ = letters[random % 36];
    memcpy(at, SUFFIX, sizeof SUFFIX);
}

/* -1 with errno, and nothing is left. */
static int make(const seg_part *part)
{
    const int flags = O_NOFOLLOW | O_CLOEXEC;

    if (!part->folder)
        return open(part->temp, O_RDWR | O_CREAT | O_EXCL | flags, S_IRUSR | S_IWUSR);
    if (mkdir(part->temp, S_IRWXU) != 0) return -1;
    int folder = open(part->temp, O_RDONLY | O_DIRECTORY | flags), error_number = errno;
    if (folder < 0) (void)rmdir(part->temp);
    errno = error_number;
    return folder;
}

/* Creates and locks.  Between the two another run could take the file for a stale one: then it is
 * gone, and the next name is tried. */
static seg_status create_locked(seg_part *part)
{
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        random_name(part, attempt);
        int file = make(part), error_number = errno;
        if (file < 0 && error_number == EEXIST) continue;
        if (file < 0) {
            *part->temp = '\0';
            return cannot_create(part, error_number);
        }

        struct stat made;
        bool taken = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (!taken && !(fstat(file, &made) == 0 && made.st_nlink == 0)) {
            part->file = file;
            part->made = true;
            return SEG_OK;
        }
        (void)close(file);
    }
    *part->temp = '\0';
    return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create a temporary file beside '%s'", part->path);
}

seg_status seg_part_create(seg_part *part, bool folder)
{
    part->folder = folder;
    SEG_TRY(clean_folder(part));
    SEG_TRY(check_target(part));
    return create_locked(part);
}

seg_status seg_part_open(seg_part *part)
{
    part->file = open(part->temp, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (part->file >= 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO,
                    "this rank cannot open what rank 0 has created for '%s': %s; put it on a file "
                    "system that all nodes share",
                    part->path, strerror(errno));
}

/* ---- bytes ---- */

seg_status seg_file_write(int file, const void *bytes, int64_t size, int64_t offset,
                          const char *path)
{
    for (const char *at = bytes; size > 0;) {
        ssize_t done = pwrite(file, at, (size_t)size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", path,
                            strerror(done < 0 ? errno : EIO));
        at += done;
        size -= done;
        offset += done;
    }
    return SEG_OK;
}

seg_status seg_part_write(const seg_part *part, const void *bytes, int64_t size, int64_t offset)
{
    return seg_file_write(part->file, bytes, size, offset, part->path);
}

/* Without flags that wait it takes no error away from fsync(). */
void seg_part_send(const seg_part *part, int64_t size, int64_t offset)
{
    (void)sync_file_range(part->file, (off_t)offset, (off_t)size, SYNC_FILE_RANGE_WRITE);
}

/* No error of fsync() or close() is tried again: the pages may be marked clean by then.  EINVAL:
 * folders that cannot be synced. */
static seg_status sync_file(int file, bool folder, const char *path)
{
    if (fsync(file) == 0 || (folder && errno == EINVAL)) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot sync '%s': %s", path, strerror(errno));
}

static seg_status sync_closed(const char *name, bool folder, const char *path)
{
    int file = open(name, (folder ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_NOFOLLOW | O_CLOEXEC);

    if (file < 0) return SEG_FAIL(SEG_ERR_IO, "cannot sync '%s': %s", path, strerror(errno));
    seg_status status = sync_file(file, folder, path);
    if (close(file) != 0 && status == SEG_OK)
        status = SEG_FAIL(SEG_ERR_IO, "cannot close '%s': %s", path, strerror(errno));
    return status;
}

seg_status seg_part_sync(const seg_part *part)
{
    if (part->file >= 0) return sync_file(part->file, part->folder, part->path);
    return sync_closed(part->temp, part->folder, part->path);
}

seg_status seg_file_sync(const char *path)
{
    struct stat found;

    return sync_closed(path, lstat(path, &found) == 0 && S_ISDIR(found.st_mode), path);
}

/* ---- the name ---- */

/* The name still leads to what was created. */
static bool is_ours(const seg_part *part)
{
    struct stat named, made;

    return fstat(part->file, &made) == 0 && lstat(part->temp, &named) == 0 &&
           named.st_ino == made.st_ino && named.st_dev == made.st_dev;
}

static seg_status cannot_name(const seg_part *part, int error_number)
{
    if (error_number == EEXIST || error_number == ENOTEMPTY)
        return SEG_FAIL(SEG_ERR_CANTCREATE,
                        "'%s' has come into being meanwhile; --force replaces it", part->path);
    const bool forbidden = error_number == EPERM || error_number == EACCES;
    return SEG_FAIL(forbidden ? SEG_ERR_PERMISSION : SEG_ERR_IO, "cannot name '%s': %s", part->path,
                    strerror(error_number));
}

/* The name must be free at this very moment: link() never replaces.  Its answer can be lost on a
 * network file system, so what counts is the number of links. */
static seg_status link_file(seg_part *part)
{
    struct stat made;

    if (link(part->temp, part->path) != 0) {
        int error_number = errno;
        if (error_number == EPERM || error_number == ENOTSUP || error_number == ENOSYS) {
            /* no hard links here: the next best */
            SEG_TRY(check_target(part));
            return rename(part->temp, part->path) == 0 ? SEG_OK : cannot_name(part, errno);
        }
        if (fstat(part->file, &made) != 0 || made.st_nlink != 2)
            return cannot_name(part, error_number);
    }
    (void)unlink(part->temp);
    return SEG_OK;
}

static int rename_folder(const seg_part *part, unsigned flags)
{
    return renameat2(AT_FDCWD, part->temp, AT_FDCWD, part->path, flags);
}

/* In two steps, where there is no exchange: a run killed between them leaves the old folder under
 * its other name, from which the next one brings it back. */
static seg_status replace_in_steps(seg_part *part)
{
    char aside[4096];

    if (snprintf(aside, sizeof aside, "%s" ASIDE, part->temp) >= (int)sizeof aside)
        return cannot_name(part, ENAMETOOLONG);
    if (rename(part->path, aside) != 0 && errno != ENOENT) return cannot_name(part, errno);
    if (rename(part->temp, part->path) != 0) {
        int error_number = errno;
        (void)rename(aside, part->path);
        return cannot_name(part, error_number);
    }
    (void)remove_all(AT_FDCWD, aside, DEPTH);
    return SEG_OK;
}

/* *old: what had the name stands under that of the part. */
static seg_status name_folder(seg_part *part, bool *old)
{
    *old = part->force && rename_folder(part, RENAME_EXCHANGE) == 0;
    if (*old) return SEG_OK;
    if (part->force && (errno == EINVAL || errno == ENOSYS)) return replace_in_steps(part);
    if (part->force && errno != ENOENT) return cannot_name(part, errno);
    if (rename_folder(part, RENAME_NOREPLACE) == 0) return SEG_OK;
    if (errno != EINVAL && errno != ENOSYS) return cannot_name(part, errno);
    SEG_TRY(check_target(part));
    return rename(part->temp, part->path) == 0 ? SEG_OK : cannot_name(part, errno);
}

seg_status seg_part_publish(seg_part *part)
{
    seg_status status = SEG_OK;
    bool old = false;

    if (!is_ours(part))
        return SEG_FAIL(SEG_ERR_IO, "the temporary file of '%s' was taken away", part->path);
    if (part->folder)
        status = name_folder(part, &old);
    else if (!part->force)
        status = link_file(part);
    else if (rename(part->temp, part->path) != 0)
        status = cannot_name(part, errno);
    SEG_TRY(status);
    if (!old) *part->temp = '\0';

    int folder = open_folder(part);
    if (folder < 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot sync the folder of '%s': %s", part->path,
                        strerror(errno));
    status = sync_file(folder, true, part->path);
    (void)close(folder);
    return status;
}

void seg_part_release(seg_part *part)
{
    if (part->made && *part->temp && (part->folder || is_ours(part)))
        (void)remove_all(AT_FDCWD, part->temp, DEPTH);
    if (part->file >= 0) (void)close(part->file);
    seg_free(part->path);
    seg_free(part->temp);
    *part = (seg_part) { .file = -1 };
}
