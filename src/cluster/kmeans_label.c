/* Labels that are the float64 answer, at float32 speed: a client whose two nearest centers are
 * closer together than the kernels' rounding can tell is decided in float64. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/memory.h"

#define PRECISION 1e-4 /* of a squared distance that is reported */

/* A computed squared distance D to a center is off by at most
 * relative * D + absolute + 2 * shift * sqrt(D) + shift^2: of d differences, squares and additions,
 * each rounded; of squares that underflow; of centers rounded to float, `shift` being the farthest
 * that this moves one. */
static void find_bound(seg_labeller *l)
{
    double u = FLT_EPSILON / 2, terms = (l->d + 2) * u, shift = 0;

    for (int j = 0; j < l->k; j++) {
        double squares = 0;
        for (int t = 0; t < l->d; t++) {
            double c = l->centers[(int64_t)j * l->d + t], off = c - (double)(float)c;
            squares += off * off;
        }
        shift = fmax(shift, sqrt(squares));
    }
    l->relative = terms / (1 - 2 * terms);
    l->absolute = l->d * (double)FLT_MIN;
    l->shift = shift;
}

seg_status seg_labeller_init(int k, int d, const double *centers, seg_labeller *l)
{
    *l = (seg_labeller) { .k = k, .d = d, .centers = centers };
    SEG_TRY(seg_fault("label_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(seg_kernels_packed_size(k, d), sizeof *l->packed, &l->packed));
    seg_kernels_pack(k, d, centers, l->packed);
    find_bound(l);
    return SEG_OK;
}

void seg_labeller_release(seg_labeller *l)
{
    seg_free(l->packed);
    *l = (seg_labeller) { 0 };
}

/* The most by which the computed squared distance d2 is off. */
static double error_of(const seg_labeller *l, double d2)
{
    return l->relative * d2 + l->absolute + 2 * l->shift * sqrt(d2) + l->shift * l->shift;
}

/* True if the label is surely right and the distance good to PRECISION; 1.001 is for what the bound
 * itself is rounded by. */
static bool is_certain(const seg_labeller *l, double best, double second)
{
    double error = 1.001 * error_of(l, best);
    bool precise = error <= PRECISION * best;

    if (second >= INFINITY) return precise; /* one center */
    return precise && second - best > error + 1.001 * error_of(l, second);
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

/* A matrix, and where the answers for its rows go; NULL: not wanted. */
typedef struct labelling {
    const seg_labeller *l;
    const seg_kernels *kernels;
    const seg_matrix *m;
    int32_t *label;
    float *distance, *margin;
} labelling;

/* Local.  One block of n tiles from `tile` on: what the kernel was not certain of is decided here.
 * label [SEG_BLOCK_ROWS], filled.  Returns the number of clients decided. */
static int64_t label_block(const labelling *to, int64_t tile, int64_t n, uint16_t *label)
{
    const seg_labeller *l = to->l;
    const seg_matrix *m = to->m;
    int64_t first = tile * SEG_LANES, lanes = n * SEG_LANES, rows = m->rows.count - first;
    float best[SEG_BLOCK_ROWS], second[SEG_BLOCK_ROWS];
    int64_t redone = 0;

    to->kernels->nearest(m->d, l->k, l->packed, n, &m->x[first * m->d], label, best, second);
    for (int64_t i = 0; i < lanes && i < rows; i++) {
        double near = (double)best[i], next = (double)second[i];
        if (!is_certain(l, near, next)) {
            int64_t at = first + i;
            int decided;
            decide(m->d, l->k, l->centers,
                   &m->x[at / SEG_LANES * m->d * SEG_LANES + at % SEG_LANES], &decided, &near,
                   &next);
            label[i] = (uint16_t)decided;
            redone++;
        }
        if (to->label) to->label[first + i] = label[i];
        if (to->distance) to->distance[first + i] = (float)sqrt(near);
        if (to->margin) to->margin[first + i] = next > 0 ? (float)(1 - sqrt(near / next)) : 0;
    }
    return redone;
}

int64_t seg_labeller_apply(const seg_labeller *l, const seg_kernels *kernels, const seg_matrix *m,
                           int32_t *label, float *distance, float *margin)
{
    const labelling to = { l, kernels, m, label, distance, margin };
    uint16_t block[SEG_BLOCK_ROWS];
    int64_t redone = 0;

    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES)
        redone += label_block(&to, tile, seg_matrix_block(m, tile), block);
    return redone;
}

seg_status kmeans_label(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        seg_kmeans *kmeans, int64_t *sums)
{
    int d = m->d, k = kmeans->n_clusters;
    int64_t cells = (int64_t)k * d, *redone = sums + cells + k;
    seg_labeller l = { 0 };
    const labelling to = { &l, kernels, m, kmeans->label, kmeans->distance, kmeans->margin };
    uint16_t label[SEG_BLOCK_ROWS];

    SEG_TRY(seg_agree(comm, seg_labeller_init(k, d, kmeans->cluster_centers, &l)));
    memset(sums, 0, (size_t)kmeans_delta_size(k, d) * sizeof *sums);
    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile);
        *redone += label_block(&to, tile, n, label);
        kmeans_add(kernels, m, tile, n, label, sums, sums + cells);
    }
    seg_sum_int64(comm, sums, kmeans_delta_size(k, d));
    kmeans->n_redone = *redone;
    seg_labeller_release(&l);
    return SEG_OK;
}

seg_status seg_kmeans_assign(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m, int k,
                             const double *centers, int32_t *label, float *distance, float *margin,
                             int64_t *n_redone)
{
    const int64_t cells = (int64_t)k * m->d, size = kmeans_delta_size(k, m->d);
    int64_t *sums;

    SEG_TRY(seg_agree(comm, seg_alloc(size + cells, sizeof *sums, &sums)));
    seg_kmeans given = { .n_clusters = k,
                         .d = m->d,
                         .cluster_centers = (double *)(void *)(sums + size),
                         .label = label,
                         .distance = distance,
                         .margin = margin };
    memcpy(given.cluster_centers, centers, (size_t)cells * sizeof *centers);
    seg_status status = kmeans_label(comm, kernels, m, &given, sums);
    *n_redone = given.n_redone;
    seg_free(sums);
    return status;
}
