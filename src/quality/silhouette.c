/* The silhouette over all pairs of clients: for each client, how much nearer it is on average to
 * its own cluster than to the next one.  The clients are dealt to the ranks tile by tile; each is
 * compared with all others in the order of rows, so its figure does not depend on ranks, and
 * figures are added as integers. Source: Rousseeuw 1987; scikit-learn's silhouette_score. */
#include <math.h>
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/quality.h"
#include "segmpi/timer.h"

#define CHUNK 64 /* clients that a tile is compared with at a time: their distances stay in L1 */
#define UNIT  0x1p-46 /* of a figure in [-1, 1]: sums of 2^17 of them fit int64 */

typedef struct silhouettes {
    const seg_matrix *m;
    int n_k;
    const int *k;
    const int32_t *const *label;
    int64_t cells;  /* clusters of all labellings */
    int64_t *count; /* [cells] clients of each cluster */
    int64_t *total; /* [cells] sum of figures in units */
    double *sum;    /* [cells][16] distances of the clients of a tile to those of each cluster */
    double *x;      /* [d][16] the tile */
    double *dist;   /* [CHUNK][16] */
} silhouettes;

static void silhouettes_release(silhouettes *s)
{
    seg_free(s->count);
    seg_free(s->total);
    seg_free(s->sum);
    seg_free(s->x);
    seg_free(s->dist);
}

/* Local. */
static seg_status silhouettes_init(silhouettes *s)
{
    SEG_TRY(seg_fault("silhouette_alloc", SEG_ERR_MEMORY));
    for (int i = 0; i < s->n_k; i++)
        s->cells += s->k[i];
    SEG_TRY(seg_alloc(s->cells, sizeof *s->count, &s->count));
    SEG_TRY(seg_alloc(s->cells, sizeof *s->total, &s->total));
    SEG_TRY(seg_alloc(s->cells * SEG_LANES, sizeof *s->sum, &s->sum));
    SEG_TRY(seg_alloc((int64_t)s->m->d * SEG_LANES, sizeof *s->x, &s->x));
    SEG_TRY(seg_alloc((int64_t)CHUNK * SEG_LANES, sizeof *s->dist, &s->dist));
    for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++])
        for (int64_t row = 0; row < s->m->rows.count; row++)
            s->count[first + s->label[i][row]]++;
    return SEG_OK;
}

/* Distances of the clients of a tile x [d][16] to `n` clients from row `first` on: dist [n][16]. */
static void measure(const seg_matrix *m, const double *restrict x, int64_t first, int64_t n,
                    double *restrict dist)
{
    for (int64_t j = 0; j < n; j++) {
        int64_t row = first + j;
        const float *y = &m->x[row / SEG_LANES * m->d * SEG_LANES + row % SEG_LANES];
        double d2[SEG_LANES] = { 0 };

        for (int t = 0; t < m->d; t++) {
            double value = y[(int64_t)t * SEG_LANES];
            for (int lane = 0; lane < SEG_LANES; lane++) {
                double diff = x[t * SEG_LANES + lane] - value;
                d2[lane] += diff * diff;
            }
        }
        for (int lane = 0; lane < SEG_LANES; lane++)
            dist[j * SEG_LANES + lane] = sqrt(d2[lane]);
    }
}

/* Adds dist [n][16] to the row of sum [k][16] that each label names. */
static void spread(int64_t n, const int32_t *restrict label, const double *restrict dist,
                   double *restrict sum)
{
    for (int64_t j = 0; j < n; j++) {
        double *to = &sum[(int64_t)label[j] * SEG_LANES];
        for (int lane = 0; lane < SEG_LANES; lane++)
            to[lane] += dist[j * SEG_LANES + lane];
    }
}

/* The figure of one client of cluster `own`, from its sums of distances sum [k][16]. */
static double figure_of(int k, int own, const int64_t *count, const double *sum)
{
    double inside, outside = INFINITY;

    if (count[own] == 1) return 0;
    inside = sum[(int64_t)own * SEG_LANES] / (double)(count[own] - 1);
    for (int j = 0; j < k; j++)
        if (j != own && count[j] > 0)
            outside = fmin(outside, sum[(int64_t)j * SEG_LANES] / (double)count[j]);
    if (!(outside < INFINITY)) return 0; /* not asked for: there is one cluster only */
    double larger = fmax(inside, outside);
    return larger > 0 ? (outside - inside) / larger : 0;
}

/* One tile against all clients. */
static void compare_tile(silhouettes *s, int64_t tile)
{
    const seg_matrix *m = s->m;
    int64_t n = m->rows.count, row = tile * SEG_LANES;

    for (int64_t i = 0; i < (int64_t)m->d * SEG_LANES; i++)
        s->x[i] = m->x[tile * m->d * SEG_LANES + i];
    memset(s->sum, 0, (size_t)(s->cells * SEG_LANES) * sizeof *s->sum);
    for (int64_t at = 0; at < n; at += CHUNK) {
        int64_t some = n - at < CHUNK ? n - at : CHUNK;
        measure(m, s->x, at, some, s->dist);
        for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++])
            spread(some, s->label[i] + at, s->dist, s->sum + first * SEG_LANES);
    }
    for (int64_t lane = 0; lane < SEG_LANES && row + lane < n; lane++)
        for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++]) {
            int own = s->label[i][row + lane];
            double figure =
                figure_of(s->k[i], own, s->count + first, s->sum + first * SEG_LANES + lane);
            s->total[first + own] += llrint(figure / UNIT);
        }
}

static void fill_means(const silhouettes *s, double *const *mean)
{
    for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++]) {
        int64_t n_found = 0;
        for (int j = 0; j < s->k[i]; j++)
            n_found += s->count[first + j] > 0;
        bool defined = n_found > 1 && n_found < s->m->rows.total;
        for (int j = 0; j < s->k[i]; j++) {
            int64_t count = s->count[first + j];
            double sum = UNIT * (double)s->total[first + j];
            mean[i][j] = defined && count > 0 ? sum / (double)count : NAN;
        }
    }
}

seg_status seg_silhouette(seg_comm *comm, const seg_matrix *all, int n_k, const int *k,
                          const int32_t *const *label, double *const *mean)
{
    seg_status status = SEG_OK;
    silhouettes s = { .m = all, .n_k = n_k, .k = k, .label = label };
    int size = seg_comm_size(comm);

    SEG_TRY_OR_DONE(seg_agree(comm, silhouettes_init(&s)));
    seg_progress_begin("silhouette", all->rows.total, "clients");
    for (int64_t tile = seg_comm_rank(comm); tile < all->n_tiles; tile += size) {
        compare_tile(&s, tile);
        seg_phase_add_bytes(all->n_tiles * SEG_LANES * all->d * (int64_t)sizeof(float));
        seg_progress_set(tile * SEG_LANES);
    }
    seg_progress_end(NULL);
    seg_sum_int64(comm, s.total, s.cells);
    fill_means(&s, mean);
done:
    silhouettes_release(&s);
    return status;
}

double seg_silhouette_mean(int k, const double *mean, const int64_t *size)
{
    double sum = 0, n = 0;

    for (int j = 0; j < k; j++) {
        if (size[j] == 0) continue;
        sum += (double)size[j] * mean[j];
        n += (double)size[j];
    }
    return sum / n;
}
