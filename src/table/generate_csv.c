/* Synthetic clients as CSV, written by all ranks into one file.  Slices of rows are dealt to the
 * ranks in rounds, so that in every round the text of all ranks is one run of bytes and a rank's
 * place in it is an exclusive sum. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "generate_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/table.h"

#define CELL_BYTES 21 /* 19 digits, a point and a comma */
#define ROW_BYTES  (CELL_BYTES * (1 + SEG_GENERATE_COLUMNS) + 1)

static seg_status create_temporary(seg_generate_csv *csv)
{
    struct stat found;

    SEG_TRY(seg_fault("generate_csv_create", SEG_ERR_CANTCREATE));
    if (!csv->force && lstat(csv->path, &found) == 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "'%s' exists; use --force to replace it", csv->path);
    if (snprintf(csv->temporary, sizeof csv->temporary, "%s.XXXXXX", csv->path) >=
        (int)sizeof csv->temporary) {
        csv->temporary[0] = '\0';
        return SEG_FAIL(SEG_ERR_CANTCREATE, "the path of the CSV file is too long");
    }
    csv->file = mkstemp(csv->temporary); /* exclusive, mode 0600 */
    if (csv->file >= 0) return SEG_OK;
    csv->temporary[0] = '\0';
    return SEG_FAIL(errno == EACCES ? SEG_ERR_PERMISSION : SEG_ERR_CANTCREATE,
                    "cannot create a file beside '%s': %s", csv->path, strerror(errno));
}

static seg_status open_temporary(seg_generate_csv *csv, const char *name)
{
    SEG_TRY(seg_fault("generate_csv_open", SEG_ERR_IO));
    csv->file = open(name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (csv->file < 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open the new file beside '%s': %s",
                        csv->path, strerror(errno));
    return SEG_OK;
}

seg_status seg_generate_csv_open(seg_comm *comm, const char *path, bool force,
                                 seg_generate_csv *csv)
{
    const bool first = seg_comm_rank(comm) == 0;
    char name[SEG_GENERATE_PATH];

    *csv = (seg_generate_csv) { .path = path, .force = force, .file = -1 };
    SEG_TRY(seg_agree(comm, first ? create_temporary(csv) : SEG_OK));
    memcpy(name, csv->temporary, sizeof name);
    seg_bcast(comm, name, sizeof name);
    return seg_agree(comm, first ? SEG_OK : open_temporary(csv, name));
}

/* The functions put_ write at `to` and return the end of what they wrote. */

static char *put_whole(char *to, int64_t value)
{
    char digits[CELL_BYTES];
    int n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

/* Millionths as the shortest exact decimal. */
static char *put_decimal(char *to, int64_t value)
{
    int64_t part = value % SEG_GENERATE_UNIT;

    to = put_whole(to, value / SEG_GENERATE_UNIT);
    if (part > 0) *to++ = '.';
    for (int64_t weight = SEG_GENERATE_UNIT / 10; part > 0; weight /= 10) {
        *to++ = (char)('0' + part / weight);
        part %= weight;
    }
    return to;
}

static char *put_header(char *to)
{
    to = stpcpy(to, "CUST_ID");
    for (int t = 0; t < SEG_GENERATE_COLUMNS; t++) {
        *to++ = ',';
        to = stpcpy(to, seg_generate_names[t]);
    }
    *to++ = '\n';
    return to;
}

static char *put_client(char *to, int64_t id, const int64_t *cell)
{
    to = put_whole(to, id);
    for (int t = 0; t < SEG_GENERATE_COLUMNS; t++) {
        *to++ = ',';
        if (cell[t] != SEG_GENERATE_MISSING) to = put_decimal(to, cell[t]);
    }
    *to++ = '\n';
    return to;
}

/* The text of `count` clients from `first` on, under the header at the head of the file; returns
 * the number of bytes. */
static int64_t put_slice(char *text, const seg_generator *g, int64_t first, int64_t count)
{
    int64_t cell[SEG_GENERATE_COLUMNS];
    char *to = first == 0 ? put_header(text) : text;

    for (int64_t row = first; row < first + count; row++) {
        seg_generator_client(g, row, cell);
        to = put_client(to, row + 1, cell);
    }
    return to - text;
}

static seg_status write_bytes(const seg_generate_csv *csv, const char *text, int64_t bytes,
                              int64_t offset)
{
    SEG_TRY(seg_fault("generate_csv_write", SEG_ERR_IO));
    while (bytes > 0) {
        ssize_t done = pwrite(csv->file, text, (size_t)bytes, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0)
            return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", csv->path, strerror(errno));
        text += done;
        bytes -= done;
        offset += done;
    }
    return SEG_OK;
}

static seg_status close_synced(seg_generate_csv *csv)
{
    SEG_TRY(seg_fault("generate_csv_sync", SEG_ERR_IO));
    int error = fsync(csv->file) != 0 ? errno : 0;

    if (close(csv->file) != 0 && error == 0) error = errno;
    csv->file = -1;
    if (error != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", csv->path, strerror(error));
    return SEG_OK;
}

static seg_status text_alloc(char **text)
{
    SEG_TRY(seg_fault("generate_csv_alloc", SEG_ERR_MEMORY));
    return seg_alloc(SEG_SLICE_ROWS + 1, ROW_BYTES, text); /* a header is shorter than 2 rows */
}

seg_status seg_generate_csv_write(seg_comm *comm, const seg_generator *g, int64_t n,
                                  seg_generate_csv *csv)
{
    const int64_t turn = SEG_SLICE_ROWS * seg_comm_size(comm);
    seg_status status = SEG_OK;
    int64_t end = 0; /* of the file so far */
    char *text = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, text_alloc(&text)));
    seg_progress_begin("writing CSV", n, "clients");
    for (int64_t start = 0; start < n; start += turn) {
        const int64_t first = start + SEG_SLICE_ROWS * seg_comm_rank(comm);
        const int64_t left = first < n ? n - first : 0;
        const int64_t bytes =
            put_slice(text, g, first, left < SEG_SLICE_ROWS ? left : SEG_SLICE_ROWS);
        int64_t before = bytes, all = bytes;

        seg_exscan_int64(comm, &before, 1);
        seg_sum_int64(comm, &all, 1);
        SEG_TRY_OR_DONE(seg_agree(comm, write_bytes(csv, text, bytes, end + before)));
        end += all;
        seg_progress_set(start + turn < n ? start + turn : n);
    }
    seg_progress_end(NULL);
    SEG_TRY_OR_DONE(seg_agree(comm, close_synced(csv)));
done:
    seg_free(text);
    return status;
}

/* Makes the new name durable, where the file system can. */
static void sync_directory(const char *path)
{
    char name[SEG_GENERATE_PATH];
    const char *slash = strrchr(path, '/');
    const int length = slash ? (int)(slash - path) + 1 : 1;

    (void)snprintf(name, sizeof name, "%.*s", length, slash ? path : ".");
    int directory = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    (void)fsync(directory);
    (void)close(directory);
}

/* link() refuses to replace a file that appeared in the meantime; rename() replaces it. */
static seg_status give_name(seg_generate_csv *csv)
{
    SEG_TRY(seg_fault("generate_csv_rename", SEG_ERR_IO));
    if ((csv->force ? rename(csv->temporary, csv->path) : link(csv->temporary, csv->path)) != 0)
        return SEG_FAIL(errno == EEXIST ? SEG_ERR_CANTCREATE : SEG_ERR_IO, "cannot name '%s': %s",
                        csv->path, strerror(errno));
    if (!csv->force) (void)unlink(csv->temporary);
    csv->temporary[0] = '\0';
    sync_directory(csv->path);
    return SEG_OK;
}

seg_status seg_generate_csv_commit(seg_comm *comm, seg_generate_csv *csv)
{
    return seg_agree(comm, seg_comm_rank(comm) == 0 ? give_name(csv) : SEG_OK);
}

void seg_generate_csv_release(seg_generate_csv *csv)
{
    if (csv->file >= 0) (void)close(csv->file);
    if (csv->temporary[0] != '\0') (void)unlink(csv->temporary);
    csv->file = -1;
    csv->temporary[0] = '\0';
}
