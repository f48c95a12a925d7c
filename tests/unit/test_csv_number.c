/* Numbers and texts of cells: bit for bit what strtod makes of them, and nothing else is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "csv_fixture.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A decimal of 16 to 19 digits that stands halfway between two doubles, or next to it: an odd
 * number of 54 bits, shifted either way. */
static void halfway_decimal(char *text, size_t size)
{
    const int shift = (int)(random_bits() % 13) - 3;
    const uint64_t odd = (random_bits() >> 11 | (uint64_t)1 << 53) | 1;
    const int64_t step = (int64_t)(random_bits() % 3) - 1;

    if (shift >= 0)
        snprintf(text, size, "%llu", (unsigned long long)((odd << shift) + (uint64_t)step));
    else /* 3 decimals hold eighths */
        snprintf(text, size, "%llu.%03llu", (unsigned long long)(odd >> -shift),
                 (unsigned long long)((odd << (3 + shift) & 7) * 125 + (uint64_t)step) % 1000);
}

/* Amounts, doubles as other programs print them, random bit patterns, digits near the limits of the
 * exact methods. */
static void random_decimal(char *text, size_t size)
{
    const uint64_t bits = random_bits();
    double value;

    switch (random_bits() % 8) {
    case 0:
        snprintf(text, size, "%llu.%06llu", (unsigned long long)(bits >> 44),
                 (unsigned long long)(bits % 1000000));
        break;
    case 1:
        snprintf(text, size, "-%.17g", (double)bits / 3e14);
        break;
    case 2:
        memcpy(&value, &bits, sizeof value);
        snprintf(text, size, "%.*e", (int)(random_bits() % 20), isfinite(value) ? value : 1.0);
        break;
    case 3:
        snprintf(text, size, "%llu%llu.%llue%d", (unsigned long long)bits,
                 (unsigned long long)random_bits(), (unsigned long long)random_bits(),
                 (int)(random_bits() % 700) - 350);
        break;
    case 4: /* about 2^53 and 10^22 */
        snprintf(text, size, "%llue%d", (unsigned long long)((1ull << 53) - 8 + bits % 16),
                 (int)(random_bits() % 50) - 25);
        break;
    case 5: /* up to 19 digits */
        snprintf(text, size, "%llue%d", (unsigned long long)(bits >> random_bits() % 12),
                 (int)(random_bits() % 50) - 25);
        break;
    case 6:
        halfway_decimal(text, size);
        break;
    default:
        snprintf(text, size, "+.%0*llu", (int)(bits % 25), (unsigned long long)(bits >> 20));
    }
}

static int64_t decimals = 2000000; /* that are drawn; the program's argument */

static void numbers_are_those_of_strtod_bit_for_bit(void **state)
{
    (void)state;
    char text[200];

    for (int64_t i = 0; i < decimals; i++) {
        random_decimal(text, sizeof text);
        const double expected = strtod(text, NULL);
        for (int comma = 0; comma < 2; comma++) {
            double value = NAN;
            char *point = strchr(text, '.');
            if (comma && point) *point = ',';
            const char *end = csv_number(text, comma ? ',' : '.', &value);
            if (end != text + strlen(text) || memcmp(&value, &expected, sizeof value) != 0)
                fail_msg("'%s' is read as %.17g, expected %.17g", text, value, expected);
        }
    }
}

static void texts_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",    "-",    "+",     ".",     "-.",  "e5",   "1e",
                                         "1e+", "0x10", "1_000", "12,5x", "--1", "1..2", "1 2",
                                         "٣",   "1e5.", "inf",   "nan",   "1d5", "+-1",  "1f" };
    static const char *const right[] = { "18446744073709551617",
                                         "36893488147419103233e-3",
                                         "9999999999999999999",
                                         "9007199254740993",
                                         "9007199254740993.00000000000000000000000000000000001",
                                         "1e5",
                                         "+3",
                                         ".5",
                                         "5.",
                                         "-0",
                                         "007",
                                         "1E-2",
                                         "1.e3",
                                         "1e400",
                                         "-1e-400",
                                         "4.9e-324",
                                         "2.4703282292062327e-324",
                                         "2.2250738585072011e-308",
                                         "1e99999999999999999999",
                                         "0e99999999999999999999" };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double value;
        const char *end = csv_number(wrong[i], '.', &value);
        if (end && *end == '\0') fail_msg("'%s' is taken for a number", wrong[i]);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        double value, expected = strtod(right[i], NULL);
        const char *end = csv_number(right[i], '.', &value);
        assert_true(end && *end == '\0');
        if (memcmp(&value, &expected, sizeof value) != 0)
            fail_msg("'%s' is read as %.17g, expected %.17g", right[i], value, expected);
    }
}

static bool is_number(const char *text, char decimal, char mark, double *value)
{
    csv_dialect dialect;
    char padded[80];

    csv_dialect_init(';', decimal, &dialect);
    dialect.thousands = mark;
    snprintf(padded, sizeof padded, "%s%c567;", text, mark); /* the cell ends before the mark */
    return csv_dialect_number(&dialect, padded, (int64_t)strlen(text), value);
}

static void grouped_numbers_are_those_without_the_marks(void **state)
{
    (void)state;
    char plain[64], grouped[64];

    for (int i = 0; i < 200000; i++) {
        const char mark = ",. '_"[i % 5], decimal = ".,.,,"[i % 5];
        const uint64_t whole = random_bits() >> random_bits() % 64;
        int to = 0;

        snprintf(plain, sizeof plain, "%s%llu.%02d%s", i % 3 ? "" : "-", (unsigned long long)whole,
                 i % 100, i % 7 ? "" : "e-3");
        const size_t end = strcspn(plain, ".");
        for (size_t k = 0; plain[k] != '\0'; k++) {
            if (k > 0 && k < end && (end - k) % 3 == 0 && plain[k - 1] != '-') grouped[to++] = mark;
            grouped[to++] = plain[k];
            if (k == end) grouped[to - 1] = decimal;
        }
        grouped[to] = '\0';
        const double expected = strtod(plain, NULL);
        double value = NAN;
        if (!is_number(grouped, decimal, mark, &value) || value != expected)
            fail_msg("'%s' is read as %.17g, expected %.17g", grouped, value, expected);
    }
}

static void groups_that_are_not_of_three_digits_are_refused(void **state)
{
    (void)state;
    static const char *const right[] = {
        "1", "1234567", "1_234", "+12_345.5", "123_456.", "0_001"
    };
    static const char *const wrong[] = { "",        "_",       "1_",        "_123",     "-_123",
                                         "1_23",    "1_2345",  "1234_567",  "1_234567", "1__234",
                                         "1_234_",  "1_234_5", "1.234_567", "_.5",      "1_234._5",
                                         "1e1_000", "1_234x",  "1,234",     "1_ 234",   "1_-234",
                                         "1_234_.5" };
    double value;

    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        if (!is_number(right[i], '.', '_', &value)) fail_msg("'%s' is refused", right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (is_number(wrong[i], '.', '_', &value)) fail_msg("'%s' is taken", wrong[i]);
    assert_false(is_number("1_234", '.', '\0', &value));
}

static void integers_are_those_that_print_back_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = { "0", "-1", "12", "9223372036854775807",
                                         "-9223372036854775807" };
    static const char *const others[] = { "",
                                          "-",
                                          "007",
                                          "-0",
                                          "+3",
                                          "1.0",
                                          "1e3",
                                          "C1",
                                          "9223372036854775808",
                                          "99999999999999999999",
                                          " 1" };
    char back[32];
    int64_t value;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_true(csv_integer(texts[i], (int64_t)strlen(texts[i]), &value));
        snprintf(back, sizeof back, "%lld", (long long)value);
        assert_string_equal(back, texts[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(csv_integer(others[i], (int64_t)strlen(others[i]), &value));
}

/* UTF-8 of a code point, whether it is one or not. */
static int encode(uint32_t code, char *text)
{
    const int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

    for (int i = length - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)(first[length] | code);
    return length;
}

static void utf8_is_what_encodes_a_character(void **state)
{
    (void)state;
    static const char *const wrong[] = { "\x80",         "\xc0\x80",     "\xc1\xbf",
                                         "\xe0\x9f\xbf", "\xf0\x8f\xbf", "\xf5\x80\x80\x80",
                                         "\xff",         "\xc3",         "\xe2\x82",
                                         "a\xc3z",       "\xc3\xa9\x80", "\xf8\x88\x80\x80\x80" };
    char text[4];

    for (uint32_t code = 0; code <= 0x110fff; code++) {
        const bool character = (code < 0xd800 || code > 0xdfff) && code <= 0x10ffff;
        const int length = encode(code, text);
        if (csv_text_is_utf8(text, length) != character) fail_msg("U+%04X", (unsigned)code);
        assert_false(length > 1 && csv_text_is_utf8(text, length - 1));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(csv_text_is_utf8(wrong[i], (int64_t)strlen(wrong[i])));
    assert_true(csv_text_is_utf8("", 0));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_strtod_bit_for_bit),
        cmocka_unit_test(texts_that_are_no_numbers_are_refused),
        cmocka_unit_test(grouped_numbers_are_those_without_the_marks),
        cmocka_unit_test(groups_that_are_not_of_three_digits_are_refused),
        cmocka_unit_test(integers_are_those_that_print_back_the_same),
        cmocka_unit_test(utf8_is_what_encodes_a_character),
    };

    if (argc > 1) decimals = strtoll(argv[1], NULL, 10);
    return cmocka_run_group_tests_name("csv_number", tests, NULL, NULL);
}
