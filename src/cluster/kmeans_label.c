/* Labels that are the float64 answer, at float32 speed: a client whose two nearest centers are
 * closer together than the kernels' rounding can tell is decided in float64. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/memory.h"

#define PRECISION 1e-4 /* of a squared distance that is reported */

/* What float32 costs: a computed squared distance D to a center is off by at most
 * relative * D + absolute + 2 * shift * sqrt(D) + shift^2. */
typedef struct error_bound {
    double relative; /* of d differences, squares and additions, each rounded */
    double absolute; /* of squares that underflow */
    double shift;    /* the farthest that rounding to float moves a center */
} error_bound;

static error_bound bound_of(int d, int k, const double *centers)
{
    double u = FLT_EPSILON / 2, terms = (d + 2) * u, shift = 0;

    for (int j = 0; j < k; j++) {
        double squares = 0;
        for (int t = 0; t < d; t++) {
            double c = centers[(int64_t)j * d + t], off = c - (double)(float)c;
            squares += off * off;
        }
        shift = fmax(shift, sqrt(squares));
    }
    return (error_bound) { .relative = terms / (1 - 2 * terms),
                           .absolute = d * (double)FLT_MIN,
                           .shift = shift };
}

/* The most by which the computed squared distance d2 is off. */
static double error_of(const error_bound *bound, double d2)
{
    return bound->relative * d2 + bound->absolute + 2 * bound->shift * sqrt(d2) +
           bound->shift * bound->shift;
}

/* True if the label is surely right and the distance good to PRECISION; 1.001 is for what the bound
 * itself is rounded by. */
static bool is_certain(const error_bound *bound, double best, double second)
{
    double error = 1.001 * error_of(bound, best);
    bool precise = error <= PRECISION * best;

    if (second >= INFINITY) return precise; /* one center */
    return precise && second - best > error + 1.001 * error_of(bound, second);
}

/* The two nearest centers of one client in float64, column by column; ties to the lowest. */
static void decide(int d, int k, const double *centers, const float *x, int *label, double *best,
                   double *second)
{
    *best = *second = INFINITY;
    *label = 0;
    for (int j = 0; j < k; j++) {
        double d2 = 0;
        for (int t = 0; t < d; t++) {
            double diff = (double)x[(int64_t)t * SEG_LANES] - centers[(int64_t)j * d + t];
            d2 = fma(diff, diff, d2);
        }
        if (d2 < *best) {
            *second = *best;
            *best = d2;
            *label = j;
        } else if (d2 < *second) {
            *second = d2;
        }
    }
}

typedef struct labelling {
    const seg_kmeans *kmeans; /* its centers; its labels, distances and margins are filled */
    error_bound bound;
    const float *packed; /* the centers for the kernels */
    int64_t *sum;        /* [k][d] */
    int64_t *count;      /* [k] */
    int64_t *redone;
} labelling;

/* Local.  The `rows` clients of a block: what the kernel was not certain of is decided here. */
static void finish_rows(const seg_matrix *m, const labelling *l, int64_t first, int64_t rows,
                        uint16_t *label, const float *best, const float *second)
{
    const seg_kmeans *kmeans = l->kmeans;

    for (int64_t i = 0; i < rows; i++) {
        double near = (double)best[i], next = (double)second[i];
        if (!is_certain(&l->bound, near, next)) {
            int64_t at = first + i;
            int decided;
            decide(m->d, kmeans->n_clusters, kmeans->cluster_centers,
                   &m->x[at / SEG_LANES * m->d * SEG_LANES + at % SEG_LANES], &decided, &near,
                   &next);
            label[i] = (uint16_t)decided;
            ++*l->redone;
        }
        if (kmeans->label) kmeans->label[first + i] = label[i];
        if (kmeans->distance) kmeans->distance[first + i] = (float)sqrt(near);
        if (kmeans->margin)
            kmeans->margin[first + i] = next > 0 ? (float)(1 - sqrt(near / next)) : 0;
    }
}

/* Local.  One block of n tiles from `tile` on. */
static void label_block(const seg_kernels *kernels, const seg_matrix *m, const labelling *l,
                        int64_t tile, int64_t n)
{
    const float *x = &m->x[tile * m->d * SEG_LANES];
    int64_t first = tile * SEG_LANES, lanes = n * SEG_LANES, rows = m->rows.count - first;
    uint16_t label[SEG_BLOCK_ROWS], before[SEG_BLOCK_ROWS], moved[SEG_BLOCK_TILES];
    float best[SEG_BLOCK_ROWS], second[SEG_BLOCK_ROWS];

    if (rows > lanes) rows = lanes;
    kernels->nearest(m->d, l->kmeans->n_clusters, l->packed, n, x, label, best, second);
    finish_rows(m, l, first, rows, label, best, second);
    memset(before, 0xFF, sizeof before); /* SEG_NO_LABEL */
    memset(moved, 0xFF, sizeof moved);   /* all are new in their cluster */
    moved[n - 1] = (uint16_t)(UINT16_MAX >> (lanes - rows));
    kmeans_move(
        kernels, m, tile, n,
        &(kmeans_moves) {
            .moved = moved, .before = before, .after = label, .sum = l->sum, .count = l->count });
}

seg_status kmeans_label(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        seg_kmeans *kmeans, int64_t *sums)
{
    int d = m->d, k = kmeans->n_clusters;
    int64_t cells = (int64_t)k * d;
    float *packed = NULL;

    seg_status local = seg_fault("label_alloc", SEG_ERR_MEMORY);
    if (local == SEG_OK) local = seg_alloc(seg_kernels_packed_size(k, d), sizeof *packed, &packed);
    SEG_TRY(seg_agree(comm, local));
    seg_kernels_pack(k, d, kmeans->cluster_centers, packed);
    memset(sums, 0, (size_t)kmeans_delta_size(k, d) * sizeof *sums);
    labelling l = { .kmeans = kmeans,
                    .bound = bound_of(d, k, kmeans->cluster_centers),
                    .packed = packed,
                    .sum = sums,
                    .count = sums + cells,
                    .redone = sums + cells + k };
    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t rest = m->n_tiles - tile;
        label_block(kernels, m, &l, tile, rest < SEG_BLOCK_TILES ? rest : SEG_BLOCK_TILES);
    }
    seg_sum_int64(comm, sums, kmeans_delta_size(k, d));
    kmeans->n_redone = *l.redone;
    seg_free(packed);
    return SEG_OK;
}

seg_status seg_kmeans_assign(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m, int k,
                             const double *centers, int32_t *label, float *distance, float *margin,
                             int64_t *n_redone)
{
    seg_status status = SEG_OK;
    seg_kmeans given = {
        .n_clusters = k, .d = m->d, .label = label, .distance = distance, .margin = margin
    };
    int64_t *sums = NULL;

    SEG_TRY_OR_DONE(
        seg_agree(comm, seg_alloc((int64_t)k * m->d, sizeof *centers, &given.cluster_centers)));
    memcpy(given.cluster_centers, centers, (size_t)(k * m->d) * sizeof *centers);
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(kmeans_delta_size(k, m->d), sizeof *sums, &sums)));
    SEG_TRY_OR_DONE(kmeans_label(comm, kernels, m, &given, sums));
    *n_redone = given.n_redone;
done:
    seg_free(given.cluster_centers);
    seg_free(sums);
    return status;
}
