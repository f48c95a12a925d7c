/* Draws by squared distance without gathering: an exponential race.  The client with the least
 * -log(u) / d2 has probability d2 / sum(d2); its u depends on (seed, row, draw) alone, so the
 * winner does not depend on ranks.  A client at distance 0 never wins. Source: Efraimidis and
 * Spirakis, Weighted random sampling with a reservoir, 2006. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cluster_internal.h"

void kmeans_records_clear(int d, int n, char *records)
{
    const seg_rival nobody = { .key = INFINITY, .row = INT64_MAX };
    int64_t size = kmeans_record_size(d);

    memset(records, 0, (size_t)(n * size));
    for (int i = 0; i < n; i++)
        memcpy(records + i * size, &nobody, sizeof nobody);
}

/* -log(u) >= 1 - u, so nearly all rows are out without a logarithm; the margin covers rounding, so
 * that what is left out could not have won on any rank. */
static void compete(seg_rival *best, double u, double d2, int64_t row)
{
    if (1 - u > best->key * d2 * (1 + 1e-9)) return;

    double key = -log(u) / d2;
    if (key < best->key || (key == best->key && row < best->row))
        *best = (seg_rival) { .key = key, .row = row };
}

/* With the margin that the kernel asks for, also where distances are so large that a key has lost
 * bits of a float. */
static float limit_of(const seg_rival *best)
{
    return (float)(best->key * (1 + 0x1p-19)) + FLT_TRUE_MIN;
}

/* The two trials of one draw, among clients of a block that a kernel finds in reach. */
static void race_block(const kmeans_racing *racing, int64_t first, int64_t count, const float *d2,
                       uint64_t draw, seg_rival best[2])
{
    const seg_matrix *m = racing->m;
    float limit[2] = { limit_of(&best[0]), limit_of(&best[1]) };
    uint16_t near[2][SEG_BLOCK_TILES];
    int64_t n_tiles = (count + SEG_LANES - 1) / SEG_LANES;

    racing->kernels->draws(seg_random_word(racing->key), m->rows.first + first, draw, n_tiles, d2,
                           limit, near[0], near[1]);
    for (int64_t tile = 0; tile < n_tiles; tile++)
        for (unsigned left = near[0][tile] | near[1][tile], i = 0; left >> i != 0; i++) {
            int64_t at = tile * SEG_LANES + i, row = m->rows.first + first + at;
            if (!(left >> i & 1) || at >= count || !(d2[at] > 0)) continue;
            seg_random_pair bits = seg_random_bits(racing->key, row, draw);
            compete(&best[0], seg_random_unit(bits.a), (double)d2[at], row);
            compete(&best[1], seg_random_unit(bits.b), (double)d2[at], row);
        }
}

/* The same for all clients, by their weights. */
static void race_all(const kmeans_racing *racing, int64_t first, int64_t count, const float *d2,
                     uint64_t draw, seg_rival best[2])
{
    const seg_matrix *m = racing->m;

    for (int64_t i = 0; i < count; i++) {
        double reach = (d2 ? (double)d2[i] : 1) * seg_matrix_weight(m, first + i);
        if (!(reach > 0)) continue;
        int64_t row = m->rows.first + first + i;
        seg_random_pair bits = seg_random_bits(racing->key, row, draw);
        compete(&best[0], seg_random_unit(bits.a), reach, row);
        compete(&best[1], seg_random_unit(bits.b), reach, row);
    }
}

void kmeans_race(const kmeans_racing *racing, int64_t first, int64_t count, const float *d2,
                 uint64_t draw, int n_trials, char *records)
{
    int64_t size = kmeans_record_size(racing->m->d);

    for (int trial = 0; trial < n_trials; trial += 2) {
        seg_rival best[2];
        bool pair = trial + 1 < n_trials;
        memcpy(&best[0], records + trial * size, sizeof best[0]);
        memcpy(&best[1], records + (trial + pair) * size, sizeof best[1]);
        for (int64_t block = 0; block < count; block += SEG_BLOCK_ROWS) {
            int64_t n = count - block < SEG_BLOCK_ROWS ? count - block : SEG_BLOCK_ROWS;
            if (d2 && !racing->m->weight)
                race_block(racing, first + block, n, d2 + block, draw + (uint64_t)trial, best);
            else
                race_all(racing, first + block, n, d2 ? d2 + block : NULL, draw + (uint64_t)trial,
                         best);
        }
        memcpy(records + trial * size, &best[0], sizeof best[0]);
        if (pair) memcpy(records + (trial + 1) * size, &best[1], sizeof best[1]);
    }
}

void kmeans_race_end(seg_comm *comm, const seg_matrix *m, int n, char *records)
{
    int64_t size = kmeans_record_size(m->d);

    for (int i = 0; i < n; i++) {
        seg_rival best;
        memcpy(&best, records + i * size, sizeof best);
        int64_t at = best.row - m->rows.first;
        if (at < 0 || at >= m->rows.count) continue;
        const float *x = &m->x[at / SEG_LANES * m->d * SEG_LANES + at % SEG_LANES];
        for (int t = 0; t < m->d; t++)
            kmeans_record_values(records + i * size)[t] = x[(int64_t)t * SEG_LANES];
        *kmeans_record_weight(m->d, records + i * size) = seg_matrix_weight(m, at);
    }
    seg_min_record(comm, records, n, (size_t)size);
}
