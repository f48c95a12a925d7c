/* One cell of CSV, as other systems read it.
 * Source: RFC 4180; OWASP, CSV injection. */
#include <string.h>

#include "segmpi/csv_output.h"

char *seg_csv_put_text(char *to, const char *text, size_t length)
{
    const bool formula = length > 0 && strchr("=+-@\t\r", text[0]);
    bool quoted = length > 0 && (text[0] == ' ' || text[length - 1] == ' ');

    for (size_t i = 0; i < length && !quoted; i++)
        quoted = text[i] == '\0' || strchr(",;\"\t\r\n", text[i]) != NULL;
    if (quoted) *to++ = '"';
    if (formula) *to++ = '\'';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') *to++ = '"';
        *to++ = text[i];
    }
    if (quoted) *to++ = '"';
    return to;
}

char *seg_csv_put_int(char *to, int64_t value)
{
    char digits[SEG_CSV_INT];
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int n = 0;

    if (value < 0) *to++ = '-';
    do
        digits[n++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}
