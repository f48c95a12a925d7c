/* An input: opened read-only, by one rank for itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* A regular file that may be read. */
static seg_status check_file(const char *path, int64_t *bytes)
{
    struct stat found;

    if (stat(path, &found) != 0 || access(path, R_OK) != 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    if (!S_ISREG(found.st_mode)) return SEG_FAIL(SEG_ERR_DATA, "'%s' is not a regular file", path);
    *bytes = (int64_t)found.st_size;
    return SEG_OK;
}

/* A CSV file is taken for a table now and then. */
static bool is_named_text(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (strcasecmp(dot, ".csv") == 0 || strcasecmp(dot, ".tsv") == 0 ||
                   strcasecmp(dot, ".txt") == 0);
}

static seg_status open_file(seg_input *in, bool must_be_sealed)
{
    char reason[200];
    bool system;
    void *rows = NULL;

    SEG_TRY(check_file(in->path, &in->bytes));
    SEG_TRY(seal_verify(in->path, &in->sealed));
    if (must_be_sealed && !in->sealed)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' is no whole file of segmpi: its end is missing",
                        in->path);
    seg_store_init(); /* before H5F_ACC_RDONLY, which is a call of HDF5 */
    in->file = store_open_serial(in->path, H5F_ACC_RDONLY);
    if (in->file >= 0 && H5Fget_vfd_handle(in->file, H5P_DEFAULT, &rows) >= 0) {
        in->rows = *(const int *)rows;
        return SEG_OK;
    }
    store_reason(reason, sizeof reason, &system);
    if (!system && is_named_text(in->path))
        return SEG_FAIL(SEG_ERR_DATA,
                        "'%s' is not an HDF5 file; 'segmpi import' makes a table of a CSV file",
                        in->path);
    return SEG_FAIL(system ? SEG_ERR_IO : SEG_ERR_DATA,
                    "'%s' is not an HDF5 file, or it is damaged: %s", in->path, reason);
}

static seg_status open_input(const char *path, bool must_be_sealed, seg_input **out)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;

    *out = NULL;
    SEG_TRY(seg_fault("store_open_input", SEG_ERR_IO));
    SEG_TRY(seg_alloc(1, sizeof *in, &in));
    in->file = in->rows = -1;
    in->failures = store_system_failures();
    SEG_TRY_OR_DONE(seg_text_duplicate(path, &in->path));
    SEG_TRY_OR_DONE(open_file(in, must_be_sealed));
    if (seg_input_has_attr(in, "", "format"))
        SEG_TRY_OR_DONE(seg_input_attr_text(in, "", "format", in->format, sizeof in->format));
    *out = in;
    in = NULL;
done:
    seg_input_close(in);
    return status;
}

seg_status seg_input_open(const char *path, seg_input **out)
{
    return open_input(path, false, out);
}

seg_status seg_input_open_sealed(const char *path, seg_input **out)
{
    return open_input(path, true, out);
}

void input_forget(seg_input *in)
{
    for (int i = 0; i < in->n_sets; i++)
        set_close(&in->sets[i]);
    in->n_sets = 0;
    in->caches = 0;
}

void seg_input_close(seg_input *in)
{
    if (!in) return;
    input_forget(in);
    seg_free(in->sets);
    if (in->file >= 0) (void)H5Fclose(in->file);
    if (in->file < 0 && in->rows >= 0) (void)close(in->rows);
    seg_free(in->path);
    seg_free(in);
}

const char *seg_input_path(const seg_input *in)
{
    return in->path;
}

const char *seg_input_format(const seg_input *in)
{
    return in->format;
}

/* "major.minor" as numbers. */
static bool parse_version(const char *text, long version[2])
{
    char *end;

    version[0] = strtol(text, &end, 10);
    if (end == text || *end != '.') return false;
    text = end + 1;
    version[1] = strtol(text, &end, 10);
    return end != text && *end == '\0' && version[0] >= 0 && version[1] >= 0;
}

seg_status seg_input_expect(const seg_input *in, const char *format)
{
    char text[32] = "", clean[64];
    long version[2] = { 0 };

    if (*in->format == '\0')
        return SEG_FAIL(SEG_ERR_DATA, "'%s' is not a file of segmpi (it has no attribute 'format')",
                        in->path);
    if (strcmp(in->format, format) != 0)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' is a segmpi file of format '%s', expected '%s'",
                        in->path, seg_text_clean(in->format, clean, sizeof clean), format);
    if (!seg_input_has_attr(in, "", "format_version") ||
        seg_input_attr_text((seg_input *)in, "", "format_version", text, sizeof text) != SEG_OK ||
        !parse_version(text, version))
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has no valid 'format_version'", in->path);
    if (version[0] > STORE_MAJOR)
        return SEG_FAIL(SEG_ERR_DATA,
                        "'%s' has format version %s, this segmpi reads up to %d.x; use a newer one",
                        in->path, text, STORE_MAJOR);
    if (version[0] == STORE_MAJOR && version[1] > STORE_MINOR)
        seg_log_warning(
            "'%s' has format version %s, which is newer than this segmpi's " STORE_VERSION,
            in->path, text);
    return in->sealed ? SEG_OK : content_verify(in, in->path);
}

seg_status input_sound(const seg_input *in, const char *path)
{
    char clean[200];

    if (in->failures == store_system_failures()) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot read '%s' in '%s': the system has failed a read",
                    seg_text_clean(path, clean, sizeof clean), in->path);
}

bool seg_input_has(const seg_input *in, const char *path)
{
    store_kind kind = store_find(in->file, path);

    return kind == STORE_GROUP || kind == STORE_DATASET || kind == STORE_UNKNOWN ||
           in->failures != store_system_failures();
}

bool seg_input_is_group(const seg_input *in, const char *path)
{
    return store_find(in->file, path) == STORE_GROUP;
}
