/* Catalogs of segments and dictionaries of columns: what they mean, and what is said of errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segment_internal.h"

#include "segmpi/error.h"
#include "segmpi/random.h"
#include "segmpi/text.h"

enum { D = 4 };
static const char *const names[D] = { "BALANCE", "PURCHASES", "CREDIT LIMIT", "cash" };

static void entries_are_read_with_columns_weights_and_texts(void **state)
{
    (void)state;
    const char text[] = "# a comment\n"
                        "; another\n"
                        "\n"
                        "[First of all]\n"
                        "high = BALANCE, CREDIT LIMIT * 2.5,\n"
                        "low = cash\n"
                        "average : PURCHASES\n"
                        "description = one line\n"
                        "    and its \"second\" one\n"
                        "\n"
                        "[Second]\r\n"
                        "  low = BALANCE\r\n"
                        "low = PURCHASES\r\n"
                        "recommendation = do it";
    segment_catalog c;

    assert_int_equal(catalog_parse("x.ini", text, true, D, names, &c), SEG_OK);
    assert_int_equal(c.n, 2);
    const catalog_entry *a = &c.entry[0], *b = &c.entry[1];
    assert_string_equal(a->name, "First of all");
    assert_string_equal(a->description, "one line and its \"second\" one");
    assert_string_equal(a->recommendation, "");
    assert_int_equal(a->n_terms, 4);
    assert_true(a->term[0].column == 0 && a->term[0].direction == CATALOG_HIGH);
    assert_true(a->term[1].column == 2 && a->term[1].weight == 2.5);
    assert_true(a->term[2].column == 3 && a->term[2].direction == CATALOG_LOW);
    assert_true(a->term[3].column == 1 && a->term[3].direction == CATALOG_AVERAGE);
    assert_int_equal(b->n_terms, 2);
    assert_string_equal(b->recommendation, "do it");

    const double z[D] = { 0.5, -0.3, 2, -1 };
    double fit = (tanh(0.5) + 2.5 * tanh(2) + tanh(1) + 1 - tanh(0.3)) / 5.5;
    assert_true(fabs(catalog_fit(a, z) - fit) < 1e-15);
    assert_true(fabs(catalog_fit(b, z) - (tanh(0.3) - tanh(0.5)) / 2) < 1e-15);
    catalog_release(&c);
}

/* Mean of tanh(0.2) and tanh(0.15): 0.173; with 0.1 in place of 0.15: 0.149. */
static void an_entry_holds_where_each_column_is_as_it_says(void **state)
{
    (void)state;
    const char text[] = "[A]\nhigh = BALANCE\nlow = cash\naverage = PURCHASES\n";
    const double profiles[][D] = { { 0.2, 0.9, 0, -0.15 }, { -0.2, 0.9, 0, -0.15 },
                                   { 0.2, 1.1, 0, -0.15 }, { 0.2, -1.1, 0, -0.15 },
                                   { 0.2, 0, 0, 0 },       { 0.2, 0, 0, -0.1 } };
    segment_catalog c;

    assert_int_equal(catalog_parse("x.ini", text, true, D, names, &c), SEG_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(catalog_holds(&c.entry[0], profiles[i]), i == 0);
    catalog_release(&c);
}

static void entries_with_foreign_columns_are_left_out_unless_the_catalog_is_the_users(void **state)
{
    (void)state;
    const char text[] = "[A]\nhigh = BALANCE, OTHER\n[B]\nhigh = cash\n";
    segment_catalog c;

    assert_int_equal(catalog_parse("x.ini", text, false, D, names, &c), SEG_OK);
    assert_int_equal(c.n, 1);
    assert_string_equal(c.entry[0].name, "B");
    catalog_release(&c);
    assert_int_equal(catalog_parse("x.ini", text, true, D, names, &c), SEG_ERR_DATA);
    seg_error_clear();
}

static void errors_name_file_line_and_key(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "[A]\n\nhigh = BALANCES\n", "line 3 of 'my.ini'", "did you mean 'BALANCE'?" },
        { "[A]\nhigh = BALANCES\n", "reading 'high' of [A]", "no column is named 'BALANCES'" },
        { "[A]\nhihg = BALANCE\n", "line 2", "did you mean 'high'?" },
        { "[A]\nwhatever = BALANCE\n", "reading 'whatever' of [A]", "there are high, low" },
        { "[A]\nhigh = BALANCE * two\n", "line 2", "the weight 'two'" },
        { "[A]\nhigh = BALANCE * -2\n", "line 2", "the weight '-2'" },
        { "[A]\nhigh = BALANCE * nan\n", "line 2", "the weight 'nan'" },
        { "[A]\nhigh = BALANCE * 1e308\n", "line 2", "the weight '1e308'" },
        { "[A]\nhigh = BALANCE\nlow = BALANCE\n", "line 3", "'BALANCE' stands twice" },
        { "[A]\nhigh = BALANCE\n[B]\nlow = cash\n[A]\nlow = cash\n", "line 6",
          "the segment 'A' stands twice" },
        { "[A]\ndescription = x\nhigh = cash\ndescription = y\n", "line 4",
          "'description' stands twice" },
        { "high = BALANCE\n", "line 1", "before the first [SEGMENT]" },
        { "[A]\nhigh BALANCE\n", "line 2", "neither [SECTION] nor KEY = VALUE" },
        { "[A\nhigh = BALANCE\n", "line 1", "the ']' of the section is missing" },
        { "[A]\nhigh = ,\n[B]\nhigh = cash\n", "line 2 of 'my.ini'", "'A' has no column" },
        { "[A]\naverage = cash\n", "line 2 of 'my.ini'", "no column that is high or low" },
        { "# nothing\n", "'my.ini'", "has no segment" },
        { "[A]\nhigh = "
          "BALANCE,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
          ","
          ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
          ",,"
          ",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n",
          "line 2", "the line has more than" },
        { "[A23456789 123456789 123456789 123456789 123456789 ]\nhigh = cash\n", "line 2",
          "has more than 48 bytes" },
    };
    segment_catalog c;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char said[2048];
        assert_int_equal(catalog_parse("my.ini", cases[i][0], true, D, names, &c), SEG_ERR_DATA);
        snprintf(said, sizeof said, "%s%s", seg_error_get()->text, seg_error_get()->context);
        if (!strstr(said, cases[i][1]) || !strstr(said, cases[i][2]))
            fail_msg("case %zu says: %s", i, said);
        assert_null(c.entry);
        seg_error_clear();
    }
}

static void the_schema_marks_amounts(void **state)
{
    (void)state;
    const char text[] = "[cash]\nunit = money\namount = yes\n[OTHER]\namount = yes\n"
                        "[BALANCE]\namount = no\n";
    bool amount[D] = { true, true, true, true };

    assert_int_equal(catalog_amounts("s.ini", text, D, names, amount), SEG_OK);
    for (int t = 0; t < D; t++)
        assert_int_equal(amount[t], t == 3);
    assert_int_equal(catalog_amounts("s.ini", "[cash]\namount = maybe\n", D, names, amount),
                     SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "'amount' of [cash]"));
    assert_non_null(strstr(seg_error_get()->context, "line 2 of 's.ini'"));
    seg_error_clear();
}

/* Random cuts, copies and bytes: an answer or an error, whatever the text is. */
static void any_text_is_read_or_refused(void **state)
{
    (void)state;
    const seg_random key = { .seed = 21, .purpose = SEG_RANDOM_TEST };
    int n_read = 0, n_refused = 0;
    segment_catalog c;

    for (int64_t trial = 0; trial < 5000; trial++) {
        char text[4096];
        assert_true(seg_text_copy(text, sizeof text, segment_builtin_catalog));
        size_t length = strlen(text);
        for (uint64_t change = 0; change < (uint64_t)(trial % 4); change++) {
            seg_random_pair r = seg_random_bits(key, trial, change);
            size_t at = r.a % length, from = r.b % length, size = (r.a >> 40) % 60;
            if (r.b >> 62 == 0)
                text[at] = (char)(1 + (r.b >> 40) % 255);
            else if (r.b >> 62 == 1)
                text[at] = "=[]\n #;,*"[(r.b >> 40) % 9];
            else if (at + size < length && from + size < length)
                memmove(text + at, text + from, size);
        }
        seg_status status = catalog_parse("x", text, trial % 2, D, names, &c);
        assert_true(status == SEG_OK || status == SEG_ERR_DATA);
        n_read += status == SEG_OK;
        n_refused += status != SEG_OK;
        catalog_release(&c);
        seg_error_clear();
    }
    assert_true(n_read > 500 && n_refused > 500);
}

static void the_built_in_files_are_sound(void **state)
{
    (void)state;
    static const char *const columns[] = { "PURCHASES", "BALANCE", "CREDIT_LIMIT", "CASH_ADVANCE" };
    segment_catalog c;
    bool amount[4];

    assert_int_equal(catalog_parse("built-in", segment_builtin_catalog, true, 4, columns, &c),
                     SEG_OK);
    assert_int_equal(c.n, 4);
    for (int i = 0; i < c.n; i++)
        assert_true(*c.entry[i].description && *c.entry[i].recommendation);
    catalog_release(&c);
    assert_int_equal(catalog_amounts("built-in", segment_builtin_schema, 4, columns, amount),
                     SEG_OK);
    assert_true(amount[0] && amount[1] && amount[2] && amount[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_read_with_columns_weights_and_texts),
        cmocka_unit_test(an_entry_holds_where_each_column_is_as_it_says),
        cmocka_unit_test(entries_with_foreign_columns_are_left_out_unless_the_catalog_is_the_users),
        cmocka_unit_test(errors_name_file_line_and_key),
        cmocka_unit_test(the_schema_marks_amounts),
        cmocka_unit_test(any_text_is_read_or_refused),
        cmocka_unit_test(the_built_in_files_are_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
