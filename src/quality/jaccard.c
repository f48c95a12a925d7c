/* How much of a cluster comes back in another labelling of the same clients.
 * Source: Hennig, Cluster-wise assessment of cluster stability, 2007. */
#include <math.h>

#include "segmpi/quality.h"

void seg_jaccard_best(int n_a, int n_b, const int64_t *table, double *jaccard)
{
    for (int a = 0; a < n_a; a++) {
        const int64_t *common = &table[(int64_t)a * n_b];
        int64_t in_a = 0;
        for (int b = 0; b < n_b; b++)
            in_a += common[b];
        jaccard[a] = in_a > 0 ? 0 : NAN;
        for (int b = 0; b < n_b && in_a > 0; b++) {
            int64_t in_b = 0;
            for (int other = 0; other < n_a; other++)
                in_b += table[(int64_t)other * n_b + b];
            jaccard[a] = fmax(jaccard[a], (double)common[b] / (double)(in_a + in_b - common[b]));
        }
    }
}
