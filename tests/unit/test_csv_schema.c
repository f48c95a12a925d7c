/* What rank 0 decides from the heads of the files: delimiter, decimal mark, features, id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "csv_fixture.h"
#include "segmpi/log.h"

static void dialects_are_detected(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char delimiter, decimal;
        double x, y;
    } cases[] = {
        { "id,x,y\na,1.5,2\nb,1,2\n", ',', '.', 1.5, 2 },
        { "id;x;y\na;1,5;2\nb;1;2\n", ';', ',', 1.5, 2 },
        { "id;x;y\na;1.5;2\nb;1;2\n", ';', '.', 1.5, 2 },
        { "id\tx\ty\na\t1,5\t\nb\t1\t2\n", '\t', ',', 1.5, NAN },
        { "id x  y\na   1.5 2  \nb 1 2\n", CSV_BLANKS, '.', 1.5, 2 },
        { "  id \t x  y\r\n a   1,5 2\r\n  b 1 2 \t\r\n", CSV_BLANKS, ',', 1.5, 2 },
        { "id|x|y\na|1.5|2\nb|1|2\n", '|', '.', 1.5, 2 },
        { "id, x, y\na, 1.5, 2\nb, 1, 2\n", ',', '.', 1.5, 2 },
        { "\"id\";\"x\";\"y\"\n\"a\";\"1,5\";\"2\"\n", ';', ',', 1.5, 2 },
        { "id;x;y\na;1,5\nb;1,5;2\n", ';', ',', NAN, NAN },
    };
    const seg_csv_opts opts = { .id_column = NULL };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        csv_fixture f;
        csv_clients found;
        assert_int_equal(csv_fixture_init(&f, &opts, cases[i].text, NULL), SEG_OK);
        assert_int_equal(f.schema.dialect.delimiter, cases[i].delimiter);
        assert_int_equal(f.schema.dialect.decimal, cases[i].decimal);
        assert_int_equal(f.schema.n, 3);
        assert_int_equal(f.schema.id, 0);
        if (!isnan(cases[i].x)) {
            assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_OK);
            assert_true(found.all[0].x[0] == cases[i].x);
            assert_true(found.all[0].x[1] == cases[i].y || isnan(cases[i].y));
        }
        csv_fixture_release(&f);
    }
}

static void the_decimal_mark_is_no_delimiter(void **state)
{
    (void)state;
    const seg_csv_opts opts = { .decimal = ',' };
    csv_clients found;
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &opts, "x\n1,5\n2,25\n", NULL), SEG_OK);
    assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_OK);
    assert_true(found.n == 2 && found.all[0].x[0] == 1.5 && found.all[1].x[0] == 2.25);
    csv_fixture_release(&f);
}

static void the_thousands_mark_is_neither_delimiter_nor_decimal_mark(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char thousands, delimiter, decimal;
        double x;
    } cases[] = {
        { "id;x\na;1,234\nb;5,678\n", ',', ';', '.', 1234 },
        { "id;x\na;1.234\nb;5.678\n", '.', ';', ',', 1234 },
        { "id;x\na;1.234,5\nb;5\n", '.', ';', ',', 1234.5 },
        { "id;x\na;1 234,5\nb;5 678,5\n", ' ', ';', ',', 1234.5 },
        { "id;x\na;1 234.5\nb;5 678.5\n", ' ', ';', '.', 1234.5 },
        { "id\tx\na\t 1'234,5 \nb\t5'678,5\n", '\'', '\t', ',', 1234.5 },
        { "id x\na 1_234\nb 5_678\n", '_', CSV_BLANKS, '.', 1234 },
        { "id|in, out\na|1,234\nb|5,678\n", ',', '|', '.', 1234 },
        { "id,x\na,\"1,234.5\"\nb,\" 5,678 \"\n", ',', ',', '.', 1234.5 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const seg_csv_opts opts = { .thousands = cases[i].thousands };
        csv_fixture f;
        csv_clients found;
        assert_int_equal(csv_fixture_init(&f, &opts, cases[i].text, NULL), SEG_OK);
        assert_int_equal(f.schema.dialect.delimiter, cases[i].delimiter);
        assert_int_equal(f.schema.dialect.decimal, cases[i].decimal);
        assert_int_equal(f.schema.id, 0);
        assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_OK);
        assert_true(found.all[0].x[0] == cases[i].x);
        csv_fixture_release(&f);
    }
}

/* Records of 200 bytes: the sample is several windows long.  Row `twin` has the id of row 5. */
static int id_of_large_file(int twin)
{
    enum { ROWS = CSV_SAMPLE + 10, WIDTH = 200 };
    const seg_csv_opts opts = { .columns = "x" };
    csv_fixture f;
    char *text;

    assert_int_equal(seg_alloc(ROWS + 1, WIDTH + 20, &text), SEG_OK);
    char *at = text + snprintf(text, WIDTH, "id,note,x\n");
    for (int row = 0; row < ROWS; row++)
        at += snprintf(at, WIDTH + 20, "C%d,%0*d,1\n", row == twin ? 5 : row, WIDTH - 10, 0);
    assert_int_equal(csv_fixture_init(&f, &opts, text, NULL), SEG_OK);
    const int id = f.schema.id;
    csv_fixture_release(&f);
    seg_free(text);
    return id;
}

static void an_id_is_distinct_in_the_first_ten_thousand_rows(void **state)
{
    (void)state;
    assert_int_equal(id_of_large_file(-1), 0);
    assert_int_equal(id_of_large_file(CSV_SAMPLE - 1), -1);
    assert_int_equal(id_of_large_file(CSV_SAMPLE), 0);
}

static void a_header_of_millions_of_columns_is_refused(void **state)
{
    (void)state;
    enum { COMMAS = 3 << 20 };
    const seg_csv_opts opts = { .id_column = NULL };
    csv_fixture f;
    char *text;

    assert_int_equal(seg_alloc(COMMAS + 10, 1, &text), SEG_OK);
    memset(text, ',', COMMAS);
    memcpy(text + COMMAS, "\n1\n", 4);
    assert_int_equal(csv_fixture_init(&f, &opts, text, NULL), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "has 3145729 columns, 1048576 are the limit"));
    assert_true(seg_memory_peak() < 30 << 20);
    seg_error_clear();
    csv_fixture_release(&f);
    seg_free(text);
}

static void columns_are_numbers_texts_and_an_id(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        seg_csv_opts opts;
        int id, target[4];
    } cases[] = {
        { "id,x,t,y\n1,1,a,\n2,1,b,\n", { 0 }, 0, { CSV_ID, 0, CSV_SKIPPED, 1 } },
        { "id,x,t,y\n1,1,a,1\n1,1,b,1\n", { 0 }, -1, { 0, 1, CSV_SKIPPED, 2 } }, /* not distinct */
        { "id,x,t,y\n1.5,1,a,1\n2,1,b,1\n", { 0 }, -1, { 0, 1, CSV_SKIPPED, 2 } },
        { "id,x,t,y\n1,1,a,1\n2,1,b,1\n", { .id_column = "" }, -1, { 0, 1, CSV_SKIPPED, 2 } },
        { "id,x,t,y\n1,1,a,1\n2,1,b,1\n", { .id_column = "t" }, 2, { 0, 1, CSV_ID, 2 } },
        { "id,x,t,y\n1,1,a,1\n2,1,b,1\n",
          { .exclude_columns = "x" },
          0,
          { CSV_ID, CSV_SKIPPED, CSV_SKIPPED, 0 } },
        { "id,x,t,y\n1,1,a,1\n2,1,b,1\n",
          { .columns = "y, id" },
          -1,
          { 0, CSV_SKIPPED, CSV_SKIPPED, 1 } },
        { "id,x,t,y\n1,1,2,1\n2,1,2,1\n3,1,oops,1\n", { 0 }, 0, { CSV_ID, 0, 1, 2 } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        csv_fixture f;
        assert_int_equal(csv_fixture_init(&f, &cases[i].opts, cases[i].text, NULL), SEG_OK);
        assert_int_equal(f.schema.id, cases[i].id);
        for (int t = 0; t < 4; t++)
            if (f.schema.target[t] != cases[i].target[t])
                fail_msg("case %d: column %d became %d", (int)i, t, f.schema.target[t]);
        csv_fixture_release(&f);
    }
}

static void markers_stand_for_missing_values(void **state)
{
    (void)state;
    static const char text[] = "id,x,y\n"
                               "a,-999,1\nb,-999.0,none\nc,?,nan\nd,NULL,na\n"
                               "e, None ,\"\"\nf,inf,-Infinity\ng,5,-99\n";
    static const double wanted[7][2] = { { NAN, 1 },   { NAN, NAN }, { NAN, NAN },
                                         { NAN, NAN }, { NAN, NAN }, { INFINITY, -INFINITY },
                                         { 5, -99 } };
    const seg_csv_opts opts = { .missing = "-999, none", .columns = "x,y" };
    csv_clients found;
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &opts, text, NULL), SEG_OK);
    assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_OK);
    assert_int_equal(found.n, 7);
    for (int i = 0; i < 7; i++)
        for (int t = 0; t < 2; t++)
            assert_true(isnan(wanted[i][t]) ? isnan(found.all[i].x[t])
                                            : found.all[i].x[t] == wanted[i][t]);
    csv_fixture_release(&f);
}

static void files_must_have_the_same_header(void **state)
{
    (void)state;
    const seg_csv_opts opts = { .id_column = NULL };
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &opts, "id,x,y\na,1,2\n", "id,x,z\nb,1,2\n"),
                     SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "is not named 'y' as in"));
    seg_error_clear();
    csv_fixture_release(&f);
    assert_int_equal(csv_fixture_init(&f, &opts, "id,x,y\na,1,2\n", "id,x\nb,1\n"), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "has 2 columns, but"));
    seg_error_clear();
    csv_fixture_release(&f);
}

static void unknown_columns_suggest_the_nearest(void **state)
{
    (void)state;
    const seg_csv_opts columns = { .columns = "BALANC" }, id = { .id_column = "CUST-ID" };
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &columns, "CUST_ID,BALANCE\na,1\n", NULL), SEG_ERR_USAGE);
    assert_non_null(strstr(seg_error_get()->text, "did you mean 'BALANCE'?"));
    seg_error_clear();
    csv_fixture_release(&f);
    assert_int_equal(csv_fixture_init(&f, &id, "CUST_ID,BALANCE\na,1\n", NULL), SEG_ERR_USAGE);
    assert_non_null(strstr(seg_error_get()->text, "did you mean 'CUST_ID'?"));
    seg_error_clear();
    csv_fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialects_are_detected),
        cmocka_unit_test(the_decimal_mark_is_no_delimiter),
        cmocka_unit_test(the_thousands_mark_is_neither_delimiter_nor_decimal_mark),
        cmocka_unit_test(an_id_is_distinct_in_the_first_ten_thousand_rows),
        cmocka_unit_test(a_header_of_millions_of_columns_is_refused),
        cmocka_unit_test(columns_are_numbers_texts_and_an_id),
        cmocka_unit_test(markers_stand_for_missing_values),
        cmocka_unit_test(files_must_have_the_same_header),
        cmocka_unit_test(unknown_columns_suggest_the_nearest),
    };

    seg_log_init("test", SEG_QUIET);
    return cmocka_run_group_tests_name("csv_schema", tests, NULL, NULL);
}
