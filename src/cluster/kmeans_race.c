/* Draws by squared distance without gathering: an exponential race.  The client with the least
 * -log(u) / d2 has probability d2 / sum(d2); its u depends on (seed, row, draw) alone, so the
 * winner does not depend on ranks.  A client at distance 0 never wins. Source: Efraimidis and
 * Spirakis, Weighted random sampling with a reservoir, 2006. */
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

void kmeans_race(seg_random key, const seg_matrix *m, int64_t first, int64_t count, const float *d2,
                 uint64_t draw, int n_trials, char *records)
{
    int64_t size = kmeans_record_size(m->d);

    for (int trial = 0; trial < n_trials; trial += 2) {
        seg_rival best[2];
        bool pair = trial + 1 < n_trials;
        memcpy(&best[0], records + trial * size, sizeof best[0]);
        memcpy(&best[1], records + (trial + pair) * size, sizeof best[1]);
        for (int64_t i = 0; i < count; i++) {
            double reach = (d2 ? (double)d2[i] : 1) * seg_matrix_weight(m, first + i);
            if (!(reach > 0)) continue;
            int64_t row = m->rows.first + first + i;
            seg_random_pair bits = seg_random_bits(key, row, draw + (uint64_t)trial);
            compete(&best[0], seg_random_unit(bits.a), reach, row);
            if (pair) compete(&best[1], seg_random_unit(bits.b), reach, row);
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
