/* Text to a file of its own: complete or absent. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/text.h"

/* Writes all bytes and syncs. */
static seg_status write_all(int file, const char *text, const char *path)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(file, text, left);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return SEG_FAIL(SEG_ERR_IO, "cannot write '%s': %s", path, strerror(errno));
        text += n;
        left -= (size_t)n;
    }
    if (fsync(file) != 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot sync '%s': %s", path, strerror(errno));
    return SEG_OK;
}

/* Complete or absent: a file beside the target, then its name.  link() refuses an existing target,
 * rename() replaces it. */
static seg_status write_file(const char *text, const char *path, bool force)
{
    seg_status status = SEG_OK;
    char stem[4096], part[4096];

    (void)snprintf(stem, sizeof stem, "%s.", path);
    if (!seg_text_template(part, sizeof part, stem))
        return SEG_FAIL(SEG_ERR_CANTCREATE, "the name '%s' is too long", path);
    int file = mkstemp(part); /* exclusive, mode 0600 */
    if (file < 0)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "cannot create a file beside '%s': %s", path,
                        strerror(errno));

    SEG_TRY_OR_DONE(write_all(file, text, path));
    if ((force ? rename(part, path) : link(part, path)) != 0)
        status = SEG_FAIL(errno == EEXIST ? SEG_ERR_CANTCREATE : SEG_ERR_IO,
                          errno == EEXIST ? "'%s' exists; --force replaces it"
                                          : "cannot put '%s' in place",
                          path);
done:
    close(file);
    if (!force || status != SEG_OK) unlink(part);
    return status;
}

seg_status seg_text_save(const char *text, const char *path, bool force)
{
    if (strcmp(path, "-") != 0) return write_file(text, path, force);
    if (puts(text) >= 0 && fflush(stdout) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot write to standard output");
}
