/* Small text helpers: bounded copies, numbers for people, near misses.  All local, none depends on
 * the locale. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segmpi/error.h"

/* Copies at most size - 1 bytes and ends with NUL; false if it was cut. */
bool seg_text_copy(char *to, size_t size, const char *from);

/* What stands behind the last slash of a path; borrowed. */
const char *seg_text_base_name(const char *path);
/* "stem" and the letters that mkstemp() and mkdtemp() replace, into `path`; false if it was cut. */
bool seg_text_template(char *path, size_t size, const char *stem);

/* A copy owned by the caller (seg_free). */
seg_status seg_text_duplicate(const char *text, char **out);
/* Copies of n texts in one block, owned by the caller (seg_free). */
seg_status seg_texts_duplicate(int n, const char *const *texts, char ***out);

/* Exact parse of a whole text; false if it is not a number of that kind. */
bool seg_text_int64(const char *text, int64_t *out);
bool seg_text_double(const char *text, double *out);
/* Bytes: "1500", "64M", "1.5 GB"; units are powers of 1000. */
bool seg_text_size(const char *text, int64_t *out);

/* The candidate nearest to `word` (edit distance, at most a third of its length, case ignored), or
 * NULL. */
const char *seg_text_nearest(const char *word, int n, const char *const *candidates);

/* Numbers for people, into a buffer that the caller owns: "8,950", "1.23 GB", "2 min 5 s". */
const char *seg_text_count(int64_t n, char *buffer, size_t size);
const char *seg_text_bytes(int64_t bytes, char *buffer, size_t size);
const char *seg_text_seconds(double seconds, char *buffer, size_t size);

/* Text from data made safe for a terminal, a log or a page: controls, marks that turn the direction
 * of text and bytes that are not UTF-8 become '?'; cut to `size`.  `buffer` may be `text`. */
const char *seg_text_clean(const char *text, char *buffer, size_t size);

/* A file of the text, complete or absent: written beside the target, synced and renamed, mode 0600;
 * "-" is standard output, with a line end more.  Overwrites only with `force`. */
seg_status seg_text_save(const char *text, const char *path, bool force);
