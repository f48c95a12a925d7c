/* Stability of the clusters of an elbow: the same sweep over clients drawn with replacement from a
 * sample, and how much of each cluster comes back, by the Jaccard index over the clients drawn. The
 * sweeps are dealt to the ranks, each of which holds the sample.
 * Source: Hennig, Cluster-wise assessment of cluster stability, 2007. */
#include <math.h>
#include <string.h>

#include "model_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"
#include "segmpi/stop.h"

typedef struct stability {
    seg_comm *self;
    const seg_kernels *kernels;
    const seg_sweep_opts *opts;
    const seg_elbow *elbow;
    seg_matrix sample;
    seg_matrix drawn;  /* as many clients, with replacement; each counts once */
    bool *is_drawn;    /* [n] */
    int64_t *weight;   /* [n] of the clients up to each, itself included */
    int32_t *label;    /* [n_k][n] by the centers of the elbow */
    int32_t *again;    /* [n] by those of a bootstrap */
    int64_t *table;    /* [k_max][k_max] */
    double *jaccard;   /* [size][n_k][k_max] of a round of bootstraps, one for each rank */
    int64_t *n_values; /* [n_k][k_max] bootstraps in which the cluster was drawn */
} stability;

static void stability_release(stability *s)
{
    seg_matrix_release(&s->sample);
    seg_matrix_release(&s->drawn);
    seg_free(s->is_drawn);
    seg_free(s->weight);
    seg_free(s->label);
    seg_free(s->again);
    seg_free(s->table);
    seg_free(s->jaccard);
    seg_free(s->n_values);
}

/* Local.  Labels of the sample by the centers of k number i of a sweep. */
static seg_status assign(const stability *s, const seg_sweep *sweep, int i, int32_t *label)
{
    int64_t n_redone;

    return seg_kmeans_assign(s->self, s->kernels, &s->sample, sweep->fit[i].n_clusters,
                             sweep->fit[i].cluster_centers, label, NULL, NULL, &n_redone);
}

/* Local. */
static seg_status label_sample(const stability *s)
{
    const seg_sweep *sweep = &s->elbow->sweep;

    for (int i = 0; i < sweep->n_k; i++)
        SEG_TRY(assign(s, sweep, i, s->label + i * s->sample.rows.total));
    return SEG_OK;
}

/* Local. */
static seg_status stability_init(stability *s, int size)
{
    const seg_matrix *m = &s->sample;
    int64_t n = m->rows.total, n_k = s->elbow->sweep.n_k, k_max = s->elbow->k_max;

    SEG_TRY(seg_fault("stability_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_matrix_init(&s->drawn, m->rows, m->d, m->grid, m->max_abs));
    SEG_TRY(seg_alloc(n, sizeof *s->is_drawn, &s->is_drawn));
    SEG_TRY(seg_alloc(n, sizeof *s->weight, &s->weight));
    SEG_TRY(seg_alloc(n_k * n, sizeof *s->label, &s->label));
    SEG_TRY(seg_alloc(n, sizeof *s->again, &s->again));
    SEG_TRY(seg_alloc(k_max * k_max, sizeof *s->table, &s->table));
    SEG_TRY(seg_alloc(size * n_k * k_max, sizeof *s->jaccard, &s->jaccard));
    SEG_TRY(seg_alloc(n_k * k_max, sizeof *s->n_values, &s->n_values));
    for (int64_t i = 0; i < n; i++)
        s->weight[i] = (i > 0 ? s->weight[i - 1] : 0) + seg_matrix_weight(m, i);
    return label_sample(s);
}

/* The first client whose weights up to it exceed `at`. */
static int64_t find(const stability *s, int64_t at)
{
    int64_t low = 0, high = s->sample.rows.total - 1;

    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (s->weight[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Clients of bootstrap b, by their weights. */
static void draw(stability *s, int b)
{
    const seg_random key = { .seed = s->opts->kmeans.seed, .purpose = SEG_RANDOM_RESAMPLE };
    const seg_matrix *m = &s->sample;
    int64_t n = m->rows.total;

    memset(s->is_drawn, 0, (size_t)n * sizeof *s->is_drawn);
    for (int64_t i = 0; i < n; i++) {
        double u = seg_random_uniform(key, i, (uint64_t)b);
        int64_t row = find(s, (int64_t)(u * (double)s->weight[n - 1]));
        const float *from = &m->x[row / SEG_LANES * m->d * SEG_LANES + row % SEG_LANES];
        float *to = &s->drawn.x[i / SEG_LANES * m->d * SEG_LANES + i % SEG_LANES];
        for (int t = 0; t < m->d; t++)
            to[(int64_t)t * SEG_LANES] = from[(int64_t)t * SEG_LANES];
        s->is_drawn[row] = true;
    }
}

/* How much of each cluster of k number i comes back, over the clients drawn: jaccard [k_max]. */
static void compare(const stability *s, int i, int n_again, double *jaccard)
{
    int64_t n = s->sample.rows.total;
    const int32_t *label = s->label + i * n;
    int k = s->elbow->sweep.fit[i].n_clusters;

    memset(s->table, 0, (size_t)k * (size_t)n_again * sizeof *s->table);
    for (int64_t row = 0; row < n; row++)
        if (s->is_drawn[row])
            s->table[(int64_t)label[row] * n_again + s->again[row]] +=
                seg_matrix_weight(&s->sample, row);
    seg_jaccard_best(k, n_again, s->table, jaccard);
}

/* Local.  Bootstrap b: jaccard [n_k][k_max]. */
static seg_status run_bootstrap(stability *s, int b, double *jaccard)
{
    seg_status status = SEG_OK;
    seg_sweep sweep = { 0 };

    SEG_TRY(seg_fault("stability_draw", SEG_ERR_MEMORY));
    draw(s, b);
    SEG_TRY_OR_DONE(seg_sweep_run(s->self, s->kernels, &s->drawn, s->opts, &sweep));
    for (int i = 0; i < sweep.n_k; i++) {
        SEG_TRY_OR_DONE(assign(s, &sweep, i, s->again));
        compare(s, i, sweep.fit[i].n_clusters, jaccard + (int64_t)i * s->elbow->k_max);
    }
done:
    seg_sweep_release(&sweep);
    return status;
}

/* Collective.  Bootstraps first, first + 1, ..., one for each rank, added in this order. */
static seg_status run_round(seg_comm *comm, stability *s, int first, double *sum)
{
    int size = seg_comm_size(comm), rank = seg_comm_rank(comm), n = s->elbow->n_bootstraps;
    int64_t cells = (int64_t)s->elbow->sweep.n_k * s->elbow->k_max;
    seg_status local = SEG_OK;

    memset(s->jaccard, 0, (size_t)(size * cells) * sizeof *s->jaccard);
    if (first + rank < n) local = run_bootstrap(s, first + rank, s->jaccard + rank * cells);
    SEG_TRY(seg_agree(comm, local));
    seg_merge_double(comm, s->jaccard, size * cells);
    for (int b = 0; b < size && first + b < n; b++)
        for (int64_t i = 0; i < cells; i++) {
            double value = s->jaccard[b * cells + i];
            if (isnan(value)) continue;
            sum[i] += value;
            s->n_values[i]++;
        }
    return SEG_OK;
}

/* Collective.  Sums of all bootstraps in elbow->stability. */
static seg_status run_all(seg_comm *comm, stability *s, const seg_keeper *keeper, seg_elbow *elbow)
{
    int size = seg_comm_size(comm), n = elbow->n_bootstraps;
    int64_t cells = (int64_t)elbow->sweep.n_k * elbow->k_max, done = 0;
    const seg_field state[] = { { "done", SEG_INT64, 1, &done },
                                { "sum", SEG_FLOAT64, cells, elbow->stability },
                                { "n_values", SEG_INT64, cells, s->n_values } };
    bool found;

    memset(elbow->stability, 0, (size_t)cells * sizeof *elbow->stability);
    SEG_TRY(seg_restore(comm, keeper, "stability", 3, state, &found));
    if (done < 0 || done > n)
        return SEG_FAIL(SEG_ERR_DATA, "the state of the stability cannot be gone on with");
    seg_progress_begin("stability", n, "bootstraps");
    while (done < n) {
        SEG_TRY(run_round(comm, s, (int)done, elbow->stability));
        done = done + size < n ? done + size : n;
        seg_progress_set(done);
        int64_t asked = seg_stop_asked();
        seg_sum_int64(comm, &asked, 1);
        SEG_TRY(seg_keep(comm, keeper, "stability", 3, state, asked));
    }
    seg_progress_end(NULL);
    return SEG_OK;
}

/* Means over bootstraps, and the least of each k. */
static void finish(const stability *s, seg_elbow *elbow)
{
    for (int i = 0; i < elbow->sweep.n_k; i++) {
        double *mean = elbow->stability + (int64_t)i * elbow->k_max, least = INFINITY;
        const int64_t *n_values = s->n_values + (int64_t)i * elbow->k_max;
        for (int j = 0; j < elbow->k_max; j++) {
            bool known = j < elbow->sweep.fit[i].n_clusters && n_values[j] > 0;
            mean[j] = known ? mean[j] / (double)n_values[j] : NAN;
            if (mean[j] < least) least = mean[j];
        }
        elbow->index[SEG_INDEX_LEAST_STABILITY][i] = least < INFINITY ? least : NAN;
    }
}

seg_status model_stability(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                           const seg_elbow_opts *opts, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    seg_sweep_opts again = opts->sweep;
    stability s = {
        .self = seg_comm_self(comm), .kernels = kernels, .opts = &again, .elbow = elbow
    };
    int size = seg_comm_size(comm);

    again.kmeans.keeper = NULL;

    SEG_TRY_OR_DONE(
        seg_matrix_sample(comm, m, SEG_ELBOW_SAMPLE, opts->sweep.kmeans.seed, &s.sample));
    SEG_TRY_OR_DONE(seg_agree(comm, stability_init(&s, size)));
    SEG_TRY_OR_DONE(run_all(comm, &s, opts->sweep.kmeans.keeper, elbow));
    finish(&s, elbow);
done:
    stability_release(&s);
    return status;
}
