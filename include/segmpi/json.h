/* JSON documents: a thin cover over jansson, so that it stays in base/.  Local.
 * Values are owned by the object or array that they were added to; only the top one is freed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/error.h"

typedef struct seg_json seg_json;

seg_json *seg_json_object(void);
seg_json *seg_json_array(void);
/* Add to an object (key) or, with key NULL, to the end of an array.  NaN and infinity become null.
 * Bytes of texts and keys that are not UTF-8 become "?".  A failed allocation is remembered and
 * reported by seg_json_write() or seg_json_text(). */
void seg_json_add_text(seg_json *to, const char *key, const char *value);
void seg_json_add_int(seg_json *to, const char *key, int64_t value);
void seg_json_add_double(seg_json *to, const char *key, double value);
void seg_json_add_bool(seg_json *to, const char *key, bool value);
void seg_json_add_doubles(seg_json *to, const char *key, int64_t n, const double *values);
void seg_json_add_texts(seg_json *to, const char *key, int64_t n, const char *const *values);
/* Takes `child`, which is owned by `to` from then on. */
void seg_json_add(seg_json *to, const char *key, seg_json *child);

/* One compact line, owned by the caller (seg_free). */
seg_status seg_json_text(const seg_json *json, char **out);
/* An indented file, complete or absent: written beside the target, synced and renamed; "-" is
 * stdout.  Overwrites only with `force`. */
seg_status seg_json_write(const seg_json *json, const char *path, bool force);
/* A document from a file, owned by the caller (seg_json_free).  SEG_ERR_DATA with the line. */
seg_status seg_json_read(const char *path, seg_json **out);
/* Parts of it, borrowed; all accept NULL: NULL, 0, NaN or "" for what is not there or of another
 * kind. */
const seg_json *seg_json_get(const seg_json *json, const char *key);
const seg_json *seg_json_item(const seg_json *json, int i);
int seg_json_length(const seg_json *json); /* of an array */
double seg_json_number(const seg_json *json);
const char *seg_json_string(const seg_json *json);

void seg_json_free(seg_json *json);
