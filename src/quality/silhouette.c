/* The silhouette over all pairs of clients: for each client, how much nearer it is on average to
 * its own cluster than to the next one.  The clients are dealt to the ranks tile by tile; each is
 * compared with all others in the order of rows, so its figure does not depend on ranks, and
 * figures are added as integers. Source: Rousseeuw 1987; scikit-learn's silhouette_score. */
#include <math.h>
#include <string.h>

#include "segmpi/exact.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/quality.h"
#include "segmpi/timer.h"

#define CHUNK 64 /* clients that a tile is compared with at a time: their distances stay in L1 */

typedef struct silhouettes {
    const seg_kernels *kernels;
    const seg_matrix *m;
    int n_k;
    const int *k;
    const int32_t *const *label;
    int64_t cells;    /* clusters of all labellings */
    int64_t *count;   /* [cells] weight of each cluster */
    double *scale;    /* [cells] what a client of the cluster stands for */
    seg_exact *total; /* [n_k] sum of figures */
    double *sum;      /* [cells][16] distances of the clients of a tile to those of each cluster */
    double *x;        /* [d][16] the tile */
    double *dist;     /* [CHUNK][16] */
} silhouettes;

static void silhouettes_release(silhouettes *s)
{
    seg_free(s->count);
    seg_free(s->scale);
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
    SEG_TRY(seg_alloc(s->cells, sizeof *s->scale, &s->scale));
    SEG_TRY(seg_alloc(s->n_k, sizeof *s->total, &s->total));
    SEG_TRY(seg_alloc(s->cells * SEG_LANES, sizeof *s->sum, &s->sum));
    SEG_TRY(seg_alloc((int64_t)s->m->d * SEG_LANES, sizeof *s->x, &s->x));
    return seg_alloc((int64_t)CHUNK * SEG_LANES, sizeof *s->dist, &s->dist);
}

/* Weights of the clusters, and what a client stands for where `size` tells the weights in a larger
 * table. */
static void weigh(silhouettes *s, const int64_t *const *size)
{
    for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++]) {
        int64_t *count = s->count + first;
        for (int64_t row = 0; row < s->m->rows.count; row++)
            count[s->label[i][row]] += seg_matrix_weight(s->m, row);
        for (int j = 0; j < s->k[i]; j++)
            s->scale[first + j] = size && count[j] > 0 ? (double)size[i][j] / (double)count[j] : 1;
    }
}

/* The figure of one client of cluster `own`, from its sums of distances sum [k][16]. */
static double figure_of(int k, int own, const int64_t *count, const double *sum)
{
    double inside = 0, outside = INFINITY;

    for (int j = 0; j < k; j++) {
        double distances = sum[(int64_t)j * SEG_LANES];
        if (j == own)
            inside = distances / (double)(count[j] - 1);
        else if (count[j] > 0 && distances / (double)count[j] < outside)
            outside = distances / (double)count[j];
    }
    if (count[own] == 1) return 0;
    double larger = inside > outside ? inside : outside;
    return larger > 0 ? (outside - inside) / larger : 0;
}

/* The client at `row`, a lane of the tile whose sums are known, in all labellings. */
static void add_client(silhouettes *s, int64_t row, int lane)
{
    for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++]) {
        int own = s->label[i][row];
        double figure =
            figure_of(s->k[i], own, s->count + first, s->sum + first * SEG_LANES + lane);
        seg_exact_add_product(&s->total[i], figure * s->scale[first + own],
                              seg_matrix_weight(s->m, row));
    }
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
        s->kernels->pairs(m->d, s->x, at, some, m->x, s->dist);
        for (int64_t j = 0; j < some && m->weight; j++)
            for (int lane = 0; lane < SEG_LANES; lane++)
                s->dist[j * SEG_LANES + lane] *= m->weight[at + j];
        for (int64_t i = 0, first = 0; i < s->n_k; first += s->k[i++])
            s->kernels->spread(some, s->label[i] + at, s->dist, s->sum + first * SEG_LANES);
    }
    for (int64_t lane = 0; lane < SEG_LANES && row + lane < n; lane++)
        if (seg_matrix_weight(m, row + lane) > 0) add_client(s, row + lane, (int)lane);
}

/* The mean of labelling i, whose clusters begin at `first`; NaN unless there are two clusters, and
 * fewer than clients. */
static double mean_of(const silhouettes *s, int i, int64_t first)
{
    int64_t found = 0;
    double n = 0;

    for (int j = 0; j < s->k[i]; j++) {
        found += s->count[first + j] > 0;
        n += (double)s->count[first + j] * s->scale[first + j];
    }
    if (found < 2 || found == s->m->total_weight) return NAN;
    return seg_exact_value(&s->total[i], NULL) / n;
}

seg_status seg_silhouette(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *all,
                          int n_k, const int *k, const int32_t *const *label,
                          const int64_t *const *size, double *silhouette)
{
    seg_status status = SEG_OK;
    silhouettes s = { .kernels = kernels, .m = all, .n_k = n_k, .k = k, .label = label };
    int ranks = seg_comm_size(comm);

    SEG_TRY_OR_DONE(seg_agree(comm, silhouettes_init(&s)));
    weigh(&s, size);
    seg_progress_begin("silhouette", all->rows.total, "clients");
    for (int64_t tile = seg_comm_rank(comm); tile < all->n_tiles; tile += ranks) {
        compare_tile(&s, tile);
        seg_phase_add_bytes(all->n_tiles * SEG_LANES * all->d * (int64_t)sizeof(float));
        seg_progress_set(tile * SEG_LANES);
    }
    seg_progress_end(NULL);
    seg_exact_sum(comm, s.total, n_k);
    for (int64_t i = 0, first = 0; i < n_k; first += k[i++])
        silhouette[i] = mean_of(&s, (int)i, first);
done:
    silhouettes_release(&s);
    return status;
}
