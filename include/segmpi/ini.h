/* INI files: a thin cover over inih, so that it stays in base/.  Local. */
#pragma once

#include <stdbool.h>

#include "segmpi/error.h"

typedef struct seg_ini_line {
    int number;          /* in the file, from 1 */
    const char *section; /* "" before the first one */
    const char *key, *value;
    bool continues; /* the value goes on from the line before (this one begins with a blank) */
} seg_ini_line;

typedef seg_status (*seg_ini_take)(void *user, const seg_ini_line *line);

/* Hands every line with a key to `take`.  Ends at the first failure; its record names the file and
 * the line.  SEG_ERR_DATA for a line that is no section, key or comment, or that is too long. */
seg_status seg_ini_parse(const char *name, const char *text, seg_ini_take take, void *user);
/* The text of a file of at most 1 MiB, owned by the caller (seg_free). */
seg_status seg_ini_load(const char *path, char **text);
