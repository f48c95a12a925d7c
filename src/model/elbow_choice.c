/* Which k.  The knee of the cost curve always lies somewhere, and where depends on the range of k;
 * a high silhouette says that the clusters are apart.  So the silhouette decides where it is high,
 * and the knee where it is not: a compromise, not a discovery.  The least cost never decides: it is
 * always that of the largest k.
 * Sources: the farthest-from-chord rule; Kaufman and Rousseeuw 1990, who call a structure from 0.5
 * on reasonable; Hennig 2007, who calls a cluster from 0.75 on stable. */
#include <math.h>

#include "model_internal.h"

/* Fits that have found as many clusters as were asked for; the others repeat the last of them. */
static int full_ones(const seg_elbow *elbow)
{
    int n = 0;

    while (n < elbow->sweep.n_k && elbow->sweep.fit[n].n_clusters == elbow->sweep.fit[n].k)
        n++;
    return n;
}

/* The place of the largest sign * index among the first n; -1 if none is defined. */
static int best_of(const seg_elbow *elbow, int n, seg_index index, double sign)
{
    const double *value = elbow->index[index];
    int best = -1;

    for (int i = 0; i < n; i++)
        if (!isnan(value[i]) && (best < 0 || sign * value[i] > sign * value[best])) best = i;
    return best;
}

/* The place of the k that lies farthest below the chord from the first cost to the last. */
static int knee_of(const seg_elbow *elbow, int n)
{
    const double *cost = elbow->index[SEG_INDEX_INERTIA];
    double most = 0;
    int knee = -1;

    for (int i = 1; i + 1 < n; i++) {
        double chord = cost[0] + (cost[n - 1] - cost[0]) * i / (n - 1);
        if (chord - cost[i] > most) {
            most = chord - cost[i];
            knee = i;
        }
    }
    return knee;
}

/* The place of the last k all of whose clusters are stable. */
static int stable_of(const seg_elbow *elbow, int n)
{
    int last = -1;

    for (int i = 0; i < n; i++)
        if (elbow->index[SEG_INDEX_LEAST_STABILITY][i] >= SEG_CHOICE_STABLE) last = i;
    return last;
}

/* The place of the highest silhouette among those k whose clusters are apart; -1 if none are. */
static int apart_of(const seg_elbow *elbow, int n)
{
    const double *silhouette = elbow->index[SEG_INDEX_SILHOUETTE];
    int best = -1;

    for (int i = 0; i < n; i++)
        if (silhouette[i] >= SEG_CHOICE_APART &&
            elbow->index[SEG_INDEX_SMALLEST_SHARE][i] >= SEG_CHOICE_SHARE &&
            (best < 0 || silhouette[i] > silhouette[best]))
            best = i;
    return best;
}

static void recommend(const seg_elbow *elbow, int n, int knee, seg_elbow_choice *choice)
{
    int apart = apart_of(elbow, n), highest = best_of(elbow, n, SEG_INDEX_SILHOUETTE, 1), place;

    if (n == 0 || !(elbow->sweep.total_inertia > 0)) {
        choice->recommended = elbow->sweep.fit[0].n_clusters;
        choice->reason = SEG_CHOICE_ALIKE;
        return;
    }
    if (apart >= 0) {
        place = apart;
        choice->reason = SEG_CHOICE_SILHOUETTE;
    } else if (knee >= 0) {
        place = knee;
        choice->reason = SEG_CHOICE_KNEE;
    } else {
        place = highest >= 0 ? highest : n - 1;
        choice->reason = n == 1 ? SEG_CHOICE_ONLY : SEG_CHOICE_HIGHEST;
    }
    choice->recommended = elbow->sweep.fit[place].k;
}

seg_elbow_choice seg_elbow_choose(const seg_elbow *elbow)
{
    const seg_sweep_fit *fit = elbow->sweep.fit;
    seg_elbow_choice choice = { 0 };
    int n = full_ones(elbow), knee = knee_of(elbow, n);
    const struct {
        int *k, place;
    } rules[] = {
        { &choice.knee, knee },
        { &choice.silhouette, best_of(elbow, n, SEG_INDEX_SILHOUETTE, 1) },
        { &choice.davies_bouldin, best_of(elbow, n, SEG_INDEX_DAVIES_BOULDIN, -1) },
        { &choice.calinski_harabasz, best_of(elbow, n, SEG_INDEX_CALINSKI_HARABASZ, 1) },
        { &choice.gap,
          seg_gap_first(n, elbow->index[SEG_INDEX_GAP], elbow->index[SEG_INDEX_GAP_ERROR]) },
        { &choice.stable, stable_of(elbow, n) },
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        *rules[i].k = rules[i].place < 0 ? 0 : fit[rules[i].place].k;
    if (n > 0) {
        choice.knee_from = fit[0].k;
        choice.knee_to = fit[n - 1].k;
    }
    recommend(elbow, n, knee, &choice);
    return choice;
}
