/* Linkage: the two groups that are cheapest to join are joined, until one is left.
 * Sources: Ward 1963 (increase of the sum of squares), Sokal and Michener 1958 (average distance of
 * clients).  Both come from sums over pairs of clusters, which simply add up when groups join. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"

typedef struct joining {
    int k;
    merge_linkage linkage;
    const int *within;
    double *cross;  /* [k][k] sum over pairs of clusters of two groups; the diagonal: inside one */
    double *weight; /* [k] of a group; 0: it has joined another */
    int *node;      /* [k] number of the group in the tree */
} joining;

static double height_of(const joining *s, int a, int b)
{
    const double *cross = s->cross;
    double between = cross[a * s->k + b], wa = s->weight[a], wb = s->weight[b];

    if (s->linkage == MERGE_AVERAGE) return between / (wa * wb);
    double inside_a = cross[a * s->k + a], inside_b = cross[b * s->k + b];
    return (inside_a + inside_b + between) / (wa + wb) - inside_a / wa - inside_b / wb;
}

/* The cheapest pair a < b, of equal `within` while there is one; the first of equal ones. */
static double cheapest(const joining *s, int *a, int *b)
{
    double least = INFINITY;

    for (int same = s->within ? 1 : 0; same >= 0 && least == INFINITY; same--)
        for (int i = 0; i < s->k; i++)
            for (int j = i + 1; j < s->k && s->weight[i] > 0; j++) {
                if (!(s->weight[j] > 0) || (same && s->within[i] != s->within[j])) continue;
                double height = height_of(s, i, j);
                if (!(height < least)) continue;
                least = height;
                *a = i;
                *b = j;
            }
    return least;
}

static void join(joining *s, int a, int b)
{
    int k = s->k;

    s->cross[a * k + a] += s->cross[b * k + b] + s->cross[a * k + b];
    for (int j = 0; j < k; j++)
        if (j != a && j != b) {
            s->cross[a * k + j] += s->cross[b * k + j];
            s->cross[j * k + a] = s->cross[a * k + j];
        }
    s->weight[a] += s->weight[b];
    s->weight[b] = 0;
}

static seg_status joining_init(joining *s, const merge_space *space)
{
    int k = s->k;

    SEG_TRY(seg_fault("tree_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(k, (size_t)k * sizeof(double), &s->cross));
    SEG_TRY(seg_alloc(k, sizeof(double), &s->weight));
    SEG_TRY(seg_alloc(k, sizeof(int), &s->node));
    for (int i = 0; i < k; i++) {
        s->weight[i] = space->weight[i];
        s->node[i] = i;
        for (int j = 0; j < k; j++) {
            double product = space->weight[i] * space->weight[j];
            double pair = space->pair[i * k + j];
            s->cross[i * k + j] =
                s->linkage == MERGE_AVERAGE ? product * sqrt(pair / product) : pair;
        }
    }
    return SEG_OK;
}

seg_status merge_tree(const merge_space *space, merge_linkage linkage, const int *within,
                      double *tree)
{
    seg_status status = SEG_OK;
    int k = space->k, a = 0, b = 0;
    joining s = { .k = k, .linkage = linkage, .within = within };

    SEG_TRY_OR_DONE(joining_init(&s, space));
    for (int step = 0; step < k - 1; step++) {
        double height = cheapest(&s, &a, &b);
        bool swap = s.node[a] > s.node[b];
        tree[4 * step] = s.node[swap ? b : a];
        tree[4 * step + 1] = s.node[swap ? a : b];
        tree[4 * step + 2] = height > 0 ? height : 0;
        join(&s, a, b);
        tree[4 * step + 3] = s.weight[a];
        s.node[a] = k + step;
    }
done:
    seg_free(s.cross);
    seg_free(s.weight);
    seg_free(s.node);
    return status;
}

void merge_cut(int k, const double *tree, int n_groups, int *label)
{
    int top[2 * SEG_REFINE_MAX], number[2 * SEG_REFINE_MAX], n = 0;

    for (int node = 0; node < 2 * k - 1; node++) {
        top[node] = node;
        number[node] = -1;
    }
    for (int step = k - n_groups - 1; step >= 0; step--) /* from the last join down */
        for (int side = 0; side < 2; side++)
            top[(int)tree[4 * step + side]] = top[k + step];
    for (int i = 0; i < k; i++) {
        if (number[top[i]] < 0) number[top[i]] = n++;
        label[i] = number[top[i]];
    }
}
