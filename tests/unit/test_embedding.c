/* The embedding stage: principal components and the autoencoder behind one interface, its file, and
 * rows that come out the same in any number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "clients_fixture.h"
#include "segmpi/embedding.h"
#include "segmpi/kernels.h"
#include "segmpi/log.h"
#include "segmpi/random.h"

enum { N = 2500, D = 6 };

static seg_comm *comm;

/* Three directions of falling variance, the rest all but nothing. */
static void make(seg_matrix *m)
{
    const seg_random key = { .seed = 2, .purpose = SEG_RANDOM_TEST };
    const int grid[D] = { 20, 20, 20, 20, 20, 20 };
    const double max_abs[D] = { 64, 64, 64, 64, 64, 64 };
    double z[D];

    assert_int_equal(seg_matrix_init(m, seg_rows_of(N, seg_comm_rank(comm), seg_comm_size(comm)), D,
                                     grid, max_abs),
                     SEG_OK);
    for (int64_t i = 0; i < m->rows.count; i++) {
        double s[3];
        for (int c = 0; c < 3; c++)
            s[c] = seg_random_normal(key, m->rows.first + i, (uint64_t)c) / (1 << c);
        for (int t = 0; t < D; t++)
            z[t] = 2 + s[t % 3] * (t < 3 ? 1 : -0.5);
        seg_matrix_set(m, i, 1, z);
    }
}

static seg_embed_opts pca_opts(double components, bool whiten)
{
    return (seg_embed_opts) { .method = SEG_EMBED_PCA, .components = components, .whiten = whiten };
}

/* Variance of column t of an embedded matrix, over all ranks. */
static double variance_of(const seg_matrix *m, int t)
{
    int64_t sums[2] = { 0 };
    double row[D];

    for (int64_t i = 0; i < m->rows.count; i++) {
        seg_matrix_get(m, i, 1, row);
        sums[0] += (int64_t)rint(row[t] * 0x1p20);
        sums[1] += (int64_t)rint(row[t] * row[t] * 0x1p20);
    }
    seg_sum_int64(comm, sums, 2);
    double mean = (double)sums[0] / 0x1p20 / N;
    return ((double)sums[1] / 0x1p20 - N * mean * mean) / (N - 1);
}

static void components_are_chosen_by_number_or_by_share(void **state)
{
    (void)state;
    const struct {
        double asked;
        bool whiten;
        int found;
    } cases[] = { { 2, false, 2 }, { 0.7, false, 1 }, { 0.9, false, 2 }, { 0.999, false, 3 },
                  { 6, false, 6 }, { 6, true, 3 },    { 2, true, 2 } };
    seg_matrix m;

    make(&m);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seg_embed_opts opts = pca_opts(cases[i].asked, cases[i].whiten);
        seg_embedding e;
        seg_matrix code;
        assert_int_equal(seg_embedding_fit(comm, &m, &opts, &e), SEG_OK);
        assert_int_equal(e.d_out, cases[i].found);
        assert_int_equal(seg_embedding_apply(&e, &m, NULL, &code), SEG_OK);
        assert_int_equal(code.d, cases[i].found);
        for (int t = 0; t < code.d; t++) {
            double expected = cases[i].whiten ? 1 : e.pca.explained_variance[t];
            assert_true(fabs(variance_of(&code, t) - expected) < 2e-5);
        }
        seg_matrix_release(&code);
        seg_embedding_release(&e);
    }
    seg_matrix_release(&m);
}

static seg_embed_opts small_autoencoder(void)
{
    seg_embed_opts opts = { .method = SEG_EMBED_AUTOENCODER, .autoencoder = seg_ae_defaults() };

    opts.autoencoder.epochs = 2;
    return opts;
}

/* A row's code and error are the same whether it comes alone or in a full block. */
static void rows_do_not_depend_on_their_company(void **state)
{
    (void)state;
    seg_embed_opts opts[] = { pca_opts(2, true), small_autoencoder() };
    seg_matrix m;

    make(&m);
    for (int kind = 0; kind < 2; kind++) {
        seg_embedding e;
        seg_matrix code;
        static double z[SEG_BLOCK_ROWS * D], many[SEG_BLOCK_ROWS * 16], one[16], row[16];
        static float errors[SEG_BLOCK_ROWS], error;
        float *work;
        int64_t wrong = 0, n = m.rows.count < SEG_BLOCK_ROWS ? m.rows.count : SEG_BLOCK_ROWS;

        assert_int_equal(seg_embedding_fit(comm, &m, &opts[kind], &e), SEG_OK);
        assert_int_equal(seg_embedding_apply(&e, &m, NULL, &code), SEG_OK);
        assert_int_equal(seg_embedding_workspace(&e, &work), SEG_OK);
        seg_matrix_get(&m, 0, n, z);
        seg_embedding_rows(&e, n, z, work, many, kind == 1 ? errors : NULL);
        for (int64_t i = 0; i < n; i++) {
            seg_matrix_get(&code, i, 1, row);
            for (int t = 0; t < e.d_out; t++) /* rounded to the grid */
                wrong += !(fabs(row[t] - many[i * e.d_out + t]) <= 1e-6 * (1 + fabs(row[t])));
            if (kind == 1) wrong += errors[i] != e.reconstruction_error[i];
        }
        if (n > 0) {
            seg_embedding_rows(&e, 1, z, work, one, kind == 1 ? &error : NULL);
            wrong += memcmp(one, many, (size_t)e.d_out * sizeof *one) != 0;
            wrong += kind == 1 && error != errors[0];
        }
        seg_sum_int64(comm, &wrong, 1);
        assert_int_equal(wrong, 0);
        seg_free(work);
        seg_matrix_release(&code);
        seg_embedding_release(&e);
    }
    seg_matrix_release(&m);
}

static seg_status write_file(const seg_embedding *e, const char *path)
{
    seg_status status = SEG_OK, local = SEG_OK;
    seg_output *out = NULL;
    const char *const names[D] = { "a", "b", "c", "d", "e", "f" };

    SEG_TRY_OR_DONE(seg_output_open(comm, path, "model", true, &out));
    if (seg_comm_rank(comm) == 0) {
        local = seg_output_names(out, "feature", D, names);
        if (local == SEG_OK) local = seg_output_dim(out, "code", e->d_out);
        if (local == SEG_OK) local = seg_embedding_write(e, out);
    }
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, local));
done:
    seg_output_free(out);
    return status;
}

static void what_is_read_is_what_was_written(void **state)
{
    (void)state;
    seg_embed_opts opts[] = { pca_opts(0.9, true), small_autoencoder(), { 0 } };
    char path[64];
    seg_matrix m;

    make(&m);
    for (int kind = 0; kind < 3; kind++) {
        seg_embedding e, back;
        seg_input *in;
        double z[D] = { 1, 2, 3, -1, 0.5, 2 }, code[16], code_back[16];
        float *work;

        assert_int_equal(seg_embedding_fit(comm, &m, &opts[kind], &e), SEG_OK);
        fixture_path(comm, path, sizeof path);
        assert_int_equal(write_file(&e, path), SEG_OK);
        assert_int_equal(seg_input_open(path, &in), SEG_OK);
        assert_int_equal(seg_embedding_read(in, &back), SEG_OK);
        seg_input_close(in);
        fixture_remove(comm, path);
        assert_int_equal(back.opts.method, e.opts.method);
        if (kind < 2) {
            assert_int_equal(back.d_out, e.d_out);
            assert_memory_equal(back.grid, e.grid, (size_t)e.d_out * sizeof *e.grid);
            assert_int_equal(seg_embedding_workspace(&e, &work), SEG_OK);
            seg_embedding_rows(&e, 1, z, work, code, NULL);
            seg_embedding_rows(&back, 1, z, work, code_back, NULL);
            assert_memory_equal(code, code_back, (size_t)e.d_out * sizeof *code);
            seg_free(work);
        }
        seg_embedding_release(&back);
        seg_embedding_release(&e);
    }
    seg_matrix_release(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(components_are_chosen_by_number_or_by_share),
        cmocka_unit_test(rows_do_not_depend_on_their_company),
        cmocka_unit_test(what_is_read_is_what_was_written),
    };

    seg_blas_init();
    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
