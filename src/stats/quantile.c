/* Exact order statistics of all columns together, without sorting the clients: counting refinement
 * on the ordered bit pattern of the doubles.
 *
 * A target is one wanted rank of one column.  It lies in an interval of keys, first in the interval
 * of all keys.  A pass over the rows counts the values of each interval in equal bins and keeps the
 * least and the largest key of each bin; the bin that holds the target, cut to those keys, is its
 * next interval.  Targets in the same bin share an interval.  A target is found when its interval
 * is a single key.  Once all intervals hold few values, a pass gathers these, and sorting them
 * answers the rest: three passes for millions of clients, and none more than the bits of a double
 * allow.
 *
 * A column in a group of clients is a column of its own, number group * d + t.  Clients of one
 * label are laid side by side, as they belong to the same groups. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/kernels.h"
#include "segmpi/memory.h"
#include "segmpi/stats.h"

#define BITS_MOST  13
#define BITS_LEAST 6
#define BINS_ALL   ((int64_t)1 << 18) /* of all intervals together, where that leaves BITS_LEAST */
#define FOUND_MOST ((int64_t)1 << 16) /* values that are gathered */
#define PIECE      SEG_BLOCK_ROWS     /* rows that are looked at column by column */

typedef struct target {
    int t;
    int64_t rank;
    double *value; /* where the answer goes; borrowed */
} target;

typedef struct interval {
    int t;
    int64_t low, high;  /* keys, inclusive */
    int64_t below;      /* present values of the column with a key less than low */
    int64_t count;      /* values in it, at most */
    int64_t first, end; /* targets in it */
} interval;

/* A value of an interval. */
typedef struct found {
    int32_t interval, weight;
    int64_t key;
} found;

typedef struct refinement {
    const seg_kernels *kernels;
    const seg_groups *groups;       /* borrowed */
    int width;                      /* columns of the table */
    int d;                          /* columns in groups */
    int64_t n_targets, n_intervals; /* still searched */
    int bits;                       /* 2^bits bins in an interval */
    bool gathers;                   /* this pass gathers values, and counts none */
    target *targets;                /* by column and rank; owned */
    interval *intervals;            /* by column and low; owned */
    interval *next;                 /* workspace like `intervals`; owned */
    int64_t *of_column;             /* [d + 1] first interval of a column; owned */
    int64_t *low, *high, *shift; /* as kernels read them: those of column t from of_column[t] + t;
                                    one block, owned by `low` */
    int64_t *count;              /* [n_intervals][2^bits]; owned */
    int64_t *extreme; /* [n_intervals][2^bits][2] least key, complement of the largest; owned */
    found *found;     /* [FOUND_MOST], owned */
    int64_t n_found;
    double *x;              /* one slice; owned */
    double *sorted;         /* the slice by label; owned */
    int32_t *sorted_weight; /* owned */
    int64_t *start;         /* [n_labels + 1] where each label begins; owned */
} refinement;

/* The double that a kernel gives this key. */
static double value_of(int64_t key)
{
    const int64_t bits = key ^ (key >> 63 & INT64_MAX);
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- storage ---- */

/* The wanted ranks of each column in ascending order (q is small: by insertion). */
static void targets_init(refinement *r, int q, const int64_t *rank_of, int64_t rows, double *value)
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
            r->intervals[r->n_intervals++] = (interval) { .t = t,
                                                          .low = INT64_MIN + 1,
                                                          .high = INT64_MAX - 1,
                                                          .count = rows,
                                                          .first = first,
                                                          .end = r->n_targets };
    }
}

static void refinement_release(refinement *r)
{
    seg_free(r->targets);
    seg_free(r->intervals);
    seg_free(r->next);
    seg_free(r->of_column);
    seg_free(r->low);
    seg_free(r->count);
    seg_free(r->extreme);
    seg_free(r->found);
    seg_free(r->x);
    seg_free(r->sorted);
    seg_free(r->sorted_weight);
    seg_free(r->start);
}

/* For so many targets at most. */
static int64_t bins_of(int64_t most)
{
    const int64_t least = most << BITS_LEAST;

    return least > BINS_ALL ? least : BINS_ALL;
}

int64_t seg_order_statistics_memory(int64_t d, int q)
{
    const int64_t of_a_target = (int64_t)(sizeof(target) + 2 * sizeof(interval)) + 3 * 8;

    return d * q * of_a_target + bins_of(d * q) * 3 * 8 + FOUND_MOST * (int64_t)sizeof(found);
}

/* Local.  All memory that the passes need. */
static seg_status refinement_init(refinement *r, const seg_table *table, const seg_groups *groups,
                                  int q, const int64_t *rank_of, double *value)
{
    const int width = seg_table_columns(table), d = width * groups->n;
    const int64_t most = (int64_t)d * q, bins = bins_of(most);

    SEG_TRY(seg_fault("quantile_alloc", SEG_ERR_MEMORY));
    *r = (refinement) { .kernels = seg_kernels_choose(), .groups = groups, .width = width, .d = d };
    SEG_TRY(seg_alloc(most, sizeof *r->targets, &r->targets));
    SEG_TRY(seg_alloc(most, sizeof *r->intervals, &r->intervals));
    SEG_TRY(seg_alloc(most, sizeof *r->next, &r->next));
    SEG_TRY(seg_alloc((int64_t)d + 1, sizeof *r->of_column, &r->of_column));
    SEG_TRY(seg_alloc(3 * (most + d), sizeof *r->low, &r->low));
    r->high = r->low + most + d;
    r->shift = r->high + most + d;
    SEG_TRY(seg_alloc(bins, sizeof *r->count, &r->count));
    SEG_TRY(seg_alloc(bins, 2 * sizeof *r->extreme, &r->extreme));
    SEG_TRY(seg_alloc(FOUND_MOST, sizeof *r->found, &r->found));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)width * sizeof *r->x, &r->x));
    targets_init(r, q, rank_of, seg_table_rows(table).total * groups->n_of_label, value);
    if (!groups->label) return SEG_OK;
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)width * sizeof *r->sorted, &r->sorted));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, sizeof *r->sorted_weight, &r->sorted_weight));
    return seg_alloc((int64_t)groups->n_labels + 1, sizeof *r->start, &r->start);
}

/* ---- a pass ---- */

/* Empties the bins, sets each interval's shift, and finds each column's intervals. */
static void pass_begin(refinement *r)
{
    int64_t at = 0, values = 0;

    for (int64_t j = 0; j < r->n_intervals; j++)
        values += r->intervals[j].count;
    r->gathers = values <= FOUND_MOST;
    r->n_found = 0;
    r->bits = BITS_MOST;
    while (r->bits > BITS_LEAST && r->n_intervals << r->bits > BINS_ALL)
        r->bits--;
    for (int t = 0; t < r->d; t++) {
        r->of_column[t] = at;
        for (; at < r->n_intervals && r->intervals[at].t == t; at++) {
            const interval *v = &r->intervals[at];
            int shift = 0;
            while (((uint64_t)v->high - (uint64_t)v->low) >> shift >> r->bits != 0)
                shift++;
            r->low[at + t] = v->low;
            r->high[at + t] = v->high;
            r->shift[at + t] = shift;
        }
        r->low[at + t] = INT64_MAX;
        r->shift[at + t] = 0;
    }
    r->of_column[r->d] = at;
    if (r->gathers) return;
    memset(r->count, 0, (size_t)(r->n_intervals << r->bits) * sizeof *r->count);
    for (int64_t bin = 0; bin < 2 * (r->n_intervals << r->bits); bin++)
        r->extreme[bin] = INT64_MAX;
}

static void count_values(refinement *r, int64_t first, int64_t n, const int64_t *key,
                         const int64_t *place, const int32_t *weight)
{
    int64_t *count = r->count + first, *extreme = r->extreme + 2 * first;

    for (int64_t i = 0; i < n; i++) {
        if (place[i] < 0 || (weight && weight[i] == 0)) continue;
        int64_t *ends = extreme + 2 * place[i];
        count[place[i]] += weight ? weight[i] : 1;
        ends[0] = key[i] < ends[0] ? key[i] : ends[0];
        ends[1] = ~key[i] < ends[1] ? ~key[i] : ends[1];
    }
}

static void keep_values(refinement *r, int64_t first, int64_t n, const int64_t *key,
                        const int64_t *place, const int32_t *weight)
{
    for (int64_t i = 0; i < n; i++) {
        if (place[i] < 0 || (weight && weight[i] == 0)) continue;
        if (r->n_found == FOUND_MOST) return; /* the file has changed since they were counted */
        r->found[r->n_found++] = (found) { .interval = (int32_t)(first + (place[i] >> r->bits)),
                                           .weight = weight ? weight[i] : 1,
                                           .key = key[i] };
    }
}

/* n <= PIECE values of a column in groups. */
static void visit_column(refinement *r, int column, int64_t n, const double *x,
                         const int32_t *weight)
{
    const int64_t first = r->of_column[column], edge = first + column;
    const seg_intervals intervals = { .n = (int)(r->of_column[column + 1] - first),
                                      .bits = r->bits,
                                      .low = r->low + edge,
                                      .high = r->high + edge,
                                      .shift = r->shift + edge };
    int64_t key[PIECE], place[PIECE];

    if (intervals.n == 0) return;
    r->kernels->locate(n, r->width, x, &intervals, key, place);
    if (r->gathers)
        keep_values(r, first, n, key, place, weight);
    else
        count_values(r, first << r->bits, n, key, place, weight);
}

/* n clients of one label. */
static void visit_label(refinement *r, int label, int64_t n, const double *x, const int32_t *weight)
{
    const int *group = &r->groups->of_label[(int64_t)label * r->groups->n_of_label];

    for (int64_t at = 0; at < n; at += PIECE) {
        const int64_t some = n - at < PIECE ? n - at : PIECE;
        for (int m = 0; m < r->groups->n_of_label; m++)
            for (int t = 0; t < r->width; t++)
                visit_column(r, group[m] * r->width + t, some, x + at * r->width + t,
                             weight ? weight + at : NULL);
    }
}

/* The slice by label; r->start is where each label begins. */
static void sort_slice(refinement *r, int64_t n, const int32_t *label, const int32_t *weight)
{
    const int n_labels = r->groups->n_labels;
    int64_t *start = r->start, before = 0;

    memset(start, 0, ((size_t)n_labels + 1) * sizeof *start);
    for (int64_t i = 0; i < n; i++)
        start[label[i]]++;
    for (int j = 0; j <= n_labels; j++) {
        const int64_t count = start[j];
        start[j] = before;
        before += count;
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t to = start[label[i]]++;
        memcpy(&r->sorted[to * r->width], &r->x[i * r->width], (size_t)r->width * sizeof *r->x);
        r->sorted_weight[to] = weight ? weight[i] : 1;
    }
    memmove(start + 1, start, (size_t)n_labels * sizeof *start); /* each has gone to its end */
    start[0] = 0;
}

/* Local: this rank's rows. */
static seg_status visit_rows(refinement *r, seg_table *table)
{
    const int64_t rows = seg_table_rows(table).count;
    const seg_groups *groups = r->groups;

    SEG_TRY(seg_fault("quantile_rows", SEG_ERR_IO));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY(seg_table_read(table, at, n, r->x));
        const int32_t *weight = seg_table_weights(table);
        if (groups->label)
            sort_slice(r, n, groups->label + at, weight);
        else
            visit_label(r, 0, n, r->x, weight);
        for (int j = 0; groups->label && j < groups->n_labels; j++)
            visit_label(r, j, r->start[j + 1] - r->start[j], &r->sorted[r->start[j] * r->width],
                        weight ? &r->sorted_weight[r->start[j]] : NULL);
    }
    return SEG_OK;
}

/* ---- what a pass tells ---- */

/* Deals the targets of interval j to its bins: a bin of one key answers them, any other becomes an
 * interval of the next pass.  A rank beyond the values present stays unanswered. */
static void narrow(refinement *r, int64_t j, int64_t *n_next)
{
    const interval *v = &r->intervals[j];
    int64_t below = v->below, at = v->first;

    for (int64_t bin = j << r->bits; bin < (j + 1) << r->bits && at < v->end; bin++) {
        int64_t first = at, low = r->extreme[2 * bin], high = ~r->extreme[2 * bin + 1];
        for (; at < v->end && r->targets[at].rank < below + r->count[bin]; at++)
            if (low == high) *r->targets[at].value = value_of(low);
        if (at > first && low != high)
            r->next[(*n_next)++] = (interval) { .t = v->t,
                                                .low = low,
                                                .high = high,
                                                .below = below,
                                                .count = r->count[bin],
                                                .first = first,
                                                .end = at };
        below += r->count[bin];
    }
}

/* Collective.  Counts of all ranks, and the next intervals. */
static void narrow_all(seg_comm *comm, refinement *r)
{
    int64_t n_next = 0;

    seg_sum_int64(comm, r->count, r->n_intervals << r->bits);
    seg_min_int64(comm, r->extreme, 2 * (r->n_intervals << r->bits));
    for (int64_t j = 0; j < r->n_intervals; j++)
        narrow(r, j, &n_next);
    interval *swap = r->intervals;
    r->intervals = r->next;
    r->next = swap;
    r->n_intervals = n_next;
}

static int compare_found(const void *a, const void *b)
{
    const found *x = a, *y = b;

    if (x->interval != y->interval) return x->interval < y->interval ? -1 : 1;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* Collective.  The values of all ranks in order answer all targets that are left. */
static seg_status answer_all(seg_comm *comm, refinement *r)
{
    int64_t bytes, at = 0;
    found *all;

    SEG_TRY(seg_gather_bytes(comm, r->found, r->n_found * (int64_t)sizeof *all, &all, &bytes));
    const int64_t n = bytes / (int64_t)sizeof *all;
    if (n > 0) qsort(all, (size_t)n, sizeof *all, compare_found);
    for (int64_t j = 0; j < r->n_intervals; j++) {
        const interval *v = &r->intervals[j];
        int64_t below = v->below, next = v->first;
        for (; at < n && all[at].interval == j; at++)
            for (below += all[at].weight; next < v->end && r->targets[next].rank < below; next++)
                *r->targets[next].value = value_of(all[at].key);
    }
    r->n_intervals = 0;
    seg_free(all);
    return SEG_OK;
}

seg_status seg_order_statistics(seg_comm *comm, seg_table *table, int q, const int64_t *rank_of,
                                double *value)
{
    const int everyone = 0;
    const seg_groups all = { .n = 1, .n_labels = 1, .n_of_label = 1, .of_label = &everyone };

    return seg_group_order_statistics(comm, table, &all, q, rank_of, value);
}

seg_status seg_group_order_statistics(seg_comm *comm, seg_table *table, const seg_groups *groups,
                                      int q, const int64_t *rank_of, double *value)
{
    seg_status status = SEG_OK;
    refinement r = { 0 };

    SEG_TRY_OR_DONE(seg_agree(comm, refinement_init(&r, table, groups, q, rank_of, value)));
    while (r.n_intervals > 0) {
        pass_begin(&r);
        SEG_TRY_OR_DONE(seg_agree(comm, visit_rows(&r, table)));
        if (r.gathers)
            SEG_TRY_OR_DONE(answer_all(comm, &r));
        else
            narrow_all(comm, &r);
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

/* Local. */
static seg_status neighbours_alloc(int64_t cells, int64_t **rank_of, double **neighbour)
{
    SEG_TRY(seg_fault("quantile_ranks_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(2 * cells, sizeof **rank_of, rank_of));
    return seg_alloc(2 * cells, sizeof **neighbour, neighbour);
}

seg_status seg_quantiles(seg_comm *comm, seg_table *table, const int64_t *count, int q,
                         const double *probability, double *value)
{
    seg_status status = SEG_OK;
    const int64_t cells = (int64_t)seg_table_columns(table) * q;
    int64_t *rank_of = NULL;
    double *neighbour = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, neighbours_alloc(cells, &rank_of, &neighbour)));
    for (int64_t cell = 0; cell < cells; cell++) {
        const int64_t n = count[cell / q];
        const seg_quantile_position at = seg_quantile_at(n, probability[cell % q]);
        rank_of[2 * cell] = n > 0 ? at.lower : -1;
        rank_of[2 * cell + 1] = n > 0 ? at.upper : -1;
    }
    SEG_TRY_OR_DONE(seg_order_statistics(comm, table, 2 * q, rank_of, neighbour));
    for (int64_t cell = 0; cell < cells; cell++) {
        const double weight = seg_quantile_at(count[cell / q], probability[cell % q]).weight;
        value[cell] = seg_quantile_between(neighbour[2 * cell], neighbour[2 * cell + 1], weight);
    }
done:
    seg_free(rank_of);
    seg_free(neighbour);
    return status;
}
