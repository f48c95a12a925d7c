/* Every SIMD level that this CPU has, bit for bit against plain loops, so also against each other,
 * and within the rounding bound of exact distances: differences of the values drawn here are
 * multiples of 2^-10 below 2^7, so double arithmetic on their squares is exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/kernels.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"

#define D_MAX     64
#define K_MAX     64
#define TILES_MAX 65
#define N_MAX     (TILES_MAX * SEG_LANES)
#define N_LEVELS  3

static const char *const names[N_LEVELS] = { "ref", "v3", "v4" };
static const int all_d[] = { 1, 2, 3, 16, 17, 32, 60, 64 };
static const int all_k[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 20, 64 };
static const int all_tiles[] = { 0, 1, 2, TILES_MAX };

#define FOR_EACH(variable, list)                                                                   \
    for (const int *variable = (list); variable < (list) + sizeof(list) / sizeof *(list);          \
         variable++)

/* Inputs of one case, and room for the outputs. */
static float *x; /* [tiles][d][16] */
static double centers[K_MAX * D_MAX];
static float packed[K_MAX * D_MAX];
static uint16_t label[N_LEVELS][N_MAX], moved[N_LEVELS][TILES_MAX], old[N_LEVELS][N_MAX];
static float best[N_LEVELS][N_MAX], second[N_LEVELS][N_MAX];

static uint64_t draws;

static uint64_t draw(void)
{
    return seg_random_bits((seg_random) { 11, SEG_RANDOM_TEST }, 0, draws++).a;
}

static int draw_below(int n)
{
    return (int)(draw() % (uint64_t)n);
}

static float draw_value(void)
{
    return (float)(draw_below(1 << 17) - (1 << 16)) * 0x1p-10f;
}

static float value_of(int d, int64_t client, int t)
{
    return x[(client / SEG_LANES * d + t) * SEG_LANES + client % SEG_LANES];
}

/* Clients, and centers of which every third repeats the one before and others are clients, so that
 * there are ties and zero distances.  Columns of few values, far from 0, make more ties. */
static void draw_case(int d, int k, int n_tiles)
{
    float far = draw_below(2) ? 0 : 40000;
    bool coarse = draw_below(2);

    for (int i = 0; i < n_tiles * d * SEG_LANES; i++)
        x[i] = far + (coarse ? (float)draw_below(3) : draw_value());
    for (int j = 0; j < k; j++)
        for (int t = 0; t < d; t++)
            centers[j * d + t] = j % 3 == 2     ? centers[(j - 1) * d + t]
                                 : n_tiles == 0 ? draw_value()
                                 : j % 3 == 1   ? value_of(d, (j * 7) % SEG_LANES, t)
                                                : (double)(far + draw_value());
    seg_kernels_pack(k, d, centers, packed);
}

/* The float arithmetic that every level promises. */
static float plain_distance(int d, int64_t client, const double *center)
{
    float sum = 0;

    for (int t = 0; t < d; t++) {
        float diff = value_of(d, client, t) - (float)center[t];
        sum = fmaf(diff, diff, sum);
    }
    return sum;
}

static double exact_distance(int d, int64_t client, const double *center)
{
    double sum = 0;

    for (int t = 0; t < d; t++)
        sum += pow((double)value_of(d, client, t) - center[t], 2);
    return sum;
}

typedef void (*level_check)(const seg_kernels *kernels, int level, int d, int k, int n_tiles);

/* `check` for every level of this CPU, every shape, on the same inputs. */
static void for_every_case(level_check check)
{
    assert_int_equal(seg_alloc(TILES_MAX * D_MAX, SEG_LANES * sizeof *x, &x), SEG_OK);
    FOR_EACH(d, all_d)
    FOR_EACH(k, all_k)
    FOR_EACH(n_tiles, all_tiles)
    {
        draw_case(*d, *k, *n_tiles);
        for (int level = 0; level < N_LEVELS; level++) {
            const seg_kernels *kernels = seg_kernels_named(names[level]);
            if (kernels) check(kernels, level, *d, *k, *n_tiles);
        }
    }
    seg_free(x);
}

static void check_nearest(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    kernels->nearest(d, k, packed, n_tiles, x, label[level], best[level], second[level]);
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++) {
        float least = INFINITY, next = INFINITY;
        int nearest = 0;
        for (int j = 0; j < k; j++) {
            float d2 = plain_distance(d, i, centers + j * d);
            if (d2 < least) {
                next = least;
                least = d2;
                nearest = j;
            } else if (d2 < next) {
                next = d2;
            }
        }
        assert_int_equal(label[level][i], nearest);
        assert_memory_equal(&best[level][i], &least, sizeof least);
        assert_memory_equal(&second[level][i], &next, sizeof next);

        double exact = exact_distance(d, i, centers + nearest * d);
        assert_true(fabs((double)least - exact) <= (d + 2) * 0x1p-24 * exact);
    }
}

static void nearest_is_the_plain_search_at_every_level(void **state)
{
    (void)state;
    for_every_case(check_nearest);
}

/* Labels, who moved, and the labels that the tiles of those had. */
static void check_moves(int n_tiles, int level, const uint16_t *was, const uint16_t *now)
{
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++) {
        assert_int_equal(label[level][i], now[i]);
        assert_int_equal(moved[level][i / SEG_LANES] >> i % SEG_LANES & 1, was[i] != now[i]);
        if (moved[level][i / SEG_LANES] != 0) assert_int_equal(old[level][i], was[i]);
    }
}

static void check_assign(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    static uint16_t before[N_MAX], expected[N_MAX];

    kernels->nearest(d, k, packed, n_tiles, x, expected, best[level], second[level]);
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++)
        before[i] = label[level][i] = (uint16_t)(i % 5 == 0   ? SEG_NO_LABEL
                                                 : i % 3 == 0 ? i % k
                                                              : expected[i]);
    kernels->assign(d, k, packed, n_tiles, x, label[level], old[level], moved[level]);
    check_moves(n_tiles, level, before, expected);
}

static void assign_finds_the_nearest_and_marks_who_moved(void **state)
{
    (void)state;
    for_every_case(check_assign);
}

/* Moves every third center a little, the first one far. */
static void move_centers(int d, int k)
{
    for (int j = 0; j < k; j++)
        for (int t = 0; t < d && j % 3 != 1; t++)
            centers[j * d + t] += (double)draw_value() * (j == 0 ? 1 : 0x1p-8);
}

/* Slack is at most what the second center is farther away than the nearest one. */
static void check_slack(int d, int k, int n_tiles, float units, const uint16_t *slack,
                        const uint16_t *of)
{
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++) {
        double own = sqrt(exact_distance(d, i, centers + of[i] * d)), other = INFINITY;
        for (int j = 0; j < k; j++)
            if (j != of[i]) other = fmin(other, sqrt(exact_distance(d, i, centers + j * d)));
        assert_true(slack[i] <= (other - own) * (double)units || slack[i] == 0);
    }
}

static void check_assign_doubtful(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    static uint16_t expected[N_MAX], slack[N_LEVELS][N_MAX], was[N_MAX], mark[TILES_MAX];
    static float room[(D_MAX + 1) * SEG_BOUNDS_ROOM];
    int32_t drop[K_MAX];
    double shift[K_MAX], kept[K_MAX * D_MAX];
    seg_bounds bounds = { NULL, 64, (float)(d + 16) * 0x1p-24f, room };

    if (n_tiles > SEG_BLOCK_TILES) n_tiles = SEG_BLOCK_TILES;
    memcpy(kept, centers, sizeof kept);
    memset(label[level], 0xff, sizeof label[level]);
    kernels->assign_doubtful(d, k, packed, n_tiles, x, &bounds, label[level], slack[level],
                             old[level], moved[level]);
    memset(expected, 0xff, sizeof expected);
    kernels->assign(d, k, packed, n_tiles, x, expected, was, mark);
    assert_memory_equal(label[level], expected, (size_t)(n_tiles * SEG_LANES) * sizeof *expected);
    check_slack(d, k, n_tiles, bounds.units, slack[level], expected);

    for (int step = 0; step < 3; step++) {
        move_centers(d, k);
        seg_kernels_shifts(k, d, centers, packed, shift);
        double longest = 0;
        for (int j = 0; j < k; j++)
            longest = fmax(longest, shift[j]);
        for (int j = 0; j < k; j++)
            drop[j] = (int32_t)fmin(ceil((shift[j] + longest) * 64.01), 65535);
        bounds.drop = drop;
        seg_kernels_pack(k, d, centers, packed);
        kernels->assign_doubtful(d, k, packed, n_tiles, x, &bounds, label[level], slack[level],
                                 old[level], moved[level]);
        kernels->assign(d, k, packed, n_tiles, x, expected, was, mark);
        check_moves(n_tiles, level, was, expected);
    }
    memcpy(centers, kept, sizeof kept); /* the next level starts from the same */
    seg_kernels_pack(k, d, centers, packed);
}

static void assign_doubtful_finds_what_assign_finds(void **state)
{
    (void)state;
    for_every_case(check_assign_doubtful);
}

static void shifts_are_distances_of_rounded_centers(void **state)
{
    (void)state;
    double from[11 * 3], to[11 * 3], shift[11];
    float at[11 * 3];

    for (int i = 0; i < 33; i++) {
        from[i] = i / 7.0;
        to[i] = from[i] + (i % 3 == 0 ? 3 : i % 3 == 1 ? 4 : 12) * (i / 3);
    }
    seg_kernels_pack(11, 3, from, at);
    seg_kernels_shifts(11, 3, to, at, shift);
    for (int j = 0; j < 11; j++)
        assert_true(fabs(shift[j] - 13.0 * j) <= 1e-5 * (j + 1));
    assert_true(shift[0] == 0);
}

static void check_distance(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    const double *center = centers + (k - 1) * d;
    float one[D_MAX];

    seg_kernels_pack(1, d, center, one);
    kernels->distance(d, one, n_tiles, x, best[level]);
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++) {
        float d2 = plain_distance(d, i, center);
        assert_memory_equal(&best[level][i], &d2, sizeof d2);
        second[level][i] = i % 2 ? d2 * 2 : d2 / 2;
    }
    kernels->closer(d, one, n_tiles, x, second[level]);
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++) {
        float expected = i % 2 ? best[level][i] : best[level][i] / 2;
        assert_memory_equal(&second[level][i], &expected, sizeof expected);
    }
}

static void distance_and_closer_are_the_plain_sums(void **state)
{
    (void)state;
    for_every_case(check_distance);
}

static void check_potential(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    int64_t sum[K_MAX], expected[K_MAX];
    int64_t n = n_tiles * SEG_LANES;
    float scale = d % 2 ? 0x1p-3f : 0x1p20f;

    for (int64_t i = 0; i < n; i++)
        best[level][i] = i % 7 == 0 ? 0 : i % 7 == 1 ? INFINITY : (float)d * (float)(i % 16);
    for (int j = 0; j < k; j++) {
        sum[j] = expected[j] = j;
        for (int64_t i = 0; i < n; i++) {
            double d2 = fmin((double)plain_distance(d, i, centers + j * d), (double)best[level][i]);
            expected[j] += (int64_t)fmin(rint(d2 * (double)scale), 0x1p30);
        }
    }
    kernels->potential(d, k, packed, n_tiles, x, best[level], scale, sum);
    assert_memory_equal(sum, expected, (size_t)k * sizeof *sum);
}

static void potential_adds_rounded_and_clamped_minima(void **state)
{
    (void)state;
    for_every_case(check_potential);
}

/* ---- sums ---- */

typedef struct sums {
    int64_t sum[K_MAX * D_MAX], count[K_MAX];
} sums;

/* Grids from 20 down to -40; values of up to 53 bits of the grid above 2^31, and small ones. */
static void draw_multiples(int d, int n_tiles, int *grid)
{
    static const int grids[] = { 20, 10, 0, -3, -40 };

    for (int t = 0; t < d; t++)
        grid[t] = grids[t % 5];
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++)
        for (int t = 0; t < d; t++) {
            int64_t whole = (int64_t)(draw() % (1 << 24)) - (1 << 23);
            int up = i % 3 == 0 ? draw_below(25) : 0;
            x[(i / SEG_LANES * d + t) * SEG_LANES + i % SEG_LANES] =
                ldexpf((float)whole, up - grid[t]);
        }
}

static void plain_add(int d, int64_t client, const int *grid, int64_t sign, int j, sums *to)
{
    for (int t = 0; t < d; t++)
        to->sum[j * d + t] += sign * (int64_t)ldexp((double)value_of(d, client, t), grid[t]);
    to->count[j] += sign;
}

static void check_move(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    static uint16_t before[N_MAX], after[N_MAX];
    static sums got, expected;
    int grid[D_MAX];
    int rare = draw_below(2) ? 1 : 40; /* all clients move, or one in 40 */

    (void)level;
    draw_multiples(d, n_tiles, grid);
    memset(&got, 0, sizeof got);
    memset(&expected, 0, sizeof expected);
    memset(moved[0], 0, sizeof moved[0]);
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++) {
        before[i] = i % 11 < 5 ? SEG_NO_LABEL : (uint16_t)draw_below(k);
        after[i] = (uint16_t)draw_below(k);
        if (draw_below(rare) != 0) continue;
        moved[0][i / SEG_LANES] |= (uint16_t)(1 << i % SEG_LANES);
        if (before[i] != SEG_NO_LABEL) plain_add(d, i, grid, -1, before[i], &expected);
        plain_add(d, i, grid, 1, after[i], &expected);
    }
    kernels->move(d, n_tiles, x, moved[0], before, after, grid, got.sum, got.count);
    assert_memory_equal(got.sum, expected.sum, (size_t)(k * d) * sizeof *got.sum);
    assert_memory_equal(got.count, expected.count, (size_t)k * sizeof *got.count);

    /* There and back, to clusters that held something: exactly what was there. */
    memset(moved[0], 0xff, sizeof moved[0]);
    for (int64_t i = 0; i < n_tiles * SEG_LANES; i++)
        before[i] = (uint16_t)draw_below(k);
    kernels->move(d, n_tiles, x, moved[0], before, after, grid, got.sum, got.count);
    kernels->move(d, n_tiles, x, moved[0], after, before, grid, got.sum, got.count);
    assert_memory_equal(got.sum, expected.sum, (size_t)(k * d) * sizeof *got.sum);
    assert_memory_equal(got.count, expected.count, (size_t)k * sizeof *got.count);
}

static void move_is_exact_there_and_back(void **state)
{
    (void)state;
    for_every_case(check_move);
}

/* ---- centers and choice ---- */

/* Distances of the first tile to all clients from the fourth one on, and their sums by label. */
static void check_pairs(const seg_kernels *kernels, int level, int d, int k, int n_tiles)
{
    static double tile[D_MAX * SEG_LANES], dist[N_MAX * SEG_LANES], sum[K_MAX][SEG_LANES];
    static int32_t of[N_MAX];
    double expected[K_MAX][SEG_LANES] = { { 0 } };
    int64_t n = n_tiles * SEG_LANES - 3;

    (void)level;
    if (n_tiles == 0) return;
    for (int i = 0; i < d * SEG_LANES; i++)
        tile[i] = (double)x[i];
    memset(sum, 0, sizeof sum);
    kernels->pairs(d, tile, 3, n, x, dist);
    for (int64_t j = 0; j < n; j++) {
        of[j] = (int32_t)(j * 5 % k);
        for (int lane = 0; lane < SEG_LANES; lane++) {
            double d2 = 0;
            for (int t = 0; t < d; t++)
                d2 += pow((double)value_of(d, lane, t) - (double)value_of(d, 3 + j, t), 2);
            assert_true(dist[j * SEG_LANES + lane] == sqrt(d2));
            expected[of[j]][lane] += sqrt(d2);
        }
    }
    kernels->spread(n, of, dist, sum[0]);
    assert_memory_equal(sum, expected, sizeof sum);
}

static void pairs_are_distances_in_double_and_add_up_by_label(void **state)
{
    (void)state;
    for_every_case(check_pairs);
}

static void pack_groups_by_eight_and_rounds(void **state)
{
    (void)state;
    const int k = 10, d = 3;
    double tenths[30];
    float got[30];

    for (int i = 0; i < k * d; i++)
        tenths[i] = i / 10.0;
    assert_int_equal(seg_kernels_packed_size(k, d), k * d);
    seg_kernels_pack(k, d, tenths, got);
    for (int j = 0; j < k; j++)
        for (int t = 0; t < d; t++) {
            int at = j < 8 ? t * 8 + j : 8 * d + t * 2 + (j - 8);
            assert_true(got[at] == (float)tenths[j * d + t]);
        }
}

static void the_level_is_the_best_or_the_one_that_is_named(void **state)
{
    (void)state;
    const seg_kernels *ref = seg_kernels_named("ref"), *v3 = seg_kernels_named("v3"),
                      *v4 = seg_kernels_named("v4");
    const char *nonsense[] = { "", "V4", "v5", "avx2", "ref " };

    assert_non_null(ref);
    assert_string_equal(ref->name, "ref");
    assert_int_equal(unsetenv("SEGMPI_SIMD"), 0);
    assert_ptr_equal(seg_kernels_choose(), v4 ? v4 : v3 ? v3 : ref);
    for (int level = 0; level < N_LEVELS; level++) {
        assert_int_equal(setenv("SEGMPI_SIMD", names[level], 1), 0);
        assert_ptr_equal(seg_kernels_choose(), seg_kernels_named(names[level]));
    }
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        assert_int_equal(setenv("SEGMPI_SIMD", nonsense[i], 1), 0);
        assert_null(seg_kernels_choose());
        assert_null(seg_kernels_named(nonsense[i]));
    }
    assert_int_equal(unsetenv("SEGMPI_SIMD"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_is_the_plain_search_at_every_level),
        cmocka_unit_test(assign_finds_the_nearest_and_marks_who_moved),
        cmocka_unit_test(assign_doubtful_finds_what_assign_finds),
        cmocka_unit_test(shifts_are_distances_of_rounded_centers),
        cmocka_unit_test(distance_and_closer_are_the_plain_sums),
        cmocka_unit_test(potential_adds_rounded_and_clamped_minima),
        cmocka_unit_test(move_is_exact_there_and_back),
        cmocka_unit_test(pairs_are_distances_in_double_and_add_up_by_label),
        cmocka_unit_test(pack_groups_by_eight_and_rounds),
        cmocka_unit_test(the_level_is_the_best_or_the_one_that_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
