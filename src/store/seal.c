/* The seal: a few words behind the end of the HDF5 file, where HDF5 does not look, with a checksum
 * of all bytes but the row arrays', which have their block checksums.  It is compared before HDF5
 * sees the file, because one flipped bit in a heap can make HDF5 1.10 crash or loop for ever.  A
 * tool that rewrites the file drops the seal; the content's checksum is then what is left.
 *
 * Words of 8 bytes: n ranges (first byte, size), n, bytes before the seal, their checksum, the
 * checksum of all words so far, and the mark. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "segmpi/memory.h"
#include "store_internal.h"

#define WORD        ((int64_t)sizeof(uint64_t))
#define TAIL        5 /* words behind the ranges */
#define MOST_RANGES 4096

static const char mark[] = "segmpi\r\n";

/* Feeds bytes [at, end). */
static seg_status feed(XXH3_state_t *state, int file, int64_t at, int64_t end, char *buffer,
                       const char *path)
{
    for (int64_t n; at < end; at += n) {
        n = end - at < STORE_SLICE ? end - at : STORE_SLICE;
        SEG_TRY(store_read_bytes(file, buffer, n, at, path));
        (void)XXH3_64bits_update(state, buffer, (size_t)n);
    }
    return SEG_OK;
}

/* The checksum of bytes [0, end) outside the ranges, which are in order. */
static seg_status hash_body(int file, int64_t end, int64_t n, const row_range *range,
                            const char *path, uint64_t *sum)
{
    XXH3_state_t *state = XXH3_createState();
    char *buffer = NULL;
    int64_t at = 0;
    seg_status status = SEG_OK;

    SEG_TRY_OR_DONE(state ? SEG_OK : SEG_FAIL(SEG_ERR_MEMORY, "out of memory for a checksum"));
    SEG_TRY_OR_DONE(seg_alloc(end < STORE_SLICE ? end : STORE_SLICE, 1, &buffer));
    (void)XXH3_64bits_reset(state);
    for (int64_t r = 0; r < n; r++) {
        SEG_TRY_OR_DONE(feed(state, file, at, range[r].first, buffer, path));
        at = range[r].first + range[r].size;
    }
    SEG_TRY_OR_DONE(feed(state, file, at, end, buffer, path));
    *sum = XXH3_64bits_digest(state);
done:
    (void)XXH3_freeState(state);
    seg_free(buffer);
    return status;
}

/* ---- writing ---- */

static int by_first(const void *a, const void *b)
{
    const row_range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

seg_status seal_write(int file, int64_t n, row_range *range, const char *path)
{
    seg_status status = SEG_OK;
    const int64_t words = 2 * n + TAIL;
    struct stat body;
    uint64_t *seal = NULL;

    qsort(range, (size_t)n, sizeof *range, by_first);
    SEG_TRY(seg_alloc(words, sizeof *seal, &seal));
    for (int64_t r = 0; r < n; r++) {
        seal[2 * r] = (uint64_t)range[r].first;
        seal[2 * r + 1] = (uint64_t)range[r].size;
    }
    if (n > MOST_RANGES || fstat(file, &body) != 0) {
        status = SEG_FAIL(SEG_ERR_IO, "cannot seal '%s'", path);
        goto done;
    }
    seal[words - 5] = (uint64_t)n;
    seal[words - 4] = (uint64_t)body.st_size;
    SEG_TRY_OR_DONE(hash_body(file, body.st_size, n, range, path, &seal[words - 3]));
    seal[words - 2] = seg_hash(seal, (size_t)((words - 2) * WORD), 0);
    memcpy(&seal[words - 1], mark, sizeof seal[0]);
    status = seg_file_write(file, seal, words * WORD, body.st_size, path);
done:
    seg_free(seal);
    return status;
}

/* ---- reading ---- */

static seg_status damaged(const char *path)
{
    return SEG_FAIL(SEG_ERR_DATA, "'%s' is damaged: it does not fit its seal", path);
}

/* The seal of n ranges that ends at byte `end`. */
static seg_status verify(int file, int64_t end, int64_t n, const char *path)
{
    seg_status status = SEG_OK;
    const int64_t words = 2 * n + TAIL, body = end - words * WORD;
    uint64_t *seal = NULL, sum = 0;
    int64_t at = 0;

    SEG_TRY(seg_alloc(words, sizeof *seal, &seal));
    if (body >= 0) SEG_TRY_OR_DONE(store_read_bytes(file, seal, words * WORD, body, path));
    bool fits = body >= 0 && seal[words - 2] == seg_hash(seal, (size_t)((words - 2) * WORD), 0) &&
                seal[words - 4] == (uint64_t)body;
    row_range *range = (row_range *)(void *)seal;
    for (int64_t r = 0; r < n && fits; r++) {
        fits = range[r].first >= at && range[r].first <= body && range[r].size >= 0 &&
               range[r].size <= body - range[r].first;
        at = range[r].first + range[r].size;
    }
    if (fits) SEG_TRY_OR_DONE(hash_body(file, body, n, range, path, &sum));
    if (!fits || sum != seal[words - 3]) status = damaged(path);
done:
    seg_free(seal);
    return status;
}

seg_status seal_verify(const char *path, bool *sealed)
{
    uint64_t tail[TAIL];
    struct stat info;
    seg_status status = SEG_OK;
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0 || fstat(file, &info) != 0)
        status =
            SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    *sealed = status == SEG_OK && info.st_size >= TAIL * WORD;
    if (*sealed)
        status = store_read_bytes(file, tail, TAIL * WORD, info.st_size - TAIL * WORD, path);
    *sealed = *sealed && status == SEG_OK && memcmp(&tail[TAIL - 1], mark, sizeof tail[0]) == 0;
    if (*sealed)
        status = tail[0] <= MOST_RANGES ? verify(file, info.st_size, (int64_t)tail[0], path)
                                        : damaged(path);
    if (file >= 0) (void)close(file);
    return status;
}
