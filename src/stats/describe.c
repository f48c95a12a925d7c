/* A table described: one pass for counts and means, the quantiles' passes, one for deviations from
 * the mean, one for what needs all of these.  The rows stay in the file. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/timer.h"

const double seg_describe_probabilities[SEG_QUANTILES] = {
    0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99
};

/* Everything that one run needs beside its result. */
typedef struct run {
    seg_comm *comm;
    seg_table *table;
    const seg_describe_opts *opts;
    seg_describe *out;
    double *x; /* [SEG_SLICE_ROWS][d] one slice */
    seg_moments moments;
    describe_distinct distinct;
    describe_products products;
    describe_ranks ranks;
} run;

typedef void visit(run *r, int64_t first, int64_t n);

static void run_release(run *r)
{
    seg_free(r->x);
    seg_moments_release(&r->moments);
    describe_distinct_release(&r->distinct);
    describe_products_release(&r->products);
    describe_ranks_release(&r->ranks);
}

/* Local. */
static seg_status run_init(run *r)
{
    seg_rows rows = seg_table_rows(r->table);
    int d = seg_table_columns(r->table);

    SEG_TRY(seg_fault("describe_alloc", SEG_ERR_MEMORY));
    SEG_TRY(describe_init(r->out, d, rows.total, seg_table_names(r->table), r->opts->full));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)d * sizeof *r->x, &r->x));
    SEG_TRY(seg_moments_init(&r->moments, d, false));
    if (!r->opts->full) return SEG_OK;
    SEG_TRY(describe_distinct_init(&r->distinct, d));
    return describe_ranks_init(&r->ranks, rows, d, r->opts);
}

/* ---- passes ---- */

static void begin(const run *r, const char *name, int64_t total, const char *unit)
{
    if (!r->opts->full) return; /* a part of something else, which says what it does */
    seg_phase_begin(name);
    seg_progress_begin(name, total, unit);
}

static void end(const run *r)
{
    if (!r->opts->full) return;
    seg_progress_end(NULL);
    seg_phase_end();
}

/* Local.  This rank's rows, slice by slice; progress is that of rank 0. */
static seg_status visit_rows(run *r, visit *visit_slice)
{
    seg_rows rows = seg_table_rows(r->table);

    for (int64_t at = 0; at < rows.count; at += SEG_SLICE_ROWS) {
        int64_t rest = rows.count - at, n = rest < SEG_SLICE_ROWS ? rest : SEG_SLICE_ROWS;
        SEG_TRY(seg_table_read(r->table, at, n, r->x));
        visit_slice(r, rows.first + at, n);
        if (r->opts->full)
            seg_progress_set((int64_t)((double)rows.total * (double)(at + n) / (double)rows.count));
    }
    return SEG_OK;
}

/* Collective. */
static seg_status pass(run *r, const char *name, visit *visit_slice)
{
    begin(r, name, r->out->rows, "clients");
    SEG_TRY(seg_agree(r->comm, visit_rows(r, visit_slice)));
    end(r);
    return SEG_OK;
}

static void visit_cells(run *r, int64_t first, int64_t n)
{
    const int32_t *weight = seg_table_weights(r->table);

    (void)first;
    seg_moments_add(&r->moments, n, r->x, weight);
    describe_gaps_add(r->out, n, r->x, weight);
    if (r->opts->full) describe_distinct_add(&r->distinct, n, r->x, weight);
}

/* Collective. */
static seg_status count_cells(run *r)
{
    seg_describe *out = r->out;
    int64_t infinite = seg_table_infinite(r->table);

    SEG_TRY(pass(r, "counts", visit_cells));
    out->infinite = seg_table_infinite(r->table) - infinite;
    seg_sum_int64(r->comm, &out->infinite, 1);
    seg_moments_sum(r->comm, &r->moments);
    describe_gaps_sum(r->comm, out);
    for (int t = 0; t < out->d; t++) {
        out->count[t] = r->moments.count[t];
        out->missing[t] = r->moments.missing[t];
        if (out->count[t] == 0) continue;
        out->min[t] = r->moments.min[t];
        out->max[t] = r->moments.max[t];
        out->mean[t] = seg_moments_mean(&r->moments, t);
    }
    if (!r->opts->full) return SEG_OK;
    SEG_TRY(describe_distinct_sum(r->comm, &r->distinct, out->distinct));
    describe_distinct_release(&r->distinct);
    return SEG_OK;
}

/* Collective. */
static seg_status find_quantiles(run *r)
{
    const seg_describe *out = r->out;

    begin(r, "quantiles", 0, "clients");
    SEG_TRY(seg_quantiles(r->comm, r->table, out->count, SEG_QUANTILES, seg_describe_probabilities,
                          out->quantile));
    end(r);
    return SEG_OK;
}

static void visit_deviations(run *r, int64_t first, int64_t n)
{
    (void)first;
    describe_products_add(&r->products, n, r->x, seg_table_weights(r->table));
}

/* Local.  Columns about their means; where the sum of the values is beyond double, about the
 * middle. */
static seg_status products_init(run *r)
{
    const seg_describe *out = r->out;

    SEG_TRY(seg_fault("describe_products_alloc", SEG_ERR_MEMORY));
    SEG_TRY(describe_products_init(&r->products, out->d, true));
    for (int t = 0; t < out->d; t++) {
        double middle = out->min[t] / 2 + out->max[t] / 2;
        if (out->count[t] > 0)
            describe_products_scale(&r->products, t, out->min[t],
                                    isfinite(out->mean[t]) ? out->mean[t] : middle, out->max[t]);
    }
    return SEG_OK;
}

/* Collective. */
static seg_status correlate(run *r)
{
    seg_describe *out = r->out;

    SEG_TRY(seg_agree(r->comm, products_init(r)));
    SEG_TRY(pass(r, "correlations", visit_deviations));
    describe_products_sum(r->comm, &r->products);
    for (int s = 0; s < out->d; s++) {
        describe_products_read(&r->products, s, out);
        for (int t = s; t < out->d; t++) {
            int64_t st = (int64_t)s * out->d + t, ts = (int64_t)t * out->d + s;
            int64_t both = out->count[s] - out->missing[t] + out->co_missing[st];
            out->correlation[st] = out->correlation[ts] =
                describe_products_correlation(&r->products, s, t, both);
        }
    }
    describe_products_release(&r->products);
    return SEG_OK;
}

static void visit_bins(run *r, int64_t first, int64_t n)
{
    const int32_t *weight = seg_table_weights(r->table);

    describe_bins_add(r->out, n, r->x, weight);
    describe_relations_add(r->out, n, r->x, weight);
    describe_ranks_add(&r->ranks, first, n, r->x, weight);
}

/* Collective. */
static seg_status look_closer(run *r)
{
    SEG_TRY(seg_agree(r->comm, describe_relations_find(r->out)));
    describe_bins_set(r->comm, r->out);
    SEG_TRY(pass(r, "histograms", visit_bins));
    describe_bins_sum(r->comm, r->out);
    describe_relations_sum(r->comm, r->out);
    if (r->ranks.size == 0) return SEG_OK;

    begin(r, "ranks", r->out->d, "columns");
    r->out->spearman_rows = r->ranks.size;
    SEG_TRY(describe_ranks_correlate(r->comm, &r->ranks, r->out->spearman));
    end(r);
    return SEG_OK;
}

seg_status seg_describe_run(seg_comm *comm, seg_table *table, const seg_describe_opts *opts,
                            seg_describe *out)
{
    seg_status status = SEG_OK;
    run r = { .comm = comm, .table = table, .opts = opts, .out = out };

    *out = (seg_describe) { 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, run_init(&r)));
    SEG_TRY_OR_DONE(count_cells(&r));
    SEG_TRY_OR_DONE(find_quantiles(&r));
    SEG_TRY_OR_DONE(correlate(&r));
    if (opts->full) SEG_TRY_OR_DONE(look_closer(&r));
done:
    if (status != SEG_OK) seg_describe_release(out);
    run_release(&r);
    return status;
}
