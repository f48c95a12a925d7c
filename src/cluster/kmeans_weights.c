/* What the kernels do for clients that count once, done here for clients that count more or less
 * often. */
#include <math.h>
#include <string.h>

#include "cluster_internal.h"

/* Adds sign * weight times the client at x to a cluster. */
static void add_client(const seg_matrix *m, const float *x, int64_t weight, int64_t *sum)
{
    for (int t = 0; t < m->d; t++)
        sum[t] += weight * (int64_t)ldexp((double)x[(int64_t)t * SEG_LANES], m->grid[t]);
}

static void move_weighted(const seg_matrix *m, int64_t tile, int64_t n, const kmeans_moves *moves)
{
    for (int64_t i = 0; i < n * SEG_LANES; i++) {
        if (!(moves->moved[i / SEG_LANES] >> i % SEG_LANES & 1)) continue;
        const float *x = &m->x[(tile + i / SEG_LANES) * m->d * SEG_LANES + i % SEG_LANES];
        int64_t weight = m->weight[tile * SEG_LANES + i];
        int before = moves->before[i], after = moves->after[i];
        if (before != SEG_NO_LABEL) {
            add_client(m, x, -weight, &moves->sum[(int64_t)before * m->d]);
            moves->count[before] -= weight;
        }
        add_client(m, x, weight, &moves->sum[(int64_t)after * m->d]);
        moves->count[after] += weight;
    }
}

void kmeans_move(const seg_kernels *kernels, const seg_matrix *m, int64_t tile, int64_t n,
                 const kmeans_moves *moves)
{
    if (m->weight)
        move_weighted(m, tile, n, moves);
    else
        kernels->move(m->d, n, &m->x[tile * m->d * SEG_LANES], moves->moved, moves->before,
                      moves->after, m->grid, moves->sum, moves->count);
}

void kmeans_add(const seg_kernels *kernels, const seg_matrix *m, int64_t tile, int64_t n,
                const uint16_t *label, int64_t *sum, int64_t *count)
{
    int64_t lanes = n * SEG_LANES, rows = m->rows.count - tile * SEG_LANES;
    uint16_t before[SEG_BLOCK_ROWS], moved[SEG_BLOCK_TILES];

    memset(before, 0xFF, sizeof before); /* SEG_NO_LABEL */
    memset(moved, 0xFF, sizeof moved);   /* all are new in their cluster */
    if (rows < lanes) moved[n - 1] = (uint16_t)(UINT16_MAX >> (lanes - rows));
    kmeans_move(kernels, m, tile, n,
                &(kmeans_moves) {
                    .moved = moved, .before = before, .after = label, .sum = sum, .count = count });
}

void kmeans_potential(const seg_kernels *kernels, const seg_matrix *m, int64_t tile, int64_t n,
                      const float *candidate, const float *d2, float scale, int64_t *sum)
{
    float distance[SEG_BLOCK_ROWS];

    kernels->distance(m->d, candidate, n, &m->x[tile * m->d * SEG_LANES], distance);
    for (int64_t i = 0; i < n * SEG_LANES; i++) {
        float units = rintf(fminf(d2[i], distance[i]) * scale);
        *sum += m->weight[tile * SEG_LANES + i] * (int64_t)fminf(units, 0x1p30F);
    }
}
