/* The kernels, written once against the vocabulary of vec_LEVEL.h and compiled once per level. */
#include "kernel_internal.h"
#include "kernel_tile.h"

#include <math.h>
#include <string.h>

#define MOVE_COLUMNS  64
#define POTENTIAL_MAX 0x1p30f
#define SLACK_MAX     65535
#define FAR           0x1p50f /* stands for a second center where there is none */
#define ROOM          SEG_BOUNDS_ROOM

static void distances_tail(int d, int width, const float *x, const float *centers, vec *d2)
{
    distances_last(d, width, SEG_LANES, x, centers, d2);
}

/* Keeps the nearest; strictly less, so that ties stay with the lowest cluster. */
INLINE void keep_nearest(int width, const vec *d2, int first, vec *best, vec_int *label)
{
    for (int c = 0; c < width; c++) {
        *label = vec_int_pick(vec_less(d2[c], *best), vec_int_set(first + c), *label);
        *best = vec_min(d2[c], *best);
    }
}

INLINE vec_int nearest_label(int d, int k, const float *x, const float *centers)
{
    vec d2[GROUP], best = vec_set(INFINITY);
    vec_int label = vec_int_set(0);
    int first = 0;

    for (; first + GROUP <= k; first += GROUP) {
        distances(d, GROUP, x, centers + (int64_t)first * d, d2);
        keep_nearest(GROUP, d2, first, &best, &label);
    }
    if (first < k) {
        distances_tail(d, k - first, x, centers + (int64_t)first * d, d2);
        keep_nearest(k - first, d2, first, &best, &label);
    }
    return label;
}

static void assign(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                   uint16_t *label, uint16_t *before, uint16_t *moved)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec_int now = nearest_label(d, k, x, centers), was = vec_int_load(label);
        moved[tile] = (uint16_t)vec_int_differ(now, was);
        vec_int_store(before, was);
        vec_int_store(label, now);
        x += d * SEG_LANES;
        label += SEG_LANES;
        before += SEG_LANES;
    }
}

INLINE void keep_two(int width, const vec *d2, int first, vec *best, vec *second, vec_int *label)
{
    for (int c = 0; c < width; c++) {
        *label = vec_int_pick(vec_less(d2[c], *best), vec_int_set(first + c), *label);
        *second = vec_min(*second, vec_max(d2[c], *best));
        *best = vec_min(d2[c], *best);
    }
}

/* The nearest of k centers to 16 of the clients x [d][lanes], and the squared distances to it and
 * to the second. */
INLINE vec_int nearest_two(int d, int k, int lanes, const float *x, const float *centers, vec *best,
                           vec *second)
{
    vec d2[GROUP];
    vec_int label = vec_int_set(0);
    int first = 0;

    *best = *second = vec_set(INFINITY);
    for (; first + GROUP <= k; first += GROUP) {
        distances_of(d, GROUP, lanes, x, centers + (int64_t)first * d, d2);
        keep_two(GROUP, d2, first, best, second, &label);
    }
    if (first < k) {
        distances_last(d, k - first, lanes, x, centers + (int64_t)first * d, d2);
        keep_two(k - first, d2, first, best, second, &label);
    }
    return label;
}

static void nearest(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                    uint16_t *label, float *best, float *second)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec least, next;
        vec_int_store(label, nearest_two(d, k, SEG_LANES, x, centers, &least, &next));
        vec_store(best, least);
        vec_store(second, next);
        x += d * SEG_LANES;
        label += SEG_LANES;
        best += SEG_LANES;
        second += SEG_LANES;
    }
}

/* ---- assignment of clients whose label may have changed ---- */

/* How much nearer the own center is than the second, in units, rounded down. */
INLINE vec_int slack_of(const seg_bounds *bounds, vec best, vec second)
{
    vec far = vec_set(FAR * FAR), doubt = vec_set(-bounds->doubt);
    vec own = vec_sqrt(vec_min(best, far)), other = vec_sqrt(vec_min(second, far));
    vec gap = vec_fma(doubt, other, vec_fma(doubt, own, vec_sub(other, own)));
    vec units = vec_fma(gap, vec_set(bounds->units), vec_set(-1));

    return vec_round(vec_min(vec_max(units, vec_set(0)), vec_set(SLACK_MAX)));
}

static void look_at_all(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                        const seg_bounds *bounds, uint16_t *label, uint16_t *slack,
                        uint16_t *before, uint16_t *moved)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec best, second;
        vec_int was = vec_int_load(label);
        vec_int now = nearest_two(d, k, SEG_LANES, x, centers, &best, &second);
        moved[tile] = (uint16_t)vec_int_differ(now, was);
        vec_int_store(before, was);
        vec_int_store(label, now);
        vec_int_store(slack, slack_of(bounds, best, second));
        x += d * SEG_LANES;
        label += SEG_LANES;
        before += SEG_LANES;
        slack += SEG_LANES;
    }
}

/* Takes from each client's slack what its cluster may have lost; doubtful [n_tiles]: bits of those
 * that have none left.  Their number. */
static int64_t take_slack(int k, const int32_t *drop, int64_t n_tiles, const uint16_t *label,
                          uint16_t *slack, uint16_t *doubtful)
{
    const vec_int none = vec_int_set(0);
    int64_t n = 0;

    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec_int lost = vec_int_look_up(drop, k, vec_int_load(label + tile * SEG_LANES));
        vec_int left = vec_int_sub_to_zero(vec_int_load(slack + tile * SEG_LANES), lost);
        unsigned sure = vec_int_differ(left, none);
        vec_int_store(slack + tile * SEG_LANES, left);
        doubtful[tile] = (uint16_t)~sure;
        n += __builtin_popcount(doubtful[tile]);
    }
    return n;
}

/* One client's label, as `assign` leaves it; `before` is filled for a tile at its first move. */
INLINE void set_label(int client, uint16_t now, uint16_t *label, uint16_t *before, uint16_t *moved)
{
    int tile = client / SEG_LANES, first = tile * SEG_LANES;

    if (now == label[client]) return;
    if (moved[tile] == 0) memcpy(before + first, label + first, SEG_LANES * sizeof *label);
    moved[tile] |= (uint16_t)(1 << (client - first));
    label[client] = now;
}

/* n clients side by side in room [d + 1][ROOM], their numbers in the last row: as any others. */
static void look_at_some(int d, int k, const float *centers, int n, const seg_bounds *bounds,
                         uint16_t *label, uint16_t *slack, uint16_t *before, uint16_t *moved)
{
    const float *number = bounds->room + (int64_t)d * ROOM;

    for (int first = 0; first < n; first += SEG_LANES) {
        uint16_t now[SEG_LANES], left[SEG_LANES];
        int count = n - first < SEG_LANES ? n - first : SEG_LANES;
        vec best, second;
        vec_int_store(now, nearest_two(d, k, ROOM, bounds->room + first, centers, &best, &second));
        vec_int_store(left, slack_of(bounds, best, second));
        for (int i = 0; i < count; i++) {
            int client = (int)number[first + i];
            set_label(client, now[i], label, before, moved);
            slack[client] = left[i];
        }
    }
}

/* Packs the doubtful clients of a tile behind the n that are there. */
INLINE void pack_tile(int d, const float *x, unsigned doubtful, int64_t tile, float *room)
{
    float number[SEG_LANES];

    for (int t = 0; t < d; t++)
        vec_pack(room + (int64_t)t * ROOM, vec_load(x + (int64_t)t * SEG_LANES), doubtful);
    for (int lane = 0; lane < SEG_LANES; lane++)
        number[lane] = (float)(tile * SEG_LANES + lane);
    vec_pack(room + (int64_t)d * ROOM, vec_load(number), doubtful);
}

static void assign_doubtful(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                            const seg_bounds *bounds, uint16_t *label, uint16_t *slack,
                            uint16_t *before, uint16_t *moved)
{
    uint16_t doubtful[SEG_BLOCK_TILES];
    int n = 0;

    if (!bounds->drop ||
        take_slack(k, bounds->drop, n_tiles, label, slack, doubtful) > n_tiles * SEG_LANES / 2) {
        look_at_all(d, k, centers, n_tiles, x, bounds, label, slack, before, moved);
        return;
    }
    memset(moved, 0, (size_t)n_tiles * sizeof *moved);
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        if (doubtful[tile] == 0) continue;
        pack_tile(d, x + tile * d * SEG_LANES, doubtful[tile], tile, bounds->room + n);
        n += __builtin_popcount(doubtful[tile]);
        if (n <= ROOM - 2 * SEG_LANES) continue;
        look_at_some(d, k, centers, n, bounds, label, slack, before, moved);
        n = 0;
    }
    look_at_some(d, k, centers, n, bounds, label, slack, before, moved);
}

static void distance(int d, const float *center, int64_t n_tiles, const float *x, float *d2)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec now;
        distances(d, 1, x, center, &now);
        vec_store(d2, now);
        x += d * SEG_LANES;
        d2 += SEG_LANES;
    }
}

static void closer(int d, const float *center, int64_t n_tiles, const float *x, float *d2)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec now;
        distances(d, 1, x, center, &now);
        vec_store(d2, vec_min(now, vec_load(d2)));
        x += d * SEG_LANES;
        d2 += SEG_LANES;
    }
}

/* One pass per group of candidates, so that the totals stay here; there are rarely more than 8. */
static void potential(int d, int n_candidates, const float *candidates, int64_t n_tiles,
                      const float *x, const float *d2, float scale, int64_t *sum)
{
    for (int first = 0; first < n_candidates; first += GROUP) {
        int width = n_candidates - first < GROUP ? n_candidates - first : GROUP;
        vec_wide total[GROUP];
        for (int c = 0; c < width; c++)
            total[c] = vec_wide_zero();
        for (int64_t tile = 0; tile < n_tiles; tile++) {
            const float *values = x + tile * d * SEG_LANES;
            vec to[GROUP], now = vec_load(d2 + tile * SEG_LANES);
            distances_tail(d, width, values, candidates + (int64_t)first * d, to);
            for (int c = 0; c < width; c++) {
                vec scaled = vec_mul(vec_min(to[c], now), vec_set(scale));
                vec_int whole = vec_round(vec_min(scaled, vec_set(POTENTIAL_MAX)));
                total[c] = vec_wide_add(total[c], whole);
            }
        }
        for (int c = 0; c < width; c++)
            sum[first + c] += vec_wide_total(total[c]);
    }
}

/* 2^exponent from its bits: quicker than ldexpf, of which a call for one block would feel 17. */
INLINE float power_of_two(int exponent)
{
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float power;

    memcpy(&power, &bits, sizeof power);
    return power;
}

/* A lane's values in units of the grid, from one row of sums to another.  units [width] are powers
 * of two, so the products are exact; from may be NULL. */
INLINE void move_lane(int width, const float *lane, const float *units, int64_t *from, int64_t *to)
{
    if (!from) {
#pragma GCC unroll 8
        for (int t = 0; t < width; t++)
            to[t] += (int64_t)(lane[t * SEG_LANES] * units[t]);
        return;
    }
#pragma GCC unroll 8
    for (int t = 0; t < width; t++) {
        int64_t whole = (int64_t)(lane[t * SEG_LANES] * units[t]);
        from[t] -= whole;
        to[t] += whole;
    }
}

static void move(int d, int64_t n_tiles, const float *x, const uint16_t *moved,
                 const uint16_t *before, const uint16_t *after, const int *grid, int64_t *sum,
                 int64_t *count)
{
    for (int first = 0; first < d; first += MOVE_COLUMNS) {
        int width = d - first < MOVE_COLUMNS ? d - first : MOVE_COLUMNS;
        float units[MOVE_COLUMNS];
        for (int t = 0; t < width; t++)
            units[t] = power_of_two(grid[first + t]);
        for (int64_t tile = 0; tile < n_tiles; tile++)
            for (unsigned left = moved[tile]; left != 0; left &= left - 1) {
                int64_t lane = __builtin_ctz(left), client = tile * SEG_LANES + lane;
                int64_t from = before[client], to = after[client];
                move_lane(width, x + (tile * d + first) * SEG_LANES + lane, units,
                          from == SEG_NO_LABEL ? NULL : sum + from * d + first,
                          sum + to * d + first);
                if (first > 0) continue;
                if (from != SEG_NO_LABEL) count[from]--;
                count[to]++;
            }
    }
}

/* ---- draws ---- */

/* One round of Philox4x32 for 16 counters at once.  Source: Salmon et al., SC11. */
INLINE void counter_round(vec_int c[4], uint32_t key0, uint32_t key1)
{
    vec_int high0, high2, low0, low2;

    low0 = vec_int_multiply(c[0], 0xD2511F53u, &high0);
    low2 = vec_int_multiply(c[2], 0xCD9E8D57u, &high2);
    c[0] = vec_int_xor(vec_int_xor(high2, c[1]), vec_int_set((int32_t)key0));
    c[1] = low2;
    c[2] = vec_int_xor(vec_int_xor(high0, c[3]), vec_int_set((int32_t)key1));
    c[3] = low0;
}

/* Bits of the lanes where 1 - u, as the upper 31 bits of u tell, is at most limit * d2. */
INLINE uint16_t in_reach(vec_int upper, float limit, vec d2)
{
    vec rest = vec_mul(vec_upper_rest(upper), vec_set(0x1p-31f));
    vec_mask out = vec_less(vec_mul(vec_set(limit), d2), rest);
    vec_int in = vec_int_pick(out, vec_int_set(0), vec_int_set(1));

    return (uint16_t)vec_int_differ(in, vec_int_set(0));
}

static void draws(uint64_t key, int64_t row, uint64_t draw, int64_t n_tiles, const float *d2,
                  const float limit[2], uint16_t *first, uint16_t *second)
{
    for (int64_t tile = 0; tile < n_tiles; tile++, row += SEG_LANES, d2 += SEG_LANES) {
        uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
        vec_int c[4] = { vec_int_count((uint32_t)row), vec_int_set((int32_t)(row >> 32)),
                         vec_int_set((int32_t)(uint32_t)draw),
                         vec_int_set((int32_t)(uint32_t)(draw >> 32)) };
        for (int round = 0; round < 10; round++) {
            counter_round(c, key0, key1);
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        first[tile] = in_reach(c[1], limit[0], vec_load(d2));
        second[tile] = in_reach(c[3], limit[1], vec_load(d2));
    }
}

/* ---- in double, in plain loops: a product and a sum are rounded each, at every level ---- */

static void pairs(int d, const double *restrict x, int64_t first, int64_t n,
                  const float *restrict y, double *restrict dist)
{
    for (int64_t j = 0; j < n; j++, dist += SEG_LANES) {
        const float *other = &y[(first + j) / SEG_LANES * d * SEG_LANES + (first + j) % SEG_LANES];
        double d2[SEG_LANES] = { 0 };
        for (int t = 0; t < d; t++) {
            double value = other[(int64_t)t * SEG_LANES];
            for (int lane = 0; lane < SEG_LANES; lane++) {
                double diff = x[t * SEG_LANES + lane] - value;
                d2[lane] += diff * diff;
            }
        }
        for (int lane = 0; lane < SEG_LANES; lane++)
            dist[lane] = sqrt(d2[lane]);
    }
}

/* The copy lets the compiler see that no sum overlaps its summand. */
static void spread(int64_t n, const int32_t *restrict label, const double *restrict dist,
                   double *restrict sum)
{
    for (int64_t j = 0; j < n; j++, dist += SEG_LANES) {
        double *to = &sum[(int64_t)label[j] * SEG_LANES], now[SEG_LANES];
        for (int lane = 0; lane < SEG_LANES; lane++)
            now[lane] = to[lane] + dist[lane];
        for (int lane = 0; lane < SEG_LANES; lane++)
            to[lane] = now[lane];
    }
}

#define NAME_OF(level)   #level
#define NAME(level)      NAME_OF(level)
#define TABLE_OF(level)  seg_kernels_##level
#define TABLE(level)     TABLE_OF(level)
#define BINS_OF(level)   seg_kernel_bins_##level
#define BINS(level)      BINS_OF(level)
#define LOCATE_OF(level) seg_kernel_locate_##level
#define LOCATE(level)    LOCATE_OF(level)

const seg_kernels TABLE(SEG_LEVEL) = {
    .name = NAME(SEG_LEVEL),
    .assign = assign,
    .assign_doubtful = assign_doubtful,
    .nearest = nearest,
    .closer = closer,
    .distance = distance,
    .potential = potential,
    .move = move,
    .draws = draws,
    .pairs = pairs,
    .bins = BINS(SEG_LEVEL),
    .locate = LOCATE(SEG_LEVEL),
    .spread = spread,
};
