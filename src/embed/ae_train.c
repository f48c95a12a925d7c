/* Training: epochs of batches, one exact all-reduce of gradients per batch, Adam on every rank
 * alike. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ae_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/stop.h"

#define BETA_1  0.9
#define BETA_2  0.999
#define EPSILON 1e-7
#define UNITS   0x1p40 /* gradients are added in units of 2^-40 */
#define MOST_UNITS                                                                                 \
    0x1p50 /* of one micro-block's gradient: 1,024, far beyond what can be trained                 \
            */
#define LOSS_UNITS  0x1p20
#define GATHER_ROWS 8192 /* whose values are fetched at once */

/* Integers that a step adds up beside the gradients. */
enum { LOSS, BAD, ASKED, EXTRA };

typedef struct training {
    seg_autoencoder *ae;
    ae_order order;
    const seg_keeper *keeper;
    int64_t n_steps;    /* of Adam so far */
    int64_t epoch, at;  /* and training position in it that comes next */
    double squares;     /* errors of the epoch so far */
    float *mean;        /* [n_params] of gradients; Adam's first moment */
    float *square;      /* [n_params] of their squares; the second */
    float *best;        /* [n_params] weights of the best epoch */
    double best_loss;   /* that chose it */
    float *gradient;    /* [n_params] of one micro-block */
    int64_t *sum;       /* [n_params + EXTRA] of all micro-blocks of a batch */
    float *activations; /* of one micro-block */
    float *delta;
    float *rows; /* [gathered][d] */
    int64_t gathered;
} training;

static void training_release(training *t)
{
    seg_free(t->mean);
    seg_free(t->square);
    seg_free(t->best);
    seg_free(t->gradient);
    seg_free(t->sum);
    seg_free(t->activations);
    seg_free(t->delta);
    seg_free(t->rows);
}

/* Local. */
static seg_status training_init(training *t, const seg_matrix *m, const seg_ae_opts *opts,
                                seg_autoencoder *ae)
{
    SEG_TRY(ae_init(ae, opts, m->d));
    const seg_ae_opts *complete = &ae->opts;
    int64_t n = ae->n_params, batches = GATHER_ROWS / opts->batch;

    t->ae = ae;
    t->keeper = opts->keeper;
    t->order = ae_order_of(m, opts);
    t->best_loss = INFINITY;
    t->gathered = (batches > 0 ? batches : 1) * opts->batch;
    SEG_TRY(seg_fault("training_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(n, sizeof *t->mean, &t->mean));
    SEG_TRY(seg_alloc(n, sizeof *t->square, &t->square));
    SEG_TRY(seg_alloc(n, sizeof *t->best, &t->best));
    SEG_TRY(seg_alloc(n, sizeof *t->gradient, &t->gradient));
    SEG_TRY(seg_alloc(n + EXTRA, sizeof *t->sum, &t->sum));
    SEG_TRY(seg_alloc(ae_activations_size(complete, SEG_AE_BLOCK_ROWS), sizeof *t->activations,
                      &t->activations));
    SEG_TRY(seg_alloc(2 * SEG_AE_BLOCK_ROWS, (size_t)ae_largest_width(complete) * sizeof *t->delta,
                      &t->delta));
    return seg_alloc(t->gathered * m->d + 1, sizeof *t->rows, &t->rows);
}

/* As in training_init(); rank 0 keeps four of the arrays once more, for checkpoints. */
int64_t seg_ae_memory(const seg_ae_opts *opts, int d)
{
    seg_ae_opts whole = *opts;
    int64_t n = seg_ae_size(opts, d), batches = GATHER_ROWS / opts->batch;

    whole.width[0] = whole.width[opts->n_layers] = d;
    int64_t step = ae_activations_size(&whole, SEG_AE_BLOCK_ROWS) +
                   2 * SEG_AE_BLOCK_ROWS * ae_largest_width(&whole) +
                   (batches > 0 ? batches : 1) * opts->batch * d;
    int64_t learning = n * (int64_t)(9 * sizeof(float) + sizeof(int64_t)) + 4 * step;
    int64_t applying = seg_ae_apply_memory(&whole);
    return learning > applying ? learning : applying;
}

/* Collective.  The state between two steps: hands it over, or takes it up again. */
static seg_status keep_state(seg_comm *comm, training *t, bool restore, int64_t asked)
{
    seg_autoencoder *ae = t->ae;
    int64_t n = ae->n_params, epochs = ae->opts.epochs;
    const seg_field field[] = {
        { "n_steps", SEG_INT64, 1, &t->n_steps },
        { "epoch", SEG_INT64, 1, &t->epoch },
        { "at", SEG_INT64, 1, &t->at },
        { "squares", SEG_FLOAT64, 1, &t->squares },
        { "best_loss", SEG_FLOAT64, 1, &t->best_loss },
        { "n_epochs", SEG_INT32, 1, &ae->n_epochs },
        { "best_epoch", SEG_INT32, 1, &ae->best_epoch },
        { "params", SEG_FLOAT32, n, ae->params },
        { "mean", SEG_FLOAT32, n, t->mean },
        { "square", SEG_FLOAT32, n, t->square },
        { "best", SEG_FLOAT32, n, t->best },
        { "loss", SEG_FLOAT64, epochs, ae->loss },
        { "validation_loss", SEG_FLOAT64, epochs, ae->validation_loss },
    };
    const int n_fields = sizeof field / sizeof *field;
    bool found;

    if (!restore) return seg_keep(comm, t->keeper, "training", n_fields, field, asked);
    SEG_TRY(seg_restore(comm, t->keeper, "training", n_fields, field, &found));
    if (t->epoch >= 0 && t->epoch <= epochs && t->at >= 0 && t->at <= t->order.n_train &&
        ae->n_epochs >= 0 && ae->n_epochs <= epochs && ae->best_epoch >= 0 &&
        ae->best_epoch <= ae->n_epochs)
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "the state of the autoencoder cannot be gone on with");
}

/* ---- one step ---- */

/* The first `rows` of a micro-block's rows; the others are zero. */
static void set_input(training *t, int d, int64_t rows, const float *x)
{
    size_t used = (size_t)(rows * d), all = (size_t)(SEG_AE_BLOCK_ROWS * d);

    memcpy(t->activations, x, used * sizeof *x);
    memset(t->activations + used, 0, (all - used) * sizeof *x);
}

/* sum += gradient in units.  Adding and taking away 1.5 * 2^52 leaves the nearest integer in the
 * low bits, in a loop that compilers vectorise.  False if a gradient is too large or no number. */
static bool add_gradient(int64_t n, const float *gradient, int64_t *sum)
{
    const double magic = 0x1.8p52;
    int64_t zero;
    double most = 0;

    memcpy(&zero, &magic, sizeof zero);
    for (int64_t p = 0; p < n; p++) {
        double units = (double)gradient[p] * UNITS, shifted = units + magic;
        int64_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        sum[p] += bits - zero;
        most = fabs(units) <= most ? most : fabs(units); /* NaN stays */
    }
    return most < MOST_UNITS;
}

/* Local.  This rank's micro-blocks of a batch whose values are x [rows][d]. */
static void add_batch(const seg_comm *comm, training *t, int64_t rows, const float *x)
{
    const seg_ae_opts *opts = &t->ae->opts;
    int64_t n_params = t->ae->n_params, d = opts->width[0];
    int64_t n_blocks = (rows + SEG_AE_BLOCK_ROWS - 1) / SEG_AE_BLOCK_ROWS;

    memset(t->sum, 0, (size_t)(n_params + EXTRA) * sizeof *t->sum);
    for (int64_t b = seg_comm_rank(comm); b < n_blocks; b += seg_comm_size(comm)) {
        int64_t first = b * SEG_AE_BLOCK_ROWS, rest = rows - first;
        int64_t count = rest < SEG_AE_BLOCK_ROWS ? rest : SEG_AE_BLOCK_ROWS;
        set_input(t, (int)d, count, x + first * d);
        ae_forward(opts, t->ae->params, SEG_AE_BLOCK_ROWS, 0, opts->n_layers, t->activations);
        double squares = ae_backward(opts, t->ae->params, SEG_AE_BLOCK_ROWS, count,
                                     (double)(rows * d), t->activations, t->delta, t->gradient);
        bool good = add_gradient(n_params, t->gradient, t->sum) && squares < 0x1p40;
        t->sum[n_params + BAD] += !good;
        if (good) t->sum[n_params + LOSS] += (int64_t)rint(squares * LOSS_UNITS);
    }
}

/* Adam with decoupled weight decay, in float like the weights. */
static void adam(training *t)
{
    const seg_ae_opts *opts = &t->ae->opts;
    double steps = (double)++t->n_steps;
    float rate =
        (float)(opts->learning_rate * sqrt(1 - pow(BETA_2, steps)) / (1 - pow(BETA_1, steps)));
    float epsilon = (float)(EPSILON * sqrt(1 - pow(BETA_2, steps)));
    float keep = (float)(1 - opts->learning_rate * opts->weight_decay);
    const float beta_1 = (float)BETA_1, beta_2 = (float)BETA_2, units = (float)(1 / UNITS);
    float *params = t->ae->params, *mean = t->mean, *square = t->square;

    for (int64_t p = 0; p < t->ae->n_params; p++) {
        float g = (float)t->sum[p] * units;
        mean[p] = beta_1 * mean[p] + (1 - beta_1) * g;
        square[p] = beta_2 * square[p] + (1 - beta_2) * g * g;
        params[p] = keep * params[p] - rate * mean[p] / (sqrtf(square[p]) + epsilon);
    }
}

/* ---- one epoch ---- */

static seg_status diverged(int epoch)
{
    return SEG_FAIL(SEG_ERR_DATA,
                    "the autoencoder diverged in epoch %d; use a smaller --ae-learning-rate, or "
                    "scale and cap the columns",
                    epoch + 1);
}

/* Collective.  Batches of the training positions from t->at to `end`, whose values are gathered at
 * once; adds their squared errors. */
static seg_status train_range(seg_comm *comm, const seg_matrix *m, training *t, int64_t end)
{
    int64_t n_params = t->ae->n_params, batch = t->ae->opts.batch, first = t->at;
    int epoch = (int)t->epoch;

    ae_gather(comm, m, &t->order, epoch, first, end - first, t->rows);
    while (t->at < end) {
        int64_t rows = end - t->at < batch ? end - t->at : batch;
        add_batch(comm, t, rows, t->rows + (t->at - first) * m->d);
        t->sum[n_params + ASKED] = seg_stop_asked();
        seg_sum_int64(comm, t->sum, n_params + EXTRA);
        if (t->sum[n_params + BAD] > 0) return diverged(epoch);
        t->squares += (double)t->sum[n_params + LOSS] / LOSS_UNITS;
        adam(t);
        t->at += rows;
        if (t->sum[n_params + ASKED]) SEG_TRY(keep_state(comm, t, false, t->sum[n_params + ASKED]));
    }
    return SEG_OK;
}

/* Collective.  Mean squared error per cell after an epoch: of the clients that were kept out, or
 * where there are none, of those that were not, as many as may be kept out. */
static seg_status validate(seg_comm *comm, const seg_matrix *m, training *t, int epoch,
                           double *loss)
{
    const seg_ae_opts *opts = &t->ae->opts;
    int64_t kept = t->order.n - t->order.n_train;
    int64_t most = t->order.n < SEG_AE_VALIDATION_MAX ? t->order.n : SEG_AE_VALIDATION_MAX;
    int64_t sums[EXTRA] = { 0 }, n = kept > 0 ? kept : most, d = m->d;

    for (int64_t at = t->order.n - n; at < t->order.n; at += t->gathered) {
        int64_t rest = t->order.n - at, count = rest < t->gathered ? rest : t->gathered;
        ae_gather(comm, m, &t->order, epoch, at, count, t->rows);
        int64_t n_blocks = (count + SEG_AE_BLOCK_ROWS - 1) / SEG_AE_BLOCK_ROWS;
        for (int64_t b = seg_comm_rank(comm); b < n_blocks; b += seg_comm_size(comm)) {
            int64_t first = b * SEG_AE_BLOCK_ROWS, left = count - first;
            int64_t used = left < SEG_AE_BLOCK_ROWS ? left : SEG_AE_BLOCK_ROWS;
            double squares = 0;
            set_input(t, (int)d, used, t->rows + first * d);
            ae_forward(opts, t->ae->params, SEG_AE_BLOCK_ROWS, 0, opts->n_layers, t->activations);
            const float *y =
                t->activations + ae_activation_at(opts, SEG_AE_BLOCK_ROWS, opts->n_layers);
            for (int64_t i = 0; i < used * d; i++) {
                double error = (double)(y[i] - t->activations[i]);
                squares += error * error;
            }
            sums[BAD] += !(squares < 0x1p40);
            if (squares < 0x1p40) sums[LOSS] += (int64_t)rint(squares * LOSS_UNITS);
        }
    }
    seg_sum_int64(comm, sums, EXTRA);
    if (sums[BAD] > 0) return diverged(epoch);
    *loss = (double)sums[LOSS] / LOSS_UNITS / ((double)n * (double)d);
    return SEG_OK;
}

/* Collective. */
static seg_status train_epoch(seg_comm *comm, const seg_matrix *m, training *t)
{
    seg_autoencoder *ae = t->ae;
    int64_t n = t->order.n_train;
    int epoch = (int)t->epoch;
    double loss = NAN;

    while (t->at < n) {
        SEG_TRY(train_range(comm, m, t, n - t->at < t->gathered ? n : t->at + t->gathered));
        seg_progress_set((int64_t)epoch * n + t->at);
    }
    ae->loss[epoch] = t->squares / ((double)n * m->d);
    SEG_TRY(validate(comm, m, t, epoch, &loss));
    ae->validation_loss[epoch] = n < t->order.n ? loss : NAN;
    if (loss < t->best_loss) {
        t->best_loss = loss;
        ae->best_epoch = epoch;
        memcpy(t->best, ae->params, (size_t)ae->n_params * sizeof *ae->params);
    }
    ae->n_epochs = epoch + 1;
    t->epoch = epoch + 1;
    t->at = 0;
    t->squares = 0;
    seg_log_detail("epoch %d: loss %.5f, validation %.5f", epoch + 1, ae->loss[epoch],
                   ae->validation_loss[epoch]);
    return SEG_OK;
}

static bool has_lost_patience(const training *t)
{
    int patience = t->ae->opts.patience;

    return patience > 0 && t->epoch - 1 - t->ae->best_epoch >= patience;
}

seg_status seg_ae_fit(seg_comm *comm, const seg_matrix *m, const seg_ae_opts *opts,
                      seg_autoencoder *ae)
{
    seg_status status = SEG_OK;
    training t = { 0 };
    char summary[80];

    *ae = (seg_autoencoder) { 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, training_init(&t, m, opts, ae)));
    ae_randomise(ae);
    SEG_TRY_OR_DONE(keep_state(comm, &t, true, 0));
    seg_progress_begin("autoencoder", opts->epochs * t.order.n_train, "clients");
    while (t.epoch < opts->epochs && !has_lost_patience(&t))
        SEG_TRY_OR_DONE(train_epoch(comm, m, &t));
    SEG_TRY_OR_DONE(keep_state(comm, &t, false, 0));
    memcpy(ae->params, t.best, (size_t)ae->n_params * sizeof *ae->params);
    (void)snprintf(summary, sizeof summary, "best of %d epochs: %d, loss %.5f", ae->n_epochs,
                   ae->best_epoch + 1, t.best_loss);
    seg_progress_end(summary);
done:
    if (status != SEG_OK) seg_ae_release(ae);
    training_release(&t);
    return status;
}
