/* Merges of k clusters into groups: all of them where they can be counted out, otherwise those that
 * moving single clusters reaches. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"

#define MERGES_MOST 1e6

seg_status merge_space_init(merge_space *space, int k, int d, const double *weight, const double *x)
{
    *space = (merge_space) { .k = k, .weight = weight };
    SEG_TRY(seg_alloc(k, (size_t)k * sizeof(double), &space->pair));
    for (int i = 0; i < k; i++)
        for (int j = 0; j < k; j++) {
            double squares = 0;
            for (int t = 0; t < d; t++) {
                double diff = x[i * d + t] - x[j * d + t];
                squares += diff * diff;
            }
            space->pair[i * k + j] = weight[i] * weight[j] * squares;
        }
    return SEG_OK;
}

void merge_space_release(merge_space *space)
{
    seg_free(space->pair);
    *space = (merge_space) { 0 };
}

double merge_cost(const merge_space *space, int n_groups, const int *label)
{
    double cost = 0;

    for (int group = 0; group < n_groups; group++) {
        double pairs = 0, weight = 0;
        for (int i = 0; i < space->k; i++) {
            if (label[i] != group) continue;
            weight += space->weight[i];
            for (int j = 0; j < i; j++)
                if (label[j] == group) pairs += space->pair[i * space->k + j];
        }
        if (weight > 0) cost += pairs / weight;
    }
    return cost;
}

/* Stirling numbers of the second kind: S(k, m) = m S(k - 1, m) + S(k - 1, m - 1). */
bool merge_is_small(int k, int n_groups)
{
    double count[SEG_SEGMENTS_MAX + 1] = { 1 };

    for (int i = 1; i <= k; i++) {
        for (int m = n_groups; m > 0; m--)
            count[m] = fmin(m * count[m] + count[m - 1], 1e300);
        count[0] = 0;
    }
    return count[n_groups] <= MERGES_MOST;
}

typedef struct search {
    const merge_space *space;
    int n_groups;
    merge_value value;
    void *user;
    int *label; /* [k] the one looked at */
    int *best;  /* [k] */
    double least;
} search;

static void look(search *s, double cost)
{
    double value = s->value(s->user, s->label, cost);

    if (!(value < s->least)) return;
    s->least = value;
    memcpy(s->best, s->label, (size_t)s->space->k * sizeof *s->best);
}

/* All labellings of clusters i.. in which a group's number appears only after all lower ones, so
 * that each merge is met once; `used` groups have members. */
static void count_out(search *s, int i, int used)
{
    int k = s->space->k;

    if (i == k) {
        look(s, merge_cost(s->space, s->n_groups, s->label));
        return;
    }
    for (int group = 0; group <= used && group < s->n_groups; group++) {
        int after = group == used ? used + 1 : used;
        if (s->n_groups - after > k - i - 1) continue; /* some would stay empty */
        s->label[i] = group;
        count_out(s, i + 1, after);
    }
}

/* What a group is made of: clusters, their weight, and the sum over pairs of them. */
typedef struct group {
    int members;
    double weight, pairs;
} group;

/* Sum over the pairs of cluster i with the members of a group. */
static double pairs_with(const search *s, int i, int g)
{
    const double *pair = &s->space->pair[i * s->space->k];
    double sum = 0;

    for (int j = 0; j < s->space->k; j++)
        if (s->label[j] == g && j != i) sum += pair[j];
    return sum;
}

static void count_groups(const search *s, group *groups)
{
    memset(groups, 0, (size_t)s->n_groups * sizeof *groups);
    for (int i = 0; i < s->space->k; i++) {
        group *own = &groups[s->label[i]];
        own->members++;
        own->weight += s->space->weight[i];
        own->pairs += pairs_with(s, i, s->label[i]) / 2;
    }
}

/* Looks at the moves of cluster i; `cost` is that of the labels as they stand. */
static void try_moves(search *s, const group *groups, double cost, int i)
{
    int home = s->label[i];
    double weight = s->space->weight[i];
    const group *from = &groups[home];

    if (from->members == 1) return;
    double left = (from->pairs - pairs_with(s, i, home)) / (from->weight - weight);
    cost += left - from->pairs / from->weight;
    for (int g = 0; g < s->n_groups; g++) {
        const group *to = &groups[g];
        if (g == home) continue;
        double joined = (to->pairs + pairs_with(s, i, g)) / (to->weight + weight);
        s->label[i] = g;
        look(s, cost + joined - to->pairs / to->weight);
        s->label[i] = home;
    }
}

/* The best move of one cluster to another group, again and again until none is better. */
static void descend(search *s)
{
    int k = s->space->k;
    group groups[SEG_SEGMENTS_MAX];
    double before, cost = merge_cost(s->space, s->n_groups, s->label);

    look(s, cost);
    do {
        before = s->least;
        if (before < INFINITY) memcpy(s->label, s->best, (size_t)k * sizeof *s->label);
        cost = merge_cost(s->space, s->n_groups, s->label);
        count_groups(s, groups);
        for (int i = 0; i < k; i++)
            try_moves(s, groups, cost, i);
    } while (s->least < before);
}

double merge_best(const merge_space *space, int n_groups, merge_value value, void *user, int *label)
{
    int work[SEG_REFINE_MAX] = { 0 };
    search s = { .space = space,
                 .n_groups = n_groups,
                 .value = value,
                 .user = user,
                 .label = work,
                 .best = label,
                 .least = INFINITY };

    if (merge_is_small(space->k, n_groups)) {
        count_out(&s, 0, 0);
    } else {
        memcpy(work, label, (size_t)space->k * sizeof *work);
        descend(&s);
    }
    return s.least;
}
