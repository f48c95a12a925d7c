/* The error record of this process: one failure, its place, and what was being done. */
#include "segmpi/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/text.h"

static seg_error record;
static int record_rank;
static char doubt[100]; /* why what is read may not be what is there; "": there is no doubt */

const seg_error *seg_error_get(void)
{
    return &record;
}

seg_status seg_error_adopt(const seg_error *other)
{
    record = *other;
    return record.status;
}

void seg_error_clear(void)
{
    memset(&record, 0, sizeof record);
}

void seg_error_doubt(const char *reason)
{
    (void)seg_text_copy(doubt, sizeof doubt, reason);
}

void seg_error_set_rank(int rank)
{
    record_rank = rank;
}

int seg_error_rank(void)
{
    return record_rank;
}

seg_status seg_error_record(seg_status status, const char *file, int line, const char *format, ...)
{
    if (record.status != SEG_OK) return record.status;

    const char *name = strrchr(file, '/');
    const bool doubtful = status == SEG_ERR_DATA && *doubt;
    va_list args;

    record.status = doubtful ? SEG_ERR_IO : status;
    record.rank = record_rank;
    record.line = line;
    snprintf(record.file, sizeof record.file, "%s", name ? name + 1 : file);
    va_start(args, format);
    vsnprintf(record.text, sizeof record.text, format, args);
    va_end(args);
    const size_t used = strlen(record.text);
    if (doubtful)
        snprintf(record.text + used, sizeof record.text - used,
                 "; but the system has failed a read before: %s", doubt);
    (void)seg_text_clean(record.text, record.text, sizeof record.text);
    return record.status;
}

void seg_error_while(const char *format, ...)
{
    if (record.status == SEG_OK) return;

    size_t used = strlen(record.context);
    char line[300];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    (void)seg_text_clean(line, line, sizeof line);
    snprintf(record.context + used, sizeof record.context - used, "\n  while %s", line);
}

bool seg_error_is_users(void)
{
    return record.status == SEG_ERR_USAGE || record.status == SEG_ERR_DATA ||
           record.status == SEG_ERR_NOINPUT || record.status == SEG_ERR_CANTCREATE ||
           record.status == SEG_ERR_PERMISSION || record.status == SEG_ERR_CONFIG;
}

void seg_error_print(const char *command, bool with_place)
{
    char place[80] = "";

    if (with_place && record.line > 0)
        snprintf(place, sizeof place, " (rank %d, %s:%d)", record.rank, record.file, record.line);
    fprintf(stderr, "segmpi%s%s: %s%s%s\n", command ? " " : "", command ? command : "", record.text,
            place, record.context);
    fflush(stderr);
}

seg_status seg_status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return SEG_ERR_NOINPUT;
    case EACCES:
    case EPERM:
        return SEG_ERR_PERMISSION;
    case ENOMEM:
        return SEG_ERR_MEMORY;
    case EEXIST:
        return SEG_ERR_CANTCREATE;
    default:
        return SEG_ERR_IO;
    }
}

_Noreturn void seg_assert_failed(const char *file, int line, const char *condition)
{
    const char *name = strrchr(file, '/');

    fprintf(stderr, "segmpi: bug: '%s' does not hold (rank %d, %s:%d)\n", condition, record_rank,
            name ? name + 1 : file, line);
    fflush(stderr);
    _Exit(SEG_ERR_INTERNAL);
}
