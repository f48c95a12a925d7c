/* Products and powers of deviations from a center: standard deviation, Pearson's correlation over
 * the clients who have both columns, skewness, kurtosis.
 *
 * A deviation, scaled by a power of two into -1 .. 1, is cut into three slices of 21 bits. Products
 * of slices are integers so small that BLAS adds those of a block without rounding, in whatever
 * order, and what it gives goes into integers: the sums are exact, up to the one rounding of a
 * deviation to 2^-63 of the largest one.  Source: Ozaki, Ogita, Oishi, Rump, Error-free
 * transformations of matrix multiplication, 2012.  A weight is taken bit by bit: the clients who
 * have the bit are multiplied together, and counted as often as it is worth.  Powers are added
 * block by block with their rounding errors (Knuth's two-sum), in the order of rows, and over
 * blocks exactly. */
#include <math.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/kernels.h"
#include "segmpi/memory.h"

#define SLICES     3
#define SLICE_BITS 21
#define SLICE_BASE ((int64_t)1 << SLICE_BITS)
#define WHOLE      6 /* the limb of whole numbers */

#define SQUARES      (2 * SLICES - 1) /* places of the square of a number in slices */
#define FIRST_POWERS (SLICES + SQUARES)
#define WEIGHT_BITS  31

/* ---- exact sums ---- */

/* Leaves 0 <= limb < 2^21 in all but the last, which holds the sign. */
static void carry(describe_wide *w)
{
    for (int i = 0; i + 1 < DESCRIBE_LIMBS; i++) {
        int64_t low = w->limb[i] & (SLICE_BASE - 1);
        w->limb[i + 1] += (w->limb[i] - low) / SLICE_BASE;
        w->limb[i] = low;
    }
}

/* Adds value * times to a limb, |value| < 2^53, 0 <= times < 2^31. */
static inline void add(describe_wide *w, int limb, int64_t value, int64_t times)
{
    int64_t low = value & (SLICE_BASE - 1);

    w->limb[limb] += low * times;
    w->limb[limb + 1] += (value - low) / SLICE_BASE * times;
}

typedef struct two {
    double high, low; /* a number to 106 bits */
} two;

static two value_of(const describe_wide *w)
{
    seg_exact sum = { 0 };
    two value;

    for (int i = 0; i < DESCRIBE_LIMBS; i++)
        seg_exact_add_int64(&sum, w->limb[i], SLICE_BITS * (i - WHOLE));
    value.high = seg_exact_value(&sum, &value.low);
    return value;
}

/* w - lost */
static two value_without(const describe_wide *w, const describe_wide *lost)
{
    describe_wide rest;

    for (int i = 0; i < DESCRIBE_LIMBS; i++)
        rest.limb[i] = w->limb[i] - lost->limb[i];
    carry(&rest);
    return value_of(&rest);
}

/* n * product - a * b, rounded once. */
static double centered(double n, two product, two a, two b)
{
    seg_exact sum = { 0 };

    seg_exact_add_product(&sum, n, product.high);
    seg_exact_add_product(&sum, n, product.low);
    seg_exact_add_product(&sum, -a.high, b.high);
    seg_exact_add_product(&sum, -a.high, b.low);
    seg_exact_add_product(&sum, -a.low, b.high);
    return seg_exact_value(&sum, NULL);
}

/* The same of a square; what 106 bits cannot tell from 0 is 0. */
static double centered_square(double n, two square, two sum)
{
    double value = centered(n, square, sum, sum);

    return value > ldexp(n * square.high, -96) ? value : 0;
}

/* ---- storage ---- */

static int width_of(int d)
{
    return SLICES * d + 1; /* a column of ones, which sums up the others */
}

static int64_t triangle(int64_t d)
{
    return d * (d + 1) / 2;
}

/* One block of sums: sum, product, lost_sum, lost_square. */
static int64_t n_sums(int64_t d)
{
    return d + triangle(d) + 2 * d * d;
}

seg_status describe_products_init(describe_products *p, int d, bool shape)
{
    int width = width_of(d);
    size_t columns = (size_t)d, wide = (size_t)width;

    *p = (describe_products) { .d = d };
    SEG_TRY(seg_alloc(d, sizeof *p->center, &p->center));
    SEG_TRY(seg_alloc(d, sizeof *p->exponent, &p->exponent));
    SEG_TRY(seg_alloc(n_sums(d), sizeof *p->sum, &p->sum));
    p->product = p->sum + d;
    p->lost_sum = p->product + triangle(d);
    p->lost_square = p->lost_sum + (int64_t)d * d;
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, columns * sizeof *p->u, &p->u));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, wide * sizeof *p->slices, &p->slices));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, wide * sizeof *p->some, &p->some));
    SEG_TRY(seg_alloc(width, wide * sizeof *p->moments, &p->moments));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, sizeof *p->client, &p->client));
    SEG_TRY(seg_alloc(d, sizeof *p->column, &p->column));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, columns * sizeof *p->gap, &p->gap));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, columns * FIRST_POWERS * sizeof *p->powers, &p->powers));
    SEG_TRY(seg_alloc(d, columns * FIRST_POWERS * sizeof *p->lost, &p->lost));
    if (!shape) return SEG_OK;
    SEG_TRY(seg_alloc(2 * d, sizeof *p->cube, &p->cube));
    p->fourth = p->cube + d;
    return seg_alloc(4 * d, sizeof *p->power, &p->power);
}

void describe_products_release(describe_products *p)
{
    seg_free(p->center);
    seg_free(p->exponent);
    seg_free(p->sum);
    seg_free(p->u);
    seg_free(p->slices);
    seg_free(p->some);
    seg_free(p->moments);
    seg_free(p->client);
    seg_free(p->column);
    seg_free(p->gap);
    seg_free(p->powers);
    seg_free(p->lost);
    seg_free(p->cube);
    seg_free(p->power);
    *p = (describe_products) { 0 };
}

void describe_products_scale(describe_products *p, int t, double least, double center, double most)
{
    double reach = fmax(most / 4 - center / 4, center / 4 - least / 4);

    p->center[t] = center;
    (void)frexp(reach, &p->exponent[t]);
    p->exponent[t] += 2;
    if (p->exponent[t] < -1000) p->exponent[t] = -1000; /* its inverse is a number */
}

void describe_products_clear(describe_products *p)
{
    memset(p->sum, 0, (size_t)n_sums(p->d) * sizeof *p->sum);
}

/* ---- one block of rows ---- */

/* p->u of n rows. */
static void deviate(describe_products *p, int64_t n, const double *x)
{
    for (int t = 0; t < p->d; t++) {
        double scale = ldexp(1, -p->exponent[t]), center = p->center[t] * scale;
        for (int64_t cell = t; cell < n * p->d; cell += p->d)
            p->u[cell] = isnan(x[cell]) ? 0 : x[cell] * scale - center;
    }
}

/* Adding and subtracting this rounds to a whole number, which rint() does by a call. */
#define ROUNDER 0x1.8p52

/* u = sum of slice[i] * 2^(-21 (i + 1)); the first slice is at most 2^21, the others 2^20. */
static void cut(describe_products *p, int64_t n)
{
    double *slice = p->slices;

    for (int64_t i = 0; i < n; i++) {
        for (int t = 0; t < p->d; t++, slice += SLICES) {
            double rest = p->u[i * p->d + t];
            for (int j = 0; j < SLICES; j++) {
                rest *= (double)SLICE_BASE;
                slice[j] = (rest + ROUNDER) - ROUNDER;
                rest -= slice[j];
            }
        }
        *slice++ = 1;
    }
}

/* Products of slices [n][width], summed by BLAS, into the exact sums, `times` over. */
static void fold(describe_products *p, int64_t n, const double *slices, int64_t times)
{
    int d = p->d, width = width_of(d);
    describe_wide *product = p->product;

    seg_blas_second_moments((int)n, width, slices, p->moments);
    for (int s = 0; s < d; s++) {
        const double *ones = &p->moments[(int64_t)(width - 1) * width + (int64_t)SLICES * s];
        for (int j = 0; j < SLICES; j++)
            add(&p->sum[s], WHOLE - 1 - j, (int64_t)ones[j], times);
        carry(&p->sum[s]);
        for (int t = s; t < d; t++, product++) {
            const double *square = &p->moments[(int64_t)SLICES * s * width + (int64_t)SLICES * t];
            for (int i = 0; i < SLICES; i++)
                for (int j = 0; j < SLICES; j++)
                    add(product, WHOLE - 2 - i - j, (int64_t)square[i * width + j], times);
            carry(product);
        }
    }
}

/* The slices of a client's deviations, and the squares of these by place: [d][FIRST_POWERS]. */
static void square_slices(int d, const double *slice, double *powers)
{
    for (int t = 0; t < d; t++, slice += SLICES, powers += FIRST_POWERS) {
        double *squares = powers + SLICES;
        memset(squares, 0, SQUARES * sizeof *squares);
        for (int i = 0; i < SLICES; i++) {
            powers[i] = slice[i];
            for (int j = 0; j < SLICES; j++)
                squares[i + j] += slice[i] * slice[j];
        }
    }
}

/* What the n clients whose numbers in the block are given, each with a gap, take away from the
 * pairs with the columns that they miss, `times` over; x is the block. */
static void lose(describe_products *p, int64_t n, const int32_t *client, const double *x,
                 int64_t times)
{
    int d = p->d, n_columns = 0;

    for (int64_t j = 0; j < n; j++)
        square_slices(d, &p->slices[client[j] * width_of(d)], &p->powers[j * d * FIRST_POWERS]);
    for (int t = 0; t < d; t++) {
        bool any = false;
        for (int64_t j = 0; j < n; j++) {
            bool gap = isnan(x[(int64_t)client[j] * d + t]);
            p->gap[n_columns * n + j] = gap;
            any = any || gap;
        }
        if (any) p->column[n_columns++] = t;
    }
    seg_blas_multiply(n_columns, d * FIRST_POWERS, (int)n, p->gap, p->powers, p->lost);
    for (int c = 0; c < n_columns; c++) {
        const double *lost = &p->lost[(int64_t)c * d * FIRST_POWERS];
        int64_t pair = (int64_t)p->column[c] * d;
        for (int t = 0; t < d; t++, pair++, lost += FIRST_POWERS) {
            for (int j = 0; j < SLICES; j++)
                add(&p->lost_sum[pair], WHOLE - 1 - j, (int64_t)lost[j], times);
            for (int j = 0; j < SQUARES; j++)
                add(&p->lost_square[pair], WHOLE - 2 - j, (int64_t)lost[SLICES + j], times);
            carry(&p->lost_sum[pair]);
            carry(&p->lost_square[pair]);
        }
    }
}

static bool has_gap(int d, const double *x)
{
    for (int t = 0; t < d; t++)
        if (isnan(x[t])) return true;
    return false;
}

/* The clients of a block whose weight has the bit. */
static void multiply(describe_products *p, int64_t n, const double *x, const int32_t *weight,
                     int bit)
{
    int width = width_of(p->d);
    int64_t n_some = 0, n_gaps = 0;
    const double *slices = weight ? p->some : p->slices;

    for (int64_t i = 0; i < n; i++) {
        if (weight && !(weight[i] >> bit & 1)) continue;
        if (weight)
            memcpy(&p->some[n_some * width], &p->slices[i * width],
                   (size_t)width * sizeof *p->some);
        n_some++;
        if (has_gap(p->d, &x[i * p->d])) p->client[n_gaps++] = (int32_t)i;
    }
    if (n_some > 0) fold(p, n_some, slices, (int64_t)1 << bit);
    if (n_gaps > 0) lose(p, n_gaps, p->client, x, (int64_t)1 << bit);
}

/* *sum + value, and into *tail what rounding loses. */
static inline void two_sum(double *sum, double *tail, double value)
{
    double total = *sum + value, added = total - *sum;

    *tail += (*sum - (total - added)) + (value - added);
    *sum = total;
}

static void raise(describe_products *p, int64_t n, const int32_t *weight)
{
    double *cube = p->power, *cube_tail = cube + p->d;
    double *fourth = cube_tail + p->d, *fourth_tail = fourth + p->d;

    memset(p->power, 0, 4 * (size_t)p->d * sizeof *p->power);
    for (int64_t i = 0; i < n; i++) {
        double times = weight ? weight[i] : 1;
        for (int t = 0; t < p->d; t++) {
            double u = p->u[i * p->d + t], square = u * u;
            two_sum(&cube[t], &cube_tail[t], times * (square * u));
            two_sum(&fourth[t], &fourth_tail[t], times * (square * square));
        }
    }
    for (int t = 0; t < p->d; t++) {
        seg_exact_add(&p->cube[t], cube[t]);
        seg_exact_add(&p->cube[t], cube_tail[t]);
        seg_exact_add(&p->fourth[t], fourth[t]);
        seg_exact_add(&p->fourth[t], fourth_tail[t]);
    }
}

void describe_products_add(describe_products *p, int64_t n, const double *x, const int32_t *weight)
{
    for (int64_t at = 0; at < n; at += SEG_BLOCK_ROWS) {
        int64_t rows = n - at < SEG_BLOCK_ROWS ? n - at : SEG_BLOCK_ROWS;
        const int32_t *of_rows = weight ? weight + at : NULL;
        deviate(p, rows, &x[at * p->d]);
        cut(p, rows);
        for (int bit = 0; bit < (weight ? WEIGHT_BITS : 1); bit++)
            multiply(p, rows, &x[at * p->d], of_rows, bit);
        if (p->power) raise(p, rows, of_rows);
    }
}

/* ---- over ranks ---- */

void describe_products_sum(seg_comm *comm, describe_products *p)
{
    int64_t n = n_sums(p->d);

    seg_sum_int64(comm, (int64_t *)p->sum, n * DESCRIBE_LIMBS);
    for (int64_t i = 0; i < n; i++)
        carry(&p->sum[i]);
    if (p->cube) seg_exact_sum(comm, p->cube, 2 * (int64_t)p->d); /* and fourth, which follows */
}

/* ---- figures ---- */

static const describe_wide *product_of(const describe_products *p, int s, int t)
{
    int64_t low = s < t ? s : t, high = s < t ? t : s;

    return &p->product[low * p->d - low * (low - 1) / 2 + high - low];
}

double describe_products_correlation(const describe_products *p, int s, int t, int64_t both)
{
    int64_t st = (int64_t)s * p->d + t, ts = (int64_t)t * p->d + s;
    double n = (double)both;
    two sum_s = value_without(&p->sum[s], &p->lost_sum[ts]);
    two sum_t = value_without(&p->sum[t], &p->lost_sum[st]);
    two square_s = value_without(product_of(p, s, s), &p->lost_square[ts]);
    two square_t = value_without(product_of(p, t, t), &p->lost_square[st]);
    double of_s = centered_square(n, square_s, sum_s), of_t = centered_square(n, square_t, sum_t);

    if (of_s == 0 || of_t == 0) return NAN;
    if (s == t) return 1;
    double value = centered(n, value_of(product_of(p, s, t)), sum_s, sum_t);
    return fmax(-1, fmin(1, value / (sqrt(of_s) * sqrt(of_t))));
}

/* Powers about the center become those about the mean, which is `shift` away.  pandas' formulas
 * (nanskew, nankurt). */
static void read_shape(const describe_products *p, int t, double squares, double shift,
                       seg_describe *out)
{
    double n = (double)out->count[t];
    double cube = seg_exact_value(&p->cube[t], NULL), fourth = seg_exact_value(&p->fourth[t], NULL);
    double about = squares + n * shift * shift; /* squares about the center */

    fourth += shift * (-4 * cube + shift * (6 * about - 3 * n * shift * shift));
    cube += shift * (-3 * about + 2 * n * shift * shift);
    if (n >= 3)
        out->skewness[t] = squares > 0 ? sqrt(n * (n - 1)) / (n - 2) * (cube / n) /
                                             (squares / n * sqrt(squares / n))
                                       : 0;
    if (n >= 4)
        out->kurtosis[t] = squares > 0 ? n * (n + 1) * (n - 1) / ((n - 2) * (n - 3)) *
                                                 (fourth / squares / squares) -
                                             3 * (n - 1) * (n - 1) / ((n - 2) * (n - 3))
                                       : 0;
}

void describe_products_read(const describe_products *p, int t, seg_describe *out)
{
    double n = (double)out->count[t];

    if (out->count[t] == 0) return;
    two sum = value_of(&p->sum[t]), square = value_of(product_of(p, t, t));
    double shift = sum.high / n, squares = centered_square(n, square, sum) / n;

    if (!isfinite(out->mean[t])) /* the sum of the values is beyond double */
        out->mean[t] = p->center[t] + ldexp(shift, p->exponent[t]);
    if (n >= 2) out->std[t] = ldexp(sqrt(squares / (n - 1)), p->exponent[t]);
    read_shape(p, t, squares, shift, out);
}
