/* Merges and assignments inside segment/: against all labellings, all permutations, and scipy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "segment_internal.h"

#include "segmpi/memory.h"
#include "segmpi/random.h"

#define K 6

static const seg_random key = { .seed = 9, .purpose = SEG_RANDOM_TEST };

/* ---- sums of squares, from their definition ---- */

static double cost_by_definition(int k, int d, const double *weight, const double *x, int n_groups,
                                 const int *label)
{
    double cost = 0;

    for (int group = 0; group < n_groups; group++)
        for (int t = 0; t < d; t++) {
            double weights = 0, sum = 0;
            for (int i = 0; i < k; i++)
                if (label[i] == group) {
                    weights += weight[i];
                    sum += weight[i] * x[i * d + t];
                }
            for (int i = 0; i < k; i++)
                if (label[i] == group) cost += weight[i] * pow(x[i * d + t] - sum / weights, 2);
        }
    return cost;
}

static void random_points(int64_t seed, int k, int d, double *weight, double *x)
{
    for (int i = 0; i < k; i++) {
        weight[i] = 1 + floor(100 * seg_random_uniform(key, seed, (uint64_t)(i << 8)));
        for (int t = 0; t < d; t++)
            x[i * d + t] = seg_random_normal(key, seed, (uint64_t)((i << 8) + t + 1));
    }
}

static double value_of_cost(void *user, const int *label, double cost)
{
    (void)user;
    (void)label;
    return cost;
}

static void cheapest_merge_is_the_least_of_all_labellings(void **state)
{
    (void)state;
    for (int64_t seed = 0; seed < 20; seed++) {
        double weight[K], x[K * 3], least = INFINITY;
        int label[K], n_groups = 2 + (int)(seed % 3);
        merge_space space;
        random_points(seed, K, 3, weight, x);
        assert_int_equal(merge_space_init(&space, K, 3, weight, x), SEG_OK);
        for (int code = 0; code < 4096; code++) { /* all labellings, base 4 */
            int used[4] = { 0 }, groups = 0, top = 0;
            for (int i = 0, rest = code; i < K; i++, rest /= 4) {
                label[i] = rest % 4;
                groups += !used[label[i]]++;
                top = label[i] > top ? label[i] : top;
            }
            if (groups != n_groups || top != n_groups - 1) continue;
            double cost = cost_by_definition(K, 3, weight, x, n_groups, label);
            assert_true(fabs(merge_cost(&space, n_groups, label) - cost) < 1e-9 * cost);
            if (cost < least) least = cost;
        }
        double found = merge_best(&space, n_groups, value_of_cost, NULL, label);
        assert_true(fabs(found - least) < 1e-9 * least);
        assert_true(fabs(cost_by_definition(K, 3, weight, x, n_groups, label) - least) <
                    1e-9 * least);
        merge_space_release(&space);
    }
}

/* ---- every merge once ---- */

typedef struct seen {
    int k, n_groups;
    int64_t n;
    char taken[1 << 16]; /* by the labelling as a number in base 4 */
} seen;

static double look_at(void *user, const int *label, double cost)
{
    seen *s = user;
    int code = 0, groups = 0;
    int used[4] = { 0 };

    (void)cost;
    for (int i = 0; i < s->k; i++) {
        code = 4 * code + label[i];
        if (!used[label[i]]++) assert_int_equal(label[i], groups++); /* in order of appearance */
    }
    assert_int_equal(groups, s->n_groups);
    assert_false(s->taken[code]++);
    s->n++;
    return INFINITY;
}

static void every_merge_is_looked_at_once(void **state)
{
    (void)state;
    const int64_t stirling[][3] = { { 8, 4, 1701 }, { 8, 1, 1 }, { 4, 4, 1 }, { 5, 3, 25 } };
    static seen s;
    double weight[8], x[8];

    random_points(1, 8, 1, weight, x);
    for (int i = 0; i < 4; i++) {
        merge_space space;
        int label[8] = { 0 };
        memset(&s, 0, sizeof s);
        s.k = (int)stirling[i][0];
        s.n_groups = (int)stirling[i][1];
        assert_int_equal(merge_space_init(&space, s.k, 1, weight, x), SEG_OK);
        assert_true(merge_best(&space, s.n_groups, look_at, &s, label) == INFINITY);
        assert_int_equal(s.n, stirling[i][2]);
        merge_space_release(&space);
    }
}

static void merges_are_counted_out_up_to_a_million(void **state)
{
    (void)state;
    assert_true(merge_is_small(12, 4));  /* 611,501 */
    assert_false(merge_is_small(12, 5)); /* 1,379,400 */
    assert_true(merge_is_small(20, 2));  /* 524,287 */
    assert_false(merge_is_small(21, 2)); /* 1,048,575 */
    assert_true(merge_is_small(127, 127));
    assert_false(merge_is_small(256, 127));
}

/* 40 clusters in five heaps, from a start that is wrong everywhere. */
static void moves_reach_heaps_that_cannot_be_counted_out(void **state)
{
    (void)state;
    enum { MANY = 40, HEAPS = 5 };
    double weight[MANY], x[2 * MANY], cost;
    int label[MANY];
    merge_space space;

    for (int i = 0; i < MANY; i++) {
        int heap = i % HEAPS;
        weight[i] = 1 + i;
        x[2 * i] = 10 * heap + seg_random_normal(key, i, 1) / 10;
        x[2 * i + 1] = 7 * (heap % 2) + seg_random_normal(key, i, 2) / 10;
        label[i] = i / 8;
    }
    assert_false(merge_is_small(MANY, HEAPS));
    assert_int_equal(merge_space_init(&space, MANY, 2, weight, x), SEG_OK);
    cost = merge_best(&space, HEAPS, value_of_cost, NULL, label);
    for (int i = HEAPS; i < MANY; i++)
        assert_int_equal(label[i], label[i % HEAPS]);
    assert_true(fabs(cost - cost_by_definition(MANY, 2, weight, x, HEAPS, label)) < 1e-9 * cost);
    merge_space_release(&space);
}

/* ---- linkage ---- */

static const double points[2 * K] = { 0, 0, 1, 0, 4, 1, 5, 3, 9, 2, 9.5, 6 };
static const double weights[K] = { 3, 1, 2, 5, 1, 4 };

/* Of scipy 1.10's linkage(numpy.repeat(points, weights, axis=0)), the last five merges; Ward's
 * heights squared and halved. */
static const double scipy_ward[] = { 0.75, 7.14285714285714, 13, 65.7435064935065,
                                     182.738636363636 };
static const double scipy_average[] = { 1, 2.23606797749979, 4.03112887414927, 5.12598098202579,
                                        7.46908653546212 };
static const double scipy_clients[] = { 4, 7, 5, 11, 16 };

static void linkage_of_weighted_points_is_scipys_of_repeated_ones(void **state)
{
    (void)state;
    for (int linkage = 0; linkage < 2; linkage++) {
        const double *heights = linkage == 0 ? scipy_ward : scipy_average;
        double tree[4 * K];
        merge_space space;
        assert_int_equal(merge_space_init(&space, K, 2, weights, points), SEG_OK);
        assert_int_equal(merge_tree(&space, linkage == 0 ? MERGE_WARD : MERGE_AVERAGE, NULL, tree),
                         SEG_OK);
        for (int step = 0; step < K - 1; step++) {
            assert_true(fabs(tree[4 * step + 2] - heights[step]) < 1e-12 * heights[step]);
            assert_true(tree[4 * step + 3] == scipy_clients[step]);
            assert_true(tree[4 * step] < tree[4 * step + 1] && tree[4 * step + 1] < K + step);
        }
        merge_space_release(&space);
    }
}

static void cut_undoes_the_last_merges(void **state)
{
    (void)state;
    double tree[4 * K];
    int label[K];
    const int two[K] = { 0, 0, 0, 0, 1, 1 }, three[K] = { 0, 0, 1, 1, 2, 2 };
    merge_space space;

    assert_int_equal(merge_space_init(&space, K, 2, weights, points), SEG_OK);
    assert_int_equal(merge_tree(&space, MERGE_WARD, NULL, tree), SEG_OK);
    merge_cut(K, tree, 2, label);
    assert_memory_equal(label, two, sizeof two);
    merge_cut(K, tree, 3, label);
    assert_memory_equal(label, three, sizeof three);
    merge_cut(K, tree, K, label);
    for (int i = 0; i < K; i++)
        assert_int_equal(label[i], i);
    merge_cut(K, tree, 1, label);
    for (int i = 0; i < K; i++)
        assert_int_equal(label[i], 0);
    merge_space_release(&space);
}

/* Groups that no linkage would make are still those of the tree's first merges, and the heights add
 * up to the cost of one group. */
static void tree_joins_within_segments_first(void **state)
{
    (void)state;
    const int within[K] = { 0, 1, 2, 0, 1, 2 }, one[K] = { 0 };
    double tree[4 * K], sum = 0;
    int label[K];
    merge_space space;

    assert_int_equal(merge_space_init(&space, K, 2, weights, points), SEG_OK);
    assert_int_equal(merge_tree(&space, MERGE_WARD, within, tree), SEG_OK);
    merge_cut(K, tree, 3, label);
    assert_memory_equal(label, within, sizeof label);
    for (int step = 0; step < K - 1; step++)
        sum += tree[4 * step + 2];
    double cost = cost_by_definition(K, 2, weights, points, 1, one);
    assert_true(fabs(sum - cost) < 1e-12 * cost);
    merge_space_release(&space);
}

/* ---- assignment ---- */

/* The greatest sum over all ways to give rows i.. a free column, or none where rows are more. */
static double best_of_all(int n, int m, const double *score, int i, unsigned taken, int left_out)
{
    double best = -INFINITY;

    if (i == n) return 0;
    if (left_out > 0) best = best_of_all(n, m, score, i + 1, taken, left_out - 1);
    for (int j = 0; j < m; j++)
        if (!(taken & 1U << j))
            best = fmax(best, score[i * m + j] +
                                  best_of_all(n, m, score, i + 1, taken | 1U << j, left_out));
    return best;
}

static void assignment_is_the_best_of_all_permutations(void **state)
{
    (void)state;
    for (int64_t seed = 0; seed < 300; seed++) {
        int n = 1 + (int)(seed % 5), m = 1 + (int)(seed / 5 % 6), to[5];
        double score[30], work[64], sum = 0;
        unsigned taken = 0;
        int given = 0;
        for (int cell = 0; cell < n * m; cell++) /* many ties in every third */
            score[cell] = seed % 3 ? seg_random_normal(key, seed, (uint64_t)cell)
                                   : floor(3 * seg_random_uniform(key, seed, (uint64_t)cell));
        assert_true(assignment_size(n, m) <= 64);
        double best = assignment_best(n, m, score, work, to);
        for (int i = 0; i < n; i++) {
            if (to[i] < 0) continue;
            assert_true(to[i] < m && !(taken & 1U << to[i]));
            taken |= 1U << to[i];
            sum += score[i * m + to[i]];
            given++;
        }
        assert_int_equal(given, n < m ? n : m);
        assert_true(fabs(sum - best) < 1e-12);
        assert_true(fabs(best - best_of_all(n, m, score, 0, 0, n > m ? n - m : 0)) < 1e-12);
    }
}

/* ---- refinement ---- */

/* Four clusters of 100 in two columns.  The cheapest pairs are left and right; the catalog knows
 * high and low, which cost `lift` more. */
static void refine_pairs(double side, double lift, int with_catalog, int *label,
                         seg_merge_method *how)
{
    const double centers[8] = { -side, -lift, -side, lift, side, -lift, side, lift };
    const double size[4] = { 100, 100, 100, 100 };
    bool amount[2] = { false, false };
    catalog_entry entries[2] = { { .name = "high", .is_known = true, .n_terms = 1 },
                                 { .name = "low", .is_known = true, .n_terms = 1 } };
    double tree[16];

    entries[0].term[0] = (catalog_term) { 1, CATALOG_HIGH, 1 };
    entries[1].term[0] = (catalog_term) { 1, CATALOG_LOW, 1 };
    seg_guide guide = { .n_features = 2, .d = 2, .amount = amount };
    guide.catalog = (segment_catalog) { .n = with_catalog ? 2 : 0, .entry = entries };
    refinement r = { .k = 4,
                     .n_segments = 2,
                     .d = 2,
                     .size = size,
                     .centers = centers,
                     .inertia = 1000,
                     .n_columns = 2,
                     .z = centers,
                     .guide = &guide,
                     .method = SEG_MERGE_CATALOG };
    refinement_result result = { .label = label, .tree = tree };
    assert_int_equal(segment_refine(&r, &result), SEG_OK);
    *how = result.method;
    double least = 1000 + 400 * fmin(side, lift) * fmin(side, lift);
    assert_true(fabs(result.least_cost - least) < 1e-9 * least);
    assert_true(result.cost >= result.least_cost);
}

static void catalog_decides_among_merges_of_nearly_the_least_cost(void **state)
{
    (void)state;
    int label[4];
    seg_merge_method how;

    refine_pairs(1.1, 1, true, label, &how); /* 1484 against 1400: 6 % */
    assert_int_equal(how, SEG_MERGE_CATALOG);
    assert_true(label[0] == label[2] && label[1] == label[3] && label[0] != label[1]);

    refine_pairs(1.3, 1, true, label, &how); /* 1676 against 1400: 20 % is too much */
    assert_true(label[0] == label[1] && label[2] == label[3] && label[0] != label[2]);

    refine_pairs(1.1, 1, false, label, &how); /* nothing to be guided by */
    assert_int_equal(how, SEG_MERGE_WARD);
    assert_true(label[0] == label[1] && label[2] == label[3] && label[0] != label[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cheapest_merge_is_the_least_of_all_labellings),
        cmocka_unit_test(every_merge_is_looked_at_once),
        cmocka_unit_test(merges_are_counted_out_up_to_a_million),
        cmocka_unit_test(moves_reach_heaps_that_cannot_be_counted_out),
        cmocka_unit_test(linkage_of_weighted_points_is_scipys_of_repeated_ones),
        cmocka_unit_test(cut_undoes_the_last_merges),
        cmocka_unit_test(tree_joins_within_segments_first),
        cmocka_unit_test(assignment_is_the_best_of_all_permutations),
        cmocka_unit_test(catalog_decides_among_merges_of_nearly_the_least_cost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
