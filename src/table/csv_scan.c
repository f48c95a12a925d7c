/* Pass 1: where the records of each rank's range begin, and how many there are.
 *
 * Whether a range begins inside a quoted cell is known only when all bytes before it are.  But a
 * line feed after an even number of the range's quotes ends a record if the range begins outside
 * quotes, and one after an odd number if it begins inside: every line feed counts for one of the
 * two, so a single pass counts for both.  From the first file that begins in the range on, all is
 * certain.  The idea is that of speculative distributed CSV parsing (Ge, Li, Eilebrecht,
 * Chandramouli, Kossmann, SIGMOD 2019). */
#include <string.h>

#include "csv_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

/* State of one rank's scan. */
typedef struct scanner {
    const csv_plan *plan;
    csv_window window;
    double *row; /* [d], owned; for records that are judged */
    csv_scan *scan;
    int file;
} scanner;

int64_t csv_plan_pieces(const csv_plan *plan)
{
    const csv_file *last = &plan->files[plan->n_files - 1];

    return last->piece + (last->size + plan->piece_bytes - 1) / plan->piece_bytes;
}

/* The verdict about the record at `offset`; the window grows until it is decided. */
static seg_status judge(scanner *s, int64_t offset, csv_record *record, csv_verdict *verdict)
{
    const csv_plan *plan = s->plan;
    bool extended = true;

    while (extended) {
        const csv_view view = csv_window_view(&s->window, plan, s->file, offset);
        *verdict = plan->skip_bad ? csv_record_parse(plan->schema, view, s->row, record)
                                  : csv_record_id(plan->schema, view, record);
        if (*verdict != CSV_MORE) return SEG_OK;
        SEG_TRY(csv_window_extend(&s->window, plan, s->file, offset, &extended));
    }
    *verdict = CSV_BAD; /* pass 2 complains, if this is a record at all */
    return SEG_OK;
}

static void count_id(const csv_cell *id, csv_count *count)
{
    const int64_t width = csv_cell_length(id);
    int64_t value;

    if (width > count->id_width) count->id_width = width;
    count->id_texts += !csv_integer(id->text, id->length, &value);
}

/* A record begins at `offset`, if the quotes say so. */
static seg_status count_record(scanner *s, int64_t offset)
{
    csv_scan *scan = s->scan;
    const int odd = (int)(scan->quotes & 1);
    const int kind = scan->certain ? CSV_CERTAIN : odd ? CSV_INSIDE : CSV_OUTSIDE;
    csv_count *count = &scan->count[kind];
    csv_record record = { 0 };
    csv_verdict verdict = CSV_GOOD;

    if (scan->certain && odd) return SEG_OK;
    if (count->records++ == 0) {
        count->first_file = s->file;
        count->first_offset = offset;
        count->first_line = scan->lines + 1;
    }
    if (s->plan->schema->id < 0 && !s->plan->skip_bad) return SEG_OK;
    SEG_TRY(judge(s, offset, &record, &verdict));
    if (verdict == CSV_BAD) {
        count->dropped += s->plan->skip_bad;
    } else if (csv_excluded_mark(s->plan->excluded, &record.id, kind)) {
        count->dropped++;
        count->excluded++;
    } else if (s->plan->schema->id >= 0) {
        count_id(&record.id, count);
    }
    return SEG_OK;
}

/* The place of the first `wanted` in [from, to) of the file, or `to`. */
static int64_t find_byte(const scanner *s, char wanted, int64_t from, int64_t to)
{
    const char *begin = s->window.bytes + (from - s->window.base);
    const char *found = memchr(begin, wanted, (size_t)(to - from));

    return found ? from + (found - begin) : to;
}

/* The line feeds of [from, to), which hold no quote. */
static seg_status count_lines(scanner *s, int64_t from, int64_t to)
{
    for (;;) {
        from = find_byte(s, '\n', from, to) + 1;
        if (from > to) return SEG_OK;
        s->scan->lines++;
        SEG_TRY(count_record(s, from));
    }
}

static seg_status count_range(scanner *s, int64_t from, int64_t to)
{
    for (;;) {
        const int64_t quote = find_byte(s, '"', from, to);
        SEG_TRY(count_lines(s, from, quote));
        if (quote == to) return SEG_OK;
        s->scan->quotes++;
        from = quote + 1;
    }
}

static void add_hash(scanner *s, int64_t piece, const char *bytes, int64_t length)
{
    const uint64_t hash = seg_hash(bytes, (size_t)length, (uint64_t)piece);

    s->scan->hash_low += (int64_t)(hash & 0xffffffffu);
    s->scan->hash_high += (int64_t)(hash >> 32);
}

static seg_status scan_piece(scanner *s, int64_t piece)
{
    const csv_plan *plan = s->plan;

    while (s->file + 1 < plan->n_files && plan->files[s->file + 1].piece <= piece)
        s->file++;
    const csv_file *file = &plan->files[s->file];
    const int64_t begin = (piece - file->piece) * plan->piece_bytes;
    const int64_t end =
        begin + plan->piece_bytes < file->size ? begin + plan->piece_bytes : file->size;

    SEG_TRY(seg_fault("csv_scan", SEG_ERR_IO));
    SEG_TRY(csv_window_read(&s->window, plan, s->file, begin, end - begin));
    add_hash(s, piece, csv_window_view(&s->window, plan, s->file, begin).at, end - begin);
    if (end <= file->header) return SEG_OK;
    if (begin > file->header) return count_range(s, begin, end);
    s->scan->certain = 1;
    s->scan->quotes = 0;
    s->scan->lines = file->header_line - 1;
    return count_range(s, file->header, end);
}

seg_status csv_scan_pieces(const csv_plan *plan, int64_t first, int64_t end, csv_scan *scan)
{
    scanner s = { .plan = plan, .window = CSV_WINDOW_EMPTY, .scan = scan };
    seg_status status = SEG_OK;

    memset(scan, 0, sizeof *scan);
    SEG_TRY_OR_DONE(seg_fault("csv_scan_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(plan->schema->d, sizeof *s.row, &s.row));
    for (int64_t piece = first; piece < end; piece++) {
        SEG_TRY_OR_DONE(scan_piece(&s, piece));
        seg_progress_set((piece - first + 1) * plan->piece_bytes);
    }
done:
    if (status != SEG_OK) seg_error_while("counting the rows of '%s'", plan->paths[s.file]);
    csv_window_release(&s.window);
    seg_free(s.row);
    return status;
}

void csv_scan_resolve(int n, const csv_scan *scans, csv_start *starts, csv_total *total)
{
    int64_t open = 0, line = 0; /* at the end of the ranges so far */

    *total = (csv_total) { 0 };
    for (int r = 0; r < n; r++) {
        const csv_scan *scan = &scans[r];
        const int kind = open ? CSV_INSIDE : CSV_OUTSIDE;
        const csv_count *counts[2] = { &scan->count[kind], &scan->count[CSV_CERTAIN] };
        csv_start *start = &starts[r];

        *start = (csv_start) { .record = total->records,
                               .row = total->records - total->dropped,
                               .kinds = 1 << kind | 1 << CSV_CERTAIN };
        for (int c = 0; c < 2; c++) {
            const csv_count *count = counts[c];
            if (start->records == 0 && count->records > 0) {
                start->file = (int)count->first_file;
                start->offset = count->first_offset;
                start->line = count->first_line + (c == 0 ? line : 0);
            }
            start->records += count->records;
            start->dropped += count->dropped;
            start->excluded += count->excluded;
            total->id_texts += count->id_texts;
            if (count->id_width > total->id_width) total->id_width = count->id_width;
        }
        total->records += start->records;
        total->dropped += start->dropped;
        total->excluded += start->excluded;
        line = scan->certain ? scan->lines : line + scan->lines;
        open = (scan->quotes & 1) ^ (scan->certain ? 0 : open);
    }
}
