/* The kernels, written once against the vocabulary of vec_LEVEL.h and compiled once per level.
 *
 * One lane is one client.  8 centers at a time keep their sums in registers while the columns of
 * the tile pass by once; every line of a tile some tiles ahead is prefetched, as the hardware alone
 * does not keep up.  For one client the operations are the same in the same order at every level:
 * sum = fma(diff, diff, sum), column by column, cluster by cluster. */
#include "kernel_internal.h"
#include SEG_VEC_HEADER

#include <math.h>
#include <string.h>

#define INLINE        static inline __attribute__((always_inline))
#define GROUP         SEG_CENTER_GROUP
#define TILES_AHEAD   12
#define POTENTIAL_MAX 0x1p30f

/* The address may lie beyond the array: a prefetch cannot fault. */
INLINE void prefetch_tile(int d, const float *tile)
{
    uintptr_t ahead = (uintptr_t)tile + (uintptr_t)d * TILES_AHEAD * SEG_LANES * sizeof *tile;

    for (int t = 0; t < d; t++)
        __builtin_prefetch((const void *)(ahead + (uintptr_t)t * SEG_LANES * sizeof *tile));
}

/* Squared distances of VEC_LANES clients to `width` centers [d][width].  sum [width].  A constant
 * width keeps the sums in registers. */
INLINE void distances(int d, int width, const float *x, const float *centers, vec *sum)
{
    for (int c = 0; c < width; c++)
        sum[c] = vec_set(0);
    for (int t = 0; t < d; t++) {
        vec value = vec_load(x + t * SEG_LANES);
        for (int c = 0; c < width; c++) {
            vec diff = vec_sub(value, vec_set(centers[t * width + c]));
            sum[c] = vec_fma(diff, diff, sum[c]);
        }
    }
}

/* The same for the last group, 1 to 8 centers. */
static void distances_tail(int d, int width, const float *x, const float *centers, vec *sum)
{
    switch (width) {
    case 1:
        distances(d, 1, x, centers, sum);
        break;
    case 2:
        distances(d, 2, x, centers, sum);
        break;
    case 3:
        distances(d, 3, x, centers, sum);
        break;
    case 4:
        distances(d, 4, x, centers, sum);
        break;
    case 5:
        distances(d, 5, x, centers, sum);
        break;
    case 6:
        distances(d, 6, x, centers, sum);
        break;
    case 7:
        distances(d, 7, x, centers, sum);
        break;
    default:
        distances(d, 8, x, centers, sum);
        break;
    }
}

/* Keeps the nearest; strictly less, so that ties stay with the lowest cluster. */
INLINE void keep_nearest(int width, const vec *sum, int first, vec *best, vec_int *label)
{
    for (int c = 0; c < width; c++) {
        *label = vec_int_pick(vec_less(sum[c], *best), vec_int_set(first + c), *label);
        *best = vec_min(sum[c], *best);
    }
}

INLINE vec_int nearest_label(int d, int k, const float *x, const float *centers)
{
    vec sum[GROUP], best = vec_set(INFINITY);
    vec_int label = vec_int_set(0);
    int first = 0;

    for (; first + GROUP <= k; first += GROUP) {
        distances(d, GROUP, x, centers + (int64_t)first * d, sum);
        keep_nearest(GROUP, sum, first, &best, &label);
    }
    if (first < k) {
        distances_tail(d, k - first, x, centers + (int64_t)first * d, sum);
        keep_nearest(k - first, sum, first, &best, &label);
    }
    return label;
}

static void assign(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                   uint16_t *label, uint16_t *moved)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        unsigned bits = 0;
        prefetch_tile(d, x);
        for (int lane = 0; lane < SEG_LANES; lane += VEC_LANES) {
            vec_int now = nearest_label(d, k, x + lane, centers);
            bits |= vec_int_differ(now, vec_int_load(label + lane)) << lane;
            vec_int_store(label + lane, now);
        }
        moved[tile] = (uint16_t)bits;
        x += d * SEG_LANES;
        label += SEG_LANES;
    }
}

INLINE void keep_two(int width, const vec *sum, int first, vec *best, vec *second, vec_int *label)
{
    for (int c = 0; c < width; c++) {
        *label = vec_int_pick(vec_less(sum[c], *best), vec_int_set(first + c), *label);
        *second = vec_min(*second, vec_max(sum[c], *best));
        *best = vec_min(sum[c], *best);
    }
}

static void nearest(int d, int k, const float *centers, int64_t n_tiles, const float *x,
                    uint16_t *label, float *best, float *second)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        prefetch_tile(d, x);
        for (int lane = 0; lane < SEG_LANES; lane += VEC_LANES) {
            vec sum[GROUP], least = vec_set(INFINITY), next = least;
            vec_int now = vec_int_set(0);
            for (int first = 0; first < k; first += GROUP) {
                int width = k - first < GROUP ? k - first : GROUP;
                distances_tail(d, width, x + lane, centers + (int64_t)first * d, sum);
                keep_two(width, sum, first, &least, &next, &now);
            }
            vec_store(best + lane, least);
            vec_store(second + lane, next);
            vec_int_store(label + lane, now);
        }
        x += d * SEG_LANES;
        label += SEG_LANES;
        best += SEG_LANES;
        second += SEG_LANES;
    }
}

static void distance(int d, const float *center, int64_t n_tiles, const float *x, float *d2)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        prefetch_tile(d, x);
        for (int lane = 0; lane < SEG_LANES; lane += VEC_LANES) {
            vec sum;
            distances(d, 1, x + lane, center, &sum);
            vec_store(d2 + lane, sum);
        }
        x += d * SEG_LANES;
        d2 += SEG_LANES;
    }
}

static void closer(int d, const float *center, int64_t n_tiles, const float *x, float *d2)
{
    for (int64_t tile = 0; tile < n_tiles; tile++) {
        prefetch_tile(d, x);
        for (int lane = 0; lane < SEG_LANES; lane += VEC_LANES) {
            vec sum;
            distances(d, 1, x + lane, center, &sum);
            vec_store(d2 + lane, vec_min(sum, vec_load(d2 + lane)));
        }
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
            prefetch_tile(d, values);
            for (int lane = 0; lane < SEG_LANES; lane += VEC_LANES) {
                vec to[GROUP], now = vec_load(d2 + tile * SEG_LANES + lane);
                distances_tail(d, width, values + lane, candidates + (int64_t)first * d, to);
                for (int c = 0; c < width; c++) {
                    vec scaled = vec_mul(vec_min(to[c], now), vec_set(scale));
                    vec_int whole = vec_round(vec_min(scaled, vec_set(POTENTIAL_MAX)));
                    total[c] = vec_wide_add(total[c], whole);
                }
            }
        }
        for (int c = 0; c < width; c++)
            sum[first + c] += vec_wide_total(total[c]);
    }
}

/* 2^grid as a double, from its bits. */
INLINE double power_of_two(int grid)
{
    uint64_t bits = (uint64_t)(grid + 1023) << 52;
    double power;

    memcpy(&power, &bits, sizeof power);
    return power;
}

/* sum [d] += or -= the lane's values in units of the grid. */
INLINE void move_lane(int d, const float *lane, const int *grid, int64_t sign, int64_t *sum)
{
    for (int t = 0; t < d; t++)
        sum[t] += sign * (int64_t)((double)lane[t * SEG_LANES] * power_of_two(grid[t]));
}

static void move(int d, int64_t n_tiles, const float *x, const uint16_t *moved,
                 const uint16_t *before, const uint16_t *after, const int *grid, int64_t *sum,
                 int64_t *count)
{
    for (int64_t tile = 0; tile < n_tiles; tile++)
        for (unsigned left = moved[tile]; left != 0; left &= left - 1) {
            int64_t lane = __builtin_ctz(left), client = tile * SEG_LANES + lane;
            const float *values = x + tile * d * SEG_LANES + lane;
            int64_t from = before[client], to = after[client];
            if (from != SEG_NO_LABEL) {
                move_lane(d, values, grid, -1, sum + from * d);
                count[from]--;
            }
            move_lane(d, values, grid, 1, sum + to * d);
            count[to]++;
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
};
