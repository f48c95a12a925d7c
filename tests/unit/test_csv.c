/* The parts of the CSV reader that need no ranks: numbers, records, dialects, cuts at any byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/table/csv_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

/* ---- random decimals ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Amounts, shortest doubles, long fractions, random bit patterns, and digits near the limits of the
 * exact method. */
static void random_decimal(char *text, size_t size)
{
    const uint64_t bits = random_bits();
    double value;

    switch (random_bits() % 6) {
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
    default:
        snprintf(text, size, "+.%0*llu", (int)(bits % 25), (unsigned long long)(bits >> 20));
    }
}

static void numbers_are_those_of_strtod_bit_for_bit(void **state)
{
    (void)state;
    char text[200];

    for (int i = 0; i < 1000000; i++) {
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
                                         "1e5",
                                         "+3",
                                         ".5",
                                         "5.",
                                         "-0",
                                         "007",
                                         "1E-2",
                                         "1.e3" };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double value;
        const char *end = csv_number(wrong[i], '.', &value);
        if (end && *end == '\0') fail_msg("'%s' is taken for a number", wrong[i]);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        double value, expected = strtod(right[i], NULL);
        const char *end = csv_number(right[i], '.', &value);
        assert_true(end && *end == '\0');
        assert_memory_equal(&value, &expected, sizeof value);
    }
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

/* ---- a small file through the whole local path ---- */

typedef struct client {
    double x[2];
    char id[24];
    int64_t source_row, line;
} client;

/* A file on disk with its plan. */
typedef struct fixture {
    char paths[2][64];
    const char *path_list[2];
    csv_file files[2];
    csv_plan plan;
    csv_schema schema;
} fixture;

static void put_file(char *path, const char *text, size_t length)
{
    snprintf(path, 64, "/tmp/segmpi-csv-XXXXXX");
    const int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, length), (ssize_t)length);
    close(descriptor);
}

static seg_status fixture_detect(fixture *f, const seg_csv_opts *opts)
{
    int64_t piece = 0;

    for (int i = 0; i < f->plan.n_files; i++) {
        SEG_TRY(csv_file_measure(f->plan.paths[i], &f->files[i]));
        f->files[i].piece = piece;
        piece += (f->files[i].size + f->plan.piece_bytes - 1) / f->plan.piece_bytes;
    }
    SEG_TRY(csv_missing_init(opts->missing, &f->schema.missing));
    return csv_schema_detect(&f->plan, opts, &f->schema);
}

/* Writes the texts (the second may be NULL) and decides about their columns. */
static seg_status fixture_init(fixture *f, const seg_csv_opts *opts, const char *text,
                               const char *second)
{
    *f = (fixture) { .plan = { .n_files = second ? 2 : 1,
                               .piece_bytes = CSV_PIECE,
                               .block_rows = SEG_BLOCK_ROWS } };
    f->plan.skip_bad = opts->skip_bad_rows > 0;
    f->plan.paths = f->path_list;
    f->plan.files = f->files;
    f->plan.schema = &f->schema;
    put_file(f->paths[0], text, strlen(text));
    if (second) put_file(f->paths[1], second, strlen(second));
    for (int i = 0; i < 2; i++)
        f->path_list[i] = f->paths[i];
    return fixture_detect(f, opts);
}

static void fixture_release(fixture *f)
{
    csv_schema_release(&f->schema);
    for (int i = 0; i < f->plan.n_files; i++)
        unlink(f->paths[i]);
}

/* What a rank of an import does in pass 2. */
static seg_status read_range(const fixture *f, const csv_start *start, int64_t total,
                             client *clients, int64_t *n)
{
    const int64_t block = f->plan.block_rows;
    int64_t first = (start->row + block - 1) / block * block;
    int64_t end = (start->row + start->records - start->bad + block - 1) / block * block;
    seg_status status = SEG_OK;
    csv_reader reader;
    csv_record record = { 0 };
    double row[8];

    csv_reader_init(&f->plan, start, &reader);
    if (end > total) end = total;
    for (int64_t i = start->row; i < end && first < end && status == SEG_OK; i++) {
        status = csv_reader_next(&reader, row, &record);
        if (status != SEG_OK || i < first) continue;
        client *c = &clients[*n];
        memcpy(c->x, row, sizeof c->x);
        assert_true(csv_cell_copy(&record.id, c->id, sizeof c->id));
        c->source_row = reader.record - 1;
        c->line = reader.line - record.lines;
        assert_int_equal(i, (*n)++); /* dense, in order, none twice */
    }
    csv_reader_release(&reader);
    return status;
}

/* Reads the files as `ranks` ranks would with pieces and blocks of that size. */
static seg_status read_all(fixture *f, int ranks, int64_t piece, int64_t block, client *clients,
                           int64_t *n)
{
    seg_status status = SEG_OK;
    csv_scan *scans = NULL;
    csv_start *starts = NULL;
    csv_total total;

    f->plan.piece_bytes = piece;
    f->plan.block_rows = block;
    if (f->plan.n_files > 1) f->files[1].piece = (f->files[0].size + piece - 1) / piece;
    const int64_t pieces = csv_plan_pieces(&f->plan);
    if (ranks == 0) ranks = (int)pieces;

    *n = 0;
    SEG_TRY_OR_DONE(seg_alloc(ranks, sizeof *scans, &scans));
    SEG_TRY_OR_DONE(seg_alloc(ranks, sizeof *starts, &starts));
    for (int64_t r = 0; r < ranks; r++)
        SEG_TRY_OR_DONE(
            csv_scan_pieces(&f->plan, pieces * r / ranks, pieces * (r + 1) / ranks, &scans[r]));
    csv_scan_resolve(ranks, scans, starts, &total);
    for (int r = 0; r < ranks; r++)
        SEG_TRY_OR_DONE(read_range(f, &starts[r], total.records - total.bad, clients, n));
    assert_int_equal(*n, total.records - total.bad);
done:
    seg_free(scans);
    seg_free(starts);
    return status;
}

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

static const client expected[] = {
    { { 1.5, 2 }, "a1", 0, 3 },    { { -300, NAN }, "b\"2", 1, 4 }, { { NAN, 7 }, "c3", 2, 6 },
    { { NAN, .25 }, "d,4", 3, 7 }, { { 8, 1 }, "e5", 4, 11 },       { { 9, 10 }, "f6", 5, 15 },
    { { 11, 12 }, "g7", 6, 3 },    { { 13, 14 }, "h8", 7, 5 },
};

static void assert_clients(const client *found, int64_t n, const client *wanted, int64_t m,
                           const char *how)
{
    if (n != m) fail_msg("%lld clients, expected %lld, %s", (long long)n, (long long)m, how);
    for (int64_t i = 0; i < n; i++) {
        for (int t = 0; t < 2; t++)
            if (!(found[i].x[t] == wanted[i].x[t] ||
                  (isnan(found[i].x[t]) && isnan(wanted[i].x[t]))))
                fail_msg("client %lld holds %g, expected %g, %s", (long long)i, found[i].x[t],
                         wanted[i].x[t], how);
        assert_string_equal(found[i].id, wanted[i].id);
        assert_int_equal(found[i].source_row, wanted[i].source_row);
        assert_int_equal(found[i].line, wanted[i].line);
    }
}

static void clients_do_not_depend_on_the_cuts(void **state)
{
    (void)state;
    const seg_csv_opts opts = { .id_column = "client\nid" };
    const int64_t length = (int64_t)strlen(FIRST_FILE);
    client clients[16];
    fixture f;
    int64_t n;
    char how[120];

    assert_int_equal(fixture_init(&f, &opts, FIRST_FILE, SECOND_FILE), SEG_OK);
    assert_int_equal(f.schema.d, 2);
    assert_string_equal(f.schema.names[3], "y \"2\"");
    for (int64_t piece = 1; piece <= length + 1; piece++)
        for (int64_t block = 1; block <= 4; block++)
            for (int ranks = 0; ranks < 3; ranks++) { /* 0: a rank for each piece */
                snprintf(how, sizeof how, "pieces of %lld, blocks of %lld, %d ranks",
                         (long long)piece, (long long)block, ranks);
                assert_int_equal(read_all(&f, ranks, piece, block, clients, &n), SEG_OK);
                assert_clients(clients, n, expected, 8, how);
            }
    fixture_release(&f);
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
    static const client good[] = { { { 1, 2 }, "a1", 0, 2 },
                                   { { 3, 4 }, "a4", 4, 6 },
                                   { { 7, 8 }, "a8", 9, 12 } };
    const seg_csv_opts opts = { .id_column = "id", .columns = "x,y", .skip_bad_rows = 100 };
    client clients[16];
    char how[120];
    fixture f;
    int64_t n;

    assert_int_equal(fixture_init(&f, &opts, text, NULL), SEG_OK);
    for (int64_t piece = 1; piece <= (int64_t)sizeof text; piece++)
        for (int64_t block = 1; block <= 3; block++) {
            snprintf(how, sizeof how, "pieces of %lld, blocks of %lld", (long long)piece,
                     (long long)block);
            assert_int_equal(read_all(&f, 0, piece, block, clients, &n), SEG_OK);
            assert_clients(clients, n, good, 3, how);
        }
    fixture_release(&f);
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
    client clients[4];
    fixture f;
    int64_t n;

    assert_int_equal(fixture_init(&f, &opts,
                                  "x,y\n0.5,3.4028235677973362e38\ninf,-3.4028235677973367e38\n",
                                  NULL),
                     SEG_OK);
    assert_int_equal(read_all(&f, 1, CSV_PIECE, 1024, clients, &n), SEG_ERR_DATA);
    assert_string_equal(seg_error_get()->text,
                        "line 3: 'y' is '-3.4028235677973367e38', too large for --float32");
    seg_error_clear();
    fixture_release(&f);
}

/* ---- mistakes ---- */

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "id,x,y\na,1,2\nb,1,12;5x\nc,3,4\n", "line 3: 'y' is '12;5x', expected a number" },
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
        { "\"i\nd\",x,y\na,1,2\nb,\"1\n\n3\",2\n", "line 4: 'x' is '1??3', expected a number" },
        { "id,x,y\na,1,2\nb,3,0x10\n", "line 3: 'y' is '0x10', expected a number" },
        { "id,x,y\na,1,2\nb,3,\x1b[31mred\n", "line 3: 'y' is '?[31mred', expected a number" },
        { "id,x,y\na,1,2\nb,3,1_000\n", "line 3: 'y' is '1_000', expected a number" },
        { "id,x,x\na,1,2\n", "line 1: columns 2 and 3 are both named 'x'" },
        { "id, x ,\"x\"\na,1,2\n", "line 1: columns 2 and 3 are both named 'x'" },
        { "id,,x\na,1,2\n", "line 1: column 2 has no name" },
        { "id,x\xff,y\na,1,2\n", "line 1: the name of column 2 is not UTF-8; convert the file" },
        { "1,2,3\n4,5,6\n", "line 1 holds numbers, expected column names" },
        { "id,x\na,b\nb,c\n", " has no numeric columns" },
        { "id,x,y\n", " has no data rows" },
        { "id,x,y", " has no data rows" },
        { "", " has no data rows" },
        { "\n \n", " has no data rows" },
        { "PK\x03\x04", "is a spreadsheet" },
    };
    client clients[16];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const seg_csv_opts opts = { .id_column = strstr(cases[i].says, "the id") ? "id" : NULL };
        fixture f;
        int64_t n = 0;
        seg_error_clear();
        seg_status status = fixture_init(&f, &opts, cases[i].text, NULL);
        if (status == SEG_OK) status = read_all(&f, 1, CSV_PIECE, 1024, clients, &n);
        assert_int_equal(status, SEG_ERR_DATA);
        if (!strstr(seg_error_get()->text, cases[i].says))
            fail_msg("case %d says \"%s\", expected \"%s\"", (int)i, seg_error_get()->text,
                     cases[i].says);
        fixture_release(&f);
    }
    seg_error_clear();
}

static void a_record_without_end_is_refused_with_its_line(void **state)
{
    (void)state;
    const size_t length = (17u << 20) + 100;
    const seg_csv_opts opts = { .id_column = "id" };
    client clients[4];
    char *text;
    fixture f;
    int64_t n;

    assert_int_equal(seg_alloc((int64_t)length, 1, &text), SEG_OK);
    size_t begin = (size_t)snprintf(text, length, "id,x,y\na,1,2\nb,\"");
    memset(text + begin, 'x', length - begin - 1);
    text[length - 9] = '\0';
    memcpy(text + length - 9, "\",3\nc,1,", 8);
    seg_error_clear();
    assert_int_equal(fixture_init(&f, &opts, text, NULL), SEG_OK);
    assert_int_equal(read_all(&f, 1, CSV_PIECE, 1024, clients, &n), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "line 3 begins a record of more than 16 MiB"));
    seg_error_clear();
    fixture_release(&f);
    seg_free(text);
}

static void a_nul_byte_is_refused(void **state)
{
    (void)state;
    static const char text[] = "id,x\na,1\nb,2\0\nc,3\n";
    const seg_csv_opts opts = { .id_column = "id" };
    fixture f = { .plan = { .n_files = 1, .piece_bytes = CSV_PIECE, .block_rows = 1024 } };
    client clients[4];
    int64_t n;

    put_file(f.paths[0], text, sizeof text - 1);
    f.path_list[0] = f.paths[0];
    f.plan.paths = f.path_list;
    f.plan.files = f.files;
    f.plan.schema = &f.schema;
    assert_int_equal(fixture_detect(&f, &opts), SEG_OK);
    assert_int_equal(read_all(&f, 1, CSV_PIECE, 1024, clients, &n), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "line 3: 'x' holds a NUL byte"));
    seg_error_clear();
    fixture_release(&f);
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

/* ---- dialects and columns ---- */

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
        fixture f;
        client clients[4];
        int64_t n = 0;
        assert_int_equal(fixture_init(&f, &opts, cases[i].text, NULL), SEG_OK);
        assert_int_equal(f.schema.dialect.delimiter, cases[i].delimiter);
        assert_int_equal(f.schema.dialect.decimal, cases[i].decimal);
        assert_int_equal(f.schema.n, 3);
        assert_int_equal(f.schema.id, 0);
        if (!isnan(cases[i].x)) {
            assert_int_equal(read_all(&f, 1, CSV_PIECE, 1024, clients, &n), SEG_OK);
            assert_true(clients[0].x[0] == cases[i].x);
            assert_true(clients[0].x[1] == cases[i].y || isnan(cases[i].y));
        }
        fixture_release(&f);
    }
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
        fixture f;
        assert_int_equal(fixture_init(&f, &cases[i].opts, cases[i].text, NULL), SEG_OK);
        assert_int_equal(f.schema.id, cases[i].id);
        for (int t = 0; t < 4; t++)
            if (f.schema.target[t] != cases[i].target[t])
                fail_msg("case %d: column %d became %d", (int)i, t, f.schema.target[t]);
        fixture_release(&f);
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
    client clients[8];
    fixture f;
    int64_t n;

    assert_int_equal(fixture_init(&f, &opts, text, NULL), SEG_OK);
    assert_int_equal(read_all(&f, 1, CSV_PIECE, 1024, clients, &n), SEG_OK);
    assert_int_equal(n, 7);
    for (int i = 0; i < 7; i++)
        for (int t = 0; t < 2; t++)
            assert_true(isnan(wanted[i][t]) ? isnan(clients[i].x[t])
                                            : clients[i].x[t] == wanted[i][t]);
    fixture_release(&f);
}

static void files_must_have_the_same_header(void **state)
{
    (void)state;
    const seg_csv_opts opts = { .id_column = NULL };
    fixture f;

    assert_int_equal(fixture_init(&f, &opts, "id,x,y\na,1,2\n", "id,x,z\nb,1,2\n"), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "is 'z', but that of"));
    seg_error_clear();
    fixture_release(&f);
    assert_int_equal(fixture_init(&f, &opts, "id,x,y\na,1,2\n", "id,x\nb,1\n"), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "has 2 columns, but"));
    seg_error_clear();
    fixture_release(&f);
}

static void unknown_columns_suggest_the_nearest(void **state)
{
    (void)state;
    const seg_csv_opts columns = { .columns = "BALANC" }, id = { .id_column = "CUST-ID" };
    fixture f;

    assert_int_equal(fixture_init(&f, &columns, "CUST_ID,BALANCE\na,1\n", NULL), SEG_ERR_USAGE);
    assert_non_null(strstr(seg_error_get()->text, "did you mean 'BALANCE'?"));
    seg_error_clear();
    fixture_release(&f);
    assert_int_equal(fixture_init(&f, &id, "CUST_ID,BALANCE\na,1\n", NULL), SEG_ERR_USAGE);
    assert_non_null(strstr(seg_error_get()->text, "did you mean 'CUST_ID'?"));
    seg_error_clear();
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_strtod_bit_for_bit),
        cmocka_unit_test(texts_that_are_no_numbers_are_refused),
        cmocka_unit_test(integers_are_those_that_print_back_the_same),
        cmocka_unit_test(clients_do_not_depend_on_the_cuts),
        cmocka_unit_test(bad_rows_are_left_out_whatever_the_cuts),
        cmocka_unit_test(records_are_judged_only_when_they_are_whole),
        cmocka_unit_test(numbers_that_float32_cannot_hold_are_refused),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(a_record_without_end_is_refused_with_its_line),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(missing_files_have_their_own_status),
        cmocka_unit_test(dialects_are_detected),
        cmocka_unit_test(columns_are_numbers_texts_and_an_id),
        cmocka_unit_test(markers_stand_for_missing_values),
        cmocka_unit_test(files_must_have_the_same_header),
        cmocka_unit_test(unknown_columns_suggest_the_nearest),
    };

    seg_log_init("test", SEG_QUIET);
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
