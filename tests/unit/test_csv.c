/* The parts of the CSV reader that need no ranks: records, dialects, columns, cuts at any byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "csv_fixture.h"
#include "segmpi/log.h"

/* ---- cuts at any byte ---- */

#define FIRST_FILE                                                                                 \
    "\xef\xbb\xbf\"client\nid\" ,x,note,\"y \"\"2\"\"\"\r\n"                                       \
    "a1,1.5,plain,2\r\n"                                                                           \
    "\"b\"\"2\", -3e2 ,\"two\nlines, \"\"quoted\"\"\",NA\r\n"                                      \
    "c3,,\"\",\"7\"\n"                                                                             \
    "\"d,4\",?,\"\n\n\n\",.25\n"                                                                   \
    "e5,8,\"1,2,3,4\n5,6,7,8\n9,9,9,9\n\",1\r\n"                                                   \
    "f6,9,\"\"\"\",10\n\n  \r\n"
#define SECOND_FILE                                                                                \
    "\"client\nid\",x,note,\"y \"\"2\"\"\"\n"                                                      \
    "g7,11,\"a\nb\",12\n"                                                                          \
    "h8,13,,14"

static const csv_client expected[] = {
    { { 1.5, 2 }, "a1", 0, 3 },    { { -300, NAN }, "b\"2", 1, 4 }, { { NAN, 7 }, "c3", 2, 6 },
    { { NAN, .25 }, "d,4", 3, 7 }, { { 8, 1 }, "e5", 4, 11 },       { { 9, 10 }, "f6", 5, 15 },
    { { 11, 12 }, "g7", 6, 3 },    { { 13, 14 }, "h8", 7, 5 },
};

static void assert_clients(const csv_clients *found, const csv_client *wanted, int64_t n,
                           const csv_cut *cut)
{
    char how[200];

    snprintf(how, sizeof how, "pieces of %lld, windows of %lld, blocks of %lld, %d ranks",
             (long long)cut->piece_bytes, (long long)cut->window_bytes, (long long)cut->block_rows,
             cut->ranks);
    if (found->n != n)
        fail_msg("%lld clients, expected %lld, %s", (long long)found->n, (long long)n, how);
    for (int64_t i = 0; i < n; i++) {
        const csv_client *a = &found->all[i], *b = &wanted[i];
        for (int t = 0; t < 2; t++)
            if (!(a->x[t] == b->x[t] || (isnan(a->x[t]) && isnan(b->x[t]))))
                fail_msg("client %lld holds %g, expected %g, %s", (long long)i, a->x[t], b->x[t],
                         how);
        assert_string_equal(a->id, b->id);
        assert_int_equal(a->source_row, b->source_row);
        assert_int_equal(a->line, b->line);
    }
}

/* Pieces, windows and blocks of all small sizes. */
static void assert_any_cut(csv_fixture *f, int64_t length, const csv_client *wanted, int64_t n)
{
    csv_clients found, whole;
    csv_cut cut;

    assert_int_equal(csv_fixture_clients(f, &csv_uncut, &whole), SEG_OK);
    for (cut.piece_bytes = 1; cut.piece_bytes <= length + 1; cut.piece_bytes++)
        for (cut.block_rows = 1; cut.block_rows <= 4; cut.block_rows++)
            for (cut.ranks = 0; cut.ranks < 3; cut.ranks++) {
                cut.window_bytes = cut.ranks == 0 ? CSV_WINDOW : 1 + cut.piece_bytes % 7;
                assert_int_equal(csv_fixture_clients(f, &cut, &found), SEG_OK);
                assert_clients(&found, wanted, n, &cut);
                assert_memory_equal(&found.total, &whole.total, sizeof whole.total);
            }
}

static void clients_do_not_depend_on_the_cuts(void **state)
{
    (void)state;
    const seg_csv_opts opts = { .id_column = "client\nid" };
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &opts, FIRST_FILE, SECOND_FILE), SEG_OK);
    assert_int_equal(f.schema.d, 2);
    assert_string_equal(f.schema.names[3], "y \"2\"");
    assert_string_equal(f.schema.originals[0], "\"client\nid\" ");
    assert_any_cut(&f, (int64_t)strlen(FIRST_FILE), expected, 8);
    csv_fixture_release(&f);
}

static void runs_of_blanks_do_not_depend_on_the_cuts(void **state)
{
    (void)state;
    static const char text[] = "x \t id  y\r\n 1  \"a 1\" \t .5 \r\n\t? b2  7\t\n  3 c3 4";
    static const csv_client wanted[] = { { { 1, .5 }, "a 1", 0, 2 },
                                         { { NAN, 7 }, "b2", 1, 3 },
                                         { { 3, 4 }, "c3", 2, 4 } };
    const seg_csv_opts opts = { .id_column = "id" };
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &opts, text, NULL), SEG_OK);
    assert_any_cut(&f, (int64_t)strlen(text), wanted, 3);
    csv_fixture_release(&f);
}

static void bad_rows_are_left_out_whatever_the_cuts(void **state)
{
    (void)state;
    static const char text[] = "id,x,y\n"
                               "a1,1,2\n"
                               "a2,x,2\n"
                               "a3,1\n"
                               "\n"
                               "a4,3,4\n"
                               ",5,6\n"
                               "a5,\"7\" 7,8\n"
                               "a6,\"9\n9\",8\n"
                               "a7,5,6,\n"
                               "a8,\"7\",8\n"
                               "a9,1,2,3\n";
    static const csv_client good[] = { { { 1, 2 }, "a1", 0, 2 },
                                       { { 3, 4 }, "a4", 4, 6 },
                                       { { 7, 8 }, "a8", 9, 12 } };
    const seg_csv_opts opts = { .id_column = "id", .columns = "x,y", .skip_bad_rows = 100 };
    csv_fixture f;

    assert_int_equal(csv_fixture_init(&f, &opts, text, NULL), SEG_OK);
    assert_any_cut(&f, (int64_t)strlen(text), good, 3);
    csv_fixture_release(&f);
}

static void records_are_judged_only_when_they_are_whole(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        csv_verdict verdict;
    } cases[] = {
        { "a,1.25,2\n", CSV_GOOD },        { "\"a,\"\"\n\"\"\", 1e-3 ,\"2\" \r\n", CSV_GOOD },
        { "a,,\r\n", CSV_GOOD },           { "a,1\n", CSV_BAD },
        { "a,1,2,3\n", CSV_BAD },          { "a,1\"2\n\"3,4\n", CSV_BAD },
        { "a,\"1\" 2,\"\n\"\n", CSV_BAD }, { "\"\",x,2\n", CSV_BAD },
    };
    int target[3] = { CSV_ID, 0, 1 };
    csv_schema schema = { .n = 3, .d = 2, .id = 0, .limit = INFINITY, .target = target };
    double row[2];
    char text[64];

    csv_dialect_init(',', '.', &schema.dialect);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t length = strlen(cases[i].text);
        csv_record record = { 0 };
        for (size_t cut = 0; cut <= length; cut++) {
            memcpy(text, cases[i].text, cut);
            memcpy(text + cut, "\n", 2);
            const csv_view view = { text, text + cut, false };
            const csv_verdict wanted = cut < length ? CSV_MORE : cases[i].verdict;
            if (csv_record_parse(&schema, view, row, &record) != wanted)
                fail_msg("case %d, %d bytes of %d", (int)i, (int)cut, (int)length);
        }
        assert_ptr_equal(record.next, text + length);
    }
}

static void numbers_that_float32_cannot_hold_are_refused(void **state)
{
    (void)state;
    const seg_csv_opts opts = { .float32 = true };
    csv_clients found;
    csv_fixture f;

    assert_int_equal(
        csv_fixture_init(&f, &opts, "x,y\n0.5,3.4028235677973362e38\ninf,-3.4028235677973367e38\n",
                         NULL),
        SEG_OK);
    assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_ERR_DATA);
    assert_string_equal(seg_error_get()->text, "line 3: 'y' is too large for --float32");
    seg_error_clear();
    csv_fixture_release(&f);
}

/* ---- mistakes ---- */

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "id,x,y\na,1,2\nb,1,12;5x\nc,3,4\n",
          "line 3: 'y' is no number, it has ';' at place 3 of 5" },
        { "id,x,y\na,1,2\nb,1\n", "line 3 has 2 cells, the header has 3" },
        { "id,x,y\na,1,2\nb,1,2,3\n", "line 3 has more cells than the header, which has 3" },
        { "id,x,y\na,1,2\n\nb,1,2\n", "line 3 is blank, expected 3 cells" },
        { "id,x,y\na,1,2\nb,1\"2,2\nc,1,\"2\"\n",
          "line 3: 'x' has a quote inside; quote the whole cell and double the quote" },
        { "id,x,y\na,1,2\nb,\"1\" 2,2\n",
          "line 3: 'x' has a quote inside; quote the whole cell and double the quote" },
        { "id,x,y\na,1,2\nb,\"1,2\nc,1,2\n", "line 3: 'x' opens a quote that is never closed" },
        { "id,x,y\r\na,1,2\r\n,1,2\r\n", "line 3: the id 'id' is missing" },
        { "id,x,y\na,1,2\nb\xff,1,2\n", "line 3: the id 'id' is not UTF-8" },
        { "\"i\nd\",x,y\na,1,2\nb,\"1\n\n3\",2\n",
          "line 4: 'x' is no number, it has a control character at place 2 of 4" },
        { "id,x,y\na,1,2\nb,3,0x10\n",
          "line 3: 'y' is no number, it has a letter at place 2 of 4" },
        { "id,x,y\na,1,2\nb,3,\x1b[31mred\n",
          "line 3: 'y' is no number, it has a control character at place 1 of 8" },
        { "id,x,y\na,1,2\nb,3,1.2.3\n",
          "line 3: 'y' is no number, it has '.' at place 4 of 5; --decimal, --thousands or" },
        { "id,x,y\na,1,2\nb,3,1\xc2\xa0"
          "234\xe2\x82\xac\n",
          "line 3: 'y' is no number, it has a character beyond ASCII at place 2 of 6" },
        { "id,x,y\na,1,2\nb,3,-\n",
          "line 3: 'y' is no number, it has '-' at place 1 of 1; --missing" },
        { "id,x,y\na,1,2\nb,3,1e+\n", "line 3: 'y' is no number, it has a letter at place 2 of 3" },
        { "id,x,y\na,1,2\nb,3,\"no \"\"x\"\n",
          "line 3: 'y' is no number, it has a letter at place 1 of 6; --missing names words" },
        { "id,x,y\na,1,2\nb,3,1_000\n", "line 3: 'y' is no number, it has '_' at place 2 of 5" },
        { "id,x,x\na,1,2\n", "line 1: columns 2 and 3 are both named 'x'" },
        { "id, x ,\"x\"\na,1,2\n", "line 1: columns 2 and 3 are both named 'x'" },
        { "id,,x\na,1,2\n", "line 1: column 2 has no name; give it one" },
        { ",id,x\n0,a,2\n", "line 1: column 1 has no name; give it one, or leave it out" },
        { "id,x\xff,y\na,1,2\n", "line 1: the name of column 2 is not UTF-8; convert the file" },
        { "1,2,3\n4,5,6\n", "line 1 holds numbers, expected column names" },
        { "id,x\na,b\nb,c\n", " has no numeric columns" },
        { "word\na\nb\n", " has no numeric columns, but one of text; is the delimiter" },
        { "id,x,y\n", " has no data rows" },
        { "id,x,y", " has no data rows" },
        { "", " has no data rows" },
        { "\n \n", " has no data rows" },
        { "\xef\xbb\xbf\n", " has no data rows" },
        { "PK\x03\x04", "is a spreadsheet" },
        { "PAR1\x15", "is Parquet; bring it as CSV" },
        { "id,x\ra,1\rb,2\r", "ends its lines with carriage returns only" },
    };
    csv_clients found;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const seg_csv_opts opts = { .id_column = strstr(cases[i].says, "the id") ? "id" : NULL };
        csv_fixture f;
        seg_error_clear();
        seg_status status = csv_fixture_init(&f, &opts, cases[i].text, NULL);
        if (status == SEG_OK) status = csv_fixture_clients(&f, &csv_uncut, &found);
        assert_int_equal(status, SEG_ERR_DATA);
        if (!strstr(seg_error_get()->text, cases[i].says))
            fail_msg("case %d says \"%s\", expected \"%s\"", (int)i, seg_error_get()->text,
                     cases[i].says);
        csv_fixture_release(&f);
    }
    seg_error_clear();
}

static void a_record_without_end_is_refused_with_its_line(void **state)
{
    (void)state;
    const size_t length = (17u << 20) + 100;
    const seg_csv_opts opts = { .id_column = "id" };
    csv_clients found;
    char *text;
    csv_fixture f;

    assert_int_equal(seg_alloc((int64_t)length, 1, &text), SEG_OK);
    size_t begin = (size_t)snprintf(text, length, "id,x,y\na,1,2\nb,\"");
    memset(text + begin, 'x', length - begin - 1);
    text[length - 9] = '\0';
    memcpy(text + length - 9, "\",3\nc,1,", 8);
    seg_error_clear();
    assert_int_equal(csv_fixture_init(&f, &opts, text, NULL), SEG_OK);
    assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "line 3 begins a record of more than 16 MiB"));
    seg_error_clear();
    csv_fixture_release(&f);
    seg_free(text);
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    static const char text[] = "id,x\na,1\nb,2\0\nc,3\n";
    const seg_csv_opts opts = { .id_column = "id" };
    csv_clients found;
    csv_fixture f = { .plan = { .n_files = 0 } };

    csv_fixture_add(&f, text, sizeof text - 1);
    assert_int_equal(csv_fixture_detect(&f, &opts), SEG_OK);
    assert_int_equal(csv_fixture_clients(&f, &csv_uncut, &found), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "line 3: 'x' holds a NUL byte"));
    seg_error_clear();
    csv_fixture_release(&f);
}

static void missing_files_have_their_own_status(void **state)
{
    (void)state;
    csv_file file;

    assert_int_equal(csv_file_measure("/tmp/segmpi-no-such-file", &file), SEG_ERR_NOINPUT);
    seg_error_clear();
    assert_int_equal(csv_file_measure("/tmp", &file), SEG_ERR_DATA);
    seg_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_do_not_depend_on_the_cuts),
        cmocka_unit_test(runs_of_blanks_do_not_depend_on_the_cuts),
        cmocka_unit_test(bad_rows_are_left_out_whatever_the_cuts),
        cmocka_unit_test(records_are_judged_only_when_they_are_whole),
        cmocka_unit_test(numbers_that_float32_cannot_hold_are_refused),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(a_record_without_end_is_refused_with_its_line),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(missing_files_have_their_own_status),
    };

    seg_log_init("test", SEG_QUIET);
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
