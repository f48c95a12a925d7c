/* A CSV reader for comparison: one pass over the bytes of one file, cell by cell, slow and plain.
 * It takes only the decisions about the columns from the reader under test. */
#pragma once

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz_text.h"

#define REFERENCE_CELLS 64

/* One cell: its text without padding and quotes, NUL at the end. */
typedef struct reference_cell {
    char text[2048];
    size_t length;
} reference_cell;

/* Bytes [at, end). */
typedef struct reference_span {
    const char *at, *end;
} reference_span;

/* Without blanks at both ends; a tab is one unless it is the delimiter. */
static inline reference_span reference_trim(const csv_dialect *dialect, reference_span span)
{
    const char *blanks = dialect->delimiter == '\t' ? " " : " \t";

    while (span.at < span.end && strchr(blanks, *span.at))
        span.at++;
    while (span.end > span.at && strchr(blanks, span.end[-1]))
        span.end--;
    return span;
}

static inline bool reference_is_delimiter(const csv_dialect *dialect, char c)
{
    return dialect->delimiter == CSV_BLANKS ? c == ' ' || c == '\t' : c == dialect->delimiter;
}

/* A cell as it stands -> its text; false if its quotes are wrong. */
static inline bool reference_unquote(const csv_dialect *dialect, reference_span raw,
                                     reference_cell *cell)
{
    reference_span span = reference_trim(dialect, raw);
    const bool quoted = span.at < span.end && *span.at == '"';

    if (quoted) {
        if (span.end - span.at < 2 || span.end[-1] != '"') return false;
        span.at++;
        span.end--;
        span = reference_trim(dialect, span);
    }
    cell->length = 0;
    for (const char *p = span.at; p < span.end; p++) {
        if (*p == '"' && !quoted) return false;
        if (*p == '"' && (++p == span.end || *p != '"')) return false;
        if (cell->length + 1 < sizeof cell->text) cell->text[cell->length++] = *p;
    }
    cell->text[cell->length] = '\0';
    return true;
}

/* The end of the cell that begins at `at`: the first delimiter outside quotes, or `end`. */
static inline const char *reference_cell_end(const csv_dialect *dialect, const char *at,
                                             const char *end)
{
    bool open = false;

    for (; at < end && (open || !reference_is_delimiter(dialect, *at)); at++)
        open ^= *at == '"';
    return at;
}

/* Cells of a record; -1 if there is a mistake in it. */
static inline int reference_split(const csv_dialect *dialect, reference_span record,
                                  reference_cell *cells)
{
    if (memchr(record.at, '\0', (size_t)(record.end - record.at))) return -1;
    if (dialect->delimiter == CSV_BLANKS) record = reference_trim(dialect, record);
    for (int n = 0; n < REFERENCE_CELLS; n++) {
        const char *end = reference_cell_end(dialect, record.at, record.end);
        if (!reference_unquote(dialect, (reference_span) { record.at, end }, &cells[n])) return -1;
        if (end == record.end) return n + 1;
        record.at = end + 1;
        if (dialect->delimiter == CSV_BLANKS) record = reference_trim(dialect, record);
    }
    return -1;
}

/* [+-]digits[.digits][e[+-]digits] with a digit in front of the exponent. */
static inline bool reference_is_number(const char *text, char decimal)
{
    const char *p = text + (*text == '-' || *text == '+');
    int digits = 0;

    for (; isdigit((unsigned char)*p); p++)
        digits++;
    if (*p == decimal)
        for (p++; isdigit((unsigned char)*p); p++)
            digits++;
    if (digits > 0 && (*p == 'e' || *p == 'E')) {
        p++;
        if (*p == '-' || *p == '+') p++;
        if (!isdigit((unsigned char)*p)) return false;
        while (isdigit((unsigned char)*p))
            p++;
    }
    return digits > 0 && *p == '\0';
}

static inline bool reference_value(const csv_schema *schema, const reference_cell *cell,
                                   double *value)
{
    static const char *const gaps[] = { "", "na", "nan", "?", "null", "none" };
    static const char *const infinite[] = { "inf", "infinity" };
    const char *word = cell->text + (*cell->text == '-' || *cell->text == '+');
    char copy[sizeof cell->text];

    *value = NAN;
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
        if (strcasecmp(cell->text, gaps[i]) == 0) return true;
    if (cell->length > CSV_NUMBER_MOST) return false;
    memcpy(copy, cell->text, cell->length + 1);
    for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++)
        if (strcasecmp(word, infinite[i]) == 0) {
            *value = *cell->text == '-' ? -INFINITY : INFINITY;
            return true;
        }
    if (!reference_is_number(copy, schema->dialect.decimal)) return false;
    char *mark = strchr(copy, schema->dialect.decimal);
    if (mark) *mark = '.';
    *value = strtod(copy, NULL);
    if (*value == -9) *value = NAN; /* the marker that the options name */
    return true;
}

/* One record's cells to the text of its client; false if there is a mistake in them. */
static inline bool reference_client(const csv_schema *schema, const reference_cell *cells,
                                    fuzz_text *out)
{
    double x[REFERENCE_CELLS] = { 0 };
    const char *id = "";

    for (int t = 0; t < schema->n; t++) {
        const int target = schema->target[t];
        if (target >= 0 && !reference_value(schema, &cells[t], &x[target])) return false;
        if (target != CSV_ID) continue;
        id = cells[t].text;
        if (*id == '\0' || cells[t].length > CSV_ID_MOST ||
            !csv_text_is_utf8(id, (int64_t)cells[t].length))
            return false;
    }
    fuzz_text_client(out, schema->d, x, id);
    return true;
}

/* All clients of the data [at, end), which follow the header; false at the first mistake. */
static inline bool reference_read(const csv_schema *schema, const char *at, const char *end,
                                  fuzz_text *out)
{
    static reference_cell cells[REFERENCE_CELLS + 1];

    while (at < end) {
        reference_span record = { at, at };
        for (bool open = false; record.end < end && (open || *record.end != '\n'); record.end++)
            open ^= *record.end == '"';
        at = record.end + 1;
        if (record.end > record.at && record.end[-1] == '\r') record.end--;
        if (reference_split(&schema->dialect, record, cells) != schema->n) return false;
        if (!reference_client(schema, cells, out)) return false;
    }
    return true;
}
