/* Principal components of the prepared matrix.  The columns are centered first, so that a mean far
 * from 0 costs no digits; second moments come from BLAS block by block in one fixed shape, and are
 * added exactly: the same bits on any number of ranks. */
#include <math.h>

#include "embed_internal.h"
#include "segmpi/exact.h"
#include "segmpi/memory.h"

typedef struct workspace {
    int64_t *sum;       /* [d] of the matrix in units of its grid */
    double *block;      /* [SEG_BLOCK_ROWS][d] centered rows */
    double *product;    /* [d][d] second moments of a block, then the covariance */
    double *values;     /* [d] eigenvalues, followed by */
    double *vectors;    /* [d][d] */
    seg_exact *moments; /* [d (d + 1) / 2] upper triangle */
} workspace;

static void workspace_release(workspace *w)
{
    seg_free(w->sum);
    seg_free(w->block);
    seg_free(w->product);
    seg_free(w->values);
    seg_free(w->moments);
}

/* Local. */
static seg_status workspace_init(workspace *w, int d)
{
    size_t columns = (size_t)d;

    SEG_TRY(seg_fault("pca_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(d, sizeof *w->sum, &w->sum));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, columns * sizeof *w->block, &w->block));
    SEG_TRY(seg_alloc(d, columns * sizeof *w->product, &w->product));
    SEG_TRY(seg_alloc((int64_t)d + 1, columns * sizeof *w->values, &w->values));
    w->vectors = w->values + d;
    return seg_alloc((int64_t)d * (d + 1) / 2, sizeof *w->moments, &w->moments);
}

/* One block: components, explained_variance, explained_variance_ratio, singular_values, mean. */
seg_status seg_pca_init(seg_pca *pca, int d, int n_components)
{
    int64_t n = n_components;

    *pca = (seg_pca) { .d = d, .n_components = n_components };
    SEG_TRY(seg_alloc(n * d + 3 * n + d, sizeof *pca->components, &pca->components));
    pca->explained_variance = pca->components + n * d;
    pca->explained_variance_ratio = pca->explained_variance + n;
    pca->singular_values = pca->explained_variance_ratio + n;
    pca->mean = pca->singular_values + n;
    return SEG_OK;
}

void seg_pca_release(seg_pca *pca)
{
    seg_free(pca->components);
    *pca = (seg_pca) { 0 };
}

static seg_status allocate(const seg_matrix *m, workspace *w, seg_pca *pca)
{
    SEG_TRY(seg_pca_init(pca, m->d, m->rows.total < m->d ? (int)m->rows.total : m->d));
    return workspace_init(w, m->d);
}

/* Rows of local block b into w->block. */
static int64_t block_rows(const seg_matrix *m, int64_t b, workspace *w)
{
    int64_t at = b * SEG_BLOCK_ROWS, rest = m->rows.count - at;
    int64_t n = rest < SEG_BLOCK_ROWS ? rest : SEG_BLOCK_ROWS;

    seg_matrix_get(m, at, n, w->block);
    return n;
}

/* Collective.  Values are multiples of 2^-grid, so the sums are exact integers. */
static void learn_mean(seg_comm *comm, const seg_matrix *m, workspace *w, double *mean)
{
    for (int64_t b = 0; b < seg_rows_blocks(m->rows.count); b++) {
        int64_t n = block_rows(m, b, w);
        for (int t = 0; t < m->d; t++) {
            double units = ldexp(1, m->grid[t]);
            for (int64_t i = 0; i < n; i++)
                w->sum[t] += (int64_t)(w->block[i * m->d + t] * units) *
                             seg_matrix_weight(m, b * SEG_BLOCK_ROWS + i);
        }
    }
    seg_sum_int64(comm, w->sum, m->d);
    for (int t = 0; t < m->d && m->total_weight > 0; t++)
        mean[t] = ldexp((double)w->sum[t] / (double)m->total_weight, -m->grid[t]);
}

/* Collective.  w->product = covariance with n - 1; zeros for a single row.  A block is always
 * multiplied in its full shape, missing rows as zeros. */
static void learn_covariance(seg_comm *comm, const seg_matrix *m, workspace *w, const double *mean)
{
    int d = m->d;
    double freedom = m->total_weight > 1 ? (double)(m->total_weight - 1) : 1;

    for (int64_t b = 0; b < seg_rows_blocks(m->rows.count); b++) {
        int64_t n = block_rows(m, b, w), entry = 0;
        for (int64_t i = 0; i < SEG_BLOCK_ROWS; i++) {
            double root = i < n ? sqrt(seg_matrix_weight(m, b * SEG_BLOCK_ROWS + i)) : 0;
            for (int t = 0; t < d; t++)
                w->block[i * d + t] = i < n ? root * (w->block[i * d + t] - mean[t]) : 0;
        }
        seg_blas_second_moments(SEG_BLOCK_ROWS, d, w->block, w->product);
        for (int s = 0; s < d; s++)
            for (int t = s; t < d; t++)
                seg_exact_add(&w->moments[entry++], w->product[(int64_t)s * d + t]);
    }
    seg_exact_sum(comm, w->moments, (int64_t)d * (d + 1) / 2);

    int64_t entry = 0;
    for (int s = 0; s < d; s++)
        for (int t = s; t < d; t++) {
            double covariance = seg_exact_value(&w->moments[entry++], NULL) / freedom;
            w->product[(int64_t)s * d + t] = w->product[(int64_t)t * d + s] = covariance;
        }
}

/* Local: rank 0 computes, so that different CPUs cannot disagree. */
static seg_status decompose(const seg_comm *comm, int d, workspace *w)
{
    if (seg_comm_rank(comm) != 0) return SEG_OK;

    SEG_TRY(seg_fault("pca_eigen", SEG_ERR_INTERNAL));
    int info = seg_lapack_eigen(d, w->product, w->values, w->vectors);
    if (info != 0)
        return SEG_FAIL(SEG_ERR_INTERNAL, "the eigenvalues were not found (LAPACK says %d)", info);
    return SEG_OK;
}

/* The sign that makes the largest loading positive, the first one of equals. */
static double sign_of(int d, const double *vector)
{
    int largest = 0;

    for (int t = 1; t < d; t++)
        if (fabs(vector[t]) > fabs(vector[largest])) largest = t;
    return vector[largest] < 0 ? -1 : 1;
}

/* Rounding leaves eigenvalues that should be 0 slightly negative. */
static void fill_results(int64_t n, workspace *w, seg_pca *pca)
{
    double total = 0;

    for (int t = 0; t < pca->d; t++) {
        w->values[t] = fmax(w->values[t], 0);
        total += w->values[t];
    }
    for (int j = 0; j < pca->n_components; j++) {
        const double *vector = &w->vectors[(int64_t)j * pca->d];
        double sign = sign_of(pca->d, vector);
        for (int t = 0; t < pca->d; t++)
            pca->components[(int64_t)j * pca->d + t] = sign * vector[t];
        pca->explained_variance[j] = w->values[j];
        pca->explained_variance_ratio[j] = total > 0 ? w->values[j] / total : 0;
        pca->singular_values[j] = sqrt(w->values[j] * (double)(n - 1));
    }
}

seg_status seg_pca_fit(seg_comm *comm, const seg_matrix *m, seg_pca *pca)
{
    seg_status status = SEG_OK;
    workspace w = { 0 };
    int64_t d = m->d;

    *pca = (seg_pca) { 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, allocate(m, &w, pca)));
    learn_mean(comm, m, &w, pca->mean);
    learn_covariance(comm, m, &w, pca->mean);
    SEG_TRY_OR_DONE(seg_agree(comm, decompose(comm, m->d, &w)));
    seg_bcast(comm, w.values, (d + d * d) * (int64_t)sizeof *w.values);
    fill_results(m->total_weight, &w, pca);
done:
    if (status != SEG_OK) seg_pca_release(pca);
    workspace_release(&w);
    return status;
}

void seg_pca_apply(const seg_pca *pca, int64_t n, const double *z, int n_out, double *scores)
{
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < n_out; j++) {
            const double *component = &pca->components[(int64_t)j * pca->d];
            double sum = 0;
            for (int t = 0; t < pca->d; t++)
                sum = fma(z[i * pca->d + t] - pca->mean[t], component[t], sum);
            scores[i * n_out + j] = sum;
        }
}
