/* Mean, median and 90th percentile of the distances in a file: exact sums, and order statistics by
 * two counts of the bits of a float, which order as the numbers do where none is negative. */
#include <math.h>
#include <string.h>

#include "segmpi/exact.h"
#include "segmpi/memory.h"
#include "segmpi/migration.h"
#include "segmpi/rows.h"
#include "segmpi/stats.h"
#include "segmpi/text.h"

#define SLICE   (64 * (int64_t)SEG_BLOCK_ROWS)
#define HALF    65536 /* values of the upper or the lower 16 bits */
#define TARGETS 4     /* two neighbours of each of two quantiles */

typedef struct target {
    int64_t rank, below; /* distances with smaller upper bits */
    uint32_t bits;
} target;

typedef struct counting {
    seg_input *in;
    const char *path;
    seg_rows rows;
    float *x;       /* [SLICE], owned */
    int64_t *count; /* [TARGETS][HALF], owned: of lower bits; the first part of upper ones before */
    target target[TARGETS];
    seg_exact sum;
} counting;

static void count_upper(counting *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &c->x[i], sizeof bits);
        c->count[bits >> 16]++;
        seg_exact_add(&c->sum, c->x[i]);
    }
}

static void count_lower(counting *c, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &c->x[i], sizeof bits);
        for (int q = 0; q < TARGETS; q++)
            if (bits >> 16 == c->target[q].bits >> 16)
                c->count[(int64_t)q * HALF + (bits & 0xffff)]++;
    }
}

static seg_status check(const counting *c, int64_t n)
{
    char clean[100];

    for (int64_t i = 0; i < n; i++)
        if (!(c->x[i] >= 0 && isfinite(c->x[i])) || signbit(c->x[i]))
            return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' holds what is no distance", c->path,
                            seg_text_clean(seg_input_path(c->in), clean, sizeof clean));
    return SEG_OK;
}

/* Local.  One pass over this rank's rows. */
static seg_status pass(counting *c, void (*count)(counting *, int64_t))
{
    SEG_TRY(seg_fault("distances_read", SEG_ERR_IO));
    for (int64_t at = 0; at < c->rows.count; at += SLICE) {
        int64_t n = c->rows.count - at < SLICE ? c->rows.count - at : SLICE;
        SEG_TRY(seg_input_read(c->in, c->path, SEG_FLOAT32, c->rows.first + at, n, c->x));
        SEG_TRY(check(c, n));
        count(c, n);
    }
    return SEG_OK;
}

/* The bin of `count` that holds the rank; *below grows by what lies in the bins before it. */
static uint32_t find(const int64_t *count, int64_t rank, int64_t *below)
{
    uint32_t bin = 0;

    while (bin < HALF - 1 && *below + count[bin] <= rank)
        *below += count[bin++];
    return bin;
}

static double value_of(const target *t)
{
    float value;

    memcpy(&value, &t->bits, sizeof value);
    return value;
}

/* Collective. */
static seg_status find_targets(seg_comm *comm, counting *c)
{
    SEG_TRY(seg_agree(comm, pass(c, count_upper)));
    seg_exact_sum(comm, &c->sum, 1);
    seg_sum_int64(comm, c->count, HALF);
    for (int q = 0; q < TARGETS; q++)
        c->target[q].bits = find(c->count, c->target[q].rank, &c->target[q].below) << 16;
    memset(c->count, 0, HALF * sizeof *c->count);
    SEG_TRY(seg_agree(comm, pass(c, count_lower)));
    seg_sum_int64(comm, c->count, TARGETS * HALF);
    for (int q = 0; q < TARGETS; q++)
        c->target[q].bits |= find(c->count + q * HALF, c->target[q].rank, &c->target[q].below);
    return SEG_OK;
}

/* Local. */
static seg_status counting_init(counting *c)
{
    seg_shape shape;
    char clean[100];

    SEG_TRY(seg_fault("distances_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_input_shape(c->in, c->path, &shape));
    if (shape.rank != 1 || shape.dim[0] != c->rows.total)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is not one distance for each client", c->path,
                        seg_text_clean(seg_input_path(c->in), clean, sizeof clean));
    SEG_TRY(seg_alloc(SLICE, sizeof *c->x, &c->x));
    return seg_alloc(TARGETS * HALF, sizeof *c->count, &c->count);
}

seg_status seg_distances_read(seg_comm *comm, seg_input *in, const char *path, int64_t n,
                              seg_distances *distances)
{
    seg_status status = SEG_OK;
    const seg_quantile_position median = seg_quantile_at(n, 0.5), p90 = seg_quantile_at(n, 0.9);
    counting c = { .in = in,
                   .path = path,
                   .rows = seg_rows_of(n, seg_comm_rank(comm), seg_comm_size(comm)),
                   .target = { { .rank = median.lower },
                               { .rank = median.upper },
                               { .rank = p90.lower },
                               { .rank = p90.upper } } };

    *distances = (seg_distances) { NAN, NAN, NAN };
    if (n == 0) return SEG_OK;
    SEG_TRY_OR_DONE(seg_agree(comm, counting_init(&c)));
    SEG_TRY_OR_DONE(find_targets(comm, &c));
    distances->mean = seg_exact_value(&c.sum, NULL) / (double)n;
    distances->median =
        seg_quantile_between(value_of(&c.target[0]), value_of(&c.target[1]), median.weight);
    distances->p90 =
        seg_quantile_between(value_of(&c.target[2]), value_of(&c.target[3]), p90.weight);
done:
    seg_free(c.x);
    seg_free(c.count);
    return status;
}
