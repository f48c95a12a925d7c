/* Text to a file of its own: complete or absent. */
#include <stdio.h>
#include <string.h>

#include "segmpi/part.h"
#include "segmpi/text.h"

static seg_status write_file(const char *text, const char *path, bool force)
{
    seg_status status = SEG_OK;
    seg_part part;

    SEG_TRY_OR_DONE(seg_part_init(path, force, &part));
    SEG_TRY_OR_DONE(seg_part_create(&part, false));
    SEG_TRY_OR_DONE(seg_part_write(&part, text, (int64_t)strlen(text), 0));
    SEG_TRY_OR_DONE(seg_part_sync(&part));
    status = seg_part_publish(&part);
done:
    seg_part_release(&part);
    return status;
}

seg_status seg_text_save(const char *text, const char *path, bool force)
{
    if (strcmp(path, "-") != 0) return write_file(text, path, force);
    if (puts(text) >= 0 && fflush(stdout) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot write to standard output");
}
