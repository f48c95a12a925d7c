/* The kernels, written once against the vocabulary of vec_LEVEL.h and compiled once per level.
 *
 * One lane is one client.  Up to 8 centers at a time keep their sums in registers while the columns
 * of the tile pass by.  Where that takes long, lines some tiles ahead are prefetched: by itself the
 * hardware stops at each page.  For one client the operations are the same in the same order at
 * every level: sum = fma(diff, diff, sum), column by column, cluster by cluster. */
#include "kernel_internal.h"
#include SEG_VEC_HEADER

#include <math.h>
#include <string.h>

#define INLINE        static inline __attribute__((always_inline))
#define GROUP         SEG_CENTER_GROUP
#define BATCH         (VEC_CENTERS / 2)
#define MOVE_COLUMNS  64
#define BYTES_AHEAD   8192
#define POTENTIAL_MAX 0x1p30f

/* The address may lie beyond the array: a prefetch cannot fault. */
INLINE void prefetch(const float *x)
{
    __builtin_prefetch((const void *)((uintptr_t)x + BYTES_AHEAD));
}

/* Differences first: a sum that waits for its own difference stalls the pipeline. */
INLINE void add_squares(int width, vec value, const float *centers, vec *sum)
{
    vec diff[BATCH];

#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        diff[c] = vec_sub(value, vec_set(centers[c]));
#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        sum[c] = vec_fma(diff[c], diff[c], sum[c]);
}

/* Squared distances of 16 clients to `width` of the centers [d][stride].  A constant width keeps
 * the sums in registers. */
INLINE void distances_some(int d, int width, int stride, bool ahead, const float *x,
                           const float *centers, vec *d2)
{
    vec sum[VEC_CENTERS];

#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        sum[c] = vec_set(0);
    for (int t = 0; t < d; t++, x += SEG_LANES, centers += stride) {
        vec value = vec_load(x);
        if (ahead) prefetch(x);
#pragma GCC unroll 8
        for (int c = 0; c < width; c += BATCH)
            add_squares(width - c < BATCH ? width - c : BATCH, value, centers + c, sum + c);
    }
#pragma GCC unroll 8
    for (int c = 0; c < width; c++)
        d2[c] = sum[c];
}

/* The same for a group of `width` centers, in as many passes over the tile as the registers ask
 * for, of equal widths. */
INLINE void distances(int d, int width, const float *x, const float *centers, vec *d2)
{
    int passes = (width + VEC_CENTERS - 1) / VEC_CENTERS, each = (width + passes - 1) / passes;

    distances_some(d, each, width, width > 4, x, centers, d2);
    if (passes > 1) distances_some(d, width - each, width, false, x, centers + each, d2 + each);
}

/* The same for the last group, 1 to 8 centers. */
static void distances_tail(int d, int width, const float *x, const float *centers, vec *d2)
{
    switch (width) {
    case 1:
        distances(d, 1, x, centers, d2);
        break;
    case 2:
        distances(d, 2, x, centers, d2);
        break;
    case 3:
        distances(d, 3, x, centers, d2);
        break;
    case 4:
        distances(d, 4, x, centers, d2);
        break;
    case 5:
        distances(d, 5, x, centers, d2);
        break;
    case 6:
        distances(d, 6, x, centers, d2);
        break;
    case 7:
        distances(d, 7, x, centers, d2);
        break;
    default:
        distances(d, 8, x, centers, d2);
        break;
    }
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
                   uint16_t *label, uint16_t *moved)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec_int now = nearest_label(d, k, x, centers);
        moved[tile] = (uint16_t)vec_int_differ(now, vec_int_load(label));
        vec_int_store(label, now);
        x += d * SEG_LANES;
        label += SEG_LANES;
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

static void nearest(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                    uint16_t *label, float *best, float *second)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        vec d2[GROUP], least = vec_set(INFINITY), next = least;
        vec_int now = vec_int_set(0);
        for (int first = 0; first < k; first += GROUP) {
            int width = k - first < GROUP ? k - first : GROUP;
            distances_tail(d, width, x, centers + (int64_t)first * d, d2);
            keep_two(width, d2, first, &least, &next, &now);
        }
        vec_store(best, least);
        vec_store(second, next);
        vec_int_store(label, now);
        x += d * SEG_LANES;
        label += SEG_LANES;
        best += SEG_LANES;
        second += SEG_LANES;
    }
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

#define NAME_OF(level)  #level
#define NAME(level)     NAME_OF(level)
#define TABLE_OF(level) seg_kernels_##level
#define TABLE(level)    TABLE_OF(level)

const seg_kernels TABLE(SEG_LEVEL) = {
    .name = NAME(SEG_LEVEL),
    .assign = assign,
    .nearest = nearest,
    .closer = closer,
    .distance = distance,
    .potential = potential,
    .move = move,
    .pairs = pairs,
    .spread = spread,
};
