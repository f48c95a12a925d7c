/* The autoencoder: gradients against a float64 network written here and against finite differences,
 * batches, training that does not depend on ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ae_internal.h"
#include "segmpi/kernels.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

static seg_comm *comm;

/* n clients on a bent two-dimensional sheet in d columns, with a little noise. */
static void make(seg_comm *of, int64_t n, int d, seg_matrix *m)
{
    const seg_random key = { .seed = 11, .purpose = SEG_RANDOM_TEST };
    int grid[32];
    double max_abs[32], z[32];

    for (int t = 0; t < d; t++) {
        grid[t] = 20;
        max_abs[t] = 64;
    }
    assert_int_equal(
        seg_matrix_init(m, seg_rows_of(n, seg_comm_rank(of), seg_comm_size(of)), d, grid, max_abs),
        SEG_OK);
    for (int64_t i = 0; i < m->rows.count; i++) {
        int64_t row = m->rows.first + i;
        double u = seg_random_normal(key, row, 0), v = seg_random_normal(key, row, 1);
        for (int t = 0; t < d; t++)
            z[t] = cos(t) * u + sin(2 * t) * v + 0.3 * cos(3 * t) * u * v +
                   0.05 * seg_random_normal(key, row, (uint64_t)(2 + t));
        seg_matrix_set(m, i, 1, z);
    }
}

/* ---- the reference: one row at a time, in double ---- */

static double f_of(seg_activation f, double z)
{
    if (f == SEG_RELU) return z > 0 ? z : 0;
    if (f == SEG_ELU) return z > 0 ? z : exp(z) - 1;
    return f == SEG_TANH ? tanh(z) : z;
}

static double slope_of(seg_activation f, double z)
{
    if (f == SEG_RELU) return z > 0;
    if (f == SEG_ELU) return z > 0 ? 1 : exp(z);
    return f == SEG_TANH ? 1 - tanh(z) * tanh(z) : 1;
}

static seg_activation activation_at(const seg_ae_opts *o, int i)
{
    if (i == o->n_layers) return SEG_LINEAR;
    return i == o->code ? o->code_activation : o->activation;
}

enum { WIDEST = 8, DEEPEST = 6 };

/* Outputs and sums before activation of one row. */
static void reference_forward(const seg_ae_opts *o, const double *params, const double *x,
                              double a[][WIDEST], double z[][WIDEST])
{
    memcpy(a[0], x, (size_t)o->width[0] * sizeof *x);
    for (int i = 1; i <= o->n_layers; i++) {
        const double *w = params + seg_ae_weights(o, i), *b = params + seg_ae_bias(o, i);
        for (int j = 0; j < o->width[i]; j++) {
            z[i][j] = b[j];
            for (int s = 0; s < o->width[i - 1]; s++)
                z[i][j] += a[i - 1][s] * w[s * o->width[i] + j];
            a[i][j] = f_of(activation_at(o, i), z[i][j]);
        }
    }
}

static double reference_loss(const seg_ae_opts *o, const double *params, int64_t n, const double *x,
                             double cells)
{
    double a[DEEPEST + 1][WIDEST], z[DEEPEST + 1][WIDEST], squares = 0;
    int d = o->width[0];

    for (int64_t i = 0; i < n; i++) {
        reference_forward(o, params, x + i * d, a, z);
        for (int t = 0; t < d; t++)
            squares += pow(a[o->n_layers][t] - x[i * d + t], 2);
    }
    return squares / cells;
}

static void reference_gradient(const seg_ae_opts *o, const double *params, int64_t n,
                               const double *x, double cells, double *gradient)
{
    double a[DEEPEST + 1][WIDEST], z[DEEPEST + 1][WIDEST], delta[2][WIDEST];
    int d = o->width[0];

    for (int64_t row = 0; row < n; row++) {
        reference_forward(o, params, x + row * d, a, z);
        for (int t = 0; t < d; t++)
            delta[o->n_layers % 2][t] = 2 * (a[o->n_layers][t] - x[row * d + t]) / cells;
        for (int i = o->n_layers; i >= 1; i--) {
            double *here = delta[i % 2], *before = delta[(i - 1) % 2];
            for (int j = 0; j < o->width[i]; j++)
                here[j] *= slope_of(activation_at(o, i), z[i][j]);
            for (int s = 0; s < o->width[i - 1]; s++) {
                before[s] = 0;
                for (int j = 0; j < o->width[i]; j++) {
                    int64_t p = seg_ae_weights(o, i) + s * o->width[i] + j;
                    gradient[p] += a[i - 1][s] * here[j];
                    before[s] += here[j] * params[p];
                }
            }
            for (int j = 0; j < o->width[i]; j++)
                gradient[seg_ae_bias(o, i) + j] += here[j];
        }
    }
}

static seg_ae_opts small_opts(seg_activation f, seg_activation code)
{
    return (seg_ae_opts) { .n_layers = 4,
                           .width = { 0, 7, 3, 8, 0 },
                           .code = 2,
                           .activation = f,
                           .code_activation = code,
                           .epochs = 3,
                           .batch = 64,
                           .learning_rate = 1e-2,
                           .validation = 0.1,
                           .seed = 5 };
}

/* Largest difference of two gradients in the parameters of one layer, relative to the largest of
 * `b`. */
static double worst_layer(const seg_ae_opts *o, const double *a, const double *b)
{
    double worst = 0;

    for (int i = 1; i <= o->n_layers; i++) {
        double most = 0, off = 0;
        for (int64_t p = seg_ae_weights(o, i); p < seg_ae_weights(o, i + 1); p++) {
            most = fmax(most, fabs(b[p]));
            off = fmax(off, fabs(a[p] - b[p]));
        }
        worst = fmax(worst, off / most);
    }
    return worst;
}

static void gradients_are_those_of_the_formulas(void **state)
{
    (void)state;
    enum { D = 5, N = 20, PARAMS = 6 * 7 + 8 * 3 + 4 * 8 + 9 * 5 };
    static float activations[4096], delta[2 * SEG_AE_BLOCK_ROWS * WIDEST], gradient[PARAMS];
    const seg_activation kinds[] = { SEG_LINEAR, SEG_RELU, SEG_ELU, SEG_TANH };

    for (int kind = 0; kind < 4; kind++) {
        seg_ae_opts opts = small_opts(kinds[kind], kinds[(kind + 1) % 4]);
        double params[PARAMS], x[N * D], found[PARAMS], expected[PARAMS] = { 0 }, numeric[PARAMS];
        seg_autoencoder ae;
        seg_matrix m;

        assert_int_equal(ae_init(&ae, &opts, D), SEG_OK);
        assert_int_equal(ae.n_params, PARAMS);
        ae_randomise(&ae);
        for (int p = 0; p < PARAMS; p++) {
            ae.params[p] += 0.05F * (float)(p % 7 - 3); /* biases too */
            params[p] = (double)ae.params[p];
        }
        make(seg_comm_self(comm), N, D, &m);
        seg_matrix_get(&m, 0, N, x);
        memset(activations, 0, sizeof activations);
        for (int i = 0; i < N * D; i++)
            activations[i] = (float)x[i];

        ae_forward(&ae.opts, ae.params, SEG_AE_BLOCK_ROWS, 0, 4, activations);
        double squares = ae_backward(&ae.opts, ae.params, SEG_AE_BLOCK_ROWS, N, N * D, activations,
                                     delta, gradient);
        for (int p = 0; p < PARAMS; p++)
            found[p] = (double)gradient[p];
        reference_gradient(&ae.opts, params, N, x, N * D, expected);
        for (int p = 0; p < PARAMS; p++) {
            const double step = 1e-6, value = params[p];
            params[p] = value + step;
            double above = reference_loss(&ae.opts, params, N, x, N * D);
            params[p] = value - step;
            numeric[p] = (above - reference_loss(&ae.opts, params, N, x, N * D)) / (2 * step);
            params[p] = value;
        }
        double loss = reference_loss(&ae.opts, params, N, x, N * D);
        assert_true(fabs(squares / (N * D) / loss - 1) < 1e-5);
        assert_true(worst_layer(&ae.opts, found, expected) < 1e-4);
        assert_true(worst_layer(&ae.opts, numeric, expected) < 1e-6);
        seg_matrix_release(&m);
        seg_ae_release(&ae);
    }
}

static void an_epoch_visits_every_training_row_once(void **state)
{
    (void)state;
    static const int64_t sizes[] = { 1, 2, 3, 100, 1025 };
    static int seen[1025];

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int epoch = 0; epoch < 3; epoch++) {
            int64_t n = sizes[s];
            seg_ae_opts opts = { .validation = 0.2, .seed = 3 };
            seg_matrix m = { .rows = { .total = n } };
            ae_order order = ae_order_of(&m, &opts);
            int64_t moved = 0;

            assert_int_equal(order.n_train, n - (n > 1 ? (int64_t)rint(0.2 * (double)n) : 0));
            memset(seen, 0, sizeof seen);
            for (int64_t at = 0; at < n; at++) {
                int64_t row = ae_row_at(&order, epoch, at);
                assert_true(row >= 0 && row < n);
                assert_int_equal(seen[row]++, 0);
                moved += row != ae_row_at(&order, epoch + 1, at);
                if (at >= order.n_train) assert_int_equal(row, ae_row_at(&order, epoch + 1, at));
            }
            if (n >= 100) assert_true(moved > order.n_train * 9 / 10);
        }
}

static void gathered_rows_are_the_matrix_rows_on_every_rank(void **state)
{
    (void)state;
    enum { N = 3000, D = 5, COUNT = 333 };
    static float rows[COUNT * D + 1];
    seg_ae_opts opts = { .validation = 0.1, .seed = 1 };
    seg_matrix m, all;
    int64_t wrong = 0;
    double z[D];

    make(comm, N, D, &m);
    make(seg_comm_self(comm), N, D, &all);
    ae_order order = ae_order_of(&m, &opts);
    ae_gather(comm, &m, &order, 2, 50, COUNT, rows);
    for (int64_t i = 0; i < COUNT; i++) {
        seg_matrix_get(&all, ae_row_at(&order, 2, 50 + i), 1, z);
        for (int t = 0; t < D; t++)
            wrong += fabs((double)rows[i * D + t] - z[t]) > 0;
    }
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
    seg_matrix_release(&m);
    seg_matrix_release(&all);
}

static void weights_do_not_depend_on_ranks(void **state)
{
    (void)state;
    enum { N = 2100, D = 6 };
    seg_autoencoder together, alone;
    seg_matrix m, all;
    seg_ae_opts opts = small_opts(SEG_ELU, SEG_LINEAR);

    opts.batch = 150; /* four full micro-blocks and a part of one */
    opts.weight_decay = 0.01;
    make(comm, N, D, &m);
    make(seg_comm_self(comm), N, D, &all);
    assert_int_equal(seg_ae_fit(comm, &m, &opts, &together), SEG_OK);
    assert_int_equal(seg_ae_fit(seg_comm_self(comm), &all, &opts, &alone), SEG_OK);
    int64_t wrong =
        memcmp(together.params, alone.params, (size_t)alone.n_params * sizeof *alone.params) != 0;
    wrong += memcmp(together.loss, alone.loss, 3 * sizeof *alone.loss) != 0;
    wrong += memcmp(together.validation_loss, alone.validation_loss, 3 * sizeof *alone.loss) != 0;
    seg_sum_int64(comm, &wrong, 1);
    assert_int_equal(wrong, 0);
    assert_true(together.loss[2] < 0.5 * together.loss[0]);
    seg_ae_release(&together);
    seg_ae_release(&alone);
    seg_matrix_release(&m);
    seg_matrix_release(&all);
}

static void training_that_diverges_says_so(void **state)
{
    (void)state;
    seg_autoencoder ae;
    seg_matrix m;
    seg_ae_opts opts = small_opts(SEG_LINEAR, SEG_LINEAR);

    opts.learning_rate = 1e6;
    make(comm, 500, 4, &m);
    assert_int_equal(seg_ae_fit(comm, &m, &opts, &ae), SEG_ERR_DATA);
    assert_non_null(strstr(seg_error_get()->text, "diverged"));
    assert_null(ae.params);
    seg_error_clear();
    seg_matrix_release(&m);
}

static void patience_ends_training_and_the_best_epoch_is_kept(void **state)
{
    (void)state;
    seg_autoencoder ae, again;
    seg_matrix m;
    seg_ae_opts opts = small_opts(SEG_TANH, SEG_LINEAR);

    opts.epochs = 60;
    opts.patience = 2;
    opts.learning_rate = 0.05; /* so much that the loss goes up and down */
    make(comm, 700, 5, &m);
    assert_int_equal(seg_ae_fit(comm, &m, &opts, &ae), SEG_OK);
    assert_true(ae.n_epochs < 60);
    assert_int_equal(ae.best_epoch, ae.n_epochs - 1 - opts.patience);
    for (int e = 0; e < ae.n_epochs; e++)
        assert_true(ae.validation_loss[ae.best_epoch] <= ae.validation_loss[e]);

    opts.epochs = ae.best_epoch + 1; /* training that ends there has the same weights */
    assert_int_equal(seg_ae_fit(comm, &m, &opts, &again), SEG_OK);
    assert_memory_equal(ae.params, again.params, (size_t)ae.n_params * sizeof *ae.params);
    seg_ae_release(&again);
    seg_ae_release(&ae);
    seg_matrix_release(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_formulas),
        cmocka_unit_test(an_epoch_visits_every_training_row_once),
        cmocka_unit_test(gathered_rows_are_the_matrix_rows_on_every_rank),
        cmocka_unit_test(weights_do_not_depend_on_ranks),
        cmocka_unit_test(training_that_diverges_says_so),
        cmocka_unit_test(patience_ends_training_and_the_best_epoch_is_kept),
    };

    seg_blas_init();
    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
