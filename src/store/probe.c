/* A look at a file by a child process, before anything depends on this one: HDF5 can crash, loop or
 * ask for all memory on files that are damaged or made to do harm.  The child does to the whole
 * structure what a run may do to parts of it; that it ends by itself, with memory enough, is all
 * that it has to say, for whatever it finds wrong the run will find as well. */
#define _DEFAULT_SOURCE /* O_CLOEXEC and fork() beside HDF5's headers */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/memory.h"
#include "store_internal.h"

#define SIGNATURE   "\211HDF\r\n\032\n"
#define SMALL_BYTES ((int64_t)1 << 20)
#define TEXT_MOST   4096
#define WIDE_VALUES ((int64_t)1 << 23)

/* Of processor time, for an object and for all of them; more for a large file, at least so many
 * bytes a second. */
#define SECONDS     2
#define SECONDS_ALL 20
#define SPEED       ((int64_t)64 << 20)
#define SPEED_ALL   ((int64_t)256 << 10) /* columns of one value are packed to a few kilobytes */
#define ROOM        ((int64_t)256 << 20) /* of memory, for anything */

typedef struct looking {
    seg_input *in;
    int64_t bytes; /* of the file */
    int objects;
} looking;

/* ---- limits of the child ---- */

static void limit(int what, int64_t now, rlim_t most)
{
    const struct rlimit both = { (rlim_t)now < most ? (rlim_t)now : most, most };

    (void)setrlimit(what, &both);
}

/* For what comes next, in which HDF5 unpacks chunks of `unpacked` bytes together, a few times.  A
 * wide table takes long, but each of its columns is soon done. */
static void allow(const looking *l, int64_t unpacked)
{
    struct timespec used = { 0 };

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    limit(RLIMIT_CPU, used.tv_sec + 1 + SECONDS + (l->bytes + 4 * unpacked) / SPEED,
          (rlim_t)(SECONDS_ALL + l->bytes / SPEED_ALL));
#ifndef __SANITIZE_ADDRESS__
    limit(RLIMIT_DATA, ROOM + 4 * l->bytes + 8 * unpacked, RLIM_INFINITY);
#endif
}

/* ---- the child: everything is tried, nothing is judged ---- */

static void look_at_attributes(looking *l, const char *path)
{
    char **names = NULL, text[TEXT_MOST];
    int64_t whole;
    double number;
    int n = 0;

    if (seg_input_attr_list(l->in, path, &n, &names) != SEG_OK) n = 0;
    for (int i = 0; i < n; i++) {
        (void)seg_input_attr_text(l->in, path, names[i], text, sizeof text);
        (void)seg_input_attr_int(l->in, path, names[i], &whole);
        (void)seg_input_attr_double(l->in, path, names[i], &number);
    }
    seg_free(names);
}

/* Rows [first, first + count), as they are and as numbers; no run reads such wide ones. */
static void look_at_rows(looking *l, const char *path, const input_set *s, int64_t first,
                         int64_t count)
{
    int64_t values = s->row_bytes / (int64_t)H5Tget_size(s->file_type);
    char *raw = NULL;

    if (values > WIDE_VALUES) return;
    if (seg_alloc(count, (size_t)(s->row_bytes > values * 8 ? s->row_bytes : values * 8), &raw) ==
        SEG_OK) {
        (void)seg_input_read(l->in, path, s->shape.type, first, count, raw);
        if (s->shape.type != SEG_TEXT && s->shape.type != SEG_FLOAT64)
            (void)seg_input_read(l->in, path, SEG_FLOAT64, first, count, raw);
    }
    seg_free(raw);
}

static void look_at_dataset(looking *l, const char *path)
{
    input_set *s;
    char **names = NULL;
    int n = 0;

    if (set_find(l->in, path, &s) != SEG_OK) return;
    allow(l, s->band);
    (void)H5Dget_storage_size(s->set); /* walks the index of chunks */
    if (seg_input_column_names(l->in, path, &n, &names) == SEG_OK) seg_free(names);
    int64_t rows = s->shape.rank > 0 ? s->shape.dim[0] : 1;
    if (s->shape.type == SEG_TEXT && rows <= SMALL_BYTES) {
        if (seg_input_names(l->in, path, &n, &names) == SEG_OK) seg_free(names);
        if (s->shape.width == 0) return;
    }
    int64_t most = SMALL_BYTES / (s->row_bytes > 0 ? s->row_bytes : 1);
    if (most < 1) most = 1;
    if (most > rows) most = rows;
    look_at_rows(l, path, s, 0, most);
    if (rows > most) look_at_rows(l, path, s, rows - most, most);
}

static void look_at_group(looking *l, const char *path, int depth)
{
    char member[STORE_PATH], **names = NULL;
    int n = 0;

    look_at_attributes(l, path);
    if (depth > STORE_DEPTH || seg_input_list(l->in, path, &n, &names) != SEG_OK) return;
    for (int i = 0; i < n && l->objects++ < STORE_MOST_OBJECTS; i++) {
        allow(l, 0);
        if (!store_join(path, names[i], member)) continue;
        if (seg_input_is_group(l->in, member)) {
            look_at_group(l, member, depth + 1);
            continue;
        }
        look_at_attributes(l, member);
        look_at_dataset(l, member);
        input_forget(l->in); /* and HDF5 its chunks */
    }
    seg_free(names);
}

/* Own files are read by their checksums too. */
static void look(const char *path)
{
    looking l = { 0 };
    struct stat found = { 0 };
    (void)unsetenv("SEGMPI_FAULT"); /* injected faults are for the run itself */
    int nothing = open("/dev/null", O_WRONLY);

    if (nothing >= 0) {
        (void)dup2(nothing, STDOUT_FILENO);
        (void)dup2(nothing, STDERR_FILENO);
    }
    limit(RLIMIT_FSIZE, 0, 0);
    if (stat(path, &found) == 0) l.bytes = found.st_size;
    allow(&l, 0);
    if (seg_input_open(path, &l.in) != SEG_OK) return;
    if (*l.in->format) (void)content_verify(l.in, path);
    look_at_group(&l, "", 0);
    seg_input_close(l.in);
}

/* ---- the parent ---- */

/* A block of the user's may stand before. */
bool seg_input_is_hdf5(const char *path)
{
    char bytes[sizeof SIGNATURE - 1];
    struct stat found;
    bool is = false;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0) return false;
    if (fstat(file, &found) == 0 && S_ISREG(found.st_mode))
        for (off_t at = 0; !is && at + (off_t)sizeof bytes <= found.st_size;
             at = at == 0 ? 512 : 2 * at)
            is = pread(file, bytes, sizeof bytes, at) == (ssize_t)sizeof bytes &&
                 memcmp(bytes, SIGNATURE, sizeof bytes) == 0;
    (void)close(file);
    return is;
}

/* Signals of a process that has come to grief; the others were sent to it. */
static bool is_fault(int number)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU, SIGKILL };

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (number == faults[i]) return true;
    return false;
}

/* All of a file that HDF5 has not survived: a disk that fails is not the file's fault. */
static seg_status read_whole(const char *path)
{
    seg_status status = SEG_OK;
    struct stat found = { 0 };
    char *buffer = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &found) != 0)
        status =
            SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    if (status == SEG_OK) status = seg_alloc(SMALL_BYTES, 1, &buffer);
    for (int64_t at = 0, n; at < found.st_size && status == SEG_OK; at += n) {
        n = found.st_size - at < SMALL_BYTES ? found.st_size - at : SMALL_BYTES;
        status = store_read_bytes(file, buffer, n, at, path);
    }
    if (file >= 0) (void)close(file);
    seg_free(buffer);
    return status;
}

seg_status seg_input_probe(const char *path)
{
    int state = 0;

    if (!seg_input_is_hdf5(path)) return SEG_OK;
    pid_t child = fork();
    if (child == 0) {
        look(path);
        _exit(store_lacked_memory() ? SEG_ERR_MEMORY : SEG_OK);
    }
    if (child < 0)
        return SEG_FAIL(SEG_ERR_MEMORY, "cannot start a process that looks at '%s': %s", path,
                        strerror(errno));
    while (waitpid(child, &state, 0) < 0)
        if (errno != EINTR) return SEG_OK; /* someone else has waited for it */
    if (WIFEXITED(state) && WEXITSTATUS(state) == SEG_OK) return SEG_OK;
    if (WIFEXITED(state) && WEXITSTATUS(state) == SEG_ERR_MEMORY)
        return SEG_FAIL(SEG_ERR_DATA,
                        "'%s' is damaged or made to do harm: HDF5 wants far more memory for it "
                        "than a file of its size needs",
                        path);
    int number = WIFSIGNALED(state) ? WTERMSIG(state) : SIGABRT; /* sanitizers end by exit codes */
    if (!is_fault(number)) return SEG_OK;
    SEG_TRY(read_whole(path));
    if (number == SIGXCPU || number == SIGKILL)
        return SEG_FAIL(SEG_ERR_DATA,
                        "'%s' is damaged or made to do harm: HDF5 comes to no end with it", path);
    return SEG_FAIL(SEG_ERR_DATA,
                    "'%s' is damaged or made to do harm: HDF5 crashes on it (signal %d)", path,
                    number);
}
