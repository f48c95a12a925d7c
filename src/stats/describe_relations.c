/* Columns that others make up, nearly or exactly, found in the correlation matrix.
 *
 * A Cholesky factorisation that always takes the column with the largest share of variance not yet
 * explained ends where the rest is explained to 99 %: what is left are linear combinations of what
 * has been taken.  (An eigenvalue near 0 says the same, but mixes relations that hold at the same
 * time.)  Each is then told by few columns: those with a small part are dropped if 99 % remain, the
 * column with the largest part is put on the left, and the coefficients are those of least squares.
 * Where they are nearly whole numbers without an intercept, as when a column is the sum of others,
 * the clients for whom the sum holds are counted. */
#include <math.h>
#include <stdlib.h>

#include "describe_internal.h"
#include "segmpi/memory.h"

#define LEFT_MOST  0.01 /* share of a column's variance that others may leave unexplained */
#define PART_LEAST 0.02 /* coefficient in standard deviations */
#define WHOLE      0.02 /* distance to a whole number, relative; an intercept, in std */
#define EQUAL      1e-6 /* relative */

typedef struct search {
    int d, n;        /* columns; usable ones among them that have been taken */
    const double *r; /* [d][d] correlation */
    double *factor;  /* [d][d] row t: of column t on the taken ones, in the order of taking */
    double *left;    /* [d] share of variance not explained; -1 for columns taken or not usable */
    int *taken;      /* [d] in order */
    double *weight;  /* [d] of one relation, in standard deviations */
    double *system;  /* [d][d + 1] normal equations */
    int *member;     /* [d] */
} search;

static double r_of(const search *s, int a, int b)
{
    double r = s->r[(int64_t)a * s->d + b];

    return isnan(r) ? 0 : r; /* no client has both */
}

/* ---- which columns are made up ---- */

static int largest_left(const search *s)
{
    int best = -1;

    for (int t = 0; t < s->d; t++)
        if (s->left[t] > LEFT_MOST && (best < 0 || s->left[t] > s->left[best])) best = t;
    return best;
}

static void take(search *s, int column)
{
    double root = sqrt(s->left[column]);
    const double *own = &s->factor[(int64_t)column * s->d];

    for (int t = 0; t < s->d; t++) {
        double *row = &s->factor[(int64_t)t * s->d];
        if (s->left[t] < 0 || t == column) continue;
        double sum = r_of(s, column, t);
        for (int j = 0; j < s->n; j++)
            sum -= own[j] * row[j];
        row[s->n] = sum / root;
        s->left[t] = fmax(0, s->left[t] - row[s->n] * row[s->n]);
    }
    s->factor[(int64_t)column * s->d + s->n] = root;
    s->left[column] = -1;
    s->taken[s->n++] = column;
}

/* ---- one relation ---- */

/* Least squares of `column` on n members: weight [n], in standard deviations; the share of its
 * variance that they explain.  Gauss with pivots, as members may nearly make up each other. */
static double fit(search *s, int column, int n, const int *member, double *weight)
{
    double *a = s->system, explained = 0;
    int width = n + 1;

    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++)
            a[i * width + j] = r_of(s, member[i], member[j]);
        a[i * width + n] = r_of(s, member[i], column);
    }
    for (int k = 0; k < n; k++) {
        int pivot = k;
        for (int i = k + 1; i < n; i++)
            if (fabs(a[i * width + k]) > fabs(a[pivot * width + k])) pivot = i;
        if (a[pivot * width + k] == 0) return 0;
        for (int j = k; j < width; j++) {
            double swap = a[k * width + j];
            a[k * width + j] = a[pivot * width + j];
            a[pivot * width + j] = swap;
        }
        for (int i = 0; i < n; i++) {
            double factor = i == k ? 0 : a[i * width + k] / a[k * width + k];
            for (int j = k; j < width; j++)
                a[i * width + j] -= factor * a[k * width + j];
        }
    }
    for (int i = 0; i < n; i++) {
        weight[i] = a[i * width + n] / a[i * width + i];
        explained += weight[i] * r_of(s, member[i], column);
    }
    return explained;
}

/* Drops members with a small weight if 99 % remain explained. */
static double simplify(search *s, int column, int *n, int *member, double *weight)
{
    double explained = fit(s, column, *n, member, weight);
    int kept = 0, *few = s->member + s->d;
    double *few_weight = s->weight + s->d;

    for (int i = 0; i < *n; i++)
        if (fabs(weight[i]) >= PART_LEAST) few[kept++] = member[i];
    if (kept == *n || kept == 0) return explained;
    double simple = fit(s, column, kept, few, few_weight);
    if (1 - simple > LEFT_MOST) return explained;
    for (int i = 0; i < kept; i++) {
        member[i] = few[i];
        weight[i] = few_weight[i];
    }
    *n = kept;
    return simple;
}

/* The column with the largest part goes to the left. */
static double turn(search *s, int *column, int n, int *member, double *weight, double explained)
{
    int largest = 0;

    for (int i = 1; i < n; i++)
        if (fabs(weight[i]) > fabs(weight[largest])) largest = i;
    if (n == 0 || fabs(weight[largest]) <= 1 + WHOLE) return explained;
    int old = *column;
    *column = member[largest];
    member[largest] = old;
    return fit(s, *column, n, member, weight);
}

static void tell(search *s, int column, seg_describe *out)
{
    int n = s->n, number = out->n_relations, *member = s->member;
    double *coefficient = &out->relation_coefficient[(int64_t)number * out->d];

    for (int i = 0; i < n; i++)
        member[i] = s->taken[i];
    double explained = simplify(s, column, &n, member, s->weight);
    explained = turn(s, &column, n, member, s->weight, explained);
    if (n == 0 || 1 - explained > LEFT_MOST) return;

    double intercept = out->mean[column];
    for (int t = 0; t < out->d; t++)
        coefficient[t] = 0;
    for (int i = 0; i < n; i++) {
        coefficient[member[i]] = s->weight[i] * (out->std[column] / out->std[member[i]]);
        intercept -= coefficient[member[i]] * out->mean[member[i]];
    }
    out->relation_column[number] = column;
    out->relation_intercept[number] = intercept;
    out->relation_explained[number] = fmin(explained, 1);
    out->n_relations++;
}

static void search_release(search *s)
{
    seg_free(s->factor);
    seg_free(s->left);
    seg_free(s->taken);
    seg_free(s->weight);
    seg_free(s->system);
    seg_free(s->member);
}

static seg_status search_init(search *s, const seg_describe *out)
{
    int64_t d = out->d;

    *s = (search) { .d = out->d, .r = out->correlation };
    SEG_TRY(seg_fault("describe_relations_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d * d, sizeof *s->factor, &s->factor));
    SEG_TRY(seg_alloc(d, sizeof *s->left, &s->left));
    SEG_TRY(seg_alloc(d, sizeof *s->taken, &s->taken));
    SEG_TRY(seg_alloc(2 * d, sizeof *s->weight, &s->weight));
    SEG_TRY(seg_alloc(d * (d + 1), sizeof *s->system, &s->system));
    return seg_alloc(2 * d, sizeof *s->member, &s->member);
}

seg_status describe_relations_find(seg_describe *out)
{
    seg_status status = SEG_OK;
    search s;

    SEG_TRY_OR_DONE(search_init(&s, out));
    for (int t = 0; t < out->d; t++) /* no variance, no part in it */
        s.left[t] = isnan(out->correlation[(int64_t)t * out->d + t]) ? -1 : 1;
    for (int column = largest_left(&s); column >= 0; column = largest_left(&s))
        take(&s, column);
    for (int t = 0; t < out->d; t++)
        if (s.left[t] >= 0) tell(&s, t, out);
done:
    search_release(&s);
    return status;
}

/* ---- for whom it holds ---- */

static bool is_whole(const seg_describe *out, int number)
{
    const double *coefficient = &out->relation_coefficient[(int64_t)number * out->d];
    double scale = out->std[out->relation_column[number]];

    for (int t = 0; t < out->d; t++)
        if (fabs(coefficient[t] - rint(coefficient[t])) > WHOLE * fabs(rint(coefficient[t])))
            return false;
    return fabs(out->relation_intercept[number]) <= WHOLE * scale;
}

static bool holds(const seg_describe *out, int number, const double *x)
{
    const double *coefficient = &out->relation_coefficient[(int64_t)number * out->d];
    double value = x[out->relation_column[number]], rest = value, size = fabs(value);

    for (int t = 0; t < out->d; t++) {
        double part = coefficient[t] == 0 ? 0 : rint(coefficient[t]) * x[t];
        rest -= part;
        size = fmax(size, fabs(part));
    }
    return fabs(rest) <= EQUAL * size; /* false where a cell is missing */
}

void describe_relations_add(seg_describe *out, int64_t n, const double *x, const int32_t *weight)
{
    for (int number = 0; number < out->n_relations; number++) {
        if (!is_whole(out, number)) continue;
        for (int64_t i = 0; i < n; i++)
            if (holds(out, number, &x[i * out->d]))
                out->relation_equal[number] += weight ? weight[i] : 1;
    }
}

void describe_relations_sum(seg_comm *comm, seg_describe *out)
{
    seg_sum_int64(comm, out->relation_equal, out->n_relations);
    for (int number = 0; number < out->n_relations; number++) {
        double *coefficient = &out->relation_coefficient[(int64_t)number * out->d];
        if (2 * out->relation_equal[number] < out->count[out->relation_column[number]]) {
            out->relation_equal[number] = 0;
            continue;
        }
        for (int t = 0; t < out->d; t++)
            coefficient[t] = rint(coefficient[t]);
        out->relation_intercept[number] = 0;
    }
}
