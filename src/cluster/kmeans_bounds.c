/* Which clients need no look at the centers: late in a run the centers hardly move, and a client
 * that was much nearer to its own center than to any other still is.  One number per client and
 * run, its slack, falls with each move of the centers; a client whose slack is used up is compared
 * with all centers again.  Labels are the same with and without.  Source: Hamerly, Making k-means
 * even faster, SDM 2010, with one bound in place of two. */
#include <math.h>

#include "cluster_internal.h"

#define UNITS_PER_SPREAD 8192 /* of the root mean square distance to the mean: slack ends at 8 */
#define LEAST_CLUSTERS   10   /* below, a look at all centers is quicker than keeping account */
#define MOST_MOVED       0.05 /* share of clients: while more move, few have slack */

/* Relative error of a float distance, then and later; see seg_kernels. */
static double doubt_of(int d)
{
    return (d + 16) * 0x1p-24;
}

static double units_of(const kmeans_runs *runs)
{
    double spread = sqrt(runs->totals->inertia / (double)runs->m->total_weight);

    return spread > 0 ? UNITS_PER_SPREAD / spread : 1;
}

seg_bounds kmeans_bounds(const kmeans_runs *runs, const kmeans_run *run)
{
    return (seg_bounds) { .drop = run->bounds == KMEANS_BOUNDS_KEPT ? run->drop : NULL,
                          .units = (float)units_of(runs),
                          .doubt = (float)doubt_of(runs->d),
                          .room = runs->room };
}

/* The longest and the second longest way that a center has to go. */
static void find_longest(const double *shift, int k, double longest[2], int *which)
{
    longest[0] = longest[1] = 0;
    *which = -1;
    for (int j = 0; j < k; j++)
        if (*which < 0 || shift[j] > longest[0]) {
            longest[1] = longest[0];
            longest[0] = shift[j];
            *which = j;
        } else if (shift[j] > longest[1]) {
            longest[1] = shift[j];
        }
}

void kmeans_bounds_step(kmeans_runs *runs, kmeans_run *run, double moved_share)
{
    double units = units_of(runs) * (1 + 4 * doubt_of(runs->d)), longest[2];
    int which;

    if (run->bounds == KMEANS_BOUNDS_NONE) {
        if (run->k >= LEAST_CLUSTERS && moved_share < MOST_MOVED) run->bounds = KMEANS_BOUNDS_BEGIN;
        return;
    }
    run->bounds = KMEANS_BOUNDS_KEPT;
    seg_kernels_shifts(run->k, runs->d, run->centers, run->packed, runs->shift);
    find_longest(runs->shift, run->k, longest, &which);
    for (int j = 0; j < run->k; j++) {
        double drop = ceil((runs->shift[j] + longest[j == which]) * units);
        run->drop[j] = (int32_t)fmin(drop, UINT16_MAX);
    }
}
