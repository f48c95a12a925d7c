/* Spearman's correlation: Pearson's of average ranks, taken anew for each pair over the clients who
 * have both columns.
 *
 * Every rank sorts its part of a column and sees the sorted parts of all: how many clients have
 * less and how many as much gives twice the average rank, a whole number.  For a pair with gaps,
 * the ranks of a column follow from those without gaps by the same count: twice a rank falls by two
 * for each client below it who misses the other column, and by one for each client on it. */
#include <math.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"
#include "stats_internal.h"

#define SAMPLE_DRAW 1 /* k-means draws its sample with 0 */
#define DIGIT_BITS  11
#define DIGITS      ((size_t)1 << DIGIT_BITS)

/* ---- the clients ---- */

/* Client s of the sample: one from each of `size` equal ranges of rows. */
static int64_t row_of(const describe_ranks *r, int64_t s)
{
    seg_random key = { .seed = r->seed, .purpose = SEG_RANDOM_SAMPLE };

    return seg_random_of_range(key, s, r->size, r->total, SAMPLE_DRAW);
}

seg_status describe_ranks_init(describe_ranks *r, seg_rows rows, int d,
                               const seg_describe_opts *opts)
{
    int64_t size = rows.total < opts->spearman_rows ? rows.total : opts->spearman_rows;

    *r = (describe_ranks) { .d = d, .size = size, .total = rows.total, .seed = opts->seed };
    if (size == 0) return SEG_OK;
    r->next = (int64_t)((double)rows.first / (double)rows.total * (double)size) - 2;
    if (r->next < 0) r->next = 0;
    while (r->next < size && row_of(r, r->next) < rows.first)
        r->next++;
    int64_t last = r->next;
    while (last < size && row_of(r, last) < rows.first + rows.count)
        last++;
    r->room = last - r->next;
    SEG_TRY(seg_fault("describe_ranks_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(r->room, sizeof *r->weight, &r->weight));
    return seg_alloc(r->room * d, sizeof *r->x, &r->x);
}

void describe_ranks_release(describe_ranks *r)
{
    seg_free(r->weight);
    seg_free(r->x);
    *r = (describe_ranks) { 0 };
}

void describe_ranks_add(describe_ranks *r, int64_t first, int64_t n, const double *x,
                        const int32_t *weight)
{
    r->weighted = weight != NULL;
    for (; r->next < r->size; r->next++, r->count++) {
        int64_t i = row_of(r, r->next) - first;
        if (i >= n) return;
        r->weight[r->count] = weight ? weight[i] : 1;
        for (int t = 0; t < r->d; t++)
            r->x[t * r->room + r->count] = x[i * r->d + t];
    }
}

/* ---- counting who is below ---- */

typedef struct entry {
    uint64_t key;
    int64_t weight;
} entry;

typedef struct workspace {
    seg_comm *comm;
    describe_ranks *r;
    int32_t *order;    /* [d][n] this rank's clients who have the column, in its order */
    int64_t *here;     /* [d] their number */
    int64_t *present;  /* [d] weight of all who have it */
    int64_t total;     /* weight of all */
    uint64_t *key;     /* [n] of each client */
    int64_t *below[2]; /* [n] of each client: 2 for who is below, 1 for who is equal */
    entry *entries;    /* [n] */
    int32_t *other;    /* [n] */
    int64_t *counts;   /* [DIGITS] */
    double *block;     /* [SEG_BLOCK_ROWS][d] */
    describe_products all, pair;
} workspace;

/* n clients by key; stable, digit by digit from the lowest; a digit that all share moves none. */
static void sort(workspace *w, int64_t n, int32_t *order)
{
    for (int shift = 0; shift < 64; shift += DIGIT_BITS) {
        int64_t at = 0;
        memset(w->counts, 0, DIGITS * sizeof *w->counts);
        for (int64_t j = 0; j < n; j++)
            w->counts[w->key[order[j]] >> shift & (DIGITS - 1)]++;
        if (n == 0 || w->counts[w->key[order[0]] >> shift & (DIGITS - 1)] == n) continue;
        for (size_t digit = 0; digit < DIGITS; digit++) {
            int64_t count = w->counts[digit];
            w->counts[digit] = at;
            at += count;
        }
        for (int64_t j = 0; j < n; j++)
            w->other[w->counts[w->key[order[j]] >> shift & (DIGITS - 1)]++] = order[j];
        memcpy(order, w->other, (size_t)n * sizeof *order);
    }
}

/* Adds to `below` what m entries in order contribute to n clients in order. */
static void merge(const workspace *w, int64_t n, const int32_t *order, int64_t m,
                  const entry *entries, int64_t *below)
{
    int64_t less = 0, through = 0; /* entries less than the client, not greater */
    int64_t weight_less = 0, weight_through = 0;

    for (int64_t j = 0; j < n; j++) {
        uint64_t key = w->key[order[j]];
        for (; less < m && entries[less].key < key; less++)
            weight_less += entries[less].weight;
        for (; through < m && entries[through].key <= key; through++)
            weight_through += entries[through].weight;
        below[order[j]] += weight_less + weight_through;
    }
}

/* Collective.  Counts, for this rank's clients of column t, the n entries of this rank and those of
 * all others; *total = weight of all. */
static seg_status count_below(workspace *w, int t, int64_t n, int64_t *below, int64_t *total)
{
    int64_t room = w->r->room, bytes = 0;
    entry *all = NULL;

    memset(below, 0, (size_t)room * sizeof *below);
    SEG_TRY(seg_gather_bytes(w->comm, w->entries, n * (int64_t)sizeof *w->entries, &all, &bytes));
    int64_t m = bytes / (int64_t)sizeof *all;
    *total = 0;
    for (int64_t at = 0, end; at < m; at = end) { /* a part ends where keys fall, or later */
        for (end = at + 1; end < m && all[end].key >= all[end - 1].key;)
            end++;
        merge(w, w->here[t], &w->order[t * room], end - at, &all[at], below);
    }
    for (int64_t j = 0; j < m; j++)
        *total += all[j].weight;
    seg_free(all);
    return SEG_OK;
}

/* ---- ranks ---- */

/* Collective.  Values of column t become twice their average ranks. */
static seg_status rank_column(workspace *w, int t)
{
    const describe_ranks *r = w->r;
    double *x = &r->x[t * r->room];
    int32_t *order = &w->order[t * r->room];
    int64_t n = 0;

    for (int64_t i = 0; i < r->count; i++) {
        w->key[i] = stats_key(x[i]);
        if (!isnan(x[i]) && r->weight[i] > 0) order[n++] = (int32_t)i;
    }
    w->here[t] = n;
    sort(w, n, order);
    for (int64_t j = 0; j < n; j++)
        w->entries[j] = (entry) { w->key[order[j]], r->weight[order[j]] };
    SEG_TRY(count_below(w, t, n, w->below[0], &w->present[t]));
    for (int64_t i = 0; i < r->count; i++)
        x[i] = NAN;
    for (int64_t j = 0; j < n; j++)
        x[order[j]] = (double)(w->below[0][order[j]] + 1);
    return SEG_OK;
}

/* Collective.  below [.] = by how much twice the ranks of s fall without those who miss t; *both =
 * weight of who has both. */
static seg_status count_falls(workspace *w, int s, int t, int64_t *below, int64_t *both)
{
    const describe_ranks *r = w->r;
    const int32_t *order = &w->order[s * r->room];
    int64_t n = 0, lost;

    if (w->present[t] == w->total) { /* nobody misses t */
        memset(below, 0, (size_t)r->room * sizeof *below);
        *both = w->present[s];
        return SEG_OK;
    }
    for (int64_t j = 0; j < w->here[s]; j++) {
        int32_t i = order[j];
        w->key[i] = (uint64_t)r->x[s * r->room + i];
        if (isnan(r->x[t * r->room + i])) w->entries[n++] = (entry) { w->key[i], r->weight[i] };
    }
    SEG_TRY(count_below(w, s, n, below, &lost));
    *both = w->present[s] - lost;
    return SEG_OK;
}

/* ---- their products ---- */

/* Twice the average ranks of clients of a total weight are 2 .. 2 weight, their mean between. */
static void scale(describe_products *p, int t, int64_t weight)
{
    describe_products_scale(p, t, 1, (double)(weight + 1), (double)(2 * weight + 1));
}

/* Collective. */
static void multiply_all(workspace *w)
{
    const describe_ranks *r = w->r;

    for (int t = 0; t < r->d; t++)
        scale(&w->all, t, w->present[t]);
    for (int64_t at = 0; at < r->count; at += SEG_BLOCK_ROWS) {
        int64_t n = r->count - at < SEG_BLOCK_ROWS ? r->count - at : SEG_BLOCK_ROWS;
        for (int64_t i = 0; i < n; i++)
            for (int t = 0; t < r->d; t++)
                w->block[i * r->d + t] = r->x[t * r->room + at + i];
        describe_products_add(&w->all, n, w->block, r->weighted ? &r->weight[at] : NULL);
    }
    describe_products_sum(w->comm, &w->all);
}

/* Collective. */
static seg_status multiply_pair(workspace *w, int s, int t, double *correlation)
{
    const describe_ranks *r = w->r;
    const double *of_s = &r->x[s * r->room], *of_t = &r->x[t * r->room];
    int64_t both, same;

    SEG_TRY(count_falls(w, s, t, w->below[0], &both));
    SEG_TRY(count_falls(w, t, s, w->below[1], &same));
    double mean = (double)(both + 1); /* who has not both adds nothing */
    describe_products_clear(&w->pair);
    scale(&w->pair, 0, both);
    scale(&w->pair, 1, both);
    for (int64_t at = 0; at < r->count; at += SEG_BLOCK_ROWS) {
        int64_t n = r->count - at < SEG_BLOCK_ROWS ? r->count - at : SEG_BLOCK_ROWS;
        for (int64_t i = 0; i < n; i++) {
            bool has_both = !isnan(of_s[at + i]) && !isnan(of_t[at + i]);
            double *pair = &w->block[2 * i];
            pair[0] = has_both ? of_s[at + i] - (double)w->below[0][at + i] : mean;
            pair[1] = has_both ? of_t[at + i] - (double)w->below[1][at + i] : mean;
        }
        describe_products_add(&w->pair, n, w->block, r->weighted ? &r->weight[at] : NULL);
    }
    describe_products_sum(w->comm, &w->pair);
    *correlation = describe_products_correlation(&w->pair, 0, 1, both);
    return SEG_OK;
}

/* ---- all together ---- */

static void workspace_release(workspace *w)
{
    seg_free(w->order);
    seg_free(w->here);
    seg_free(w->present);
    seg_free(w->key);
    seg_free(w->below[0]);
    seg_free(w->below[1]);
    seg_free(w->entries);
    seg_free(w->other);
    seg_free(w->counts);
    seg_free(w->block);
    describe_products_release(&w->all);
    describe_products_release(&w->pair);
}

static seg_status workspace_init(workspace *w)
{
    int64_t d = w->r->d, n = w->r->room;

    SEG_TRY(seg_fault("describe_ranks_workspace", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d * n, sizeof *w->order, &w->order));
    SEG_TRY(seg_alloc(d, sizeof *w->here, &w->here));
    SEG_TRY(seg_alloc(d, sizeof *w->present, &w->present));
    SEG_TRY(seg_alloc(n, sizeof *w->key, &w->key));
    SEG_TRY(seg_alloc(n, sizeof *w->below[0], &w->below[0]));
    SEG_TRY(seg_alloc(n, sizeof *w->below[1], &w->below[1]));
    SEG_TRY(seg_alloc(n, sizeof *w->entries, &w->entries));
    SEG_TRY(seg_alloc(n, sizeof *w->other, &w->other));
    SEG_TRY(seg_alloc((int64_t)DIGITS, sizeof *w->counts, &w->counts));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, (size_t)(d + 1) * sizeof *w->block, &w->block));
    SEG_TRY(describe_products_init(&w->all, (int)d, false));
    return describe_products_init(&w->pair, 2, false);
}

/* Collective. */
static seg_status correlate(workspace *w, double *spearman)
{
    int d = w->r->d;

    for (int64_t i = 0; i < w->r->count; i++)
        w->total += w->r->weight[i];
    seg_sum_int64(w->comm, &w->total, 1);
    for (int t = 0; t < d; t++) {
        SEG_TRY(rank_column(w, t));
        seg_progress_set(t + 1);
    }
    multiply_all(w);
    for (int s = 0; s < d; s++)
        for (int t = s; t < d; t++) {
            bool gaps = w->present[s] < w->total || w->present[t] < w->total;
            double value = NAN;
            if (gaps && s != t)
                SEG_TRY(multiply_pair(w, s, t, &value));
            else
                value = describe_products_correlation(&w->all, s, t, w->present[s]);
            spearman[(int64_t)s * d + t] = spearman[(int64_t)t * d + s] = value;
        }
    return SEG_OK;
}

seg_status describe_ranks_correlate(seg_comm *comm, describe_ranks *r, double *spearman)
{
    seg_status status = SEG_OK;
    workspace w = { .comm = comm, .r = r };

    SEG_TRY_OR_DONE(seg_agree(comm, workspace_init(&w)));
    SEG_TRY_OR_DONE(correlate(&w, spearman));
done:
    workspace_release(&w);
    return status;
}
