/* How stable each segment is: the sample is drawn again and again with replacement, clustered and
 * merged anew, and each segment is looked up among the new ones by Jaccard's index.  Ranks share
 * the draws.
 * Source: Hennig, Cluster-wise assessment of cluster stability, 2007; 0.75 and more is stable. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"

#define WORK     1114112 /* clients * clusters * columns of a draw: 8,192 * 8 * 17 */
#define LEAST    1024    /* clients of a draw, where that is more */
#define RESTARTS 2
#define PARTS    1099511627776.0 /* 2^40: indices are added as integers */

typedef struct redraw {
    const seg_kernels *kernels;
    const seg_segments_input *in;
    const seg_guide *guide;
    const segment_sample *sample;
    const seg_segments *segments; /* what is to be found again */
    seg_kmeans_opts opts;
    int draws;
    int64_t n;        /* clients of a draw */
    seg_matrix drawn; /* the draw */
    int64_t *who;     /* [n] of the sample */
    int64_t *below;   /* [sample n + 1] sum of the weights before a client */
    double *client;   /* [columns of either matrix] */
    int32_t *label;   /* [sample n] new clusters */
    double *z;        /* [k][d] profile of the new clusters */
    double *centers;  /* [k][features] of the new clusters */
    double *moment;   /* [2][d] of the draw */
} redraw;

static seg_status redraw_init(redraw *r)
{
    const segment_sample *sample = r->sample;
    const seg_matrix *m = r->in->space;
    int64_t work = WORK / ((int64_t)r->opts.n_clusters * m->d);

    SEG_TRY(seg_fault("redraw_alloc", SEG_ERR_MEMORY));
    r->n = work < LEAST ? LEAST : work;
    if (r->n > sample->n) r->n = sample->n;
    seg_rows rows = { .total = r->n, .count = r->n };
    SEG_TRY(seg_matrix_init(&r->drawn, rows, m->d, m->grid, m->max_abs));
    SEG_TRY(seg_alloc(r->n, sizeof *r->who, &r->who));
    SEG_TRY(seg_alloc(sample->n, sizeof *r->label, &r->label));
    SEG_TRY(seg_alloc(r->opts.n_clusters, (size_t)sample->d * sizeof *r->z, &r->z));
    SEG_TRY(seg_alloc(2, (size_t)sample->d * sizeof *r->moment, &r->moment));
    SEG_TRY(seg_alloc(sample->n + 1, sizeof *r->below, &r->below));
    SEG_TRY(seg_alloc(m->d + sample->m.d, sizeof *r->client, &r->client));
    SEG_TRY(seg_alloc(r->opts.n_clusters, (size_t)sample->m.d * sizeof *r->centers, &r->centers));
    for (int64_t i = 0; i < sample->n; i++)
        r->below[i + 1] = r->below[i] + seg_matrix_weight(&sample->m, i);
    return SEG_OK;
}

static void redraw_release(redraw *r)
{
    seg_matrix_release(&r->drawn);
    seg_free(r->who);
    seg_free(r->label);
    seg_free(r->z);
    seg_free(r->moment);
    seg_free(r->below);
    seg_free(r->client);
    seg_free(r->centers);
}

/* The client of the sample that holds the place in the row of all weights. */
static int64_t client_at(const redraw *r, int64_t place)
{
    int64_t low = 0, high = r->sample->n;

    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (r->below[middle] <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void draw(redraw *r, int number)
{
    seg_random key = { .seed = r->opts.seed, .purpose = SEG_RANDOM_BOOTSTRAP };
    const segment_sample *sample = r->sample;

    for (int64_t i = 0; i < r->n; i++) {
        double u = seg_random_uniform(key, i, (uint64_t)number);
        r->who[i] = client_at(r, (int64_t)(u * (double)r->below[sample->n]));
        seg_matrix_get(sample->space, r->who[i], 1, r->client);
        seg_matrix_set(&r->drawn, i, 1, r->client);
    }
}

/* z of the new clusters, of unprepared columns, against the draw. */
static void profile_draw(redraw *r, const seg_kmeans *kmeans)
{
    const segment_sample *sample = r->sample;
    int d = sample->d;
    double *mean = r->moment, *square = r->moment + d, n = (double)r->n;

    memset(r->moment, 0, 2 * (size_t)d * sizeof *r->moment);
    memset(r->z, 0, (size_t)kmeans->n_clusters * (size_t)d * sizeof *r->z);
    for (int64_t i = 0; i < r->n; i++)
        for (int t = 0; t < d; t++)
            mean[t] += segment_sample_value(sample, r->who[i], t) / n;
    for (int64_t i = 0; i < r->n; i++)
        for (int t = 0; t < d; t++) {
            double x = segment_sample_value(sample, r->who[i], t) - mean[t];
            square[t] += x * x / n;
            r->z[kmeans->label[i] * d + t] += x;
        }
    for (int j = 0; j < kmeans->n_clusters; j++)
        for (int t = 0; t < d; t++) {
            double *z = &r->z[j * d + t];
            *z = square[t] > 0 ? *z / (double)kmeans->cluster_size[j] / sqrt(square[t]) : 0;
        }
}

/* Means of the prepared features in the new clusters, and the sum of squares about them. */
static double center_draw(redraw *r, const seg_kmeans *kmeans)
{
    const seg_matrix *m = &r->sample->m;
    double squares = 0;
    int d = m->d;

    memset(r->centers, 0, (size_t)kmeans->n_clusters * (size_t)d * sizeof *r->centers);
    for (int64_t i = 0; i < r->n; i++) {
        int j = kmeans->label[i];
        seg_matrix_get(m, r->who[i], 1, r->client);
        for (int t = 0; t < d; t++) {
            r->centers[j * d + t] += r->client[t] / (double)kmeans->cluster_size[j];
            squares += r->client[t] * r->client[t];
        }
    }
    for (int j = 0; j < kmeans->n_clusters; j++)
        for (int t = 0; t < d; t++)
            squares -=
                (double)kmeans->cluster_size[j] * r->centers[j * d + t] * r->centers[j * d + t];
    return squares;
}

/* segment_of [k] of the new clusters; the number of new segments. */
static seg_status merge_draw(redraw *r, const seg_kmeans *kmeans, int *segment_of, int *n_segments)
{
    seg_status status = SEG_OK;
    double size[SEG_REFINE_MAX], *tree = NULL;
    int k = kmeans->n_clusters;
    refinement_result result = { .label = segment_of };

    for (int j = 0; j < k; j++)
        size[j] = (double)kmeans->cluster_size[j];
    *n_segments = r->segments->n_segments < k ? r->segments->n_segments : k;
    SEG_TRY_OR_DONE(seg_alloc(k, 4 * sizeof *tree, &tree));
    result.tree = tree;
    refinement merge = { .k = k,
                         .n_segments = *n_segments,
                         .d = r->sample->m.d,
                         .size = size,
                         .centers = r->centers,
                         .inertia = center_draw(r, kmeans),
                         .n_columns = r->sample->d,
                         .z = r->z,
                         .guide = r->guide,
                         .method = r->segments->merge };
    SEG_TRY_OR_DONE(segment_refine(&merge, &result));
done:
    seg_free(tree);
    return status;
}

/* Adds to found [n_segments] the greatest Jaccard index of each segment with a new one. */
static void look_up(const redraw *r, const int *segment_of, int n_new, int64_t *found)
{
    const segment_sample *sample = r->sample;
    int64_t size[SEG_SEGMENTS_MAX] = { 0 };

    for (int64_t i = 0; i < sample->n; i++)
        size[segment_of[r->label[i]]] += seg_matrix_weight(&sample->m, i);
    for (int s = 0; s < r->segments->n_segments; s++) {
        int64_t common[SEG_SEGMENTS_MAX] = { 0 }, own = 0;
        double best = 0;
        for (int64_t i = 0; i < sample->n; i++) {
            int64_t weight = seg_matrix_weight(&sample->m, i);
            if (r->segments->cluster_to_segment[segment_sample_cluster(sample, i)] != s) continue;
            own += weight;
            common[segment_of[r->label[i]]] += weight;
        }
        for (int t = 0; t < n_new && own > 0; t++)
            best = fmax(best, (double)common[t] / (double)(own + size[t] - common[t]));
        found[s] += llround(best * PARTS);
    }
}

/* Collective on `self`, one rank alone. */
static seg_status redraw_once(seg_comm *self, redraw *r, int number, int64_t *found)
{
    seg_status status = SEG_OK;
    int segment_of[SEG_REFINE_MAX], n_new;
    int64_t redone;
    seg_kmeans kmeans = { 0 };

    draw(r, number);
    SEG_TRY_OR_DONE(seg_kmeans_fit(self, r->kernels, &r->drawn, &r->opts, &kmeans));
    profile_draw(r, &kmeans);
    SEG_TRY_OR_DONE(merge_draw(r, &kmeans, segment_of, &n_new));
    SEG_TRY_OR_DONE(seg_kmeans_assign(self, r->kernels, r->sample->space, kmeans.n_clusters,
                                      kmeans.cluster_centers, r->label, NULL, NULL, &redone));
    look_up(r, segment_of, n_new, found);
done:
    seg_kmeans_release(&kmeans);
    return status;
}

/* Local.  This rank's share of the draws. */
static seg_status redraw_own(seg_comm *comm, redraw *r, int64_t *found)
{
    int size = seg_comm_size(comm);

    SEG_TRY(redraw_init(r));
    for (int number = seg_comm_rank(comm); number < r->draws; number += size) {
        seg_log_hush(true);
        seg_status status = redraw_once(seg_comm_self(comm), r, number, found);
        seg_log_hush(false);
        SEG_TRY(status);
        seg_progress_set(number + size < r->draws ? number + size : r->draws);
    }
    return SEG_OK;
}

seg_status segment_stability(seg_comm *comm, const seg_kernels *kernels,
                             const seg_segments_input *in, const seg_guide *guide,
                             const seg_segments_opts *opts, const segment_sample *sample,
                             seg_segments *segments)
{
    int64_t found[SEG_SEGMENTS_MAX] = { 0 };
    redraw r = { .kernels = kernels,
                 .in = in,
                 .guide = guide,
                 .sample = sample,
                 .segments = segments,
                 .opts = seg_kmeans_defaults(),
                 .draws = opts->draws };

    r.opts.n_clusters = in->kmeans->n_clusters;
    r.opts.n_init = RESTARTS;
    r.opts.seed = opts->seed;
    if (opts->draws > 0) seg_progress_begin("segment stability", opts->draws, "fits");
    seg_status status = seg_agree(comm, redraw_own(comm, &r, found));
    if (opts->draws > 0) seg_progress_end(NULL);
    redraw_release(&r);
    SEG_TRY(status);
    seg_sum_int64(comm, found, segments->n_segments);
    for (int s = 0; s < segments->n_segments; s++)
        segments->segment[s].stability =
            opts->draws > 0 ? (double)found[s] / PARTS / opts->draws : NAN;
    return SEG_OK;
}
