/* Bytes -> cells -> one client (RFC 4180, with padding and runs of blanks as well).
 *
 * A cell that should be a number is read as one without looking for its end first; only where that
 * does not end at a delimiter (padding, quotes, gaps, mistakes) the cell is cut out and judged. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "csv_internal.h"

void csv_dialect_init(char delimiter, char decimal, csv_dialect *dialect)
{
    *dialect = (csv_dialect) { .delimiter = delimiter, .decimal = decimal };
    dialect->stops['\n'] = dialect->stops['"'] = dialect->stops['\0'] = 1;
    dialect->stops[(unsigned char)delimiter] = 1;
    if (delimiter == CSV_BLANKS) dialect->stops['\t'] = 1;
}

int64_t csv_cell_length(const csv_cell *cell)
{
    int64_t quotes = 0;

    for (int64_t i = 0; i < cell->length && cell->quoted; i++)
        quotes += cell->text[i] == '"';
    return cell->length - quotes / 2;
}

bool csv_cell_copy(const csv_cell *cell, char *to, int64_t size)
{
    int64_t length = 0;

    for (int64_t i = 0; i < cell->length; i++) {
        if (length + 1 >= size) return false;
        to[length++] = cell->text[i];
        if (cell->quoted && cell->text[i] == '"') i++; /* the second one of "" */
    }
    to[length] = '\0';
    return true;
}

static bool is_padding(const csv_dialect *dialect, char c)
{
    return c == ' ' || (c == '\t' && dialect->delimiter != '\t');
}

static bool is_delimiter(const csv_dialect *dialect, char c)
{
    return c == dialect->delimiter || (c == '\t' && dialect->delimiter == CSV_BLANKS);
}

static const char *skip_padding(const csv_dialect *dialect, const char *p)
{
    while (is_padding(dialect, *p))
        p++;
    return p;
}

static csv_verdict blame(csv_record *record, csv_flaw flaw)
{
    record->flaw = flaw;
    return CSV_BAD;
}

static void trim(const csv_dialect *dialect, csv_cell *cell)
{
    while (cell->length > 0 && is_padding(dialect, cell->text[cell->length - 1]))
        cell->length--;
    while (cell->length > 0 && is_padding(dialect, cell->text[0])) {
        cell->text++;
        cell->length--;
    }
}

/* *at stands after the opening quote; afterwards on the closing one. */
static csv_verdict find_closing_quote(csv_view view, const char **at, csv_record *record)
{
    const char *p = *at;

    for (;; p++) {
        while (*p != '"' && *p != '\n' && *p != '\0')
            p++;
        if (p == view.end) return view.last ? blame(record, CSV_OPEN_QUOTE) : CSV_MORE;
        if (*p == '\0') return blame(record, CSV_NUL_BYTE);
        if (*p == '\n') {
            record->lines++;
            continue;
        }
        if (p[1] != '"') break;
        p++;
    }
    *at = p;
    return CSV_GOOD;
}

/* *at stands on the opening quote; afterwards on the delimiter or line feed after the cell. */
static csv_verdict take_quoted(const csv_dialect *dialect, csv_view view, const char **at,
                               csv_cell *cell, csv_record *record)
{
    const char *p = *at + 1;

    *cell = (csv_cell) { .text = p, .quoted = true };
    csv_verdict verdict = find_closing_quote(view, &p, record);
    if (verdict != CSV_GOOD) return verdict;
    cell->length = p - cell->text;
    trim(dialect, cell);
    p++;
    if (dialect->delimiter != CSV_BLANKS) p = skip_padding(dialect, p);
    if (*p == '\r' && p[1] == '\n') p++;
    if (*p != '\n' && !is_delimiter(dialect, *p)) return blame(record, CSV_STRAY_QUOTE);
    *at = p;
    return CSV_GOOD;
}

/* The cell at *at, whatever it holds; *at then stands on the delimiter or line feed after it. */
static csv_verdict take_cell(const csv_dialect *dialect, csv_view view, const char **at,
                             csv_cell *cell, csv_record *record)
{
    const char *p = skip_padding(dialect, *at);

    record->flaw_lines = record->lines;
    if (*p == '"') {
        *at = p;
        return take_quoted(dialect, view, at, cell, record);
    }
    *cell = (csv_cell) { .text = p };
    while (!dialect->stops[(unsigned char)*p])
        p++;
    if (*p == '"') return blame(record, CSV_STRAY_QUOTE);
    if (*p == '\0') return blame(record, CSV_NUL_BYTE);
    cell->length = p - cell->text;
    if (*p == '\n' && cell->length > 0 && p[-1] == '\r') cell->length--;
    trim(dialect, cell);
    *at = p;
    return CSV_GOOD;
}

/* From the byte after a cell to the next one: true, or to the line feed that ends the record. */
static inline bool next_cell(const csv_dialect *dialect, const char **at)
{
    const char *p = *at;

    if (*p == '\n') return false;
    if (dialect->delimiter == CSV_BLANKS) { /* blanks before the line end are no delimiter */
        p = skip_padding(dialect, p);
        if (*p == '\r' && p[1] == '\n') p++;
        *at = p;
        return *p != '\n';
    }
    *at = p + 1;
    return true;
}

static bool same_word(const csv_cell *cell, const char *word)
{
    return strncasecmp(cell->text, word, (size_t)cell->length) == 0 && word[cell->length] == '\0';
}

static bool is_missing(const csv_missing *missing, const csv_cell *cell)
{
    static const char *const usual[] = { "NA", "NaN", "?", "NULL" };

    if (cell->length == 0) return true;
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (same_word(cell, usual[i])) return true;
    for (int i = 0; i < missing->n_words; i++)
        if (same_word(cell, missing->words[i])) return true;
    return false;
}

static bool is_infinite(const csv_cell *cell, double *value)
{
    csv_cell word = *cell;

    if (word.length > 0 && (*word.text == '-' || *word.text == '+')) {
        word.text++;
        word.length--;
    }
    *value = *cell->text == '-' ? -INFINITY : INFINITY;
    return same_word(&word, "inf") || same_word(&word, "infinity");
}

csv_verdict csv_cell_judge(const csv_schema *schema, const csv_cell *cell, double *value,
                           csv_record *record)
{
    if (is_missing(&schema->missing, cell)) {
        *value = NAN;
        record->missing++;
        return CSV_GOOD;
    }
    if (cell->length > CSV_NUMBER_MOST) return blame(record, CSV_LONG_NUMBER);
    if (csv_dialect_number(&schema->dialect, cell->text, cell->length, value)) return CSV_GOOD;
    return is_infinite(cell, value) ? CSV_GOOD : blame(record, CSV_NO_NUMBER);
}

/* Markers that are numbers, and numbers too large for the file. */
static csv_verdict check_value(const csv_schema *schema, double *value, csv_record *record)
{
    for (int i = 0; i < schema->missing.n_values; i++)
        if (*value == schema->missing.values[i]) {
            *value = NAN;
            record->missing++;
        }
    if (fabs(*value) >= schema->limit && isfinite(*value)) return blame(record, CSV_TOO_LARGE);
    return CSV_GOOD;
}

/* The cell at *at as a number. */
static inline csv_verdict take_number(const csv_schema *schema, csv_view view, const char **at,
                                      double *value, csv_record *record)
{
    const csv_dialect *dialect = &schema->dialect;
    const char *end = csv_number(*at, dialect->decimal, value);

    record->flaw_cell = (csv_cell) { .text = *at, .length = end ? end - *at : 0 };
    if (end && *end == '\r' && end[1] == '\n') end++;
    if (end && (*end == '\n' || is_delimiter(dialect, *end))) {
        *at = end;
    } else {
        csv_verdict verdict = take_cell(dialect, view, at, &record->flaw_cell, record);
        if (verdict != CSV_GOOD) return verdict;
        if (*at == view.end && !view.last) return CSV_MORE;
        verdict = csv_cell_judge(schema, &record->flaw_cell, value, record);
        if (verdict != CSV_GOOD) return verdict;
    }
    return check_value(schema, value, record);
}

/* Bytes of the UTF-8 character at p, before `end`; 0 if none stands there: no overlong forms, no
 * surrogates, nothing above U+10FFFF. */
static int utf8_length(const unsigned char *p, const unsigned char *end)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const int length = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    uint32_t code = length == 1 ? *p : *p & (0xffu >> (length + 1));

    if ((*p >= 0x80 && *p < 0xc0) || *p >= 0xf8 || end - p < length) return 0;
    for (int i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (p[i] & 0x3fu);
    }
    return code < least[length] || code > 0x10ffff || code >> 11 == 0xd800 >> 11 ? 0 : length;
}

bool csv_text_is_utf8(const char *text, int64_t length)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + length;
    int bytes = 1;

    while (p < end && (bytes = utf8_length(p, end)) > 0)
        p += bytes;
    return bytes > 0;
}

static csv_verdict take_id(const csv_schema *schema, csv_view view, const char **at,
                           csv_record *record)
{
    csv_verdict verdict = take_cell(&schema->dialect, view, at, &record->id, record);

    if (verdict != CSV_GOOD) return verdict;
    if (*at == view.end && !view.last) return CSV_MORE;
    record->flaw_cell = record->id;
    if (record->id.length == 0) /* a blank line is not blamed on its id */
        return blame(record, **at == '\n' && record->flaw_column + 1 < schema->n ? CSV_TOO_FEW_CELLS
                                                                                 : CSV_ID_EMPTY);
    if (record->id.length > CSV_ID_MOST) return blame(record, CSV_ID_LONG);
    if (!csv_text_is_utf8(record->id.text, record->id.length))
        return blame(record, CSV_ID_ENCODING);
    return CSV_GOOD;
}

/* The end of a record that could not be parsed: the next line feed outside quotes. */
static csv_verdict find_end(csv_view view, csv_record *record)
{
    bool open = false;

    record->lines = 0;
    for (const char *p = view.at; p < view.end; p++) {
        open ^= *p == '"';
        record->lines += *p == '\n';
        if (*p != '\n' || open) continue;
        record->next = p + 1;
        return CSV_BAD;
    }
    record->next = view.end;
    return view.last ? CSV_BAD : CSV_MORE;
}

static csv_verdict finish(csv_view view, const char *p, csv_record *record)
{
    if (p == view.end && !view.last) return CSV_MORE;
    record->lines += p < view.end;
    record->next = p < view.end ? p + 1 : p;
    return CSV_GOOD;
}

static csv_verdict parse_cells(const csv_schema *schema, csv_view view, double *row,
                               csv_record *record)
{
    const char *p =
        schema->dialect.delimiter == CSV_BLANKS ? skip_padding(&schema->dialect, view.at) : view.at;

    for (int column = 0;; column++) {
        csv_verdict verdict;
        const int target = schema->target[column];

        record->flaw_column = column;
        if (target >= 0)
            verdict = take_number(schema, view, &p, row + target, record);
        else if (target == CSV_ID)
            verdict = take_id(schema, view, &p, record);
        else
            verdict = take_cell(&schema->dialect, view, &p, &record->flaw_cell, record);
        if (verdict != CSV_GOOD) return verdict;

        const bool more = next_cell(&schema->dialect, &p);
        if (more && column + 1 == schema->n) return blame(record, CSV_TOO_MANY_CELLS);
        if (more) continue;
        if (p == view.end && !view.last) return CSV_MORE;
        return column + 1 < schema->n ? blame(record, CSV_TOO_FEW_CELLS) : finish(view, p, record);
    }
}

csv_verdict csv_record_parse(const csv_schema *schema, csv_view view, double *row,
                             csv_record *record)
{
    record->lines = record->missing = record->flaw_lines = 0;
    csv_verdict verdict = parse_cells(schema, view, row, record);

    return verdict == CSV_BAD ? find_end(view, record) : verdict;
}

csv_verdict csv_record_id(const csv_schema *schema, csv_view view, csv_record *record)
{
    const csv_dialect *dialect = &schema->dialect;
    const char *p = dialect->delimiter == CSV_BLANKS ? skip_padding(dialect, view.at) : view.at;
    csv_cell other;

    record->lines = record->flaw_column = 0;
    for (int column = 0; column < schema->id; column++) {
        csv_verdict verdict = take_cell(dialect, view, &p, &other, record);
        if (verdict != CSV_GOOD) return verdict;
        const bool more = next_cell(dialect, &p);
        if (p == view.end && !view.last) return CSV_MORE;
        if (!more) return blame(record, CSV_TOO_FEW_CELLS);
    }
    return take_id(schema, view, &p, record);
}

csv_verdict csv_record_cells(const csv_dialect *dialect, csv_view view, int most, csv_cell *cells,
                             int *n, csv_record *record)
{
    const char *p = dialect->delimiter == CSV_BLANKS ? skip_padding(dialect, view.at) : view.at;
    csv_cell beyond;

    record->lines = 0;
    for (*n = 0;;) {
        csv_cell *cell = *n < most ? &cells[*n] : &beyond;
        record->flaw_column = *n;
        csv_verdict verdict = take_cell(dialect, view, &p, cell, record);
        if (verdict == CSV_BAD) return find_end(view, record);
        if (verdict == CSV_MORE) return CSV_MORE;
        ++*n;
        if (!next_cell(dialect, &p)) return finish(view, p, record);
    }
}
