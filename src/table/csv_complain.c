/* What is wrong with a record, in words.  No cell is ever shown: where the cells of a row are
 * shifted, or the line of names is missing, any cell may be the id of a person.  Its shape tells
 * where to look. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "csv_internal.h"
#include "segmpi/text.h"

/* Bytes at the begin of a cell, which is no number, that could be those of one. */
static int64_t numeric_bytes(const csv_dialect *dialect, const csv_cell *cell)
{
    double value;
    const char *end = csv_number(cell->text, dialect->decimal, &value);
    int64_t n = end ? end - cell->text : 0;

    while (!end && n < cell->length && cell->text[n] && strchr("+-.,0123456789", cell->text[n]))
        n++;
    return n < cell->length ? n : cell->length - 1;
}

static int64_t characters(const csv_cell *cell)
{
    int64_t n = 0;

    for (int64_t i = 0; i < cell->length; i++)
        n += ((unsigned char)cell->text[i] & 0xc0) != 0x80;
    return n > 0 ? n : 1;
}

static bool has_digit(const csv_cell *cell)
{
    bool found = false;

    for (int64_t i = 0; i < cell->length; i++)
        found = found || isdigit((unsigned char)cell->text[i]);
    return found;
}

const char *csv_mark_remedy(char mark, char *buffer, size_t size)
{
    if (mark)
        (void)snprintf(buffer, size, "--thousands \"%c\" reads it", mark);
    else
        (void)snprintf(buffer, size, "--decimal, --thousands or --missing may read it");
    return buffer;
}

/* "a letter at place 3 of 5", and the option that reads it, if there is one. */
static const char *shape_of(const csv_dialect *dialect, const csv_cell *cell, char *to, size_t size)
{
    const int64_t at = numeric_bytes(dialect, cell);
    const unsigned char c = (unsigned char)cell->text[at];
    const char mark[] = { '\'', (char)c, '\'', '\0' };
    const char *what = mark, *remedy = "";
    char with_mark[70];

    if (c >= 0x80)
        what = "a character beyond ASCII";
    else if (c == ' ')
        what = "a blank";
    else if (isalpha(c))
        what = "a letter";
    else if (isdigit(c))
        what = "a digit";
    else if (!isprint(c))
        what = "a control character";
    if (strchr(".,' _", c))
        remedy = csv_mark_remedy(csv_dialect_mark(dialect, cell->text, cell->length), with_mark,
                                 sizeof with_mark);
    else if ((at == 0 && isalpha(c)) || !has_digit(cell))
        remedy = "--missing names words for gaps";
    (void)snprintf(to, size, "%s at place %lld of %lld%s%s", what, (long long)at + 1,
                   (long long)characters(cell), remedy[0] ? "; " : "", remedy);
    return to;
}

static void complain_of_cells(const csv_schema *schema, const csv_record *record, long long line,
                              char *buffer, size_t size)
{
    const int cells = record->flaw_column + 1;

    if (cells == 1 && record->flaw_cell.length == 0)
        (void)snprintf(buffer, size, "line %lld is blank, expected %d cells", line, schema->n);
    else
        (void)snprintf(buffer, size, "line %lld has %d cell%s, the header has %d", line, cells,
                       cells == 1 ? "" : "s", schema->n);
}

void csv_record_complain(const csv_schema *schema, const csv_record *record, char *buffer,
                         size_t size)
{
    const long long line = (long long)(record->line + record->flaw_lines);
    char name[100], shape[120];

    csv_name_shown(schema, record->flaw_column, name, sizeof name);
    switch (record->flaw) {
    case CSV_NO_NUMBER:
        snprintf(buffer, size, "line %lld: %s is no number, it has %s", line, name,
                 shape_of(&schema->dialect, &record->flaw_cell, shape, sizeof shape));
        break;
    case CSV_TOO_LARGE:
        snprintf(buffer, size, "line %lld: %s is too large for --float32", line, name);
        break;
    case CSV_TOO_FEW_CELLS:
        complain_of_cells(schema, record, line, buffer, size);
        break;
    case CSV_TOO_MANY_CELLS:
        snprintf(buffer, size, "line %lld has more cells than the header, which has %d", line,
                 schema->n);
        break;
    case CSV_STRAY_QUOTE:
        snprintf(buffer, size,
                 "line %lld: %s has a quote inside; quote the whole cell and double the quote",
                 line, name);
        break;
    case CSV_OPEN_QUOTE:
        snprintf(buffer, size, "line %lld: %s opens a quote that is never closed", line, name);
        break;
    case CSV_NUL_BYTE:
        snprintf(buffer, size, "line %lld: %s holds a NUL byte; is this a text file?", line, name);
        break;
    case CSV_LONG_NUMBER:
        snprintf(buffer, size, "line %lld: %s is longer than %d bytes, expected a number", line,
                 name, CSV_NUMBER_MOST);
        break;
    case CSV_ID_EMPTY:
        snprintf(buffer, size, "line %lld: the id %s is missing", line, name);
        break;
    case CSV_ID_LONG:
        snprintf(buffer, size, "line %lld: the id %s is longer than %d bytes", line, name,
                 CSV_ID_MOST);
        break;
    case CSV_ID_ENCODING:
        snprintf(buffer, size, "line %lld: the id %s is not UTF-8", line, name);
        break;
    }
}
