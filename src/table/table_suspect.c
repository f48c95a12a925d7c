/* The number of the client in a file that is not segmpi's own: nothing but its looks tells it from
 * a feature, and as one it would decide the distances with the others. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "segmpi/log.h"
#include "segmpi/text.h"
#include "table_internal.h"

#define LEAST 16 /* clients; fewer stand in order by chance */
#define SHOWN 5  /* warnings */

/* True if the name ends as one of a number does, in capitals or not. */
static bool is_named_so(const char *name)
{
    static const char *const ends[] = { "_id",      " id",        "-id",     "clientid",
                                        "custid",   "customerid", "userid",  "accountid",
                                        "_nr",      "_no",        "number",  "nummer",
                                        "kundennr", "kundenid",   "kontonr", "kontoid" };
    const size_t length = strlen(name);

    if (strcasecmp(name, "id") == 0 || strcasecmp(name, "nr") == 0) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t end = strlen(ends[i]);
        if (length >= end && strcasecmp(name + length - end, ends[i]) == 0) return true;
    }
    return false;
}

static bool are_whole(int64_t n, const double *value, int64_t stride)
{
    for (int64_t i = 0; i < n; i++)
        if (!(isfinite(value[i * stride]) && floor(value[i * stride]) >= value[i * stride]))
            return false;
    return true;
}

/* Each is above the one before, or each below it. */
static bool are_in_order(int64_t n, const double *value, int64_t stride)
{
    int64_t up = 0, down = 0;

    for (int64_t i = 1; i < n; i++) {
        up += value[i * stride] > value[(i - 1) * stride];
        down += value[i * stride] < value[(i - 1) * stride];
    }
    return up == n - 1 || down == n - 1;
}

static bool are_distinct(int64_t n, const double *value, int64_t stride)
{
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < i; j++)
            if (!(value[i * stride] < value[j * stride] || value[i * stride] > value[j * stride]))
                return false;
    return true;
}

static bool is_number(const char *name, int64_t n, const double *value, int64_t stride)
{
    if (n < LEAST || !are_whole(n, value, stride)) return false;
    return are_in_order(n, value, stride) || (is_named_so(name) && are_distinct(n, value, stride));
}

seg_status seg_source_warn(seg_input *in, const seg_source *source, int d, const int *column,
                           double *x)
{
    const int64_t n = source->rows < SEG_BLOCK_ROWS ? source->rows : SEG_BLOCK_ROWS;
    char path[1024], clean[100];
    int shown = 0;

    if (!source->is_group) SEG_TRY(seg_input_read(in, source->path, SEG_FLOAT64, 0, n, x));
    for (int t = 0; t < d && shown < SHOWN; t++) {
        const char *name = source->names[t];
        const double *value = source->is_group ? x : x + column[t];
        (void)snprintf(path, sizeof path, "%s%s%s", source->path, *source->path ? "/" : "", name);
        if (source->is_group) SEG_TRY(seg_input_read(in, path, SEG_FLOAT64, 0, n, x));
        if (!is_number(name, n, value, source->is_group ? 1 : source->n)) continue;
        seg_text_clean(name, clean, sizeof clean);
        seg_log_warning("'%s' looks like the number of the client, and counts as a feature; "
                        "--exclude-columns %s leaves it out",
                        clean, clean);
        shown++;
    }
    return SEG_OK;
}
