/* Indices of one labelling that need one pass over the clients and the means of the clusters.
 * Sources: Davies and Bouldin 1979; Calinski and Harabasz 1974; scikit-learn's definitions. */
#include <math.h>
#include <string.h>

#include "segmpi/exact.h"
#include "segmpi/memory.h"
#include "segmpi/quality.h"
#include "segmpi/timer.h"

#define NEXT_TO_NOTHING 1e-8 /* a distance that scikit-learn takes for 0 */

typedef struct panel {
    const seg_matrix *m;
    int k;
    const int32_t *label;
    int64_t *sum;        /* [k][d] of the clients of each cluster in units of the grid, then */
    int64_t *count;      /* [k] weight of the clients */
    double *mean;        /* [k][d], then of all clients [d] */
    seg_exact *distance; /* [k] sum of distances to the mean of the cluster, then */
    seg_exact *within;   /* sum of squared distances to the mean of the cluster */
    seg_exact *figure;   /* sum of simplified silhouettes */
    double *x;           /* [d][16] a tile */
} panel;

static void panel_release(panel *p)
{
    seg_free(p->sum);
    seg_free(p->mean);
    seg_free(p->distance);
    seg_free(p->x);
}

/* Local. */
static seg_status panel_init(panel *p)
{
    int64_t k = p->k, d = p->m->d;

    SEG_TRY(seg_fault("panel_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(k * (d + 1), sizeof *p->sum, &p->sum));
    p->count = p->sum + k * d;
    SEG_TRY(seg_alloc((k + 1) * d, sizeof *p->mean, &p->mean));
    SEG_TRY(seg_alloc(k + 2, sizeof *p->distance, &p->distance));
    p->within = p->distance + k;
    p->figure = p->within + 1;
    return seg_alloc(d * SEG_LANES, sizeof *p->x, &p->x);
}

static int lanes_of(const seg_matrix *m, int64_t tile)
{
    int64_t rest = m->rows.count - tile * SEG_LANES;

    return rest < SEG_LANES ? (int)rest : SEG_LANES;
}

/* ---- means ---- */

/* Collective.  Cells are multiples of 2^-grid, so the sums are exact. */
static void learn_means(seg_comm *comm, panel *p)
{
    const seg_matrix *m = p->m;
    double *all = p->mean + (int64_t)p->k * m->d;

    for (int64_t tile = 0; tile < m->n_tiles; tile++) {
        const int32_t *label = &p->label[tile * SEG_LANES];
        int lanes = lanes_of(m, tile);
        (void)seg_matrix_block(m, tile);
        for (int lane = 0; lane < lanes; lane++)
            p->count[label[lane]] += seg_matrix_weight(m, tile * SEG_LANES + lane);
        for (int t = 0; t < m->d; t++) {
            const float *x = &m->x[(tile * m->d + t) * SEG_LANES];
            float units = ldexpf(1, m->grid[t]);
            for (int lane = 0; lane < lanes; lane++)
                p->sum[(int64_t)label[lane] * m->d + t] +=
                    (int64_t)(x[lane] * units) * seg_matrix_weight(m, tile * SEG_LANES + lane);
        }
    }
    seg_sum_int64(comm, p->sum, (int64_t)p->k * (m->d + 1));
    for (int t = 0; t < m->d; t++) {
        int64_t sum = 0;
        for (int j = 0; j < p->k; j++) {
            int64_t at = (int64_t)j * m->d + t;
            sum += p->sum[at];
            p->mean[at] = p->count[j] > 0
                              ? ldexp((double)p->sum[at], -m->grid[t]) / (double)p->count[j]
                              : NAN;
        }
        all[t] = ldexp((double)sum, -m->grid[t]) / (double)m->total_weight;
    }
}

/* ---- the pass ---- */

/* Squared distances of the clients of the tile to the mean of cluster j. */
static void measure(const panel *p, int j, double *restrict d2)
{
    const double *mean = &p->mean[(int64_t)j * p->m->d];
    double sum[SEG_LANES] = { 0 };

    for (int t = 0; t < p->m->d; t++)
        for (int lane = 0; lane < SEG_LANES; lane++) {
            double diff = p->x[t * SEG_LANES + lane] - mean[t];
            sum[lane] += diff * diff;
        }
    memcpy(d2, sum, sizeof sum);
}

/* Squared distances of the clients of a tile to the mean of their cluster, and to the nearest
 * other one. */
static void compare_tile(panel *p, int64_t tile, double *restrict own, double *restrict other)
{
    const seg_matrix *m = p->m;
    const int32_t *label = &p->label[tile * SEG_LANES];
    int lanes = lanes_of(m, tile);
    double d2[SEG_LANES];

    for (int64_t i = 0; i < (int64_t)m->d * SEG_LANES; i++)
        p->x[i] = m->x[tile * m->d * SEG_LANES + i];
    for (int lane = 0; lane < SEG_LANES; lane++)
        own[lane] = other[lane] = INFINITY;
    for (int j = 0; j < p->k; j++) {
        if (p->count[j] == 0) continue;
        measure(p, j, d2);
        for (int lane = 0; lane < lanes; lane++) {
            double *nearest = label[lane] == j ? own : other;
            nearest[lane] = d2[lane] < nearest[lane] ? d2[lane] : nearest[lane];
        }
    }
}

/* A client alone in its cluster counts 0. */
static double simplified(double own, double other, int64_t count)
{
    double larger = own > other ? own : other;

    return count > 1 && larger > 0 ? (other - own) / larger : 0;
}

/* A client that counts `weight` times. */
static void add_client(panel *p, int label, double weight, double own, double other)
{
    double distance = sqrt(own);

    seg_exact_add_product(&p->distance[label], distance, weight);
    seg_exact_add_product(p->within, own, weight);
    if (other < INFINITY)
        seg_exact_add_product(p->figure, simplified(distance, sqrt(other), p->count[label]),
                              weight);
}

/* Collective. */
static void compare_all(seg_comm *comm, panel *p)
{
    const seg_matrix *m = p->m;
    double own[SEG_LANES], other[SEG_LANES];

    for (int64_t tile = 0; tile < m->n_tiles; tile++) {
        const int32_t *label = &p->label[tile * SEG_LANES];
        int lanes = lanes_of(m, tile);
        (void)seg_matrix_block(m, tile);
        compare_tile(p, tile, own, other);
        for (int lane = 0; lane < lanes; lane++) {
            double weight = seg_matrix_weight(m, tile * SEG_LANES + lane);
            if (weight > 0) add_client(p, label[lane], weight, own[lane], other[lane]);
        }
    }
    seg_phase_add_bytes(2 * m->n_tiles * SEG_LANES * m->d * (int64_t)sizeof(float));
    seg_exact_sum(comm, p->distance, p->k + 2);
}

/* ---- indices ---- */

static double distance_of(int d, const double *a, const double *b)
{
    double d2 = 0;

    for (int t = 0; t < d; t++)
        d2 += (a[t] - b[t]) * (a[t] - b[t]);
    return sqrt(d2);
}

/* Mean over clusters of the likeness to the most alike other one: (spread + spread) / distance. */
static double davies_bouldin(const panel *p, int n_found, double *spread)
{
    double sum = 0, widest = 0, farthest = 0;
    int d = p->m->d;

    for (int j = 0; j < p->k; j++) {
        if (p->count[j] == 0) continue;
        spread[j] = seg_exact_value(&p->distance[j], NULL) / (double)p->count[j];
        widest = fmax(widest, spread[j]);
    }
    for (int j = 0; j < p->k; j++) {
        double most = 0;
        for (int other = 0; other < p->k; other++) {
            if (other == j || p->count[j] == 0 || p->count[other] == 0) continue;
            double distance =
                distance_of(d, &p->mean[(int64_t)j * d], &p->mean[(int64_t)other * d]);
            farthest = fmax(farthest, distance);
            if (distance > 0) most = fmax(most, (spread[j] + spread[other]) / distance);
        }
        sum += most;
    }
    if (widest <= NEXT_TO_NOTHING || farthest <= NEXT_TO_NOTHING) return 0;
    return sum / n_found;
}

/* Sum of squared distances of clients' cluster means to the mean of all. */
static double between(const panel *p)
{
    int d = p->m->d;
    const double *all = p->mean + (int64_t)p->k * d;
    double sum = 0;

    for (int j = 0; j < p->k; j++) {
        if (p->count[j] == 0) continue;
        double distance = distance_of(d, &p->mean[(int64_t)j * d], all);
        sum += (double)p->count[j] * distance * distance;
    }
    return sum;
}

/* `spread` [k] is room to work in. */
static seg_quality indices(const panel *p, double *spread)
{
    int64_t n = p->m->total_weight, smallest = n;
    seg_quality q = { .davies_bouldin = NAN,
                      .calinski_harabasz = NAN,
                      .silhouette_simplified = NAN };
    double apart = between(p), within = seg_exact_value(p->within, NULL);

    for (int j = 0; j < p->k; j++) {
        if (p->count[j] == 0) continue;
        q.n_clusters++;
        smallest = p->count[j] < smallest ? p->count[j] : smallest;
    }
    q.smallest_share = (double)smallest / (double)n;
    q.variance_explained = apart + within > 0 ? apart / (apart + within) : NAN;
    if (q.n_clusters < 2) return q;
    q.davies_bouldin = davies_bouldin(p, q.n_clusters, spread);
    q.silhouette_simplified = seg_exact_value(p->figure, NULL) / (double)n;
    if (q.n_clusters < n)
        q.calinski_harabasz =
            within > 0 ? apart / (q.n_clusters - 1) / (within / (double)(n - q.n_clusters)) : 1;
    return q;
}

seg_status seg_quality_fit(seg_comm *comm, const seg_matrix *m, int k, const int32_t *label,
                           seg_quality *quality)
{
    seg_status status = SEG_OK;
    panel p = { .m = m, .k = k, .label = label };
    double *spread = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, panel_init(&p)));
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(k, sizeof *spread, &spread)));
    learn_means(comm, &p);
    compare_all(comm, &p);
    *quality = indices(&p, spread);
done:
    seg_free(spread);
    panel_release(&p);
    return status;
}
