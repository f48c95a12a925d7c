/* bench_kernels [CLIENTS [LEVEL]]: clients per second of each kernel at each SIMD level, beside the
 * two limits of a core in the same run: plain read bandwidth of the same array, and multiply-adds
 * in independent chains.  One core; CPU time of the fastest of several passes, so that other
 * programs disturb little.
 *
 * A column of a client and a center take a subtraction and a multiply-add.  The latter count: AMD's
 * cores subtract in other units at the same time, Intel's in the same ones, where half of this
 * limit is all there is.  The nearer limit is the one with the larger share.
 *
 * "stream" passes over all clients at once; "blocks" works on 1,024 clients at a time for 10 fits
 * in turn, as k-means does, and counts each client once per fit.  The reference, a hundred times
 * slower, gets a sixteenth of the clients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "segmpi/kernels.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"

#define PASSES  20
#define SECONDS 0.5
#define FITS    10

typedef struct bench {
    const seg_kernels *kernels;
    int d, k;
    int64_t n_tiles;
    float *x; /* [n_tiles][d][16] */
    double *centers;
    float *packed;
    uint16_t *label, *before, *moved;
    float *d2, *second;
    int *grid;
    int64_t *sum, *count;
} bench;

static volatile uint64_t sink;

/* ---- the limits ---- */

double bench_fma_ref(int64_t n, float *result);
double bench_fma_v3(int64_t n, float *result);
double bench_fma_v4(int64_t n, float *result);

static const struct {
    const char *name;
    double (*fma)(int64_t, float *);
} levels[] = {
    { "ref", bench_fma_ref },
#ifdef BENCH_FMA_v3
    { "v3", bench_fma_v3 },
#endif
#ifdef BENCH_FMA_v4
    { "v4", bench_fma_v4 },
#endif
};

static void read_plainly(bench *b)
{
    const uint64_t *words = (const uint64_t *)(const void *)b->x;
    uint64_t part[8] = { 0 };

    for (int64_t i = 0; i < b->n_tiles * b->d * 8; i += 8)
        for (int j = 0; j < 8; j++)
            part[j] ^= words[i + j];
    for (int j = 0; j < 8; j++)
        sink ^= part[j];
}

static void assign_stream(bench *b)
{
    b->kernels->assign(b->d, b->k, b->packed, b->n_tiles, b->x, b->label, b->before, b->moved);
}

static void assign_blocks(bench *b)
{
    int64_t end = (b->n_tiles + FITS - 1) / FITS;

    for (int64_t tile = 0; tile < end; tile += SEG_BLOCK_TILES) {
        int64_t left = end - tile, n = left < SEG_BLOCK_TILES ? left : SEG_BLOCK_TILES;
        for (int fit = 0; fit < FITS; fit++)
            b->kernels->assign(b->d, b->k, b->packed, n, b->x + tile * b->d * SEG_LANES,
                               b->label + tile * SEG_LANES, b->before + tile * SEG_LANES,
                               b->moved + tile);
    }
}

static void nearest_stream(bench *b)
{
    b->kernels->nearest(b->d, b->k, b->packed, b->n_tiles, b->x, b->label, b->d2, b->second);
}

static void distance_stream(bench *b)
{
    b->kernels->distance(b->d, b->packed, b->n_tiles, b->x, b->d2);
}

static void potential_stream(bench *b)
{
    b->kernels->potential(b->d, 4 < b->k ? 4 : b->k, b->packed, b->n_tiles, b->x, b->d2, 0x1p10f,
                          b->sum);
}

static void move_stream(bench *b)
{
    b->kernels->move(b->d, b->n_tiles, b->x, b->moved, b->before, b->label, b->grid, b->sum,
                     b->count);
}

static double cpu_seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Seconds of the fastest pass; slow ones are not repeated for long. */
static double fastest(void (*pass)(bench *), bench *b)
{
    double best = 1e30, start = cpu_seconds();

    for (int i = 0; i < PASSES && cpu_seconds() - start < SECONDS; i++) {
        double begin = cpu_seconds();
        pass(b);
        double took = cpu_seconds() - begin;
        if (took < best) best = took;
    }
    return best;
}

/* Bytes, and turns of the multiply-add units, of one core in a second. */
typedef struct limits {
    double bytes, turns;
} limits;

/* The most of several short stretches. */
static double fma_rate(double (*fma)(int64_t, float *), bool slow)
{
    double best = 0, start = cpu_seconds();

    while (cpu_seconds() - start < SECONDS / 5) {
        float value = 0.5f;
        const double begin = cpu_seconds(), done = fma(slow ? 10000 : 1000000, &value);
        const double rate = done / (cpu_seconds() - begin);
        if (rate > best) best = rate;
        sink ^= value > 1;
    }
    return best;
}

/* centers: with how many each client is compared; 0: the kernel has no such limits. */
static void line(const bench *b, const char *what, double clients, double seconds, limits most,
                 int centers)
{
    const double rate = clients / seconds, bytes = rate * b->d * (double)sizeof *b->x;
    const double turns = rate * b->d * centers;

    printf("%-4s %3d %3d  %-16s %8.1f M clients/s", b->kernels->name, b->d, b->k, what, rate / 1e6);
    if (centers > 0) {
        const double reading = 100 * bytes / most.bytes, computing = 100 * turns / most.turns;
        printf(" %8.2f GB/s %4.0f %% of reading, %4.0f %% of multiply-adds: %.0f %% of the nearer",
               bytes / 1e9, reading, computing, reading > computing ? reading : computing);
    }
    (void)putchar('\n');
}

/* Marks lanes with probability `share`; `before` names another cluster, or none at share 1. */
static void mark_moved(bench *b, double share)
{
    const seg_random key = { 2, SEG_RANDOM_TEST };

    for (int64_t i = 0; i < b->n_tiles * SEG_LANES; i++) {
        if (i % SEG_LANES == 0) b->moved[i / SEG_LANES] = 0;
        if (seg_random_uniform(key, i, 0) < share)
            b->moved[i / SEG_LANES] |= (uint16_t)(1 << i % SEG_LANES);
        b->before[i] = (uint16_t)(share < 1 ? (b->label[i] + 1) % b->k : SEG_NO_LABEL);
    }
}

static void run_level(bench *b, limits most)
{
    const int64_t all = b->n_tiles;
    const int k = b->k;

    if (strcmp(b->kernels->name, "ref") == 0) b->n_tiles = (all + 15) / 16;
    double n = (double)b->n_tiles * SEG_LANES;
    double in_blocks = (double)((b->n_tiles + FITS - 1) / FITS * FITS * SEG_LANES);

    line(b, "assign, stream", n, fastest(assign_stream, b), most, k);
    line(b, "assign, blocks", in_blocks, fastest(assign_blocks, b), most, k);
    line(b, "nearest", n, fastest(nearest_stream, b), most, k);
    line(b, "distance", n, fastest(distance_stream, b), most, 1);
    line(b, "potential of 4", n, fastest(potential_stream, b), most, k < 4 ? k : 4);
    assign_stream(b);
    mark_moved(b, 1);
    line(b, "move, all new", n, fastest(move_stream, b), most, 0);
    mark_moved(b, 0.01);
    line(b, "move, 1 in 100", n, fastest(move_stream, b), most, 0);
    b->n_tiles = all;
}

static seg_status init(bench *b, int64_t n)
{
    b->n_tiles = (n + SEG_LANES - 1) / SEG_LANES;
    SEG_TRY(seg_alloc(b->n_tiles * b->d, SEG_LANES * sizeof *b->x, &b->x));
    SEG_TRY(seg_alloc(b->k * b->d, sizeof *b->centers, &b->centers));
    SEG_TRY(seg_alloc(seg_kernels_packed_size(b->k, b->d), sizeof *b->packed, &b->packed));
    SEG_TRY(seg_alloc(b->n_tiles, SEG_LANES * sizeof *b->label, &b->label));
    SEG_TRY(seg_alloc(b->n_tiles, SEG_LANES * sizeof *b->before, &b->before));
    SEG_TRY(seg_alloc(b->n_tiles, sizeof *b->moved, &b->moved));
    SEG_TRY(seg_alloc(b->n_tiles, SEG_LANES * sizeof *b->d2, &b->d2));
    SEG_TRY(seg_alloc(b->n_tiles, SEG_LANES * sizeof *b->second, &b->second));
    SEG_TRY(seg_alloc(b->d, sizeof *b->grid, &b->grid));
    SEG_TRY(seg_alloc(b->k * b->d, sizeof *b->sum, &b->sum));
    SEG_TRY(seg_alloc(b->k, sizeof *b->count, &b->count));

    for (int64_t i = 0; i < b->n_tiles * b->d * SEG_LANES; i++)
        b->x[i] =
            (float)(seg_random_bits((seg_random) { 1, SEG_RANDOM_TEST }, i, 0).a >> 43) * 0x1p-20f;
    for (int i = 0; i < b->k * b->d; i++)
        b->centers[i] = (double)b->x[i];
    for (int t = 0; t < b->d; t++)
        b->grid[t] = 20;
    seg_kernels_pack(b->k, b->d, b->centers, b->packed);
    return SEG_OK;
}

static void release(bench *b)
{
    void *const owned[] = { b->x,  b->centers, b->packed, b->label, b->before, b->moved,
                            b->d2, b->second,  b->grid,   b->sum,   b->count };

    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        seg_free(owned[i]);
}

int main(int argc, char **argv)
{
    static const int shapes[][2] = { { 17, 8 }, { 17, 20 }, { 32, 8 }, { 64, 64 } };
    int64_t n = argc > 1 ? strtoll(argv[1], NULL, 10) : 2000000;
    const char *only = argc > 2 ? argv[2] : NULL;

    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        bench b = { .d = shapes[s][0], .k = shapes[s][1] };
        if (n < 1 || init(&b, n) != SEG_OK) {
            fprintf(stderr, "bench_kernels: no memory for that number of clients\n");
            return 1;
        }
        double bytes = (double)b.n_tiles * b.d * SEG_LANES * sizeof *b.x;
        double bandwidth = bytes / fastest(read_plainly, &b);
        printf("%lld clients, d = %d: plain read %.2f GB/s\n", (long long)n, b.d, bandwidth / 1e9);
        printf("%-4s %3s %3s\n", "", "d", "k");
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
            b.kernels = seg_kernels_named(levels[i].name);
            if (!b.kernels || (only && strcmp(only, levels[i].name) != 0)) continue;
            const limits most = { bandwidth, fma_rate(levels[i].fma, i == 0) };
            printf("%s: %.1f GFLOP/s in multiply-adds\n", levels[i].name, 2 * most.turns / 1e9);
            run_level(&b, most);
        }
        release(&b);
    }
    return 0;
}
