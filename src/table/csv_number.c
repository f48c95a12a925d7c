/* Decimal text -> the nearest double.
 *
 * Method: W. D. Clinger, "How to read floating point numbers accurately", PLDI 1990.  A decimal
 * whose digits are an integer up to 2^53 and whose power of ten is at most 10^22 is one exact
 * integer multiplied or divided by one exact power: a single rounding.  That covers the amounts of
 * a bank.  Up to 19 digits, which is any double that another program has printed, the same is done
 * in twice the precision, and holds where the error bound proves the rounding.  The rest goes to
 * strtod, which glibc rounds correctly, in the "C" locale that this program never leaves. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "csv_internal.h"

#define EXACT_POWERS 22
#define EXACT_DIGITS 19 /* that a uint64_t holds */

_Static_assert(FLT_EVAL_METHOD == 0, "double arithmetic must round to double");

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

/* A mantissa above 2^53.  The result is high + low, where high is rounded to nearest and low is
 * wrong by at most 2 units in its last place; where that could change the sum, nothing is proven.
 */
static bool round_long_mantissa(uint64_t mantissa, int64_t exponent, double *value)
{
    const uint64_t tail = mantissa & 0x7ff; /* the other 53 bits are a double */
    const double m = (double)(mantissa - tail), rest = (double)tail;
    double high, low;

    if (exponent < 0) {
        const double power = power_of_ten[-exponent];
        high = m / power;
        low = (fma(-high, power, m) + rest) / power;
    } else {
        const double power = power_of_ten[exponent];
        high = m * power;
        low = fma(rest, power, fma(m, power, -high));
    }
    const double bound = fabs(low) * (4 * DBL_EPSILON);

    *value = high + low;
    return high + (low - bound) == high + (low + bound);
}

/* mantissa * 10^exponent to the nearest double, or false if only strtod can tell. */
static inline bool round_mantissa(uint64_t mantissa, int64_t exponent, double *value)
{
    if (exponent < -EXACT_POWERS || exponent > EXACT_POWERS) return false;
    if (mantissa > (uint64_t)1 << 53) return round_long_mantissa(mantissa, exponent, value);
    *value = exponent < 0 ? (double)mantissa / power_of_ten[-exponent]
                          : (double)mantissa * power_of_ten[exponent];
    return true;
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
    if (n > EXACT_DIGITS || !round_mantissa(mantissa, exponent, value))
        return slow_number(text, p, decimal, value);
    if (negative) *value = -*value;
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
