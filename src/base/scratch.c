/* A block whose first part is memory and whose rest is a file, window by window.
 *
 * The kernel's own choice of pages would be the worst one: a block that is passed again and again
 * loses each page just before it is wanted.  So windows that were passed are dropped, from the
 * mapping and from the page cache, and those AHEAD of the pass are asked for. */
#define _GNU_SOURCE /* sync_file_range, MAP_ANONYMOUS */
#include "segmpi/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"

#define WINDOW ((int64_t)1 << 19)
#define AHEAD  6 /* windows that are being read */
#define BEHIND 2 /* windows that are being written */

struct seg_scratch {
    char *memory;
    int64_t bytes, held; /* of it that are memory: whole windows */
    int file;
    int64_t window; /* of the file, that is filled or passed now */
    bool rested;    /* nothing of it is in memory */
    const char *folder;
    seg_scratch *next; /* all of this process */
};

static seg_scratch *all;

static int64_t n_windows(const seg_scratch *s)
{
    return (s->bytes - s->held + WINDOW - 1) / WINDOW;
}

static int64_t length_of(const seg_scratch *s, int64_t window)
{
    int64_t rest = s->bytes - s->held - window * WINDOW;

    return rest < WINDOW ? rest : WINDOW;
}

/* ---- windows ---- */

static void want(seg_scratch *s, int64_t window)
{
    (void)posix_fadvise(s->file, window * WINDOW, length_of(s, window), POSIX_FADV_WILLNEED);
}

static void want_ahead(seg_scratch *s)
{
    int64_t n = n_windows(s);

    for (int64_t i = 0; i < AHEAD && i < n; i++)
        want(s, (s->window + i) % n);
}

static void drop(seg_scratch *s, int64_t from, int64_t bytes)
{
    (void)madvise(s->memory + s->held + from, (size_t)bytes, MADV_DONTNEED);
    (void)posix_fadvise(s->file, from, bytes, POSIX_FADV_DONTNEED);
}

/* Waits until a window is written, and drops it. */
static seg_status finish(seg_scratch *s, int64_t window)
{
    const unsigned wait =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

    if (sync_file_range(s->file, window * WINDOW, length_of(s, window), wait) != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot write clients to a scratch file in '%s': %s", s->folder,
                        strerror(errno));
    drop(s, window * WINDOW, length_of(s, window));
    return SEG_OK;
}

seg_status seg_scratch_fill(seg_scratch *s, int64_t end)
{
    int64_t n = n_windows(s), full = end < s->held ? 0 : (end - s->held) / WINDOW;

    if (end == s->bytes) full = n;
    for (; s->window < full; s->window++) {
        (void)sync_file_range(s->file, s->window * WINDOW, length_of(s, s->window),
                              SYNC_FILE_RANGE_WRITE);
        if (s->window >= BEHIND) SEG_TRY(finish(s, s->window - BEHIND));
    }
    if (end < s->bytes) return SEG_OK;
    for (int64_t w = n < BEHIND ? 0 : n - BEHIND; w < n; w++)
        SEG_TRY(finish(s, w));
    s->window = 0;
    want_ahead(s);
    return SEG_OK;
}

/* Passes follow each other, so the windows ahead of the last ones are the first ones. */
void seg_scratch_pass(seg_scratch *s, int64_t at)
{
    int64_t n = n_windows(s), now = at < s->held ? 0 : (at - s->held) / WINDOW;

    if (now == s->window && !s->rested) return;
    for (; s->window != now; s->window = (s->window + 1) % n) {
        drop(s, s->window * WINDOW, length_of(s, s->window));
        want(s, (s->window + AHEAD) % n);
    }
    if (s->rested) want_ahead(s);
    s->rested = false;
}

void seg_scratch_want(seg_scratch *s, int64_t at, int64_t bytes)
{
    if (at >= s->held) (void)posix_fadvise(s->file, at - s->held, bytes, POSIX_FADV_WILLNEED);
}

void seg_scratch_rest(seg_scratch *s)
{
    drop(s, 0, s->bytes - s->held);
    s->rested = true;
}

/* ---- a page that cannot be read ---- */

/* The process has nothing to go on with: what a pass reads is not there. */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
    static const char message[] =
        "segmpi: a scratch file cannot be read (an I/O error); --scratch names another folder\n";
    const char *at = info->si_addr;

    (void)context;
    for (const seg_scratch *s = all; s; s = s->next)
        if (at >= s->memory && at < s->memory + s->bytes) {
            ssize_t said = write(STDERR_FILENO, message, sizeof message - 1);
            (void)said;
            _exit(SEG_ERR_IO);
        }
    (void)signal(signal_number, SIG_DFL);
}

static void watch(seg_scratch *s)
{
    struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

    s->next = all;
    all = s;
    (void)sigaction(SIGBUS, &action, NULL);
}

static void unwatch(const seg_scratch *s)
{
    for (seg_scratch **at = &all; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            return;
        }
}

/* ---- the block ---- */

/* All of its room is taken at once, so that a full disk is found here. */
static seg_status make_file(seg_scratch *s)
{
    char path[4096], stem[4096], room[32];
    int64_t bytes = s->bytes - s->held;

    (void)snprintf(stem, sizeof stem, "%s/.segmpi-scratch.", s->folder);
    if (!seg_text_template(path, sizeof path, stem))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "the name '%s' is too long", s->folder);
    s->file = mkostemp(path, O_CLOEXEC); /* exclusive, mode 0600 */
    if (s->file < 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE,
                        "cannot create a scratch file in '%s': %s; --scratch names another folder",
                        s->folder, strerror(errno));
    (void)unlink(path);
    int failed;
    do /* a signal may interrupt it */
        failed = posix_fallocate(s->file, 0, bytes);
    while (failed == EINTR);
    if (failed != 0)
        return SEG_FAIL(SEG_ERR_IO,
                        "no room for %s of clients in a scratch file in '%s': %s; --scratch names "
                        "another folder, --memory-limit allows more memory",
                        seg_text_bytes(bytes, room, sizeof room), s->folder, strerror(failed));
    return SEG_OK;
}

/* MADV_RANDOM: windows are read because they are asked for, not because of a fault. */
static seg_status map(seg_scratch *s)
{
    int64_t rest = s->bytes - s->held;
    void *memory = mmap(NULL, (size_t)s->bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory != MAP_FAILED) {
        s->memory = memory;
        memory = mmap(s->memory + s->held, (size_t)rest, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED, s->file, 0);
    }
    if (memory == MAP_FAILED)
        return SEG_FAIL(SEG_ERR_MEMORY, "cannot map a scratch file in '%s': %s", s->folder,
                        strerror(errno));
    (void)madvise(s->memory, (size_t)s->held, MADV_HUGEPAGE);
    (void)madvise(s->memory + s->held, (size_t)rest, MADV_RANDOM);
    return SEG_OK;
}

seg_status seg_scratch_new(int64_t bytes, const seg_place *place, seg_scratch **out, void *memory)
{
    seg_status status = SEG_OK;
    int64_t held = place->held / WINDOW * WINDOW;
    seg_scratch *s;

    *out = NULL;
    SEG_TRY(seg_alloc(1, sizeof *s, &s));
    *s = (seg_scratch) { .bytes = bytes, .held = held, .file = -1, .folder = place->folder };
    SEG_TRY_OR_DONE(make_file(s));
    SEG_TRY_OR_DONE(map(s));
    seg_memory_count(held + SEG_SCRATCH_WINDOWS);
    watch(s);
    memcpy(memory, &s->memory, sizeof s->memory);
    *out = s;
    return SEG_OK;
done:
    if (s->memory) (void)munmap(s->memory, (size_t)bytes);
    if (s->file >= 0) (void)close(s->file);
    seg_free(s);
    return status;
}

void seg_scratch_free(seg_scratch *s)
{
    if (!s) return;
    unwatch(s);
    (void)munmap(s->memory, (size_t)s->bytes);
    (void)close(s->file);
    seg_memory_count(-s->held - SEG_SCRATCH_WINDOWS);
    seg_free(s);
}
