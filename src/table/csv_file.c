/* Bytes of a CSV file through a window of memory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "csv_internal.h"
#include "segmpi/memory.h"

static seg_status open_file(const char *path, int *descriptor)
{
    SEG_TRY(seg_fault("csv_open", SEG_ERR_IO));
    *descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hold us up */
    if (*descriptor < 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    return SEG_OK;
}

static seg_status read_bytes(int descriptor, const char *path, int64_t offset, int64_t count,
                             char *to)
{
    SEG_TRY(seg_fault("csv_pread", SEG_ERR_IO));
    while (count > 0) {
        ssize_t got = pread(descriptor, to, (size_t)count, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            return SEG_FAIL(seg_status_of_errno(errno), "cannot read '%s': %s", path,
                            strerror(errno));
        if (got == 0) return SEG_FAIL(SEG_ERR_IO, "'%s' became shorter while it was read", path);
        to += got;
        offset += got;
        count -= got;
    }
    return SEG_OK;
}

/* The size without the blanks and line ends that the file ends with. */
static seg_status trim_end(int descriptor, const char *path, int64_t *size)
{
    char tail[4096];

    while (*size > 0) {
        int64_t count = *size < (int64_t)sizeof tail ? *size : (int64_t)sizeof tail;
        SEG_TRY(read_bytes(descriptor, path, *size - count, count, tail));
        const int64_t before = *size;
        while (count > 0 && memchr(" \r\n", tail[count - 1], 3)) {
            count--;
            --*size;
        }
        if (count > 0 || *size == before) break;
    }
    return SEG_OK;
}

static seg_status measure(int descriptor, const char *path, csv_file *file)
{
    struct stat found;

    if (fstat(descriptor, &found) != 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot read '%s': %s", path, strerror(errno));
    if (!S_ISREG(found.st_mode))
        return SEG_FAIL(SEG_ERR_DATA, "'%s' is not a regular file; save the CSV as a file", path);
    *file = (csv_file) { .size = found.st_size, .disk_size = found.st_size };
    return trim_end(descriptor, path, &file->size);
}

seg_status csv_file_measure(const char *path, csv_file *file)
{
    int descriptor;

    SEG_TRY(open_file(path, &descriptor));
    seg_status status = measure(descriptor, path, file);
    (void)close(descriptor);
    return status;
}

static seg_status grow(csv_window *window, int64_t want)
{
    char *bytes;

    if (window->bytes && window->capacity >= want) return SEG_OK;
    SEG_TRY(seg_fault("csv_window_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(want + 1, 1, &bytes)); /* a line feed at the end */
    if (window->length > 0) memcpy(bytes, window->bytes, (size_t)window->length);
    seg_free(window->bytes);
    window->bytes = bytes;
    window->capacity = want;
    return SEG_OK;
}

static seg_status change_file(csv_window *window, const csv_plan *plan, int file)
{
    if (window->file == file) return SEG_OK;
    if (window->descriptor >= 0) (void)close(window->descriptor);
    window->descriptor = window->file = -1;
    window->length = 0;
    SEG_TRY(open_file(plan->paths[file], &window->descriptor));
    window->file = file;
    return SEG_OK;
}

/* Bytes of the file from `offset` on that are present. */
static int64_t bytes_held(const csv_window *window, int file, int64_t offset)
{
    const int64_t end = window->base + window->length;

    return window->file == file && window->base <= offset && offset < end ? end - offset : 0;
}

/* Keeps what it holds from `offset` on and reads the rest. */
seg_status csv_window_read(csv_window *window, const csv_plan *plan, int file, int64_t offset,
                           int64_t want)
{
    const int64_t left = plan->files[file].size - offset;
    const int64_t held = bytes_held(window, file, offset);

    if (want > left) want = left;
    if (held > 0 && held >= want) return SEG_OK;
    SEG_TRY(change_file(window, plan, file));
    if (held > 0 && offset > window->base)
        memmove(window->bytes, window->bytes + (offset - window->base), (size_t)held);
    window->base = offset;
    window->length = held;
    SEG_TRY(grow(window, want));
    SEG_TRY(read_bytes(window->descriptor, plan->paths[file], offset + held, want - held,
                       window->bytes + held));
    window->length = want;
    window->bytes[want] = '\n';
    return SEG_OK;
}

seg_status csv_window_extend(csv_window *window, const csv_plan *plan, int file, int64_t offset,
                             bool *extended)
{
    const int64_t held = bytes_held(window, file, offset);
    int64_t want = 2 * held > plan->window_bytes ? 2 * held : plan->window_bytes;

    if (want > CSV_RECORD_MOST) want = CSV_RECORD_MOST; /* wherever the window begins */
    *extended = held < want;
    return *extended ? csv_window_read(window, plan, file, offset, want) : SEG_OK;
}

csv_view csv_window_view(const csv_window *window, const csv_plan *plan, int file, int64_t offset)
{
    static const char nothing[] = "\n";
    const int64_t held = bytes_held(window, file, offset);

    if (held == 0) return (csv_view) { .at = nothing, .end = nothing };
    return (csv_view) { .at = window->bytes + (offset - window->base),
                        .end = window->bytes + window->length,
                        .last = offset + held == plan->files[file].size };
}

void csv_window_release(csv_window *window)
{
    if (window->descriptor >= 0) (void)close(window->descriptor);
    seg_free(window->bytes);
    *window = CSV_WINDOW_EMPTY;
}
