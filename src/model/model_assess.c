/* The panel of indices for every k of an elbow.  Distances between clients do not depend on k:
 * where all pairs are looked at, they are computed once for all k. */
#include "model_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

typedef struct assessment {
    seg_comm *comm;
    const seg_kernels *kernels;
    const seg_matrix *m;
    int n_k;
    int32_t *label; /* [rows.count] of this rank's rows, for one k */
    int64_t *size;  /* [k_max] */
    int *k;         /* [n_k] */

    bool all_pairs;   /* are looked at: of all clients, on every rank */
    int64_t *row;     /* [rows.count] all rows of this rank */
    int32_t **labels; /* [n_k][n] */
} assessment;

static void assessment_release(assessment *a)
{
    for (int i = 0; a->labels && i < a->n_k; i++)
        seg_free(a->labels[i]);
    seg_free(a->labels);
    seg_free(a->k);
    seg_free(a->label);
    seg_free(a->size);
    seg_free(a->row);
}

/* Local. */
static seg_status assessment_init(assessment *a, int k_max)
{
    SEG_TRY(seg_fault("assess_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(a->m->rows.count, sizeof *a->label, &a->label));
    SEG_TRY(seg_alloc(k_max, sizeof *a->size, &a->size));
    SEG_TRY(seg_alloc(a->n_k, sizeof *a->k, &a->k));
    SEG_TRY(seg_alloc(a->n_k, sizeof *a->labels, &a->labels));
    if (!a->all_pairs) return SEG_OK;
    SEG_TRY(seg_alloc(a->m->rows.count, sizeof *a->row, &a->row));
    for (int64_t i = 0; i < a->m->rows.count; i++)
        a->row[i] = i;
    return SEG_OK;
}

/* Collective.  The silhouette of the labels of one k, on a stratified sample. */
static seg_status sample_silhouette(assessment *a, int k, uint64_t seed, double *silhouette,
                                    int64_t *clients)
{
    seg_status status = SEG_OK;
    seg_matrix sample = { 0 };
    int32_t *label = NULL;
    const int32_t *labels;
    const int64_t *sizes = a->size;

    SEG_TRY_OR_DONE(
        seg_silhouette_sample(a->comm, a->m, k, a->label, seed, a->size, &sample, &label));
    labels = label;
    SEG_TRY_OR_DONE(
        seg_silhouette(a->comm, a->kernels, &sample, 1, &k, &labels, &sizes, silhouette));
    *clients = sample.rows.total;
done:
    seg_matrix_release(&sample);
    seg_free(label);
    return status;
}

/* Collective.  Of all k at once, on all clients. */
static seg_status all_silhouettes(assessment *a, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    seg_matrix all = { 0 };

    SEG_TRY_OR_DONE(seg_matrix_gather(a->comm, a->m, a->m->rows.count, a->row, &all));
    SEG_TRY_OR_DONE(seg_silhouette(a->comm, a->kernels, &all, a->n_k, a->k,
                                   (const int32_t *const *)a->labels, NULL,
                                   elbow->index[SEG_INDEX_SILHOUETTE]));
    for (int i = 0; i < a->n_k; i++)
        elbow->silhouette_clients[i] = all.rows.total;
done:
    seg_matrix_release(&all);
    return status;
}

/* The figures of k number i. */
static void keep(seg_elbow *elbow, int i, const seg_quality *quality)
{
    const seg_sweep_fit *fit = &elbow->sweep.fit[i];

    elbow->index[SEG_INDEX_INERTIA][i] = fit->inertia;
    elbow->index[SEG_INDEX_RESTART_AGREEMENT][i] = fit->restart_agreement;
    elbow->index[SEG_INDEX_VARIANCE_EXPLAINED][i] = quality->variance_explained;
    elbow->index[SEG_INDEX_SILHOUETTE_SIMPLIFIED][i] = quality->silhouette_simplified;
    elbow->index[SEG_INDEX_DAVIES_BOULDIN][i] = quality->davies_bouldin;
    elbow->index[SEG_INDEX_CALINSKI_HARABASZ][i] = quality->calinski_harabasz;
    elbow->index[SEG_INDEX_SMALLEST_SHARE][i] = quality->smallest_share;
}

/* Collective.  One k. */
static seg_status assess(assessment *a, int i, uint64_t seed, seg_elbow *elbow)
{
    const seg_sweep_fit *fit = &elbow->sweep.fit[i];
    double *silhouette = &elbow->index[SEG_INDEX_SILHOUETTE][i];
    seg_quality quality;
    int64_t n_redone, bytes;
    int k = fit->n_clusters;

    SEG_TRY(seg_kmeans_assign(a->comm, a->kernels, a->m, k, fit->cluster_centers, a->label, NULL,
                              NULL, &n_redone));
    SEG_TRY(seg_quality_fit(a->comm, a->m, k, a->label, &quality));
    keep(elbow, i, &quality);
    a->k[i] = k;
    if (a->all_pairs)
        return seg_gather_bytes(a->comm, a->label, a->m->rows.count * (int64_t)sizeof *a->label,
                                &a->labels[i], &bytes);
    return sample_silhouette(a, k, seed, silhouette, &elbow->silhouette_clients[i]);
}

seg_status model_assess(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                        const seg_elbow_opts *opts, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    assessment a = { .comm = comm,
                     .kernels = kernels,
                     .m = m,
                     .n_k = elbow->sweep.n_k,
                     .all_pairs = m->rows.total <= SEG_SILHOUETTE_ROWS };

    SEG_TRY_OR_DONE(seg_agree(comm, assessment_init(&a, elbow->k_max)));
    seg_progress_begin("quality", a.n_k, "k");
    for (int i = 0; i < a.n_k; i++) {
        SEG_TRY_OR_DONE(assess(&a, i, opts->sweep.kmeans.seed, elbow));
        seg_progress_set(i + 1);
    }
    seg_progress_end(NULL);
    if (a.all_pairs) SEG_TRY_OR_DONE(all_silhouettes(&a, elbow));
done:
    assessment_release(&a);
    return status;
}
