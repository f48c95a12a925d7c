/* What separates the cells and the decimals of a file, judged by its first records. */
#include <stdlib.h>
#include <string.h>

#include "csv_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

#define RECORDS 200 /* that are looked at */

/* 0 if the header has one cell only; otherwise grows with the records that have as many as it.
 * Blanks alone prove nothing: names may hold some. */
static int fitness(csv_view head, char delimiter)
{
    csv_dialect dialect;
    csv_record record = { 0 };
    int header = 0, agreeing = 0;

    csv_dialect_init(delimiter, '.', &dialect);
    for (int i = 0; i <= RECORDS && head.at < head.end; i++) {
        int n = 0;
        csv_verdict verdict = csv_record_cells(&dialect, head, 0, NULL, &n, &record);
        if (verdict == CSV_MORE) break;
        if (i == 0) header = n;
        agreeing += i > 0 && verdict == CSV_GOOD && n == header;
        head.at = record.next;
    }
    return header > 1 ? 2 * agreeing + (delimiter != CSV_BLANKS) : 0;
}

/* Where several fit, the one that is the least likely inside a cell comes first; never a mark
 * inside numbers.  But where none fits, commas separate, and cells with commas are quoted. */
static char detect_delimiter(csv_view head, char decimal, char thousands)
{
    static const char candidates[] = { '\t', ';', ',', '|', CSV_BLANKS };
    char best = decimal == ',' ? ';' : ',';
    int most = 0;

    for (size_t i = 0; i < sizeof candidates; i++) {
        const char c = candidates[i];
        const int found = c == decimal || c == thousands ? 0 : fitness(head, c);
        if (found > most) {
            most = found;
            best = c;
        }
    }
    return best;
}

static int64_t digit_run(const char *p, const char *end)
{
    const char *begin = p;

    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p - begin;
}

/* Text without the marks between its groups; its length, or -1 if the groups are wrong. */
static int64_t join_groups(const char *text, int64_t length, char mark, char *joined)
{
    const char *p = text, *end = text + length;
    char *to = joined;

    if (p < end && (*p == '-' || *p == '+')) *to++ = *p++;
    int64_t run = digit_run(p, end);
    if (run < 1 || run > 3) return -1;
    while (p + run < end && p[run] == mark) {
        memcpy(to, p, (size_t)run);
        to += run;
        p += run + 1;
        run = digit_run(p, end);
        if (run != 3) return -1;
    }
    memcpy(to, p, (size_t)(end - p));
    return to + (end - p) - joined;
}

bool csv_dialect_number(const csv_dialect *dialect, const char *text, int64_t length, double *value)
{
    char joined[CSV_NUMBER_MOST + 1];

    if (length > 0 && csv_number(text, dialect->decimal, value) == text + length) return true;
    if (dialect->thousands == 0 || length > CSV_NUMBER_MOST) return false;
    const int64_t rest = join_groups(text, length, dialect->thousands, joined);
    if (rest < 0) return false;
    joined[rest] = '\0';
    return csv_number(joined, dialect->decimal, value) == joined + rest;
}

bool csv_looks_numeric(const csv_cell *cell)
{
    int64_t digits = 0, others = 0;

    for (int64_t i = 0; i < cell->length; i++) {
        char c = cell->text[i];
        const bool digit = c >= '0' && c <= '9';
        digits += digit;
        others += !digit && ((unsigned char)c & 0xc0) != 0x80; /* a character, not its bytes */
        if (c == '/' || c == ':' || (c == '-' && i > 0)) return false;
    }
    const char first = cell->length > 0 ? cell->text[0] : 'x'; /* a sign of money is no letter */
    return (strchr("+-.,0123456789$", first) || (unsigned char)first >= 0x80) && digits > others;
}

char csv_dialect_mark(const csv_dialect *dialect, const char *text, int64_t length)
{
    csv_dialect other = *dialect;
    double value;

    for (const char *mark = ".,' _"; *mark; mark++) {
        other.thousands = *mark;
        if (*mark == dialect->decimal || *mark == dialect->thousands) continue;
        if (csv_dialect_number(&other, text, length, &value)) return *mark;
    }
    return 0;
}

/* The comma, if more cells are numbers with it than with the point. */
static char detect_decimal(csv_view head, const csv_dialect *dialect)
{
    csv_dialect point = *dialect, comma = *dialect;
    csv_record record = { 0 };
    csv_cell cells[64];
    int points = 0, commas = 0;
    double value;

    point.decimal = '.';
    comma.decimal = ',';
    for (int i = 0; i <= RECORDS && head.at < head.end; i++) {
        int n = 0;
        if (csv_record_cells(dialect, head, 64, cells, &n, &record) == CSV_MORE) break;
        for (int t = 0; t < n && t < 64 && i > 0; t++) {
            points += csv_dialect_number(&point, cells[t].text, cells[t].length, &value);
            commas += csv_dialect_number(&comma, cells[t].text, cells[t].length, &value);
        }
        head.at = record.next;
    }
    return commas > points ? ',' : '.';
}

void csv_dialect_detect(csv_view head, const seg_csv_opts *opts, csv_dialect *dialect)
{
    char delimiter = opts->delimiter, decimal = opts->decimal;

    if (decimal == 0 && opts->thousands == '.') decimal = ',';
    if (decimal == 0 && opts->thousands == ',') decimal = '.';
    if (delimiter == 0) delimiter = detect_delimiter(head, decimal, opts->thousands);
    csv_dialect_init(delimiter, '.', dialect);
    dialect->thousands = opts->thousands;
    if (decimal == 0) decimal = delimiter == ',' ? '.' : detect_decimal(head, dialect);
    dialect->decimal = decimal;
}

/* What was found, as wrong marks spoil everything after them. */
void csv_dialect_note(const csv_dialect *dialect)
{
    static const struct {
        char c;
        const char *name;
    } names[] = { { ',', "commas" },
                  { ';', "semicolons" },
                  { '\t', "tabs" },
                  { CSV_BLANKS, "blanks" },
                  { '|', "bars" } };
    char other[] = { '\'', dialect->delimiter, '\'', '\0' };
    const char *name = other;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].c == dialect->delimiter) name = names[i].name;
    seg_log_note("cells are separated by %s, the decimal mark is a %s", name,
                 dialect->decimal == ',' ? "comma" : "point");
}

/* Words of the list without the blanks around them; those that are numbers count by their value. */
seg_status csv_missing_init(const char *list, csv_missing *missing)
{
    const size_t length = list ? strlen(list) : 0;
    int64_t most = 1;

    *missing = (csv_missing) { 0 };
    if (!list) return SEG_OK;
    for (size_t i = 0; i < length; i++)
        most += list[i] == ',';
    SEG_TRY(seg_fault("csv_missing_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(most, sizeof *missing->values, &missing->values));
    SEG_TRY(seg_alloc(most * (int64_t)sizeof *missing->words + (int64_t)length + 1, 1,
                      &missing->words));

    char *text = (char *)(missing->words + most);
    memcpy(text, list, length + 1);
    for (char *word = text, *next; word; word = next) {
        double value;
        next = strchr(word, ',');
        if (next) *next++ = '\0';
        word += strspn(word, " ");
        for (size_t end = strlen(word); end > 0 && word[end - 1] == ' '; end--)
            word[end - 1] = '\0';
        const char *end = csv_number(word, '.', &value);
        if (end && *end == '\0')
            missing->values[missing->n_values++] = value;
        else if (*word != '\0')
            missing->words[missing->n_words++] = word;
    }
    return SEG_OK;
}

void csv_missing_release(csv_missing *missing)
{
    seg_free(missing->words);
    seg_free(missing->values);
    *missing = (csv_missing) { 0 };
}
