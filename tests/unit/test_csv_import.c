/* seg_csv_import on several ranks: a file of several ranges, with line feeds and quotes in cells.
 * Every assertion is on a value that all ranks hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/log.h"
#include "segmpi/table.h"

#define ROWS 40000 /* in ranges of 1 MiB: several, of which some begin inside a quoted cell */

static seg_comm *world;

/* ---- the file, by formulas ---- */

static double cell_of(int64_t row, int column)
{
    if (row % 97 == column) return NAN;
    return column == 0 ? (double)row * 1000 + 0.123456 : -(double)(row * row % 65536) / 64;
}

static bool is_bad(int64_t row, int64_t every)
{
    return every > 0 && row % every == every - 1;
}

static void id_of(int64_t row, char *id, size_t size)
{
    snprintf(id, size, "C\"%lld\xc3\xa9", (long long)row);
}

/* Cells of up to a few hundred bytes, with line feeds, delimiters and doubled quotes. */
static void put_note(FILE *file, int64_t row)
{
    static const char *const parts[] = { "plain ", "\"\"", "\n", "1,2,3\n", "\r\n", "C1,2,3,4\n" };

    fputc('"', file);
    for (int64_t i = 0; i < row * 7 % 23; i++)
        fputs(parts[(row * 31 + i * 17) % 6], file);
    fputc('"', file);
}

static void put_cell(FILE *file, int64_t row, int column)
{
    if (!isnan(cell_of(row, column))) fprintf(file, "%.6f", cell_of(row, column));
}

/* Collective.  Every `every`-th row holds a mistake (0: none). */
static void put_csv(char *path, size_t size, int64_t every)
{
    fixture_path(world, path, size);
    if (seg_comm_rank(world) == 0) {
        FILE *file = fopen(path, "w");
        fputs("x,note,id,y\n", file);
        for (int64_t row = 0; row < ROWS; row++) {
            put_cell(file, row, 0);
            fputc(',', file);
            put_note(file, row);
            fprintf(file, ",\"C\"\"%lld\xc3\xa9\",", (long long)row);
            if (is_bad(row, every)) fputs("12,5x", file);
            put_cell(file, row, 1);
            fputs(row + 1 < ROWS ? "\n" : "", file);
        }
        fclose(file);
    }
    seg_barrier(world);
}

static seg_status import(seg_comm *comm, const char *csv, const char *path, int64_t skip,
                         seg_csv_summary *summary, seg_provenance *provenance)
{
    const seg_csv_opts opts = {
        .n_paths = 1, .paths = &csv, .id_column = "id", .skip_bad_rows = skip
    };
    seg_status status = SEG_OK;
    seg_output *out = NULL;

    *provenance = (seg_provenance) {
        .command = "import", .options = "{}", .command_line = "", .ranks = 1, .simd = "ref"
    };
    SEG_TRY_OR_DONE(seg_output_open(comm, path, "clients", true, &out));
    SEG_TRY_OR_DONE(seg_csv_import(comm, &opts, provenance, out, summary));
done:
    seg_output_free(out);
    return status;
}

/* ---- what came out ---- */

/* What a file holds; everything owned. */
typedef struct contents {
    double *x;       /* [n][2] */
    int64_t *source; /* [n] */
    char *ids;       /* [n][width] */
    int width;
} contents;

static seg_status read_contents(const char *path, int64_t n, contents *c)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;
    seg_shape shape = { 0 };

    SEG_TRY_OR_DONE(seg_input_open(path, &in));
    SEG_TRY_OR_DONE(seg_input_shape(in, "ids/client_id", &shape));
    c->width = shape.width;
    if (shape.dim[0] != n) SEG_TRY_OR_DONE(SEG_FAIL(SEG_ERR_DATA, "another number of clients"));
    SEG_TRY_OR_DONE(seg_alloc(n, 2 * sizeof *c->x, &c->x));
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *c->source, &c->source));
    SEG_TRY_OR_DONE(seg_alloc(n, (size_t)c->width, &c->ids));
    SEG_TRY_OR_DONE(seg_input_read(in, "features", SEG_FLOAT64, 0, n, c->x));
    SEG_TRY_OR_DONE(seg_input_read(in, "ids/source_row", SEG_INT64, 0, n, c->source));
    SEG_TRY_OR_DONE(seg_input_read(in, "ids/client_id", SEG_TEXT, 0, n, c->ids));
done:
    seg_input_close(in);
    return status;
}

static bool is_row(const contents *c, int64_t i, int64_t row)
{
    char id[64];

    id_of(row, id, sizeof id);
    for (int t = 0; t < 2; t++) {
        const double found = c->x[2 * i + t], wanted = cell_of(row, t);
        if (!(found == wanted || (isnan(found) && isnan(wanted)))) return false;
    }
    return c->source[i] == row && strncmp(c->ids + i * c->width, id, (size_t)c->width) == 0;
}

/* Local.  Cells, ids and source rows that are not those of the formulas. */
static int64_t wrong_rows(const char *path, int64_t n, int64_t every)
{
    contents c = { 0 };
    int64_t wrong = read_contents(path, n, &c) != SEG_OK ? n + 1 : 0;

    for (int64_t i = 0, row = 0; i < n && wrong <= n; i++, row++) {
        row += is_bad(row, every); /* never two in a row */
        wrong += !is_row(&c, i, row);
    }
    seg_free(c.x);
    seg_free(c.source);
    seg_free(c.ids);
    return wrong;
}

static int64_t summed(int64_t value)
{
    seg_sum_int64(world, &value, 1);
    return value;
}

static void all_ranks_together_write_every_row_once(void **state)
{
    (void)state;
    char csv[40], path[40];
    seg_csv_summary summary = { 0 };
    seg_provenance provenance, alone = { 0 };

    put_csv(csv, sizeof csv, 0);
    fixture_path(world, path, sizeof path);
    assert_int_equal(import(world, csv, path, 0, &summary, &provenance), SEG_OK);
    assert_int_equal(summary.rows, ROWS);
    assert_int_equal(summary.d, 2);
    int64_t missing = 0;
    for (int64_t row = 0; row < ROWS; row++)
        missing += isnan(cell_of(row, 0)) + isnan(cell_of(row, 1));
    assert_int_equal(summary.missing_cells, missing);
    assert_int_equal(summed(wrong_rows(path, ROWS, 0)), 0);

    int64_t differs = 0; /* the fingerprint is that of one rank */
    if (seg_comm_rank(world) == 0)
        differs = import(seg_comm_self(world), csv, path, 0, &summary, &alone) != SEG_OK ||
                  alone.input_fingerprint != provenance.input_fingerprint ||
                  wrong_rows(path, ROWS, 0) != 0;
    assert_int_equal(summed(differs), 0);
    fixture_remove(world, csv);
    fixture_remove(world, path);
}

static void bad_rows_are_left_out_on_any_number_of_ranks(void **state)
{
    (void)state;
    const int64_t every = 37, bad = ROWS / every;
    char csv[40], path[40];
    seg_csv_summary summary = { 0 };
    seg_provenance provenance;

    put_csv(csv, sizeof csv, every);
    fixture_path(world, path, sizeof path);
    assert_int_equal(import(world, csv, path, bad, &summary, &provenance), SEG_OK);
    assert_int_equal(summary.bad_rows, bad);
    assert_int_equal(summary.rows, ROWS - bad);
    assert_int_equal(provenance.rows_read, ROWS);
    assert_int_equal(provenance.rows_dropped, bad);
    assert_int_equal(summed(wrong_rows(path, ROWS - bad, every)), 0);

    assert_int_equal(import(world, csv, path, bad - 1, &summary, &provenance), SEG_ERR_DATA);
    char expected[80];
    snprintf(expected, sizeof expected,
             "%lld bad rows, --skip-bad-rows allows %lld; the first: ", (long long)bad,
             (long long)bad - 1);
    assert_int_equal(summed(strncmp(seg_error_get()->text, expected, strlen(expected)) != 0), 0);
    assert_int_equal(summed(strstr(seg_error_get()->text, "has more cells than") == NULL), 0);
    seg_error_clear();
    fixture_remove(world, csv);
    fixture_remove(world, path);
}

static void a_mistake_on_one_rank_ends_all_with_the_same_message(void **state)
{
    (void)state;
    char csv[40], path[40], first[800];
    seg_csv_summary summary = { 0 };
    seg_provenance provenance;

    put_csv(csv, sizeof csv, ROWS - 10); /* near the end: the last rank's */
    fixture_path(world, path, sizeof path);
    assert_int_equal(import(world, csv, path, 0, &summary, &provenance), SEG_ERR_DATA);
    memcpy(first, seg_error_get()->text, sizeof first);
    seg_bcast(world, first, sizeof first);
    assert_int_equal(summed(strcmp(first, seg_error_get()->text) != 0), 0);
    assert_non_null(strstr(first, "has more cells than the header"));
    seg_error_clear();
    fixture_remove(world, csv);
    fixture_remove(world, path);
}

static void repeated_ids_are_counted_whatever_a_rank_may_hold(void **state)
{
    (void)state;
    const int64_t most[] = { 1, 700, 1 << 20 };
    char csv[40], path[40];
    seg_csv_summary summary = { 0 };
    seg_provenance provenance;
    seg_input *in;

    fixture_path(world, csv, sizeof csv);
    fixture_path(world, path, sizeof path);
    if (seg_comm_rank(world) == 0) {
        FILE *file = fopen(csv, "w");
        fputs("id,x\n", file);
        for (int i = 0; i < 3000; i++) /* 0..1499, some of them often */
            fprintf(file, "%d,1\n", i < 500 ? 7 : i < 2000 ? i - 500 : i - 2000);
        fclose(file);
    }
    seg_barrier(world);
    assert_int_equal(import(world, csv, path, 0, &summary, &provenance), SEG_OK);
    assert_int_equal(summary.repeated_ids, 1500);
    assert_int_equal(seg_input_open(path, &in), SEG_OK);
    for (int i = 0; i < 3; i++) {
        int64_t repeated;
        assert_int_equal(seg_ids_repeated(world, in, most[i], &repeated), SEG_OK);
        assert_int_equal(repeated, 1500);
    }
    seg_input_close(in);
    fixture_remove(world, csv);
    fixture_remove(world, path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ranks_together_write_every_row_once),
        cmocka_unit_test(bad_rows_are_left_out_on_any_number_of_ranks),
        cmocka_unit_test(a_mistake_on_one_rank_ends_all_with_the_same_message),
        cmocka_unit_test(repeated_ids_are_counted_whatever_a_rank_may_hold),
    };

    if (seg_comm_open(&argc, &argv, &world) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    int64_t failed = cmocka_run_group_tests_name("csv_import", tests, NULL, NULL);
    seg_sum_int64(world, &failed, 1);
    seg_comm_close(world);
    return failed > 0;
}
