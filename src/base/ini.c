/* A thin cover over inih.  inih counts lines but does not tell the handler, and cuts what does not
 * fit its buffers, so lines are read, counted and measured here. */
#include "segmpi/ini.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ini.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"

#define FILE_MOST 1048576 /* bytes */
#define NAME_MOST 48      /* bytes of a section or key; inih keeps 49 */

typedef struct reading {
    const char *rest; /* of the text */
    int number;
    bool blank;                                      /* the line begins with a blank */
    char section[NAME_MOST + 2], key[NAME_MOST + 2]; /* of the line before */
    seg_ini_take take;
    void *user;
    seg_status status;
} reading;

/* The next line for inih, without its end; NULL ends the reading. */
static char *next_line(char *line, int size, void *user)
{
    reading *r = user;
    size_t length = strcspn(r->rest, "\n");

    if (r->status != SEG_OK || *r->rest == '\0') return NULL;
    r->number++;
    r->blank = *r->rest == ' ' || *r->rest == '\t';
    if (length >= (size_t)size) {
        r->status = SEG_FAIL(
            SEG_ERR_DATA, "the line has more than %d bytes; go on in the next one, after a blank",
            size - 1);
        return NULL;
    }
    memcpy(line, r->rest, length);
    line[length] = '\0';
    if (line[strspn(line, " \t")] == '[' && !strchr(line, ']')) {
        r->status = SEG_FAIL(SEG_ERR_DATA, "the ']' of the section is missing");
        return NULL;
    }
    r->rest += length + (r->rest[length] == '\n');
    return line;
}

static int take_line(void *user, const char *section, const char *key, const char *value)
{
    reading *r = user;
    bool same = strcmp(section, r->section) == 0 && strcmp(key, r->key) == 0;
    seg_ini_line line = { r->number, section, key, value, r->blank && same };

    if (r->status != SEG_OK) return 1;
    if (strlen(section) > NAME_MOST || strlen(key) > NAME_MOST)
        r->status = SEG_FAIL(SEG_ERR_DATA, "the name '%s...' has more than %d bytes",
                             strlen(section) > NAME_MOST ? section : key, NAME_MOST);
    else
        r->status = r->take(r->user, &line);
    (void)seg_text_copy(r->section, sizeof r->section, section);
    (void)seg_text_copy(r->key, sizeof r->key, key);
    return 1;
}

seg_status seg_ini_parse(const char *name, const char *text, seg_ini_take take, void *user)
{
    reading r = { .rest = text, .take = take, .user = user };
    char clean[200];

    int line = ini_parse_stream(next_line, &r, take_line, &r);
    if (r.status == SEG_OK && line != 0) {
        r.number = line;
        r.status = SEG_FAIL(SEG_ERR_DATA, "the line is neither [SECTION] nor KEY = VALUE");
    }
    if (r.status != SEG_OK)
        seg_error_while("reading line %d of '%s'", r.number,
                        seg_text_clean(name, clean, sizeof clean));
    return r.status;
}

static seg_status read_all(FILE *file, char *text)
{
    size_t n = fread(text, 1, FILE_MOST + 1, file);

    if (ferror(file)) return SEG_FAIL(seg_status_of_errno(errno), "%s", strerror(errno));
    if (n > FILE_MOST) return SEG_FAIL(SEG_ERR_DATA, "the file has more than 1 MiB");
    text[n] = '\0';
    if (strlen(text) < n) return SEG_FAIL(SEG_ERR_DATA, "the file is not a text");
    return SEG_OK;
}

seg_status seg_ini_load(const char *path, char **text)
{
    seg_status status = SEG_OK;
    char clean[200];
    FILE *file = NULL;

    *text = NULL;
    SEG_TRY_OR_DONE(seg_alloc(FILE_MOST + 2, 1, text));
    file = fopen(path, "r");
    if (!file) SEG_TRY_OR_DONE(SEG_FAIL(seg_status_of_errno(errno), "%s", strerror(errno)));
    SEG_TRY_OR_DONE(read_all(file, *text));
done:
    if (file) (void)fclose(file);
    if (status != SEG_OK) {
        seg_error_while("reading '%s'", seg_text_clean(path, clean, sizeof clean));
        seg_free(*text);
        *text = NULL;
    }
    return status;
}
