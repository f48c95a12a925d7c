/* What targets share: a file with the bytes of an input, what was printed, and what must hold of
 * both. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/error.h"
#include "segmpi/log.h"
#include "segmpi/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_failed(const char *what, const char *text)
{
    fprintf(stderr, "%s: '%s'\n", what, text);
    abort();
}

/* One file of this process, with these bytes; borrowed. */
static inline const char *fuzz_file(const void *bytes, size_t size)
{
    static char path[256];
    const char *folder = getenv("TMPDIR");
    FILE *file;

    if (*path == '\0') {
        (void)snprintf(path, sizeof path, "%s/segmpi-fuzz-%ld", folder ? folder : "/tmp",
                       (long)getpid());
        seg_log_init("fuzz", SEG_QUIET);
    }
    file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) abort();
    return path;
}

static inline void fuzz_file_remove(const char *path)
{
    if (unlink(path) != 0) abort();
}

/* What a terminal would obey. */
static inline bool fuzz_is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool is_c1 = c == 0xc2 && i + 1 < size && (unsigned char)text[i + 1] < 0xa0;
        if ((c < 0x20 && c != '\n') || c == 0x7f || is_c1) return false;
    }
    return true;
}

/* A refusal has a sentence without controls and one of the statuses of what users give; forgets it.
 */
static inline void fuzz_expect_refusal(seg_status status)
{
    const seg_error *record = seg_error_get();

    if (status == SEG_OK) return;
    if (record->status != status || *record->text == '\0')
        fuzz_failed("a refusal without a sentence", record->text);
    if (!seg_error_is_users() && status != SEG_ERR_IO)
        fuzz_failed("not the user's fault", record->text);
    if (!fuzz_is_plain(record->text, strlen(record->text)) ||
        !fuzz_is_plain(record->context, strlen(record->context)))
        fuzz_failed("a message with controls", record->text);
    seg_error_clear();
}
