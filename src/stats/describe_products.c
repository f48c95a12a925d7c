/* Products and powers of deviations from the mean: standard deviation, Pearson's correlation over
 * the clients who have both columns, skewness, kurtosis.
 *
 * A deviation, scaled by a power of two into -1 .. 1, is cut into three slices of 21 bits. Products
 * of slices are integers so small that BLAS adds those of a block without rounding, in whatever
 * order, and what it gives goes into integers: the sums are exact, up to the one rounding of a
 * deviation to 2^-63 of the largest one.  Source: Ozaki, Ogita, Oishi, Rump, Error-free
 * transformations of matrix multiplication, 2012.  Powers are added block by block with their
 * rounding errors (Knuth's two-sum), in the order of rows, and over blocks exactly. */
#include <math.h>

#include "describe_internal.h"
#include "segmpi/kernels.h"
#include "segmpi/memory.h"

#define SLICES     3
#define SLICE_BITS 21
#define SLICE_BASE ((int64_t)1 << SLICE_BITS)
#define TOP        (DESCRIBE_LIMBS - 1) /* the limb of whole numbers */

/* ---- exact sums ---- */

/* Leaves 0 <= limb < 2^21 in all but the last, which holds the sign. */
static void carry(describe_wide *w)
{
    for (int i = 0; i < TOP; i++) {
        int64_t low = w->limb[i] & (SLICE_BASE - 1);
        w->limb[i + 1] += (w->limb[i] - low) / SLICE_BASE;
        w->limb[i] = low;
    }
}

typedef struct two {
    double high, low; /* a number to 106 bits */
} two;

static two value_of(const describe_wide *w)
{
    seg_exact sum = { 0 };
    two value;

    for (int i = 0; i < DESCRIBE_LIMBS; i++)
        seg_exact_add_int64(&sum, w->limb[i], SLICE_BITS * (i - TOP));
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

/* A center between the extremes, and the power of two that bounds the distance to them. */
static void scale_column(describe_products *p, const seg_moments *m, int t)
{
    double mean = seg_moments_mean(m, t), most;

    p->center[t] = isfinite(mean) ? mean : m->min[t] / 2 + m->max[t] / 2;
    most = fmax(m->max[t] / 4 - p->center[t] / 4, p->center[t] / 4 - m->min[t] / 4);
    (void)frexp(most, &p->exponent[t]);
    p->exponent[t] += 2;
    if (p->exponent[t] < -1000) p->exponent[t] = -1000; /* its inverse is a number */
}

seg_status describe_products_init(describe_products *p, const seg_moments *m)
{
    int d = m->d, width = width_of(d);
    size_t columns = (size_t)d, wide = (size_t)width;

    *p = (describe_products) { .d = d };
    SEG_TRY(seg_fault("describe_products_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d, sizeof *p->center, &p->center));
    SEG_TRY(seg_alloc(d, sizeof *p->exponent, &p->exponent));
    SEG_TRY(seg_alloc(d, sizeof *p->sum, &p->sum));
    SEG_TRY(seg_alloc((int64_t)d * (d + 1) / 2, sizeof *p->product, &p->product));
    SEG_TRY(seg_alloc(d, columns * sizeof *p->lost_sum, &p->lost_sum));
    SEG_TRY(seg_alloc(d, columns * sizeof *p->lost_square, &p->lost_square));
    SEG_TRY(seg_alloc(2 * d, sizeof *p->cube, &p->cube));
    p->fourth = p->cube + d;
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, columns * sizeof *p->u, &p->u));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, wide * sizeof *p->slices, &p->slices));
    SEG_TRY(seg_alloc(width, wide * sizeof *p->moments, &p->moments));
    SEG_TRY(seg_alloc(4 * d, sizeof *p->power, &p->power));
    for (int t = 0; t < d; t++)
        if (m->count[t] > 0) scale_column(p, m, t);
    return SEG_OK;
}

void describe_products_release(describe_products *p)
{
    seg_free(p->center);
    seg_free(p->exponent);
    seg_free(p->sum);
    seg_free(p->product);
    seg_free(p->lost_sum);
    seg_free(p->lost_square);
    seg_free(p->cube);
    seg_free(p->u);
    seg_free(p->slices);
    seg_free(p->moments);
    seg_free(p->power);
    *p = (describe_products) { 0 };
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
#define WHOLE 0x1.8p52

/* u = sum of slice[i] * 2^(-21 (i + 1)); the first slice is at most 2^21, the others 2^20. */
static void cut(describe_products *p, int64_t n)
{
    double *slice = p->slices;

    for (int64_t i = 0; i < n; i++) {
        for (int t = 0; t < p->d; t++, slice += SLICES) {
            double rest = p->u[i * p->d + t];
            for (int j = 0; j < SLICES; j++) {
                rest *= (double)SLICE_BASE;
                slice[j] = (rest + WHOLE) - WHOLE;
                rest -= slice[j];
            }
        }
        *slice++ = 1;
    }
}

/* The block's products of slices, summed by BLAS, into the exact sums. */
static void fold(describe_products *p, int64_t n)
{
    int d = p->d, width = width_of(d);
    describe_wide *product = p->product;

    seg_blas_second_moments((int)n, width, p->slices, p->moments);
    for (int s = 0; s < d; s++) {
        const double *ones = &p->moments[(int64_t)(width - 1) * width + (int64_t)SLICES * s];
        for (int j = 0; j < SLICES; j++)
            p->sum[s].limb[TOP - 1 - j] += (int64_t)ones[j];
        carry(&p->sum[s]);
        for (int t = s; t < d; t++, product++) {
            const double *square = &p->moments[(int64_t)SLICES * s * width + (int64_t)SLICES * t];
            for (int i = 0; i < SLICES; i++)
                for (int j = 0; j < SLICES; j++)
                    product->limb[TOP - 2 - i - j] += (int64_t)square[i * width + j];
            carry(product);
        }
    }
}

/* What client i, who misses column `missing`, takes away from the pairs with it. */
static void lose(describe_products *p, int64_t i, int missing)
{
    const double *slice = &p->slices[i * width_of(p->d)];
    describe_wide *sum = &p->lost_sum[(int64_t)missing * p->d];
    describe_wide *square = &p->lost_square[(int64_t)missing * p->d];

    for (int t = 0; t < p->d; t++, slice += SLICES) {
        int64_t part[SLICES];
        for (int j = 0; j < SLICES; j++) {
            part[j] = (int64_t)slice[j];
            sum[t].limb[TOP - 1 - j] += part[j];
        }
        for (int j = 0; j < SLICES; j++)
            for (int k = 0; k < SLICES; k++)
                square[t].limb[TOP - 2 - j - k] += part[j] * part[k];
    }
}

static void lose_gaps(describe_products *p, int64_t n, const double *x)
{
    bool any = false;

    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < p->d; t++)
            if (isnan(x[i * p->d + t])) {
                lose(p, i, t);
                any = true;
            }
    for (int64_t pair = 0; any && pair < (int64_t)p->d * p->d; pair++) {
        carry(&p->lost_sum[pair]);
        carry(&p->lost_square[pair]);
    }
}

/* *sum + value, and into *tail what rounding loses. */
static inline void two_sum(double *sum, double *tail, double value)
{
    double total = *sum + value, added = total - *sum;

    *tail += (*sum - (total - added)) + (value - added);
    *sum = total;
}

static void raise(describe_products *p, int64_t n)
{
    double *cube = p->power, *cube_tail = cube + p->d;
    double *fourth = cube_tail + p->d, *fourth_tail = fourth + p->d;

    for (int i = 0; i < 4 * p->d; i++)
        p->power[i] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < p->d; t++) {
            double u = p->u[i * p->d + t], square = u * u;
            two_sum(&cube[t], &cube_tail[t], square * u);
            two_sum(&fourth[t], &fourth_tail[t], square * square);
        }
    for (int t = 0; t < p->d; t++) {
        seg_exact_add(&p->cube[t], cube[t]);
        seg_exact_add(&p->cube[t], cube_tail[t]);
        seg_exact_add(&p->fourth[t], fourth[t]);
        seg_exact_add(&p->fourth[t], fourth_tail[t]);
    }
}

void describe_products_add(describe_products *p, int64_t n, const double *x)
{
    for (int64_t at = 0; at < n; at += SEG_BLOCK_ROWS) {
        int64_t rows = n - at < SEG_BLOCK_ROWS ? n - at : SEG_BLOCK_ROWS;
        deviate(p, rows, &x[at * p->d]);
        cut(p, rows);
        fold(p, rows);
        lose_gaps(p, rows, &x[at * p->d]);
        raise(p, rows);
    }
}

/* ---- over ranks ---- */

static void sum_wide(seg_comm *comm, describe_wide *sums, int64_t n)
{
    seg_sum_int64(comm, (int64_t *)sums, n * DESCRIBE_LIMBS);
    for (int64_t i = 0; i < n; i++)
        carry(&sums[i]);
}

void describe_products_sum(seg_comm *comm, describe_products *p)
{
    int64_t d = p->d;

    sum_wide(comm, p->sum, d);
    sum_wide(comm, p->product, d * (d + 1) / 2);
    sum_wide(comm, p->lost_sum, d * d);
    sum_wide(comm, p->lost_square, d * d);
    seg_exact_sum(comm, p->cube, 2 * d); /* and fourth, which follows */
}

/* ---- figures ---- */

static const describe_wide *product_of(const describe_products *p, int s, int t)
{
    int64_t low = s < t ? s : t, high = s < t ? t : s;

    return &p->product[low * p->d - low * (low - 1) / 2 + high - low];
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

static void read_column(const describe_products *p, int t, seg_describe *out)
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

/* Over the clients who have both s and t. */
static double correlation_of(const describe_products *p, int s, int t, const seg_describe *out)
{
    int64_t st = (int64_t)s * p->d + t, ts = (int64_t)t * p->d + s;
    double n = (double)(out->n - out->missing[s] - out->missing[t] + out->co_missing[st]);
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

void describe_products_read(const describe_products *p, seg_describe *out)
{
    for (int t = 0; t < p->d; t++)
        read_column(p, t, out);
    for (int s = 0; s < p->d; s++)
        for (int t = s; t < p->d; t++)
            out->correlation[(int64_t)s * p->d + t] = out->correlation[(int64_t)t * p->d + s] =
                correlation_of(p, s, t, out);
}
