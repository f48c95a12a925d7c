/* Exact order statistics of all columns together, without sorting or gathering: counting refinement
 * on the ordered bit pattern of the doubles.
 *
 * A target is one wanted rank of one column.  It lies in an interval of keys, first in the interval
 * of all keys.  A pass over the rows counts the values of each interval in equal bins and keeps the
 * least and the largest key of each bin; the bin that holds the target, cut to those keys, is its
 * next interval.  Targets in the same bin share an interval.  A target is found when its interval
 * is a single key: continuous values need about three passes, columns of few values one or two, and
 * none more than the bits of a double allow.
 *
 * A column in a group of clients is a column of its own, number group * d + t. */
#include <math.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/stats.h"
#include "stats_internal.h"

#define BINS_MOST  4096
#define BINS_LEAST 64
#define BINS_ALL   ((int64_t)1 << 18) /* of all intervals together, where that leaves BINS_LEAST */
#define SIGN_BIT   ((uint64_t)1 << 63)

typedef struct target {
    int t;
    int64_t rank;
    double *value; /* where the answer goes; borrowed */
} target;

typedef struct interval {
    int t;
    int shift;          /* bin = (key - low) >> shift */
    uint64_t low, high; /* keys, inclusive */
    int64_t below;      /* present values of the column with a key less than low */
    int64_t first, end; /* targets in it */
} interval;

typedef struct refinement {
    const seg_groups *groups;       /* borrowed */
    int width;                      /* columns of the table */
    int d;                          /* columns in groups */
    int64_t n_targets, n_intervals; /* still searched */
    int64_t n_bins;                 /* per interval */
    target *targets;                /* by column and rank; owned */
    interval *intervals;            /* by column and low; owned */
    interval *next;                 /* workspace like `intervals`; owned */
    int64_t *of_column;             /* [d + 1] first interval of a column; owned */
    int64_t *count;                 /* [n_intervals][n_bins]; owned */
    int64_t *extreme; /* [n_intervals][n_bins][2] least key, complement of the largest, both with
                         the sign bit turned, so that they order as int64; owned */
    double *x;        /* one slice; owned */
} refinement;

uint64_t stats_key(double value)
{
    double plain = value + 0.0; /* -0 becomes 0 */
    uint64_t bits;

    memcpy(&bits, &plain, sizeof bits);
    return bits & SIGN_BIT ? ~bits : bits | SIGN_BIT;
}

static double value_of(uint64_t key)
{
    uint64_t bits = key & SIGN_BIT ? key ^ SIGN_BIT : ~key;
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Keys as int64 that order alike, for the reduction; and back. */
static int64_t signed_of(uint64_t key)
{
    uint64_t turned = key ^ SIGN_BIT;
    int64_t value;

    memcpy(&value, &turned, sizeof value);
    return value;
}

static uint64_t unsigned_of(int64_t value)
{
    return (uint64_t)value ^ SIGN_BIT;
}

/* The wanted ranks of each column in ascending order (q is small: by insertion). */
static void targets_init(refinement *r, int q, const int64_t *rank_of, double *value)
{
    for (int t = 0; t < r->d; t++) {
        int64_t first = r->n_targets;
        for (int j = 0; j < q; j++) {
            int64_t rank = rank_of[(int64_t)t * q + j], at = r->n_targets;
            value[(int64_t)t * q + j] = NAN;
            if (rank < 0) continue;
            for (; at > first && r->targets[at - 1].rank > rank; at--)
                r->targets[at] = r->targets[at - 1];
            r->targets[at] = (target) { t, rank, &value[(int64_t)t * q + j] };
            r->n_targets++;
        }
        if (r->n_targets > first)
            r->intervals[r->n_intervals++] =
                (interval) { .t = t, .high = UINT64_MAX, .first = first, .end = r->n_targets };
    }
}

static void refinement_release(refinement *r)
{
    seg_free(r->targets);
    seg_free(r->intervals);
    seg_free(r->next);
    seg_free(r->of_column);
    seg_free(r->count);
    seg_free(r->extreme);
    seg_free(r->x);
}

/* Local.  All memory that the passes need. */
static seg_status refinement_init(refinement *r, int width, const seg_groups *groups, int q,
                                  const int64_t *rank_of, double *value)
{
    int d = width * groups->n;
    int64_t most = (int64_t)d * q;

    SEG_TRY(seg_fault("quantile_alloc", SEG_ERR_MEMORY));
    *r = (refinement) { .groups = groups, .width = width, .d = d, .n_bins = BINS_MOST };
    while (r->n_bins > BINS_LEAST && r->n_bins * most > BINS_ALL)
        r->n_bins /= 2;
    SEG_TRY(seg_alloc(most, sizeof *r->targets, &r->targets));
    SEG_TRY(seg_alloc(most, sizeof *r->intervals, &r->intervals));
    SEG_TRY(seg_alloc(most, sizeof *r->next, &r->next));
    SEG_TRY(seg_alloc((int64_t)d + 1, sizeof *r->of_column, &r->of_column));
    SEG_TRY(seg_alloc(most * r->n_bins, sizeof *r->count, &r->count));
    SEG_TRY(seg_alloc(most * r->n_bins, 2 * sizeof *r->extreme, &r->extreme));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)width * sizeof *r->x, &r->x));
    targets_init(r, q, rank_of, value);
    return SEG_OK;
}

/* Empties the bins, sets each interval's shift, and finds each column's intervals. */
static void pass_begin(refinement *r)
{
    int64_t at = 0;

    for (int t = 0; t <= r->d; t++) {
        while (at < r->n_intervals && r->intervals[at].t < t)
            at++;
        r->of_column[t] = at;
    }
    for (int64_t j = 0; j < r->n_intervals; j++) {
        interval *v = &r->intervals[j];
        v->shift = 0;
        while ((v->high - v->low) >> v->shift >= (uint64_t)r->n_bins)
            v->shift++;
    }
    memset(r->count, 0, (size_t)(r->n_intervals * r->n_bins) * sizeof *r->count);
    for (int64_t bin = 0; bin < 2 * r->n_intervals * r->n_bins; bin++)
        r->extreme[bin] = INT64_MAX;
}

static void count_value(refinement *r, int t, double value, int32_t weight)
{
    uint64_t key = stats_key(value);
    int64_t j = r->of_column[t], end = r->of_column[t + 1];

    while (j < end && r->intervals[j].high < key)
        j++;
    if (j == end || r->intervals[j].low > key) return;

    const interval *v = &r->intervals[j];
    int64_t bin = j * r->n_bins + (int64_t)((key - v->low) >> v->shift);
    int64_t least = signed_of(key), most = signed_of(~key);
    r->count[bin] += weight;
    if (least < r->extreme[2 * bin]) r->extreme[2 * bin] = least;
    if (most < r->extreme[2 * bin + 1]) r->extreme[2 * bin + 1] = most;
}

/* One client x [width], in all groups that it belongs to. */
static void count_client(refinement *r, int32_t label, const double *x, int32_t weight)
{
    const seg_groups *groups = r->groups;

    for (int m = 0; m < groups->n_of_label; m++) {
        int first = groups->of_label[label * groups->n_of_label + m] * r->width;
        for (int t = 0; t < r->width; t++)
            if (!isnan(x[t])) count_value(r, first + t, x[t], weight);
    }
}

/* Local: this rank's rows. */
static seg_status count_rows(refinement *r, seg_table *table)
{
    int64_t rows = seg_table_rows(table).count;
    const int32_t *label = r->groups->label;

    SEG_TRY(seg_fault("quantile_rows", SEG_ERR_IO));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY(seg_table_read(table, at, n, r->x));
        const int32_t *weight = seg_table_weights(table);
        for (int64_t i = 0; i < n; i++)
            if (!(weight && weight[i] == 0))
                count_client(r, label ? label[at + i] : 0, &r->x[i * r->width],
                             weight ? weight[i] : 1);
    }
    return SEG_OK;
}

/* Deals the targets of interval j to its bins: a bin of one key answers them, any other becomes an
 * interval of the next pass.  A rank beyond the values present stays unanswered. */
static void narrow(const refinement *r, int64_t j, int64_t *n_next)
{
    const interval *v = &r->intervals[j];
    int64_t below = v->below, at = v->first;

    for (int64_t bin = j * r->n_bins; bin < (j + 1) * r->n_bins && at < v->end; bin++) {
        int64_t first = at;
        uint64_t low = unsigned_of(r->extreme[2 * bin]);
        uint64_t high = ~unsigned_of(r->extreme[2 * bin + 1]);
        for (; at < v->end && r->targets[at].rank < below + r->count[bin]; at++)
            if (low == high) *r->targets[at].value = value_of(low);
        if (at > first && low != high)
            r->next[(*n_next)++] = (interval) {
                .t = v->t, .low = low, .high = high, .below = below, .first = first, .end = at
            };
        below += r->count[bin];
    }
}

seg_status seg_order_statistics(seg_comm *comm, seg_table *table, int q, const int64_t *rank_of,
                                double *value)
{
    const int everyone = 0;
    const seg_groups all = { .n = 1, .n_of_label = 1, .of_label = &everyone };

    return seg_group_order_statistics(comm, table, &all, q, rank_of, value);
}

seg_status seg_group_order_statistics(seg_comm *comm, seg_table *table, const seg_groups *groups,
                                      int q, const int64_t *rank_of, double *value)
{
    seg_status status = SEG_OK;
    refinement r = { 0 };

    SEG_TRY_OR_DONE(
        seg_agree(comm, refinement_init(&r, seg_table_columns(table), groups, q, rank_of, value)));
    while (r.n_intervals > 0) {
        pass_begin(&r);
        SEG_TRY_OR_DONE(seg_agree(comm, count_rows(&r, table)));
        seg_sum_int64(comm, r.count, r.n_intervals * r.n_bins);
        seg_min_int64(comm, r.extreme, 2 * r.n_intervals * r.n_bins);

        int64_t n_next = 0;
        for (int64_t j = 0; j < r.n_intervals; j++)
            narrow(&r, j, &n_next);
        interval *swap = r.intervals;
        r.intervals = r.next;
        r.next = swap;
        r.n_intervals = n_next;
    }
done:
    refinement_release(&r);
    return status;
}

seg_quantile_position seg_quantile_at(int64_t n, double p)
{
    double position = (double)(n - 1) * p;
    int64_t lower = (int64_t)floor(position);

    return (seg_quantile_position) { .lower = lower,
                                     .upper = lower + 1 < n ? lower + 1 : n - 1,
                                     .weight = position - (double)lower };
}

double seg_quantile_between(double lower, double upper, double weight)
{
    double difference = upper - lower;

    return weight < 0.5 ? lower + difference * weight : upper - difference * (1 - weight);
}
