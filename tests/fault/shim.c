/* A library to be preloaded: counts the file operations of a process on paths below one folder and
 * makes something happen at one of them; can write down all of them.  README.md says more. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FILES 1024

/* ---- what is asked for ---- */

typedef enum what { NOTHING, FAIL, SHORT, TORN, SLEEP, STOP, KILL } what;

static struct {
    const char *folder, *only; /* only: " open write ", the operations that count; NULL: all */
    size_t length;             /* of folder */
    long at;                   /* 0: never */
    bool on;                   /* from there on */
    what what;
    int error;
    long milliseconds;
    int rank, log;
    bool counted; /* this process is the one that was started, on the rank that was asked for */
} plan;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long count;
static bool torn;                 /* the operation that is being done is the last one */
static char *path_of[MOST_FILES]; /* of open files below the folder; owned */

static int rank_of_process(void)
{
    static const char *const names[] = { "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID" };

    for (int i = 0; i < 3; i++)
        if (getenv(names[i])) return (int)strtol(getenv(names[i]), NULL, 10);
    return 0;
}

/* "short", "torn", "sleep:MILLISECONDS", "stop", "kill", or an errno's number; a "+" behind it:
 * from there on. */
static void read_deed(const char *text)
{
    static const char *const names[] = { "", "", "short", "torn", "sleep", "stop", "kill" };
    size_t length = strcspn(text, ":+");

    plan.what = FAIL;
    plan.error = (int)strtol(text, NULL, 10);
    for (what w = SHORT; w <= KILL; w++)
        if (strlen(names[w]) == length && strncmp(text, names[w], length) == 0) plan.what = w;
    plan.on = text[length] == '+';
    if (text[length] == ':') plan.milliseconds = strtol(text + length + 1, NULL, 10);
}

/* The process that finds nobody named, also when it executes itself again. */
static bool is_first(void)
{
    char number[24];

    snprintf(number, sizeof number, "%ld", (long)getpid());
    if (!getenv("SHIM_PROCESS")) setenv("SHIM_PROCESS", number, 1);
    return strcmp(getenv("SHIM_PROCESS"), number) == 0;
}

static void leave_alone(void)
{
    plan.counted = false;
}

__attribute__((constructor)) static void read_plan(void)
{
    const char *at = getenv("SHIM_AT"), *deed = getenv("SHIM_DO"), *rank = getenv("SHIM_RANK"),
               *log = getenv("SHIM_LOG"), *folder = getenv("SHIM_FOLDER");

    plan.rank = rank_of_process();
    plan.counted = is_first() && (!rank || plan.rank == strtol(rank, NULL, 10));
    plan.at = at ? strtol(at, NULL, 10) : 0;
    plan.only = getenv("SHIM_ONLY");
    plan.log = -1;
    if (deed) read_deed(deed);
    if (log)
        plan.log = (int)syscall(SYS_openat, AT_FDCWD, log,
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    plan.length = folder ? strlen(folder) : 0;
    plan.folder = folder;
    (void)pthread_atfork(NULL, NULL, leave_alone);
}

/* ---- which paths ---- */

/* The absolute path, or NULL if it is not below the folder; to be freed. */
static char *below(int folder, const char *path)
{
    char base[PATH_MAX] = "", *whole;

    if (!plan.folder || !path) return NULL;
    if (*path != '/' && folder == AT_FDCWD && !getcwd(base, sizeof base)) return NULL;
    if (*path != '/' && folder != AT_FDCWD) {
        if (folder < 0 || folder >= MOST_FILES || !path_of[folder]) return NULL;
        snprintf(base, sizeof base, "%s", path_of[folder]);
    }
    if (strncmp(path, "./", 2) == 0) path += 2;
    if (asprintf(&whole, "%s%s%s", base, *base ? "/" : "", strcmp(path, ".") ? path : "") < 0)
        return NULL;
    size_t length = strlen(whole);
    while (length > 1 && whole[length - 1] == '/')
        whole[--length] = '\0';
    if (strncmp(whole, plan.folder, plan.length) == 0 &&
        (whole[plan.length] == '/' || whole[plan.length] == '\0'))
        return whole;
    free(whole);
    return NULL;
}

/* Takes the path over. */
static void remember(int file, char *path)
{
    if (file < 0 || file >= MOST_FILES) return free(path);
    pthread_mutex_lock(&mutex);
    free(path_of[file]);
    path_of[file] = path;
    pthread_mutex_unlock(&mutex);
}

static const char *path_at(int file)
{
    return file >= 0 && file < MOST_FILES ? path_of[file] : NULL;
}

/* ---- what happens ---- */

static bool is_meant(const char *name)
{
    char word[40];

    snprintf(word, sizeof word, " %s ", name);
    return !plan.only || strstr(plan.only, word);
}

/* Counts an operation.  False if it fails instead of being done, with errno; *size, if there is
 * one, becomes smaller where it is to be short. */
static bool meet(const char *name, size_t *size)
{
    if (!plan.counted || !is_meant(name)) return true;
    pthread_mutex_lock(&mutex);
    long now = ++count;
    pthread_mutex_unlock(&mutex);
    if (plan.at == 0 || (plan.on ? now < plan.at : now != plan.at)) return true;
    if ((plan.what == SHORT || plan.what == TORN) && size && *size > 1) *size /= 2;
    torn = plan.what == TORN;
    if (plan.what == KILL) raise(SIGKILL);
    if (plan.what == STOP) raise(SIGSTOP);
    if (plan.what == SLEEP) usleep((useconds_t)plan.milliseconds * 1000);
    errno = plan.error;
    return plan.what != FAIL;
}

/* One record: a line of words between tabs, then `size` bytes. */
static long tell(const char *name, const char *path, const char *other, long argument, long result,
                 const void *data)
{
    char line[2 * PATH_MAX + 200];
    int error = errno;
    if (plan.log >= 0) {
        size_t size = data && result > 0 ? (size_t)result : 0;
        int length = snprintf(line, sizeof line, "%d\t%ld\t%s\t%s\t%s\t%ld\t%ld\t%d\t%zu\n",
                              plan.rank, plan.counted ? count : 0, name, path, other ? other : "",
                              argument, result, result < 0 ? error : 0, size);
        struct iovec parts[] = { { line, (size_t)length }, { (void *)(size_t)data, size } };
        (void)!syscall(SYS_writev, plan.log, parts, 2);
    }
    if (torn) raise(SIGKILL);
    errno = error;
    return result;
}

/* Ranks that wait leave the cores to others. */
int sched_yield(void)
{
    return usleep(200);
}

/* ---- opening and closing ---- */

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
    char *found = below(folder, path);

    if (found && !meet("open", NULL)) {
        tell("open", found, NULL, flags, -1, NULL);
        free(found);
        return -1;
    }
    int file = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (found) tell("open", found, NULL, flags, file, NULL);
    remember(file, found);
    return file;
}

static mode_t mode_of(int flags, va_list rest)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_at(AT_FDCWD, path, flags, mode);
}
int openat(int folder, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, rest);
    va_end(rest);
    return open_at(folder, path, flags, mode);
}

/* What fortified programs call. */
int __open_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}
int __openat_2(int folder, const char *path, int flags)
{
    return open_at(folder, path, flags, 0);
}
int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int close(int file)
{
    char *path = file >= 0 && file < MOST_FILES ? path_of[file] : NULL;
    bool done = !path || meet("close", NULL);

    if (path) path_of[file] = NULL;
    int error = errno,
        result = (int)syscall(SYS_close, file); /* also where it says that it fails */
    if (!done) {
        errno = error;
        result = -1;
    }
    if (path) tell("close", path, NULL, 0, result, NULL);
    free(path);
    return result;
}

/* The next definition of a function: the C library's. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

DIR *opendir(const char *path)
{
    const int file = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return file < 0 ? NULL : fdopendir(file);
}
struct dirent *readdir(DIR *folder)
{
    const char *path = path_at(dirfd(folder));
    const bool done = !path || meet("list", NULL);
    if (path) tell("list", path, NULL, 0, done ? 0 : -1, NULL);
    return done ? REAL(readdir)(folder) : NULL;
}

/* Both close without a call of close(). */
int closedir(DIR *folder)
{
    remember(dirfd(folder), NULL);
    return REAL(closedir)(folder);
}
int fclose(FILE *file)
{
    remember(fileno(file), NULL);
    return REAL(fclose)(file);
}

/* ---- names ---- */

/* An operation on one or two paths, of which one at least is below the folder. */
#define ON_PATHS(name, folder, path, other_folder, other, call)                                    \
    do {                                                                                           \
        char *one = below(folder, path), *two = below(other_folder, other);                        \
        long result = (one || two) && !meet(name, NULL) ? -1 : (call);                             \
        if (one || two) tell(name, one ? one : "", two, 0, result, NULL);                          \
        free(one);                                                                                 \
        free(two);                                                                                 \
        return (int)result;                                                                        \
    } while (0)

int rename(const char *from, const char *to)
{
    ON_PATHS("rename", AT_FDCWD, from, AT_FDCWD, to, syscall(SYS_rename, from, to));
}
int renameat(int folder, const char *from, int other, const char *to)
{
    ON_PATHS("rename", folder, from, other, to, syscall(SYS_renameat, folder, from, other, to));
}
int renameat2(int folder, const char *from, int other, const char *to, unsigned flags)
{
    ON_PATHS(flags & RENAME_EXCHANGE ? "exchange" : "rename", folder, from, other, to,
             syscall(SYS_renameat2, folder, from, other, to, flags));
}
int link(const char *from, const char *to)
{
    ON_PATHS("link", AT_FDCWD, from, AT_FDCWD, to, syscall(SYS_link, from, to));
}
int linkat(int folder, const char *from, int other, const char *to, int flags)
{
    ON_PATHS("link", folder, from, other, to, syscall(SYS_linkat, folder, from, other, to, flags));
}
int unlink(const char *path)
{
    ON_PATHS("unlink", AT_FDCWD, path, AT_FDCWD, NULL, syscall(SYS_unlink, path));
}
int unlinkat(int folder, const char *path, int flags)
{
    ON_PATHS(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path, AT_FDCWD, NULL,
             syscall(SYS_unlinkat, folder, path, flags));
}
int mkdir(const char *path, mode_t mode)
{
    ON_PATHS("mkdir", AT_FDCWD, path, AT_FDCWD, NULL, syscall(SYS_mkdir, path, mode));
}
int rmdir(const char *path)
{
    ON_PATHS("rmdir", AT_FDCWD, path, AT_FDCWD, NULL, syscall(SYS_rmdir, path));
}

/* ---- bytes ---- */

/* A transfer of `size` bytes; `at` is its place, -1 for the file's own. */
#define ON_BYTES(name, file, data, size, at, call)                                                 \
    do {                                                                                           \
        const char *path = path_at(file);                                                          \
        if (!path) return (call);                                                                  \
        if (!meet(name, &size)) return tell(name, path, NULL, (long)(at), -1, NULL);               \
        long result = (call);                                                                      \
        return tell(name, path, NULL, (long)(at), result, data);                                   \
    } while (0)

/* Where the file stands before a write, for the log. */
static off_t place_of(int file)
{
    return path_at(file) ? (off_t)syscall(SYS_lseek, file, 0, SEEK_CUR) : 0;
}

ssize_t read(int file, void *data, size_t size)
{
    ON_BYTES("read", file, NULL, size, -1, syscall(SYS_read, file, data, size));
}
ssize_t pread(int file, void *data, size_t size, off_t at)
{
    ON_BYTES("read", file, NULL, size, at, syscall(SYS_pread64, file, data, size, at));
}
ssize_t write(int file, const void *data, size_t size)
{
    off_t at = place_of(file);

    ON_BYTES("write", file, data, size, at, syscall(SYS_write, file, data, size));
}
ssize_t pwrite(int file, const void *data, size_t size, off_t at)
{
    ON_BYTES("write", file, data, size, at, syscall(SYS_pwrite64, file, data, size, at));
}

/* Vectors part by part: as many bytes as came through. */
#define ON_PARTS(part, n, at, call)                                                                \
    do {                                                                                           \
        ssize_t sum = 0;                                                                           \
        for (int i = 0; i < n; i++) {                                                              \
            const struct iovec *p = &part[i];                                                      \
            ssize_t done = (call);                                                                 \
            if (done < 0 && sum == 0) return -1;                                                   \
            if (done > 0) sum += done;                                                             \
            if (done < (ssize_t)p->iov_len) break;                                                 \
        }                                                                                          \
        return sum;                                                                                \
    } while (0)

ssize_t readv(int file, const struct iovec *part, int n)
{
    if (!path_at(file)) return syscall(SYS_readv, file, part, n);
    ON_PARTS(part, n, 0, read(file, p->iov_base, p->iov_len));
}
ssize_t writev(int file, const struct iovec *part, int n)
{
    if (!path_at(file)) return syscall(SYS_writev, file, part, n);
    ON_PARTS(part, n, 0, write(file, p->iov_base, p->iov_len));
}
ssize_t preadv(int file, const struct iovec *part, int n, off_t at)
{
    if (!path_at(file)) return syscall(SYS_preadv, file, part, n, at, 0);
    ON_PARTS(part, n, at, pread(file, p->iov_base, p->iov_len, at + sum));
}
ssize_t pwritev(int file, const struct iovec *part, int n, off_t at)
{
    if (!path_at(file)) return syscall(SYS_pwritev, file, part, n, at, 0);
    ON_PARTS(part, n, at, pwrite(file, p->iov_base, p->iov_len, at + sum));
}

/* On an open file; `argument` is told. */
#define ON_FILE(name, file, argument, call)                                                        \
    do {                                                                                           \
        const char *path = path_at(file);                                                          \
        if (!path) return (int)(call);                                                             \
        long result = meet(name, NULL) ? (call) : -1;                                              \
        return (int)tell(name, path, NULL, (long)(argument), result, NULL);                        \
    } while (0)

int ftruncate(int file, off_t size)
{
    ON_FILE("ftruncate", file, size, syscall(SYS_ftruncate, file, size));
}
int fallocate(int file, int mode, off_t first, off_t size)
{
    ON_FILE("fallocate", file, size, syscall(SYS_fallocate, file, mode, first, size));
}
int posix_fallocate(int file, off_t first, off_t size)
{
    return path_at(file) && !meet("fallocate", NULL) ? errno
                                                     : REAL(posix_fallocate)(file, first, size);
}
int fsync(int file)
{
    ON_FILE("fsync", file, 0, syscall(SYS_fsync, file));
}
int fdatasync(int file)
{
    ON_FILE("fsync", file, 0, syscall(SYS_fdatasync, file));
}
int flock(int file, int operation)
{
    ON_FILE("lock", file, operation, syscall(SYS_flock, file, operation));
}
int fcntl(int file, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (command != F_SETLK && command != F_SETLKW && command != F_OFD_SETLK)
        return (int)syscall(SYS_fcntl, file, command, argument);
    ON_FILE("lock", file, command, syscall(SYS_fcntl, file, command, argument));
}
void *mmap(void *address, size_t size, int protection, int flags, int file, off_t at)
{
    const char *path = flags & MAP_ANONYMOUS ? NULL : path_at(file);

    if (path && !meet("mmap", NULL)) return MAP_FAILED;
    void *result = (void *)syscall(SYS_mmap, address, size, protection, flags, file, at);
    if (path) tell("mmap", path, NULL, (long)size, result == MAP_FAILED ? -1 : 0, NULL);
    return result;
}

/* The names with 64, and those of fortified programs, whose last argument is the room. */
#define SAME(name, as) __typeof__(as) name __attribute__((alias(#as)))
SAME(open64, open);
SAME(openat64, openat);
SAME(__open64_2, __open_2);
SAME(creat64, creat);
SAME(pread64, pread);
SAME(pwrite64, pwrite);
SAME(preadv64, preadv);
SAME(pwritev64, pwritev);
SAME(ftruncate64, ftruncate);
SAME(fallocate64, fallocate);
SAME(posix_fallocate64, posix_fallocate);
SAME(mmap64, mmap);
SAME(fcntl64, fcntl);
ssize_t __read_chk(int file, void *data, size_t size, size_t room);
ssize_t __pread_chk(int file, void *data, size_t size, off_t at, size_t room);
ssize_t __read_chk(int file, void *data, size_t size, size_t room)
{
    return read(file, data, size < room ? size : room);
}
ssize_t __pread_chk(int file, void *data, size_t size, off_t at, size_t room)
{
    return pread(file, data, size < room ? size : room, at);
}
SAME(__pread64_chk, __pread_chk);
