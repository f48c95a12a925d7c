/* Gaps and zeros: how many, and which come together. */
#include <math.h>

#include "describe_internal.h"

#define SHARE_LEAST   0.5
#define LIFT_LEAST    2
#define CLIENTS_LEAST 10 /* fewer say little, and too much about single clients */

/* The cells of one client beside its gap in column `missing`. */
static void add_gap(seg_describe *out, int missing, const double *x, int64_t times)
{
    int64_t *co_missing = &out->co_missing[(int64_t)missing * out->d];
    int64_t *zero = &out->zero_where_missing[(int64_t)missing * out->d];

    for (int t = 0; t < out->d; t++) {
        co_missing[t] += isnan(x[t]) ? times : 0;
        zero[t] += x[t] == 0 ? times : 0;
    }
}

void describe_gaps_add(seg_describe *out, int64_t n, const double *x, const int32_t *weight)
{
    for (int64_t i = 0; i < n; i++, x += out->d) {
        int64_t times = weight ? weight[i] : 1;
        out->n += times;
        for (int t = 0; t < out->d; t++) {
            out->zeros[t] += x[t] == 0 ? times : 0;
            if (isnan(x[t])) add_gap(out, t, x, times);
        }
    }
}

void describe_gaps_sum(seg_comm *comm, seg_describe *out)
{
    seg_sum_int64(comm, &out->n, 1);
    seg_sum_int64(comm, out->zeros, out->d);
    seg_sum_int64(comm, out->co_missing, (int64_t)out->d * out->d);
    seg_sum_int64(comm, out->zero_where_missing, (int64_t)out->d * out->d);
}

/* ---- which come together ---- */

/* Gaps in s beside a zero in t. */
static seg_gap beside_zero(const seg_describe *d, int s, int t)
{
    int64_t pair = (int64_t)s * d->d + t;
    seg_gap gap = { .missing = s, .other = t, .clients = d->zero_where_missing[pair] };

    gap.share = (double)gap.clients / (double)(d->missing[s] - d->co_missing[pair]);
    gap.lift = gap.share / ((double)d->zeros[t] / (double)d->count[t]);
    return gap;
}

/* Gaps in s beside a gap in t. */
static seg_gap beside_gap(const seg_describe *d, int s, int t)
{
    seg_gap gap = { .missing = s,
                    .other = t,
                    .other_missing = true,
                    .clients = d->co_missing[(int64_t)s * d->d + t] };

    gap.share = (double)gap.clients / (double)d->missing[s];
    gap.lift = gap.share / ((double)d->missing[t] / (double)d->n);
    return gap;
}

/* Of two columns with gaps the one with fewer is told: its share is the larger one. */
static bool is_told(const seg_describe *d, int s, int t)
{
    return d->missing[s] < d->missing[t] || (d->missing[s] == d->missing[t] && s < t);
}

static bool stands_before(const seg_gap *a, const seg_gap *b)
{
    return a->share > b->share || (a->share == b->share && a->clients > b->clients);
}

/* Into its place among the n found so far; their new number. */
static int keep(const seg_gap *gap, int n, int most, seg_gap *gaps)
{
    if (gap->clients < CLIENTS_LEAST || gap->share < SHARE_LEAST || gap->lift < LIFT_LEAST)
        return n;
    int at = n < most ? n : most;
    while (at > 0 && stands_before(gap, &gaps[at - 1])) {
        if (at < most) gaps[at] = gaps[at - 1];
        at--;
    }
    if (at < most) gaps[at] = *gap;
    return n < most ? n + 1 : most;
}

int seg_describe_gaps(const seg_describe *d, int most, seg_gap *gaps)
{
    int n = 0;

    for (int s = 0; s < d->d; s++)
        for (int t = 0; t < d->d; t++) {
            if (t == s || d->missing[s] == 0) continue;
            seg_gap zero = beside_zero(d, s, t), gap = beside_gap(d, s, t);
            n = keep(&zero, n, most, gaps);
            if (is_told(d, s, t)) n = keep(&gap, n, most, gaps);
        }
    return n;
}
