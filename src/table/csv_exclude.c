/* Clients who objected: a list of ids, one in a line, whose rows are left out.  Every rank holds
 * the list as a hash table. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "csv_internal.h"
#include "segmpi/memory.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

#define LIST_MOST ((int64_t)1 << 30) /* bytes */

void csv_excluded_release(csv_excluded *x)
{
    seg_free(x->text);
    seg_free(x->slot);
    *x = (csv_excluded) { 0 };
}

/* Rank 0.  The bytes of the list and a line end more. */
static seg_status read_list(const char *path, char **text, int64_t *size)
{
    seg_status status = SEG_OK;
    struct stat found;
    char clean[200];

    SEG_TRY(seg_fault("csv_excluded_read", SEG_ERR_IO));
    (void)seg_text_clean(path, clean, sizeof clean);
    FILE *file = fopen(path, "rb");
    if (!file)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot read the ids in '%s': %s", clean,
                        strerror(errno));
    if (fstat(fileno(file), &found) != 0 || !S_ISREG(found.st_mode) || found.st_size > LIST_MOST)
        SEG_TRY_OR_DONE(SEG_FAIL(SEG_ERR_DATA, "'%s' is no list of ids", clean));
    SEG_TRY_OR_DONE(seg_alloc(found.st_size + 1, 1, text));
    if (fread(*text, 1, (size_t)found.st_size, file) != (size_t)found.st_size)
        SEG_TRY_OR_DONE(SEG_FAIL(SEG_ERR_IO, "cannot read the ids in '%s'", clean));
    (*text)[found.st_size] = '\n';
    *size = found.st_size + 1;
done:
    (void)fclose(file);
    return status;
}

/* The place of an id in the table: its own, or a free one. */
static int64_t find(const csv_excluded *x, const char *id)
{
    int64_t at = (int64_t)(seg_hash(id, strlen(id), 0) & (uint64_t)(x->n_slots - 1));

    while (x->slot[at] > 0 && strcmp(x->text + x->slot[at] - 1, id) != 0)
        at = (at + 1) & (x->n_slots - 1);
    return at;
}

/* Cuts the text into ids, without the blanks around them, and enters them. */
static seg_status enter_lines(csv_excluded *x, int64_t size)
{
    int64_t lines = 0, line = 0;
    char *at = x->text, *end = x->text + size;

    for (int64_t i = 0; i < size; i++)
        lines += x->text[i] == '\n';
    for (x->n_slots = 16; x->n_slots < 2 * lines;)
        x->n_slots *= 2;
    SEG_TRY(seg_fault("csv_excluded_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(x->n_slots, sizeof *x->slot, &x->slot));
    if (size > 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    for (char *next; at < end; at = next) {
        char *last = memchr(at, '\n', (size_t)(end - at));
        next = last + 1;
        line++;
        while (at < last && strchr(" \t", *at))
            at++;
        while (last > at && strchr(" \t\r", last[-1]))
            last--;
        *last = '\0';
        if (last - at > CSV_ID_MOST || memchr(at, '\0', (size_t)(last - at)))
            return SEG_FAIL(SEG_ERR_DATA, "line %lld of the ids to exclude is no id",
                            (long long)line);
        if (at == last) continue;
        int64_t place = find(x, at);
        x->n += x->slot[place] == 0;
        x->slot[place] = at - x->text + 1;
    }
    return SEG_OK;
}

seg_status csv_excluded_read(seg_comm *comm, const char *path, csv_excluded *x)
{
    const bool root = seg_comm_rank(comm) == 0;
    int64_t size = 0;

    if (!path) return SEG_OK;
    SEG_TRY(seg_agree(comm, root ? read_list(path, &x->text, &size) : SEG_OK));
    seg_bcast(comm, &size, sizeof size);
    SEG_TRY(seg_agree(comm, root ? SEG_OK : seg_alloc(size, 1, &x->text)));
    seg_bcast(comm, x->text, size);
    return seg_agree(comm, enter_lines(x, size));
}

bool csv_is_excluded(const csv_excluded *x, const csv_cell *id)
{
    char text[CSV_ID_MOST + 1];

    if (!x || x->n == 0 || !csv_cell_copy(id, text, sizeof text)) return false;
    return x->slot[find(x, text)] > 0;
}
