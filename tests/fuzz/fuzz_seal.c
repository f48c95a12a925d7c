/* Fuzz target of the seal, the words behind the end of a file that are read before HDF5 sees it.
 *
 * Input: one byte of options, then the bytes of a file; or, with option 8, a body to be sealed: one
 * byte more, the place that is damaged afterwards. */
#include <fcntl.h>

#include "../../src/store/store_internal.h"
#include "fuzz_common.h"

#define SIZE_MOST 2048
#define MARK      "segmpi\r\n"

/* A seal whose words are those of the input, as sound as the options make it. */
static void forge(const uint8_t *data, size_t size)
{
    uint64_t words[SIZE_MOST / 8 + 8];
    size_t n = (size - 1) / 8;
    bool sealed;

    memcpy(words, data + 1, 8 * n);
    if (n < 2) return;
    if (data[0] & 4) words[n - 2] %= n; /* as many ranges as there can be */
    if (data[0] & 2) {
        const size_t begin =
            words[n - 2] < n ? n - 2 - (words[n - 2] * 2 < n - 2 ? words[n - 2] * 2 : n - 2) : 0;
        words[n - 1] = 8 * begin; /* the body's bytes */
        words[n] = 0;
        words[n + 1] = seg_hash(words + begin, 8 * (n + 1 - begin), 0);
        n += 2;
    }
    if (data[0] & 1) memcpy(&words[n++], MARK, 8);
    const char *path = fuzz_file(words, 8 * n);
    seg_error_clear();
    fuzz_expect_refusal(seal_verify(path, &sealed));
    fuzz_file_remove(path);
}

static bool is_in(const row_range *range, int n, int64_t at)
{
    for (int r = 0; r < n; r++)
        if (at >= range[r].first && at < range[r].first + range[r].size) return true;
    return false;
}

/* A sealed file is whole; once a byte has changed that is no row, it is not. */
static void seal_and_damage(const uint8_t *data, size_t size)
{
    const int64_t body = (int64_t)size - 3;
    row_range range[2] = { { body / 2, body / 4 }, { body / 8, body / 8 } }, kept[2];
    bool sealed;

    const char *path = fuzz_file(data + 3, (size_t)body);
    int file = open(path, O_RDWR);
    memcpy(kept, range, sizeof kept);
    if (file < 0 || seal_write(file, 2, range, path) != SEG_OK) abort();
    if (seal_verify(path, &sealed) != SEG_OK || !sealed) fuzz_failed("refused", path);
    const int64_t end = body + 9 * 8, at = (data[1] << 8 | data[2]) % end;
    uint8_t byte;
    if (pread(file, &byte, 1, at) != 1) abort();
    byte = (uint8_t)(byte ^ (1 << (data[0] >> 4 & 7)));
    if (pwrite(file, &byte, 1, at) != 1) abort();
    seg_status status = seal_verify(path, &sealed);
    if (is_in(kept, 2, at) ? status != SEG_OK : status == SEG_OK && sealed)
        fuzz_failed("the damage is not seen", path);
    fuzz_expect_refusal(status);
    (void)close(file);
    fuzz_file_remove(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > SIZE_MOST) return 0;
    if (data[0] & 8)
        seal_and_damage(data, size);
    else
        forge(data, size);
    return 0;
}
