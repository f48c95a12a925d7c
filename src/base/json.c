/* A thin cover over jansson.  seg_json is json_t under another name, so that jansson's header stays
 * here. */
#include "segmpi/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"

static bool failed; /* an allocation failed since the last check */

static json_t *inner(seg_json *json)
{
    return (json_t *)json;
}

static const json_t *inner_const(const seg_json *json)
{
    return (const json_t *)json;
}

seg_json *seg_json_object(void)
{
    return (seg_json *)json_object();
}

seg_json *seg_json_array(void)
{
    return (seg_json *)json_array();
}

/* The text itself or, where it is not UTF-8, *clean, a copy with '?' in place of such bytes. */
static const char *valid(const char *text, char **clean)
{
    json_t *string = json_string(text);

    *clean = NULL;
    if (!string && seg_text_duplicate(text, clean) == SEG_OK)
        (void)seg_text_clean(*clean, *clean, strlen(*clean) + 1);
    json_decref(string);
    return *clean ? *clean : text;
}

void seg_json_add(seg_json *to, const char *key, seg_json *child)
{
    char *clean = NULL;
    int result = key ? json_object_set_new(inner(to), valid(key, &clean), inner(child))
                     : json_array_append_new(inner(to), inner(child));

    seg_free(clean);
    failed = failed || result != 0;
}

void seg_json_add_text(seg_json *to, const char *key, const char *value)
{
    char *clean;

    seg_json_add(to, key, (seg_json *)json_string(valid(value, &clean)));
    seg_free(clean);
}

void seg_json_add_int(seg_json *to, const char *key, int64_t value)
{
    seg_json_add(to, key, (seg_json *)json_integer(value));
}

void seg_json_add_double(seg_json *to, const char *key, double value)
{
    seg_json_add(to, key, (seg_json *)(isfinite(value) ? json_real(value) : json_null()));
}

void seg_json_add_bool(seg_json *to, const char *key, bool value)
{
    seg_json_add(to, key, (seg_json *)json_boolean(value));
}

void seg_json_add_doubles(seg_json *to, const char *key, int64_t n, const double *values)
{
    seg_json *array = seg_json_array();

    for (int64_t i = 0; i < n; i++)
        seg_json_add_double(array, NULL, values[i]);
    seg_json_add(to, key, array);
}

void seg_json_add_texts(seg_json *to, const char *key, int64_t n, const char *const *values)
{
    seg_json *array = seg_json_array();

    for (int64_t i = 0; i < n; i++)
        seg_json_add_text(array, NULL, values[i]);
    seg_json_add(to, key, array);
}

/* The document as jansson's own block (free), or NULL with the record set. */
static char *dump(const seg_json *json, size_t flags)
{
    char *text = failed ? NULL : json_dumps(inner_const(json), flags | JSON_REAL_PRECISION(17));

    failed = false;
    if (!text) (void)SEG_FAIL(SEG_ERR_MEMORY, "out of memory while making a JSON document");
    return text;
}

seg_status seg_json_text(const seg_json *json, char **out)
{
    char *text = dump(json, JSON_COMPACT);

    *out = NULL;
    if (!text) return SEG_ERR_MEMORY;
    seg_status status = seg_text_duplicate(text, out);
    free(text);
    return status;
}

seg_status seg_json_write(const seg_json *json, const char *path, bool force)
{
    char *text = dump(json, JSON_INDENT(2));

    if (!text) return SEG_ERR_MEMORY;
    seg_status status = seg_text_save(text, path, force);
    free(text);
    return status;
}

void seg_json_free(seg_json *json)
{
    json_decref(inner(json));
}

/* ---- reading ---- */

seg_status seg_json_read(const char *path, seg_json **out)
{
    json_error_t error;
    FILE *file = fopen(path, "r");

    *out = NULL;
    if (!file)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    *out = (seg_json *)json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    const int failed_read = ferror(file) ? errno : 0;
    (void)fclose(file);
    if (*out) return SEG_OK;
    if (failed_read)
        return SEG_FAIL(SEG_ERR_IO, "cannot read '%s': %s", path, strerror(failed_read));
    return SEG_FAIL(SEG_ERR_DATA, "'%s' is not JSON (line %d: %s)", path, error.line, error.text);
}

const seg_json *seg_json_get(const seg_json *json, const char *key)
{
    return (const seg_json *)json_object_get(inner_const(json), key);
}

const seg_json *seg_json_item(const seg_json *json, int i)
{
    return (const seg_json *)json_array_get(inner_const(json), (size_t)i);
}

int seg_json_length(const seg_json *json)
{
    size_t n = json_array_size(inner_const(json));

    return n < INT_MAX ? (int)n : INT_MAX;
}

double seg_json_number(const seg_json *json)
{
    return json_is_number(inner_const(json)) ? json_number_value(inner_const(json)) : NAN;
}

const char *seg_json_string(const seg_json *json)
{
    const char *text = json_string_value(inner_const(json));

    return text ? text : "";
}
