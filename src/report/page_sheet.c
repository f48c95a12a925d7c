/* Sheets: the numbers of a figure, once for its file, its table on the page and gnuplot. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

typedef enum cell_kind { CELL_TEXT, CELL_NUMBER, CELL_SHARE, CELL_COUNT, CELL_FEW } cell_kind;

typedef struct page_cell {
    cell_kind kind;
    size_t text; /* where it begins in the bytes */
    double number;
    int64_t count;
} page_cell;

/* More room, twice as much as before. */
static bool grow(page_sheet *sheet, void *memory, size_t used, size_t size)
{
    void *old, *more;

    memcpy(&old, memory, sizeof old);
    if (!sheet->failed && seg_alloc((int64_t)size, 1, &more) != SEG_OK) sheet->failed = true;
    if (sheet->failed) return false;
    if (used > 0) memcpy(more, old, used);
    seg_free(old);
    memcpy(memory, &more, sizeof more);
    return true;
}

static void add(page_sheet *sheet, page_cell cell)
{
    if (sheet->n_cells == sheet->room) {
        int room = sheet->room > 0 ? 2 * sheet->room : 256;
        if (!grow(sheet, &sheet->cell, (size_t)sheet->n_cells * sizeof cell,
                  (size_t)room * sizeof cell))
            return;
        sheet->room = room;
    }
    sheet->cell[sheet->n_cells++] = cell;
}

void sheet_text(page_sheet *sheet, const char *text)
{
    char clean[1000];
    size_t length = strlen(seg_text_clean(text, clean, sizeof clean)) + 1;

    if (sheet->used + length > sheet->size) {
        size_t size = 2 * sheet->size + sizeof clean;
        if (!grow(sheet, &sheet->bytes, sheet->used, size)) return;
        sheet->size = size;
    }
    memcpy(sheet->bytes + sheet->used, clean, length);
    add(sheet, (page_cell) { .kind = CELL_TEXT, .text = sheet->used });
    sheet->used += length;
}

void sheet_title(page_sheet *sheet, const char *title)
{
    sheet_text(sheet, title);
    sheet->n_columns++;
}

void sheet_number(page_sheet *sheet, double value)
{
    add(sheet, (page_cell) { .kind = CELL_NUMBER, .number = value });
}

void sheet_whole(page_sheet *sheet, int64_t n)
{
    add(sheet, (page_cell) { .kind = CELL_COUNT, .count = n });
}

void sheet_count(page_sheet *sheet, int64_t n)
{
    add(sheet, (page_cell) { .kind = page_is_hidden(n) ? CELL_FEW : CELL_COUNT, .count = n });
}

void sheet_size(page_sheet *sheet, int64_t n, bool is_withheld)
{
    if (is_withheld && !page_is_hidden(n))
        sheet_text(sheet, PAGE_WITHHELD);
    else
        sheet_count(sheet, n);
}

void sheet_of_few(page_sheet *sheet, double value, int64_t n)
{
    add(sheet, (page_cell) { .kind = page_is_hidden(n) ? CELL_FEW : CELL_NUMBER, .number = value });
}

void sheet_share(page_sheet *sheet, double share, int64_t n)
{
    add(sheet, (page_cell) { .kind = page_is_hidden(n) ? CELL_FEW : CELL_SHARE, .number = share });
}

void sheet_release(page_sheet *sheet)
{
    seg_free(sheet->bytes);
    seg_free(sheet->cell);
    *sheet = (page_sheet) { 0 };
}

/* The shortest of two forms that reads back as the same double. */
static void print_number(double value, FILE *out)
{
    char text[40];

    if (!isfinite(value)) {
        fputs("NaN", out);
        return;
    }
    (void)snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) != value) (void)snprintf(text, sizeof text, "%.17g", value);
    fputs(text, out);
}

/* Quotes would hide separators from gnuplot, so a file of tabs has none. */
static void print_text(const char *text, char separator, FILE *out)
{
    bool quoted = separator == ',' && strpbrk(text, ",\"") != NULL;

    if (quoted) fputc('"', out);
    if (*text && strchr("=+-@", *text)) fputc('\'', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' && quoted) fputc('"', out);
        fputc(*c == '"' && separator == '\t' ? '\'' : *c, out);
    }
    if (quoted) fputc('"', out);
}

void sheet_print(const page_sheet *sheet, char separator, FILE *out)
{
    for (int i = 0; i < sheet->n_cells && !sheet->failed; i++) {
        const page_cell *cell = &sheet->cell[i];
        if (cell->kind == CELL_TEXT)
            print_text(sheet->bytes + cell->text, separator, out);
        else if (cell->kind == CELL_NUMBER || cell->kind == CELL_SHARE)
            print_number(cell->number, out);
        else if (cell->kind == CELL_COUNT)
            fprintf(out, "%lld", (long long)cell->count);
        else
            fprintf(out, "<%d", PAGE_FEW);
        fputc((i + 1) % sheet->n_columns == 0 ? '\n' : separator, out);
    }
}

static const char *shown(const page_sheet *sheet, const page_cell *cell, char *buffer, size_t size)
{
    switch (cell->kind) {
    case CELL_TEXT:
        return sheet->bytes + cell->text;
    case CELL_NUMBER:
        return page_number(cell->number, buffer, size);
    case CELL_SHARE:
        return report_percent(cell->number, buffer, size);
    default:
        return page_count(cell->count, buffer, size);
    }
}

void sheet_html(const page_sheet *sheet, FILE *out)
{
    char text[40];
    int n = sheet->n_columns;

    if (sheet->failed) return;
    fputs("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>", out);
    for (int i = 0; i < n; i++)
        page_put(out, "<th scope=\"col\">@</th>", sheet->bytes + sheet->cell[i].text);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int i = n; i < sheet->n_cells; i++) {
        const page_cell *cell = &sheet->cell[i];
        const char *value = cell->kind == CELL_FEW ? "<10" : shown(sheet, cell, text, sizeof text);
        if (i % n == 0)
            page_put(out, "<tr><th scope=\"row\">@</th>", value);
        else
            page_put(out, cell->kind == CELL_TEXT ? "<td class=\"text\">$</td>" : "<td>$</td>",
                     value);
        if ((i + 1) % n == 0) fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
}
