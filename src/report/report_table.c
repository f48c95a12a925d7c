/* A table fitted to the terminal: names to the left, figures to the right, and where they do not
 * fit, the next ones below with the names again. */
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/text.h"

#define INDENT     2
#define GAP        2  /* between columns */
#define NAME_LEAST 12 /* of a name, however narrow the terminal */
#define NAME_SHORT 22 /* still tells names apart */

/* Number of bytes of `text` that take at most `width` columns. */
static size_t bytes_of(const char *text, int width)
{
    size_t bytes = 0;

    while (text[bytes]) {
        size_t next = bytes + 1;
        while (((unsigned char)text[next] & 0xc0) == 0x80)
            next++;
        if (width-- == 0) break;
        bytes = next;
    }
    return bytes;
}

void report_name(const char *text, int width, char *buffer, size_t size)
{
    char clean[256];
    int wide;

    seg_text_clean(text, clean, sizeof clean);
    wide = report_text_width(clean);
    if (wide <= width) {
        (void)snprintf(buffer, size, "%s%*s", clean, width - wide, "");
        return;
    }
    /* The ends of names tell them apart as often as their beginnings. */
    int head = (width - 2) / 2, tail = width - 2 - head;
    size_t skip = bytes_of(clean, wide - tail);
    (void)snprintf(buffer, size, "%.*s..%s", (int)bytes_of(clean, head), clean, clean + skip);
}

int report_name_width(int n, const char *const *names, int most)
{
    int width = 0;

    for (int i = 0; i < n; i++) {
        int own = report_text_width(names[i]);
        if (own > width) width = own;
    }
    if (most < NAME_LEAST) most = NAME_LEAST;
    return width < most ? width : most;
}

static int column_width(const report_table *table, int column)
{
    int width = report_text_width(table->title[column]);
    char cell[REPORT_CELL];

    for (int i = 0; i < table->n; i++) {
        table->cell(table->from, i, column, cell);
        int own = report_text_width(cell);
        if (own > width) width = own;
    }
    return width;
}

/* Right-aligned in `width` columns behind a gap. */
static void print_cell(const char *text, int width)
{
    printf("%*s%s", GAP + width - report_text_width(text), "", text);
}

static void print_part(const report_table *table, int left, int first, int end, const int *width)
{
    char name[256], cell[REPORT_CELL];

    printf("%*s", INDENT + left, "");
    for (int column = first; column < end; column++)
        print_cell(table->title[column], width[column]);
    putchar('\n');
    for (int i = 0; i < table->n; i++) {
        report_name(table->name[i], left, name, sizeof name);
        printf("%*s%s", INDENT, "", name);
        for (int column = first; column < end; column++) {
            table->cell(table->from, i, column, cell);
            print_cell(cell, width[column]);
        }
        putchar('\n');
    }
}

/* Number of columns from `first` on that fit beside names of `left` columns; at least one. */
static int fitting(const report_table *table, const int *width, int left, int first)
{
    int used = INDENT + left, n = 0;

    for (int column = first; column < table->n_columns; column++) {
        used += GAP + width[column];
        if (used > report_width() && n > 0) break;
        n++;
    }
    return n;
}

static int parts(const report_table *table, const int *width, int left)
{
    int n = 0;

    for (int first = 0; first < table->n_columns; n++)
        first += fitting(table, width, left, first);
    return n;
}

/* Names are shortened where that saves a part. */
static int choose_left(const report_table *table, const int *width)
{
    int left = report_name_width(table->n, table->name, report_width() / 3), best = left;

    for (; left >= NAME_SHORT; left--)
        if (parts(table, width, left) < parts(table, width, best)) best = left;
    return best;
}

void report_table_print(const report_table *table)
{
    int width[REPORT_COLUMNS];

    for (int column = 0; column < table->n_columns; column++)
        width[column] = column_width(table, column);
    int left = choose_left(table, width), n = parts(table, width, left);
    for (int first = 0, end, part = 0; first < table->n_columns; first = end, part++) {
        int even = (table->n_columns - first) / (n - part),
            most = fitting(table, width, left, first);
        end = first + (part == n - 1 || even > most ? most : even);
        if (first > 0) putchar('\n');
        print_part(table, left, first, end, width);
    }
}
