/* A decision tree of depth 3 at most that tells the segments apart by the clients' own figures:
 * grown on the sample, counted over all clients.
 * Source: CART (Breiman et al. 1984), Gini's index. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"

#define DEPTH      3
#define LEAF_LEAST 0.005 /* of the sample */

/* ---- growing ---- */

typedef struct split {
    int column;
    double threshold;
    double gain;
    int64_t left; /* clients of the sample */
} split;

typedef struct value_of {
    double x;
    int segment;
    int32_t weight;
} value_of;

typedef struct growth {
    const segment_sample *sample;
    const seg_segments *segments;
    seg_tree *tree;
    int64_t *who;    /* [n] clients of the sample, ordered so that a node's are neighbours */
    int64_t *aside;  /* [n] */
    value_of *value; /* [n] */
} growth;

static int segment_of(const growth *g, int64_t client)
{
    return g->segments->cluster_to_segment[segment_sample_cluster(g->sample, client)];
}

static int compare_values(const void *a, const void *b)
{
    double x = ((const value_of *)a)->x, y = ((const value_of *)b)->x;

    return (x > y) - (x < y);
}

/* The number with the fewest digits in [a, b), a < b. */
static double short_between(double a, double b)
{
    char text[40];

    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, a + (b - a) / 2);
        double value = strtod(text, NULL);
        if (a <= value && value < b) return value;
    }
    return a;
}

static double purity(int n, const int64_t *count, int64_t all)
{
    double squares = 0;

    for (int s = 0; s < n; s++)
        squares += (double)count[s] * (double)count[s];
    return all > 0 ? squares / (double)all : 0;
}

/* Improves `best` by a split of the n clients at `who` in one column.  The gain is the fall of
 * Gini's index times the weight of the clients. */
static void try_column(growth *g, const int64_t *who, int64_t n, int t, split *best)
{
    int64_t left[SEG_SEGMENTS_MAX] = { 0 }, right[SEG_SEGMENTS_MAX] = { 0 };
    int64_t least = (int64_t)(LEAF_LEAST * (double)g->sample->n) + 1, all = 0, below = 0;
    int n_segments = g->segments->n_segments;
    value_of *value = g->value;

    for (int64_t i = 0; i < n; i++) {
        value[i] = (value_of) { segment_sample_value(g->sample, who[i], t), segment_of(g, who[i]),
                                seg_matrix_weight(&g->sample->m, who[i]) };
        right[value[i].segment] += value[i].weight;
        all += value[i].weight;
    }
    double before = purity(n_segments, right, all);
    qsort(value, (size_t)n, sizeof *value, compare_values);
    for (int64_t i = 0; i + 1 < n; i++) {
        left[value[i].segment] += value[i].weight;
        right[value[i].segment] -= value[i].weight;
        below += value[i].weight;
        if (!(value[i].x < value[i + 1].x) || i + 1 < least || n - i - 1 < least) continue;
        double gain = purity(n_segments, left, below) + purity(n_segments, right, all - below);
        if (gain - before > best->gain)
            *best = (split) { t, short_between(value[i].x, value[i + 1].x), gain - before, i + 1 };
    }
}

/* The clients at `who` that go left first, each side in its order. */
static void part(growth *g, int64_t *who, int64_t n, const split *s)
{
    int64_t left = 0, right = 0;

    for (int64_t i = 0; i < n; i++)
        if (segment_sample_value(g->sample, who[i], s->column) <= s->threshold)
            who[left++] = who[i];
        else
            g->aside[right++] = who[i];
    memcpy(who + left, g->aside, (size_t)right * sizeof *who);
}

/* The node of the n clients at `who`, with all below it; its number. */
static int grow(growth *g, int64_t *who, int64_t n, int depth)
{
    int64_t count[SEG_SEGMENTS_MAX] = { 0 };
    int number = g->tree->n_nodes++;
    seg_tree_node *node = &g->tree->node[number];
    split best = { .column = -1, .gain = 1e-9 * (double)n };

    *node = (seg_tree_node) { .column = -1, .left = -1, .right = -1 };
    for (int64_t i = 0; i < n; i++)
        count[segment_of(g, who[i])] += seg_matrix_weight(&g->sample->m, who[i]);
    for (int s = 1; s < g->segments->n_segments; s++)
        if (count[s] > count[node->segment]) node->segment = s;
    for (int t = 0; t < g->segments->n_features && depth < DEPTH; t++)
        try_column(g, who, n, t, &best);
    if (best.column < 0) return number;

    part(g, who, n, &best);
    int left = grow(g, who, best.left, depth + 1);
    int right = grow(g, who + best.left, n - best.left, depth + 1);
    node->column = best.column;
    node->threshold = best.threshold;
    node->left = left;
    node->right = right;
    return number;
}

static seg_status grow_tree(growth *g)
{
    int64_t n = g->sample->n;

    SEG_TRY(seg_fault("tree_sample_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(n, sizeof *g->who, &g->who));
    SEG_TRY(seg_alloc(n, sizeof *g->aside, &g->aside));
    SEG_TRY(seg_alloc(n, sizeof *g->value, &g->value));
    for (int64_t i = 0; i < n; i++)
        g->who[i] = i;
    (void)grow(g, g->who, n, 0);
    return SEG_OK;
}

/* ---- pruning: a split whose sides all say the same is no split ---- */

static bool says_same(const seg_tree *tree, int node, int segment)
{
    const seg_tree_node *n = &tree->node[node];

    if (n->column < 0) return n->segment == segment;
    return says_same(tree, n->left, segment) && says_same(tree, n->right, segment);
}

/* Copies what is left of the nodes below `from`, parents first; the new number. */
static int prune(const seg_tree *from, int node, seg_tree *to)
{
    int number = to->n_nodes++;
    seg_tree_node copy = from->node[node];
    int first = node;

    while (from->node[first].column >= 0)
        first = from->node[first].left;
    if (copy.column >= 0 && says_same(from, node, from->node[first].segment)) {
        copy.segment = from->node[first].segment;
        copy.column = copy.left = copy.right = -1;
    }
    if (copy.column >= 0) {
        copy.left = prune(from, from->node[node].left, to);
        copy.right = prune(from, from->node[node].right, to);
    }
    to->node[number] = copy;
    return number;
}

/* ---- counting over all clients ---- */

int seg_tree_leaf(const seg_tree *tree, const double *x)
{
    int node = 0;

    while (tree->node[node].column >= 0)
        node = x[tree->node[node].column] <= tree->node[node].threshold ? tree->node[node].left
                                                                        : tree->node[node].right;
    return node;
}

/* Local.  count [node][segment] of this rank's clients in the leaves. */
static seg_status count_rows(const seg_segments_input *in, const seg_segments *s, int64_t *count)
{
    seg_status status = SEG_OK;
    int64_t rows = in->matrix->rows.count;
    int d = s->n_features;
    double *x = NULL;

    SEG_TRY_OR_DONE(seg_fault("tree_rows_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(SEG_SLICE_ROWS, (size_t)d * sizeof *x, &x));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY_OR_DONE(seg_table_read(in->table, at, n, x));
        for (int64_t i = 0; i < n; i++) {
            for (int t = 0; t < d; t++)
                if (isnan(x[i * d + t])) x[i * d + t] = in->prep->fill_value[t];
            int segment = s->cluster_to_segment[in->kmeans->label[at + i]];
            count[seg_tree_leaf(&s->tree, &x[i * d]) * s->n_segments + segment] +=
                seg_matrix_weight(in->matrix, at + i);
        }
    }
done:
    seg_free(x);
    return status;
}

/* Clients and hits of every leaf; a leaf says what most of its clients are. */
static void finish(seg_segments *s, const int64_t *count, int64_t n)
{
    int64_t hits = 0;

    for (int i = 0; i < s->tree.n_nodes; i++) {
        seg_tree_node *node = &s->tree.node[i];
        const int64_t *of = &count[i * s->n_segments];
        for (int segment = 0; segment < s->n_segments; segment++) {
            node->clients += of[segment];
            if (of[segment] > of[node->segment]) node->segment = segment;
        }
        node->hits = of[node->segment];
        hits += node->hits;
    }
    for (int i = s->tree.n_nodes - 1; i >= 0; i--) { /* children stand behind their parent */
        seg_tree_node *node = &s->tree.node[i];
        if (node->column < 0) continue;
        node->clients = s->tree.node[node->left].clients + s->tree.node[node->right].clients;
        node->hits = s->tree.node[node->left].hits + s->tree.node[node->right].hits;
    }
    s->tree.fidelity = (double)hits / (double)n;
}

seg_status segment_tree(seg_comm *comm, const seg_segments_input *in, const segment_sample *sample,
                        seg_segments *segments)
{
    int64_t count[SEG_TREE_NODES * SEG_SEGMENTS_MAX] = { 0 };
    seg_tree grown = { 0 };
    growth g = { .sample = sample, .segments = segments, .tree = &grown };

    seg_status status = seg_agree(comm, grow_tree(&g));
    seg_free(g.who);
    seg_free(g.aside);
    seg_free(g.value);
    SEG_TRY(status);
    (void)prune(&grown, 0, &segments->tree);
    SEG_TRY(seg_agree(comm, count_rows(in, segments, count)));
    seg_sum_int64(comm, count, (int64_t)segments->tree.n_nodes * segments->n_segments);
    finish(segments, count, in->matrix->total_weight);
    return SEG_OK;
}
