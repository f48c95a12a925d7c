/* Room for an output, before its rows are written. */
#define _GNU_SOURCE /* fallocate: posix_fallocate() would write every page where it is missing */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "segmpi/text.h"
#include "store_internal.h"

seg_status output_reserve(const seg_output *out)
{
    struct stat file;
    struct statvfs space;
    char missing[32] = "", needed[32];

    if (fstat(out->part.file, &file) != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot examine the temporary file of '%s': %s", out->part.path,
                        strerror(errno));
    if (file.st_size == 0 || fallocate(out->part.file, 0, 0, file.st_size) == 0) return SEG_OK;
    if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) return SEG_OK; /* cannot reserve */

    int error_number = errno;
    int64_t used = (int64_t)file.st_blocks * 512, free_bytes = 0;
    if (error_number == ENOSPC && fstatvfs(out->part.file, &space) == 0)
        free_bytes = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    int64_t short_of = (int64_t)file.st_size - used - free_bytes;
    if (error_number == ENOSPC && short_of > 0) seg_text_bytes(short_of, missing, sizeof missing);
    return SEG_FAIL(SEG_ERR_IO, "no room for '%s', which needs %s%s%s: %s", out->part.path,
                    seg_text_bytes((int64_t)file.st_size, needed, sizeof needed),
                    *missing ? ", missing are " : "", missing, strerror(error_number));
}
