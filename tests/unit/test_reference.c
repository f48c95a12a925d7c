/* The yardstick for drift against sorting all cells; PSI and its critical value in closed form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/random.h"
#include "segmpi/reference.h"

#define N        4000
#define BINS     SEG_REFERENCE_BINS
#define EDGES    (BINS + 1)
#define SEGMENTS 3

enum { D = 4 }; /* features; the table has one column more, the weights */
static seg_comm *comm;
static char path[64];
static const char *const names[D + 1] = { "normal", "few", "gaps", "same", "weight" };
static const seg_random key = { .seed = 9, .purpose = SEG_RANDOM_TEST };

static double cell(int64_t row, int column)
{
    double u = seg_random_uniform(key, row, 1), z = seg_random_normal(key, row, 2);
    const double of_column[D + 1] = { 3 + z, floor(u * 4) - 1, u < 0.3 ? NAN : z, 7,
                                      (double)(row % 4) };

    return of_column[column];
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Each present value of a column as often as its row counts, sorted; their number. */
static int64_t expand(int t, bool weighted, double *sorted)
{
    int64_t n = 0;

    for (int64_t i = 0; i < N; i++)
        for (int64_t w = weighted ? i % 4 : 1; w > 0; w--)
            if (!isnan(cell(i, t))) sorted[n++] = cell(i, t);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    return n;
}

static int64_t clients_of(bool weighted)
{
    return weighted ? N / 4 * 6 : N;
}

static void check_column(const seg_reference *r, int t, bool weighted)
{
    static double sorted[3 * N];
    int64_t n = expand(t, weighted, sorted), count[BINS] = { 0 };
    const double *edge = &r->bin_edges[t * EDGES];

    assert_true(edge[0] == -INFINITY && edge[BINS] == INFINITY);
    for (int b = 1; b < BINS; b++) {
        double position = (double)(n - 1) * b / BINS;
        int64_t at = (int64_t)position;
        double expected = sorted[at] + (sorted[at + 1] - sorted[at]) * (position - (double)at);
        assert_true(fabs(edge[b] - expected) < 1e-12);
    }
    for (int64_t i = 0, b = 0; i < n; count[b] += 1, i++)
        while (sorted[i] > edge[b + 1])
            b++;
    for (int b = 0; b < BINS; b++)
        assert_int_equal(r->bin_count[t * BINS + b], count[b]);
    assert_int_equal(r->missing[t], clients_of(weighted) - n);
    assert_true(r->min[t] == sorted[0] && r->max[t] == sorted[n - 1]);
}

static void fit(bool weighted, seg_reference *r)
{
    const seg_table_opts opts = { .weights = weighted ? "weight" : NULL,
                                  .columns = weighted ? NULL : "normal,few,gaps,same" };
    const seg_describe_opts brief = { 0 };
    const int64_t size[SEGMENTS] = { 1000, 500, 100 };
    seg_table *table;
    seg_describe d;

    assert_int_equal(seg_table_open(comm, path, &opts, &table), SEG_OK);
    assert_int_equal(seg_describe_run(comm, table, &brief, &d), SEG_OK);
    assert_int_equal(seg_reference_fit(comm, table, &d, SEGMENTS, size, r), SEG_OK);
    seg_describe_release(&d);
    seg_table_free(table);
}

static void deciles_and_counts_are_those_of_sorting(void **state)
{
    (void)state;
    seg_reference r;

    for (int weighted = 0; weighted < 2; weighted++) {
        fit(weighted, &r);
        assert_int_equal(r.d, D);
        assert_int_equal(r.n, clients_of(weighted));
        for (int t = 0; t < D; t++)
            check_column(&r, t, weighted);
        seg_reference_release(&r);
    }
}

/* The same rows once more in odd pieces, dealt to the ranks in turn. */
static void counts_do_not_depend_on_pieces_or_ranks(void **state)
{
    (void)state;
    enum { PIECE = 37 };
    seg_reference r, again;
    double x[PIECE * D];
    int32_t weight[PIECE];
    int8_t segment[PIECE];
    int64_t expected[SEGMENTS] = { 0 };

    fit(true, &r);
    assert_int_equal(seg_reference_copy(&r, &again), SEG_OK);
    assert_int_equal(again.n, 0);
    for (int64_t i = 0; i < N; i++)
        expected[i % 7 % SEGMENTS] += i % 4;
    for (int64_t at = 0; at < N; at += PIECE) {
        int64_t n = N - at < PIECE ? N - at : PIECE;
        if (at / PIECE % seg_comm_size(comm) != seg_comm_rank(comm)) continue;
        for (int64_t i = 0; i < n; i++) {
            weight[i] = (int32_t)((at + i) % 4);
            segment[i] = (int8_t)((at + i) % 7 % SEGMENTS);
            for (int t = 0; t < D; t++)
                x[i * D + t] = cell(at + i, t);
        }
        seg_reference_add(&again, n, x, weight);
        seg_reference_add_segments(&again, n, segment, weight);
    }
    seg_reference_sum(comm, &again);
    assert_int_equal(again.n, r.n);
    assert_memory_equal(again.bin_edges, r.bin_edges, D * (EDGES + 2) * sizeof(double));
    assert_memory_equal(again.bin_count, r.bin_count, D * (BINS + 1) * sizeof(int64_t));
    assert_memory_equal(again.segment_count, expected, sizeof expected);
    seg_reference_release(&r);
    seg_reference_release(&again);
}

static seg_status write_and_read(const seg_reference *r, seg_reference *back)
{
    seg_output *out;
    seg_input *in;
    char file[80];

    (void)snprintf(file, sizeof file, "%s.ref", path);
    assert_int_equal(seg_output_open(comm, file, "model", true, &out), SEG_OK);
    assert_int_equal(seg_output_commit(comm, out, seg_reference_write(r, out)), SEG_OK);
    seg_output_free(out);
    assert_int_equal(seg_input_open(file, &in), SEG_OK);
    seg_status status = seg_reference_read(in, back);
    seg_input_close(in);
    fixture_remove(comm, file);
    seg_barrier(comm);
    return status;
}

static void a_reference_comes_back_from_its_file(void **state)
{
    (void)state;
    seg_reference r, back, none = { 0 };

    fit(false, &r);
    assert_int_equal(write_and_read(&r, &back), SEG_OK);
    assert_int_equal(back.d, D);
    assert_int_equal(back.n, N);
    assert_int_equal(back.n_segments, SEGMENTS);
    assert_string_equal(back.names[2], "gaps");
    assert_memory_equal(back.bin_edges, r.bin_edges, D * (EDGES + 2) * sizeof(double));
    assert_memory_equal(back.bin_count, r.bin_count, (D * (BINS + 1) + SEGMENTS) * sizeof(int64_t));
    seg_reference_release(&back);

    r.bin_count[5]++;
    assert_int_equal(write_and_read(&r, &back), SEG_ERR_DATA);
    seg_error_clear();
    seg_reference_release(&r);

    assert_int_equal(write_and_read(&none, &back), SEG_OK);
    assert_int_equal(back.d, 0);
}

static void psi_is_its_definition(void **state)
{
    (void)state;
    const int64_t old[4] = { 50, 30, 20, 0 }, new[4] = { 40, 40, 20, 0 };
    const int64_t some[2] = { 10, 0 }, others[2] = { 0, 20 }, nobody[2] = { 0, 0 };
    double expected = 0.1 * log(50.0 / 40) + 0.1 * log(40.0 / 30);
    seg_psi psi = seg_psi_of(4, old, new);

    assert_true(fabs(psi.psi - expected) < 1e-15);
    assert_true(fabs(psi.critical - -2 * log(0.05) * 0.02) < 1e-12); /* two degrees of freedom */
    assert_true(seg_psi_of(4, old, old).psi == 0);
    /* an empty bin counts as half a client */
    expected = (1 - 0.025) * log(1 / 0.025) + (0.05 - 1) * log(0.05);
    assert_true(fabs(seg_psi_of(2, some, others).psi - expected) < 1e-14);
    assert_true(isnan(seg_psi_of(2, some, nobody).psi));
    assert_true(seg_psi_of(1, old, new).psi == 0 && seg_psi_of(1, old, new).critical == 0);
}

static void verdicts_know_thumb_and_chance(void **state)
{
    (void)state;
    const struct {
        seg_psi psi;
        seg_drift verdict;
    } known[] = { { { NAN, NAN }, SEG_DRIFT_NONE },      { { 0.09, 0.01 }, SEG_DRIFT_STABLE },
                  { { 0.1, 0.01 }, SEG_DRIFT_MODERATE }, { { 0.2, 0.3 }, SEG_DRIFT_CHANCE },
                  { { 0.3, 0.3 }, SEG_DRIFT_CHANCE },    { { 0.25, 0.01 }, SEG_DRIFT_LARGE } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(seg_drift_of(known[i].psi), known[i].verdict);
}

static void psi_of_a_feature_has_a_bin_for_missing(void **state)
{
    (void)state;
    seg_reference r, s;
    const int64_t less[2] = { 90, 10 }, more[2] = { 80, 20 };
    const double edges[EDGES] = { -INFINITY, 1, 2, 3, 4, 5, 6, 7, 8, 9, INFINITY };
    const double x[2] = { 4.5, NAN };
    const int32_t few[2] = { 90, 10 }, many[2] = { 80, 20 };

    fit(false, &r);
    memcpy(r.bin_edges, edges, sizeof edges);
    r.d = 1;
    assert_int_equal(seg_reference_copy(&r, &s), SEG_OK);
    memset(r.bin_count, 0, D * BINS * sizeof *r.bin_count);
    r.missing[0] = 0;
    seg_reference_add(&r, 2, x, few);
    seg_reference_add(&s, 2, x, many);
    assert_int_equal(r.bin_count[4], 90);
    assert_true(seg_reference_psi(&r, 0, &s, 0).psi == seg_psi_of(2, less, more).psi);
    seg_reference_release(&r);
    seg_reference_release(&s);
}

static void chi_square_quantiles_are_those_of_tables(void **state)
{
    (void)state;
    const struct {
        int degrees;
        double p, value;
    } known[] = { { 1, 0.95, 3.841458820694124 },   { 2, 0.95, 5.991464547107979 },
                  { 3, 0.95, 7.814727903251179 },   { 10, 0.95, 18.307038053275146 },
                  { 126, 0.95, 153.1979027439562 }, { 4, 0.5, 3.356693980033321 } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(fabs(seg_chi_square_quantile(known[i].degrees, known[i].p) / known[i].value -
                         1) < 1e-12);
    assert_true(seg_chi_square_quantile(0, 0.95) == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deciles_and_counts_are_those_of_sorting),
        cmocka_unit_test(counts_do_not_depend_on_pieces_or_ranks),
        cmocka_unit_test(a_reference_comes_back_from_its_file),
        cmocka_unit_test(psi_is_its_definition),
        cmocka_unit_test(verdicts_know_thumb_and_chance),
        cmocka_unit_test(psi_of_a_feature_has_a_bin_for_missing),
        cmocka_unit_test(chi_square_quantiles_are_those_of_tables),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    fixture_path(comm, path, sizeof path);
    seg_status made = fixture_clients(comm, path, N, D + 1, names, cell);
    int failed = made == SEG_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    fixture_remove(comm, path);
    seg_comm_close(comm);
    return failed;
}
