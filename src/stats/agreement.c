/* How alike two labellings of the same clients are.
 * Source: Hubert and Arabie, Comparing partitions, 1985; scikit-learn's adjusted_rand_score. */
#include "segmpi/stats.h"

static double pairs(double n)
{
    return n * (n - 1) / 2;
}

double seg_adjusted_rand(int n_a, int n_b, const int64_t *table)
{
    double together = 0, in_a = 0, in_b = 0, n = 0;

    for (int a = 0; a < n_a; a++) {
        double row = 0;
        for (int b = 0; b < n_b; b++) {
            double cell = (double)table[(int64_t)a * n_b + b];
            together += pairs(cell);
            row += cell;
        }
        in_a += pairs(row);
        n += row;
    }
    for (int b = 0; b < n_b; b++) {
        double column = 0;
        for (int a = 0; a < n_a; a++)
            column += (double)table[(int64_t)a * n_b + b];
        in_b += pairs(column);
    }
    double all = pairs(n), expected = all > 0 ? in_a / all * in_b : 0, most = (in_a + in_b) / 2;
    return most > expected ? (together - expected) / (most - expected) : 1;
}
