/* How far apart two counts of clients are: the population stability index, and how large it gets by
 * chance. */
#include <float.h>
#include <math.h>

#include "segmpi/reference.h"

#define BINS       SEG_REFERENCE_BINS
#define CONFIDENCE 0.95

/* P(a, x), the regularised lower incomplete gamma function, by its power series: all terms are
 * positive, and for the moderate a and x of a quantile they are few. */
static double gamma_share(double a, double x)
{
    double term = 1 / a, sum = term;

    for (double n = a + 1; term > sum * DBL_EPSILON; n++) {
        term *= x / n;
        sum += term;
    }
    return sum * exp(a * log(x) - x - lgamma(a));
}

double seg_chi_square_quantile(int degrees, double p)
{
    double a = degrees / 2.0, low = 0, high = 1;

    if (degrees < 1) return 0;
    while (gamma_share(a, high) < p)
        high *= 2;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (gamma_share(a, middle) < p)
            low = middle;
        else
            high = middle;
    }
    return low + high;
}

seg_psi seg_psi_of(int n_bins, const int64_t *old, const int64_t *new)
{
    double n = 0, m = 0, psi = 0;
    int used = 0;

    for (int b = 0; b < n_bins; b++) {
        n += (double)old[b];
        m += (double)new[b];
    }
    if (!(n > 0 && m > 0)) return (seg_psi) { NAN, NAN };
    for (int b = 0; b < n_bins; b++) {
        if (old[b] == 0 && new[b] == 0) continue;
        double p = fmax((double)old[b], 0.5) / n, q = fmax((double)new[b], 0.5) / m;
        psi += (p - q) * log(p / q);
        used++;
    }
    return (seg_psi) {
        .psi = psi,
        .critical = seg_chi_square_quantile(used - 1, CONFIDENCE) * (1 / n + 1 / m),
    };
}

seg_drift seg_drift_of(seg_psi psi)
{
    if (isnan(psi.psi)) return SEG_DRIFT_NONE;
    if (psi.psi < SEG_PSI_MODERATE) return SEG_DRIFT_STABLE;
    if (psi.psi <= psi.critical) return SEG_DRIFT_CHANCE;
    return psi.psi < SEG_PSI_LARGE ? SEG_DRIFT_MODERATE : SEG_DRIFT_LARGE;
}

seg_psi seg_reference_psi(const seg_reference *r, int t, const seg_reference *s, int u)
{
    int64_t old[BINS + 1], new[BINS + 1];

    for (int b = 0; b < BINS; b++) {
        old[b] = r->bin_count[(int64_t)t * BINS + b];
        new[b] = s->bin_count[(int64_t)u * BINS + b];
    }
    old[BINS] = r->missing[t];
    new[BINS] = s->missing[u];
    return seg_psi_of(BINS + 1, old, new);
}
