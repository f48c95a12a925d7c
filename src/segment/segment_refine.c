/* Which cluster goes to which segment.
 *
 * Guided by the catalog: among all merges of nearly the least cost, the one whose best naming fits
 * the catalog most.  Plain linkage does not find it: many columns are habits (frequencies, counts),
 * which dominate the distance, while segments differ by amounts.  Without a catalog that fits, the
 * amounts alone are merged, their tails damped.  How well each does: README.md. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"

#define COST_MOST   1.10 /* of the least cost */
#define SHARE_LEAST 0.01 /* of the clients */

/* ---- by cost alone ---- */

static double value_of_cost(void *user, const int *label, double cost)
{
    (void)user;
    (void)label;
    return cost;
}

/* The cheapest merge: counted out, or from the cut of a Ward tree on. */
static seg_status merge_cheapest(const merge_space *space, int n_segments, int *label, double *cost)
{
    seg_status status = SEG_OK;
    double *tree = NULL;

    SEG_TRY_OR_DONE(seg_alloc(space->k, 4 * sizeof *tree, &tree));
    SEG_TRY_OR_DONE(merge_tree(space, MERGE_WARD, NULL, tree));
    merge_cut(space->k, tree, n_segments, label);
    *cost = merge_best(space, n_segments, value_of_cost, NULL, label);
done:
    seg_free(tree);
    return status;
}

/* ---- by amounts ---- */

/* The columns that are amounts, or all, with damped tails: x [k][*n]. */
static void damp(const refinement *r, double *x, int *n)
{
    *n = r->guide->n_amounts > 0 ? r->guide->n_amounts : r->d;
    for (int j = 0; j < r->k; j++)
        for (int t = 0; t < r->d; t++) {
            double z = r->centers[j * r->d + t];
            if (r->guide->n_amounts == 0 || r->guide->amount[t]) *x++ = copysign(log1p(fabs(z)), z);
        }
}

static seg_status merge_amounts(const refinement *r, seg_merge_method method, int *label)
{
    seg_status status = SEG_OK;
    merge_space space = { 0 };
    double *x = NULL, *tree = NULL, cost;
    int n;

    SEG_TRY_OR_DONE(seg_fault("amounts_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(r->k, (size_t)r->d * sizeof *x, &x));
    SEG_TRY_OR_DONE(seg_alloc(r->k, 4 * sizeof *tree, &tree));
    damp(r, x, &n);
    SEG_TRY_OR_DONE(merge_space_init(&space, r->k, n, r->size, x));
    if (method == SEG_MERGE_KMEANS) {
        SEG_TRY_OR_DONE(merge_cheapest(&space, r->n_segments, label, &cost));
    } else {
        merge_linkage linkage = method == SEG_MERGE_AVERAGE ? MERGE_AVERAGE : MERGE_WARD;
        SEG_TRY_OR_DONE(merge_tree(&space, linkage, NULL, tree));
        merge_cut(r->k, tree, r->n_segments, label);
    }
done:
    merge_space_release(&space);
    seg_free(tree);
    seg_free(x);
    return status;
}

/* ---- by the catalog ---- */

typedef struct guide {
    const refinement *r;
    double cost_most; /* added by the merge */
    double *z;        /* [n_segments][n_columns] */
    double *score;    /* [n_segments][n entries] */
    double *work;     /* of the assignment */
    int entry[SEG_SEGMENTS_MAX];
} guide;

/* z of the segments, from those of their clusters; false if one is too small. */
static bool profile_groups(const guide *g, const int *label)
{
    const refinement *r = g->r;
    double size[SEG_SEGMENTS_MAX] = { 0 }, all = 0;

    memset(g->z, 0, (size_t)(r->n_segments * r->n_columns) * sizeof *g->z);
    for (int j = 0; j < r->k; j++) {
        size[label[j]] += r->size[j];
        all += r->size[j];
    }
    for (int s = 0; s < r->n_segments; s++)
        if (size[s] < SHARE_LEAST * all) return false;
    for (int j = 0; j < r->k; j++)
        for (int t = 0; t < r->n_columns; t++)
            g->z[label[j] * r->n_columns + t] +=
                r->size[j] / size[label[j]] * r->z[j * r->n_columns + t];
    return true;
}

static double value_of_fit(void *user, const int *label, double cost)
{
    const guide *g = user;
    const refinement *r = g->r;
    int n = r->guide->catalog.n;

    if (cost > g->cost_most || !profile_groups(g, label)) return INFINITY;
    for (int s = 0; s < r->n_segments; s++)
        for (int e = 0; e < n; e++)
            g->score[s * n + e] = catalog_fit(&r->guide->catalog.entry[e], &g->z[s * r->n_columns]);
    return -assignment_best(r->n_segments, n, g->score, g->work, ((guide *)user)->entry);
}

/* True if at least half of the names that the merge would get hold. */
static bool fits(guide *g, const int *label)
{
    const refinement *r = g->r;
    int n_named = 0, n_true = 0;

    (void)value_of_fit(g, label, 0);
    for (int s = 0; s < r->n_segments; s++) {
        if (g->entry[s] < 0) continue;
        n_named++;
        n_true += catalog_holds(&r->guide->catalog.entry[g->entry[s]], &g->z[s * r->n_columns]);
    }
    return 2 * n_true >= n_named;
}

/* label [k] of the best merge, or as it was if none is allowed.  Where the merges are too many to
 * count out they are reached from `label` and from `other` [k]. */
static seg_status merge_guided(const refinement *r, const merge_space *space, double least,
                               int *other, int *label, bool *found)
{
    seg_status status = SEG_OK;
    guide g = { .r = r, .cost_most = COST_MOST * (r->inertia + least) - r->inertia };
    double value;

    SEG_TRY_OR_DONE(seg_fault("guide_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(r->n_segments, (size_t)r->n_columns * sizeof *g.z, &g.z));
    SEG_TRY_OR_DONE(
        seg_alloc(r->n_segments, (size_t)r->guide->catalog.n * sizeof *g.score, &g.score));
    SEG_TRY_OR_DONE(
        seg_alloc(assignment_size(r->n_segments, r->guide->catalog.n), sizeof *g.work, &g.work));
    value = merge_best(space, r->n_segments, value_of_fit, &g, label);
    if (!merge_is_small(r->k, r->n_segments)) {
        double second = merge_best(space, r->n_segments, value_of_fit, &g, other);
        if (second < value) memcpy(label, other, (size_t)r->k * sizeof *label);
        value = fmin(value, second);
    }
    *found = value < INFINITY && fits(&g, label);
done:
    seg_free(g.z);
    seg_free(g.score);
    seg_free(g.work);
    return status;
}

/* ---- all together ---- */

seg_status segment_refine(const refinement *r, refinement_result *result)
{
    seg_status status = SEG_OK;
    merge_space space = { 0 };
    seg_merge_method fallback = r->method == SEG_MERGE_CATALOG ? SEG_MERGE_WARD : r->method;
    int amounts[SEG_REFINE_MAX];
    double least;
    bool found = false;

    SEG_TRY_OR_DONE(merge_space_init(&space, r->k, r->d, r->size, r->centers));
    SEG_TRY_OR_DONE(merge_cheapest(&space, r->n_segments, result->label, &least));
    SEG_TRY_OR_DONE(merge_amounts(r, fallback, amounts));
    if (r->method == SEG_MERGE_CATALOG && r->guide->catalog.n > 0)
        SEG_TRY_OR_DONE(merge_guided(r, &space, least, amounts, result->label, &found));
    if (!found) memcpy(result->label, amounts, (size_t)r->k * sizeof *amounts);
    result->method = found ? SEG_MERGE_CATALOG : fallback;
    result->cost = r->inertia + merge_cost(&space, r->n_segments, result->label);
    result->least_cost = r->inertia + least;
    SEG_TRY_OR_DONE(merge_tree(&space, MERGE_WARD, result->label, result->tree));
done:
    merge_space_release(&space);
    return status;
}
