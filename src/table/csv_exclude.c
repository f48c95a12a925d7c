/* Clients who objected: a list of ids, one in a line, whose rows are left out.  It is CSV of one
 * column, read as the clients are.  Every rank holds it as a hash table. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "csv_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

#define LIST_MOST ((int64_t)1 << 30) /* bytes */

void csv_excluded_release(csv_excluded *x)
{
    seg_free(x->text);
    seg_free(x->slot);
    seg_free(x->found);
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
    const int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is no list */
    FILE *file = opened < 0 ? NULL : fdopen(opened, "rb");
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

/* Room for an id from each line. */
static seg_status make_slots(csv_excluded *x, int64_t size)
{
    int64_t lines = 0;

    for (int64_t i = 0; i < size; i++)
        lines += x->text[i] == '\n';
    for (x->n_slots = 16; x->n_slots < 2 * lines;)
        x->n_slots *= 2;
    SEG_TRY(seg_fault("csv_excluded_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(x->n_slots, sizeof *x->found, &x->found));
    return seg_alloc(x->n_slots, sizeof *x->slot, &x->slot);
}

static seg_status check_line(const csv_cell *cell, csv_verdict verdict, int cells, long long line)
{
    if (verdict == CSV_GOOD && cells == 1 && csv_cell_length(cell) <= CSV_ID_MOST) return SEG_OK;
    if (verdict == CSV_GOOD && cells > 1)
        return SEG_FAIL(SEG_ERR_DATA,
                        "line %lld of the ids to exclude has %d cells, expected one id; an id that "
                        "holds the delimiter must be quoted",
                        line, cells);
    return SEG_FAIL(SEG_ERR_DATA, "line %lld of the ids to exclude is no id: %s", line,
                    verdict == CSV_GOOD ? "it is too long" : "quotes are wrong, or it is no text");
}

/* Each id as text in the place of its cell.  The first line may be the name of the column. */
static seg_status enter_ids(csv_excluded *x, const csv_schema *schema, int64_t size)
{
    const int64_t mark = size > 3 && memcmp(x->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    csv_view view = { .at = x->text + mark, .end = x->text + size - 1, .last = true };
    csv_record record = { 0 };
    csv_cell cell;
    int cells;

    SEG_TRY(make_slots(x, size));
    for (int64_t line = 1; view.at < view.end; line += record.lines, view.at = record.next) {
        const csv_verdict verdict =
            csv_record_cells(&schema->dialect, view, 1, &cell, &cells, &record);
        SEG_TRY(check_line(&cell, verdict, cells, (long long)line));
        if (cell.length == 0) continue;
        char *id = x->text + (cell.text - x->text);
        (void)csv_cell_copy(&cell, id, cell.length + 1);
        if (line == 1 && strcmp(id, schema->names[schema->id]) == 0) continue;
        const int64_t at = find(x, id);
        x->n += x->slot[at] == 0;
        x->slot[at] = id - x->text + 1;
    }
    return SEG_OK;
}

seg_status csv_excluded_read(seg_comm *comm, const char *path, const csv_schema *schema,
                             csv_excluded *x)
{
    const bool root = seg_comm_rank(comm) == 0;
    int64_t size = 0;

    if (!path) return SEG_OK;
    SEG_TRY(seg_agree(comm, root ? read_list(path, &x->text, &size) : SEG_OK));
    seg_bcast(comm, &size, sizeof size);
    SEG_TRY(seg_agree(comm, root ? SEG_OK : seg_alloc(size, 1, &x->text)));
    seg_bcast(comm, x->text, size);
    return seg_agree(comm, enter_ids(x, schema, size));
}

/* Its place in the table, or -1. */
static int64_t place_of(const csv_excluded *x, const csv_cell *id)
{
    char text[CSV_ID_MOST + 1];

    if (!x || x->n == 0 || !csv_cell_copy(id, text, sizeof text)) return -1;
    const int64_t at = find(x, text);
    return x->slot[at] > 0 ? at : -1;
}

bool csv_is_excluded(const csv_excluded *x, const csv_cell *id)
{
    return place_of(x, id) >= 0;
}

bool csv_excluded_mark(const csv_excluded *x, const csv_cell *id, int kind)
{
    const int64_t at = place_of(x, id);

    if (at >= 0) x->found[at] |= (uint8_t)(1 << kind);
    return at >= 0;
}

int64_t csv_excluded_missed(seg_comm *comm, csv_excluded *x, int kinds)
{
    int64_t missed = x->n;
    char n[32], of[32];

    if (x->n == 0) return 0;
    for (int64_t i = 0; i < x->n_slots; i++)
        x->found[i] = (x->found[i] & kinds) != 0;
    seg_or_int64(comm, (int64_t *)(void *)x->found, x->n_slots / (int64_t)sizeof missed);
    for (int64_t i = 0; i < x->n_slots; i++)
        missed -= x->found[i];
    (void)seg_text_count(x->n, of, sizeof of);
    if (missed == x->n)
        seg_log_warning("no client has one of the %s ids to exclude; are they written in the same "
                        "way?",
                        of);
    else if (missed > 0)
        seg_log_note("no client has %s of the %s ids to exclude",
                     seg_text_count(missed, n, sizeof n), of);
    return missed;
}
