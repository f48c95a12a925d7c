/* Spearman's correlation: Pearson's of average ranks, taken anew for each pair over the clients who
 * have both columns.
 *
 * Every rank sorts its part of a column and sees the sorted parts of all: how many values are less
 * and how many equal gives twice the average rank, a whole number.  Products of such numbers are
 * summed as integers.  For a pair with gaps, the ranks of a column follow from those without gaps:
 * each falls by the clients below it who miss the other column, and half of those equal to it. */
#include <math.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/kernels.h"
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
    int64_t low = s * r->total / r->size, high = (s + 1) * r->total / r->size;
    int64_t row = low + (int64_t)(seg_random_uniform(key, s, SAMPLE_DRAW) * (double)(high - low));

    return row < high ? row : high - 1;
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
    return seg_alloc(r->room * d, sizeof *r->x, &r->x);
}

void describe_ranks_release(describe_ranks *r)
{
    seg_free(r->x);
    *r = (describe_ranks) { 0 };
}

void describe_ranks_add(describe_ranks *r, int64_t first, int64_t n, const double *x)
{
    for (; r->next < r->size; r->next++, r->count++) {
        int64_t i = row_of(r, r->next) - first;
        if (i >= n) return;
        for (int t = 0; t < r->d; t++)
            r->x[t * r->room + r->count] = x[i * r->d + t];
    }
}

/* ---- ranks of a column ---- */

typedef struct item {
    uint64_t key;
    int64_t i; /* client */
} item;

typedef struct workspace {
    seg_comm *comm;
    int64_t n;               /* this rank's clients */
    int32_t *twice;          /* [d][n] twice the average rank; 0: missing */
    int64_t *present;        /* [d] on all ranks */
    item *items, *other;     /* [n] */
    uint64_t *keys;          /* [n] */
    int32_t *lost;           /* [n] */
    int32_t *fall[2];        /* [2 size + 2] by how much twice a rank falls in a pair with gaps */
    int64_t *sum;            /* [d][d][3] products of a pair, squares of its first, of its second */
    double *block, *moments; /* [SEG_BLOCK_ROWS][d], [d][d] */
    int64_t *counts;         /* [DIGITS] */
} workspace;

/* By key; stable, digit by digit, from the lowest; a digit that all share costs no move. */
static void sort_items(workspace *w, int64_t n)
{
    for (int shift = 0; shift < 64; shift += DIGIT_BITS) {
        int64_t at = 0;
        memset(w->counts, 0, DIGITS * sizeof *w->counts);
        for (int64_t i = 0; i < n; i++)
            w->counts[w->items[i].key >> shift & (DIGITS - 1)]++;
        if (n > 0 && w->counts[w->items[0].key >> shift & (DIGITS - 1)] == n) continue;
        for (size_t digit = 0; digit < DIGITS; digit++) {
            int64_t count = w->counts[digit];
            w->counts[digit] = at;
            at += count;
        }
        for (int64_t i = 0; i < n; i++)
            w->other[w->counts[w->items[i].key >> shift & (DIGITS - 1)]++] = w->items[i];
        item *swap = w->items;
        w->items = w->other;
        w->other = swap;
    }
}

/* Adds to twice [.] of this rank's n sorted items what one rank's m sorted keys contribute: 2 for
 * each that is less, 1 for each that is equal. */
static void merge(const workspace *w, int64_t n, int64_t m, const uint64_t *keys, int32_t *twice)
{
    int64_t less = 0, through = 0; /* keys less than the item, and not greater */

    for (int64_t i = 0; i < n; i++) {
        uint64_t key = w->items[i].key;
        while (less < m && keys[less] < key)
            less++;
        if (through < less) through = less;
        while (through < m && keys[through] == key)
            through++;
        twice[w->items[i].i] += (int32_t)(less + through);
    }
}

/* Collective. */
static seg_status rank_column(workspace *w, const describe_ranks *r, int t)
{
    const double *x = &r->x[t * r->room];
    int32_t *twice = &w->twice[t * w->n];
    uint64_t *all = NULL;
    int64_t n = 0, bytes = 0;

    for (int64_t i = 0; i < w->n; i++)
        if (!isnan(x[i])) w->items[n++] = (item) { stats_key(x[i]), i };
    sort_items(w, n);
    for (int64_t i = 0; i < n; i++)
        w->keys[i] = w->items[i].key;
    SEG_TRY(seg_gather_bytes(w->comm, w->keys, n * (int64_t)sizeof *w->keys, &all, &bytes));

    int64_t total = bytes / (int64_t)sizeof *all;
    for (int64_t at = 0, end; at < total; at = end) { /* a part ends where keys fall, or later */
        for (end = at + 1; end < total && all[end] >= all[end - 1];)
            end++;
        merge(w, n, end - at, &all[at], twice);
    }
    for (int64_t i = 0; i < n; i++)
        twice[w->items[i].i]++;
    w->present[t] = total;
    seg_free(all);
    return SEG_OK;
}

/* ---- pairs without gaps: all at once ---- */

static void multiply_all(workspace *w, int d)
{
    for (int64_t at = 0; at < w->n; at += SEG_BLOCK_ROWS) {
        int64_t n = w->n - at < SEG_BLOCK_ROWS ? w->n - at : SEG_BLOCK_ROWS;
        for (int64_t i = 0; i < n; i++)
            for (int t = 0; t < d; t++) {
                int32_t twice = w->twice[t * w->n + at + i];
                w->block[i * d + t] = twice == 0 ? 0 : (double)(twice - w->present[t] - 1);
            }
        seg_blas_second_moments((int)n, d, w->block, w->moments); /* exact: below 2^53 */
        for (int s = 0; s < d; s++)
            for (int t = s; t < d; t++) {
                int64_t *sum = &w->sum[3 * ((int64_t)s * d + t)];
                sum[0] += (int64_t)w->moments[(int64_t)s * d + t];
                sum[1] += (int64_t)w->moments[(int64_t)s * d + s];
                sum[2] += (int64_t)w->moments[(int64_t)t * d + t];
            }
    }
}

/* ---- a pair with gaps ---- */

/* Collective.  fall [twice] for the ranks of column s where those who miss t are left out. */
static seg_status fall_of(workspace *w, int s, int t, int32_t *fall)
{
    const int32_t *own = &w->twice[s * w->n], *other = &w->twice[t * w->n];
    int32_t *all = NULL, below = 0;
    int64_t n = 0, bytes = 0, most = 2 * w->present[s];

    for (int64_t i = 0; i < w->n; i++)
        if (own[i] != 0 && other[i] == 0) w->lost[n++] = own[i];
    SEG_TRY(seg_gather_bytes(w->comm, w->lost, n * (int64_t)sizeof *w->lost, &all, &bytes));
    memset(fall, 0, (size_t)(most + 1) * sizeof *fall);
    for (int64_t j = 0; j < bytes / (int64_t)sizeof *all; j++)
        fall[all[j]]++;
    for (int64_t twice = 0; twice <= most; twice++) {
        int32_t equal = fall[twice];
        fall[twice] = 2 * below + equal;
        below += equal;
    }
    seg_free(all);
    return SEG_OK;
}

/* Collective. */
static seg_status multiply_pair(workspace *w, int d, int s, int t)
{
    const int32_t *of_s = &w->twice[s * w->n], *of_t = &w->twice[t * w->n];
    int64_t *sum = &w->sum[3 * ((int64_t)s * d + t)], both = 0;

    SEG_TRY(fall_of(w, s, t, w->fall[0]));
    SEG_TRY(fall_of(w, t, s, w->fall[1]));
    for (int64_t i = 0; i < w->n; i++)
        both += of_s[i] != 0 && of_t[i] != 0;
    seg_sum_int64(w->comm, &both, 1);
    memset(sum, 0, 3 * sizeof *sum);
    for (int64_t i = 0; i < w->n; i++) {
        if (of_s[i] == 0 || of_t[i] == 0) continue;
        int64_t a = of_s[i] - w->fall[0][of_s[i]] - both - 1;
        int64_t b = of_t[i] - w->fall[1][of_t[i]] - both - 1;
        sum[0] += a * b;
        sum[1] += a * a;
        sum[2] += b * b;
    }
    return SEG_OK;
}

/* ---- all together ---- */

static void workspace_release(workspace *w)
{
    seg_free(w->twice);
    seg_free(w->present);
    seg_free(w->items);
    seg_free(w->other);
    seg_free(w->keys);
    seg_free(w->lost);
    seg_free(w->fall[0]);
    seg_free(w->fall[1]);
    seg_free(w->sum);
    seg_free(w->block);
    seg_free(w->moments);
    seg_free(w->counts);
}

static seg_status workspace_init(workspace *w, seg_comm *comm, const describe_ranks *r)
{
    int64_t d = r->d, n = r->count;
    size_t columns = (size_t)d;

    *w = (workspace) { .comm = comm, .n = n };
    SEG_TRY(seg_fault("describe_ranks_workspace", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d * n, sizeof *w->twice, &w->twice));
    SEG_TRY(seg_alloc(d, sizeof *w->present, &w->present));
    SEG_TRY(seg_alloc(n, sizeof *w->items, &w->items));
    SEG_TRY(seg_alloc(n, sizeof *w->other, &w->other));
    SEG_TRY(seg_alloc(n, sizeof *w->keys, &w->keys));
    SEG_TRY(seg_alloc(n, sizeof *w->lost, &w->lost));
    for (int side = 0; side < 2; side++)
        SEG_TRY(seg_alloc(2 * r->size + 1, sizeof *w->fall[side], &w->fall[side]));
    SEG_TRY(seg_alloc(d * d, 3 * sizeof *w->sum, &w->sum));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, columns * sizeof *w->block, &w->block));
    SEG_TRY(seg_alloc(d, columns * sizeof *w->moments, &w->moments));
    return seg_alloc((int64_t)DIGITS, sizeof *w->counts, &w->counts);
}

/* Collective. */
static seg_status multiply(workspace *w, const describe_ranks *r)
{
    int d = r->d;

    for (int t = 0; t < d; t++) {
        SEG_TRY(rank_column(w, r, t));
        seg_progress_set(t + 1);
    }
    multiply_all(w, d);
    for (int s = 0; s < d; s++)
        for (int t = s; t < d; t++)
            if (s != t && (w->present[s] < r->size || w->present[t] < r->size))
                SEG_TRY(multiply_pair(w, d, s, t));
    seg_sum_int64(w->comm, w->sum, 3 * (int64_t)d * d);
    return SEG_OK;
}

seg_status describe_ranks_correlate(seg_comm *comm, const describe_ranks *r, double *spearman)
{
    seg_status status = SEG_OK;
    workspace w = { 0 };

    SEG_TRY_OR_DONE(seg_agree(comm, workspace_init(&w, comm, r)));
    SEG_TRY_OR_DONE(multiply(&w, r));
    for (int s = 0; s < r->d; s++)
        for (int t = s; t < r->d; t++) {
            const int64_t *sum = &w.sum[3 * ((int64_t)s * r->d + t)];
            double value =
                s == t ? 1 : (double)sum[0] / (sqrt((double)sum[1]) * sqrt((double)sum[2]));
            if (sum[1] == 0 || sum[2] == 0) value = NAN;
            value = isnan(value) ? NAN : fmax(-1, fmin(1, value));
            spearman[(int64_t)s * r->d + t] = spearman[(int64_t)t * r->d + s] = value;
        }
done:
    workspace_release(&w);
    return status;
}
