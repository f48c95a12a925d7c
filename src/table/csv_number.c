/* Decimal text -> the nearest double.
 *
 * Method: W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990.  A decimal
 * whose digits are an integer up to 2^53 and whose power of ten is at most 10^22 is one exact
 * integer multiplied or divided by one exact power: a single rounding.  That covers the amounts of
 * a bank; the rest goes to strtod, which glibc rounds correctly, in the "C" locale that this
 * program never leaves. */
#include <stdlib.h>
#include <string.h>

#include "csv_internal.h"

#define EXACT_POWERS 22

static const double power_of_ten[EXACT_POWERS + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,
                                                       1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
                                                       1e18, 1e19, 1e20, 1e21, 1e22 };

/* The digits at p, appended to *mantissa, which wraps around beyond 19 of them. */
static inline const char *take_digits(const char *p, uint64_t *mantissa)
{
    uint64_t m = *mantissa;
    unsigned digit;

    while ((digit = (unsigned)(unsigned char)*p - '0') < 10) {
        m = 10 * m + digit;
        p++;
    }
    *mantissa = m;
    return p;
}

/* The exponent behind an 'e'; NULL if it has no digits.  Huge ones stop growing. */
static const char *take_exponent(const char *p, int64_t *exponent)
{
    const bool negative = *p == '-';
    int64_t e = 0;

    if (negative || *p == '+') p++;
    if (*p < '0' || *p > '9') return NULL;
    for (; *p >= '0' && *p <= '9'; p++)
        if (e < 100000) e = 10 * e + (*p - '0');
    *exponent += negative ? -e : e;
    return p;
}

static const char *slow_number(const char *text, const char *end, char decimal, double *value)
{
    char copy[CSV_NUMBER_MOST + 1];
    const size_t length = (size_t)(end - text);

    if (length > CSV_NUMBER_MOST) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (decimal != '.') {
        char *mark = memchr(copy, decimal, length);
        if (mark) *mark = '.';
    }
    *value = strtod(copy, NULL);
    return end;
}

const char *csv_number(const char *text, char decimal, double *value)
{
    const bool negative = *text == '-';
    const char *digits = text + (negative || *text == '+');
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    const char *p = take_digits(digits, &mantissa);
    int64_t n = p - digits;

    if (*p == decimal) {
        const char *fraction = p + 1;
        p = take_digits(fraction, &mantissa);
        exponent = fraction - p;
        n -= exponent;
    }
    if (n == 0) return NULL;
    if (*p == 'e' || *p == 'E') {
        p = take_exponent(p + 1, &exponent);
        if (!p) return NULL;
    }
    if (n > 19 || mantissa > (uint64_t)1 << 53 || exponent < -EXACT_POWERS ||
        exponent > EXACT_POWERS)
        return slow_number(text, p, decimal, value);

    double exact = (double)mantissa;
    exact = exponent < 0 ? exact / power_of_ten[-exponent] : exact * power_of_ten[exponent];
    *value = negative ? -exact : exact;
    return p;
}

bool csv_integer(const char *text, int64_t length, int64_t *value)
{
    const bool negative = length > 0 && text[0] == '-';
    const int64_t digits = length - negative;
    uint64_t magnitude = 0;

    if (digits < 1 || digits > 19) return false;
    for (int64_t i = negative; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        magnitude = 10 * magnitude + (uint64_t)(text[i] - '0');
    }
    if (text[negative] == '0' && length > 1) return false; /* 007 and -0 stay texts */
    if (magnitude > (uint64_t)INT64_MAX) return false;
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}
