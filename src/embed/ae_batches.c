/* Batches: which rows, in which order, and their values on every rank.  The order is a permutation
 * keyed by (seed, epoch), so it can be asked for any position and does not depend on ranks.
 * Source: a four-round Feistel network, walked until it lands among the rows (Black and Rogaway
 * 2002). */
#include <math.h>
#include <string.h>

#include "ae_internal.h"

#define ROUNDS 4

/* A permutation of 0 .. n - 1. */
static int64_t permute(seg_random key, uint64_t number, int64_t n, int64_t at)
{
    int half = 1;
    uint64_t value = (uint64_t)at;

    while ((uint64_t)1 << 2 * half < (uint64_t)n)
        half++;
    uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = value >> half, right = value & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint64_t mixed = seg_random_bits(key, (int64_t)right, number * ROUNDS + round).a & mask;
            uint64_t next = left ^ mixed;
            left = right;
            right = next;
        }
        value = left << half | right;
    } while (value >= (uint64_t)n);
    return (int64_t)value;
}

ae_order ae_order_of(const seg_matrix *m, const seg_ae_opts *opts)
{
    int64_t n = m->rows.total, kept = (int64_t)rint(opts->validation * (double)n);

    if (kept > SEG_AE_VALIDATION_MAX) kept = SEG_AE_VALIDATION_MAX;
    if (kept >= n) kept = n - 1; /* one client trains, whatever is asked */
    return (ae_order) { .n = n, .n_train = n - kept, .seed = opts->seed };
}

int64_t ae_row_at(const ae_order *order, int epoch, int64_t at)
{
    const seg_random key = { .seed = order->seed, .purpose = SEG_RANDOM_SHUFFLE };

    if (at < order->n_train) at = permute(key, (uint64_t)epoch + 1, order->n_train, at);
    return permute(key, 0, order->n, at);
}

/* Local.  This rank's rows of `count` positions from `at` on; -1: another's. */
static void own_rows(const seg_matrix *m, const ae_order *order, int epoch, int64_t at,
                     int64_t count, int64_t *row)
{
    for (int64_t i = 0; i < count; i++) {
        row[i] = ae_row_at(order, epoch, at + i) - m->rows.first;
        if (row[i] < 0 || row[i] >= m->rows.count) row[i] = -1;
    }
}

/* Each rank fills in its own rows; the others are zero there, so that adding the bits up, two
 * floats to an integer, makes them everybody's. */
void ae_gather(seg_comm *comm, const seg_matrix *m, const ae_order *order, int epoch, int64_t at,
               int64_t count, float *rows)
{
    int64_t pairs = (count * m->d + 1) / 2, own[SEG_MATRIX_WANTED];

    memset(rows, 0, (size_t)(2 * pairs) * sizeof *rows);
    for (int64_t first = 0, n; first < count; first += n) {
        n = count - first < SEG_MATRIX_WANTED ? count - first : SEG_MATRIX_WANTED;
        own_rows(m, order, epoch, at + first, n, own);
        seg_matrix_want(m, n, own);
        for (int64_t i = 0; i < n; i++) {
            if (own[i] < 0) continue;
            const float *x = &m->x[own[i] / SEG_LANES * m->d * SEG_LANES + own[i] % SEG_LANES];
            for (int t = 0; t < m->d; t++)
                rows[(first + i) * m->d + t] = x[(int64_t)t * SEG_LANES];
        }
    }
    seg_matrix_rest(m);
    seg_sum_int64(comm, (int64_t *)(void *)rows, pairs);
}
