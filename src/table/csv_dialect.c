/* What separates the cells and the decimals of a file, judged by its first records. */
#include <stdlib.h>
#include <string.h>

#include "csv_internal.h"
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

/* Where several fit, the one that is the least likely inside a cell comes first; never the decimal
 * mark. */
static char detect_delimiter(csv_view head, char decimal)
{
    static const char candidates[] = { '\t', ';', ',', '|', CSV_BLANKS };
    char best = decimal == ',' ? ';' : ',';
    int most = 0;

    for (size_t i = 0; i < sizeof candidates; i++) {
        const int found = candidates[i] == decimal ? 0 : fitness(head, candidates[i]);
        if (found > most) {
            most = found;
            best = candidates[i];
        }
    }
    return best;
}

static bool is_number(const csv_cell *cell, char decimal)
{
    double value;

    return cell->length > 0 && csv_number(cell->text, decimal, &value) == cell->text + cell->length;
}

/* The comma, if more cells are numbers with it than with the point. */
static char detect_decimal(csv_view head, const csv_dialect *dialect)
{
    csv_record record = { 0 };
    csv_cell cells[64];
    int points = 0, commas = 0;

    for (int i = 0; i <= RECORDS && head.at < head.end; i++) {
        int n = 0;
        if (csv_record_cells(dialect, head, 64, cells, &n, &record) == CSV_MORE) break;
        for (int t = 0; t < n && t < 64 && i > 0; t++) {
            points += is_number(&cells[t], '.');
            commas += is_number(&cells[t], ',');
        }
        head.at = record.next;
    }
    return commas > points ? ',' : '.';
}

void csv_dialect_detect(csv_view head, char delimiter, char decimal, csv_dialect *dialect)
{
    if (delimiter == 0) delimiter = detect_delimiter(head, decimal);
    csv_dialect_init(delimiter, '.', dialect);
    if (decimal == 0) decimal = delimiter == ',' ? '.' : detect_decimal(head, dialect);
    csv_dialect_init(delimiter, decimal, dialect);
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
