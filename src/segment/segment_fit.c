/* Clusters to segments, step by step. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

/* One block: centers, merge_tree, mean, median, z, effect, cluster_to_segment. */
seg_status segment_alloc(seg_segments *s, int n_segments, int n_clusters, int n_features, int d)
{
    int64_t rows = (int64_t)n_segments + n_clusters;
    int64_t doubles = (int64_t)n_segments * n_features + 4 * (int64_t)n_clusters + 3 * rows * d + d;

    *s = (seg_segments) {
        .n_segments = n_segments, .n_clusters = n_clusters, .n_features = n_features, .d = d
    };
    SEG_TRY(seg_fault("segments_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(n_segments, sizeof *s->segment, &s->segment));
    SEG_TRY(seg_alloc(doubles + n_clusters, sizeof(double), &s->centers));
    s->merge_tree = s->centers + (int64_t)n_segments * n_features;
    s->mean = s->merge_tree + 4 * (int64_t)n_clusters;
    s->median = s->mean + rows * d;
    s->z = s->median + rows * d;
    s->effect = s->z + rows * d;
    s->cluster_to_segment = (int *)(void *)(s->effect + d);
    return SEG_OK;
}

seg_status segment_columns(seg_segments *s, const char *const *names)
{
    size_t bytes = 0;

    for (int t = 0; t < s->d; t++)
        bytes += sizeof *s->column + strlen(names[t]) + 1;
    SEG_TRY(seg_alloc((int64_t)bytes, 1, &s->column));
    char *text = (char *)(s->column + s->d);
    for (int t = 0; t < s->d; t++) {
        size_t size = strlen(names[t]) + 1;
        s->column[t] = text;
        memcpy(text, names[t], size);
        text += size;
    }
    return SEG_OK;
}

void seg_segments_release(seg_segments *segments)
{
    seg_free(segments->segment);
    seg_free(segments->centers);
    seg_free(segments->column);
    *segments = (seg_segments) { 0 };
}

/* ---- merge ---- */

/* Numbers by size, largest first, ties by the lowest cluster. */
static void number_segments(seg_segments *s, const int64_t *cluster_size, const int *label)
{
    int64_t size[SEG_SEGMENTS_MAX] = { 0 };
    int number[SEG_SEGMENTS_MAX], first[SEG_SEGMENTS_MAX];

    for (int j = s->n_clusters - 1; j >= 0; j--) {
        size[label[j]] += cluster_size[j];
        first[label[j]] = j;
    }
    for (int a = 0; a < s->n_segments; a++) {
        number[a] = 0;
        for (int b = 0; b < s->n_segments; b++)
            number[a] += size[b] > size[a] || (size[b] == size[a] && first[b] < first[a]);
        s->segment[number[a]].size = size[a];
    }
    for (int j = 0; j < s->n_clusters; j++)
        s->cluster_to_segment[j] = number[label[j]];
}

/* Means of the prepared clients, from those of the clusters. */
static void center_segments(seg_segments *s, const seg_kmeans *kmeans)
{
    int d = s->n_features;

    for (int j = 0; j < s->n_clusters; j++) {
        int segment = s->cluster_to_segment[j];
        double share = (double)kmeans->cluster_size[j] / (double)s->segment[segment].size;
        for (int t = 0; t < d; t++)
            s->centers[segment * d + t] += share * kmeans->cluster_centers[j * d + t];
    }
}

/* Local.  z of the clusters is known. */
static seg_status merge(const seg_kmeans *kmeans, const seg_guide *guide, seg_merge_method method,
                        seg_segments *s)
{
    double size[SEG_REFINE_MAX];
    int label[SEG_REFINE_MAX];
    refinement r = { .k = kmeans->n_clusters,
                     .n_segments = s->n_segments,
                     .d = kmeans->d,
                     .size = size,
                     .centers = kmeans->cluster_centers,
                     .inertia = kmeans->inertia,
                     .n_columns = s->d,
                     .z = &s->z[s->n_segments * s->d],
                     .guide = guide,
                     .method = method };
    refinement_result result = { .label = label, .tree = s->merge_tree };

    for (int j = 0; j < r.k; j++)
        size[j] = (double)kmeans->cluster_size[j];
    SEG_TRY(segment_refine(&r, &result));
    s->merge = result.method;
    s->cost = result.cost;
    s->least_cost = result.least_cost;
    number_segments(s, kmeans->cluster_size, label);
    return SEG_OK;
}

/* Collective.  The hyperbolic tangent may differ in its last bit between CPUs, so the answer of
 * rank 0 counts. */
static seg_status merge_and_agree(seg_comm *comm, const seg_segments_input *in,
                                  const seg_guide *guide, seg_merge_method method, seg_segments *s)
{
    SEG_TRY(seg_agree(comm, merge(in->kmeans, guide, method, s)));
    seg_bcast(comm, s->cluster_to_segment, s->n_clusters * (int64_t)sizeof *s->cluster_to_segment);
    seg_bcast(comm, s->segment, s->n_segments * (int64_t)sizeof *s->segment);
    if (in->previous) SEG_TRY(segment_match(comm, in, s));
    center_segments(s, in->kmeans);
    return SEG_OK;
}

/* ---- profile ---- */

/* Local. */
static seg_status profile(const segment_sums *sums, int n_groups, const int *group_of, int first,
                          seg_segments *s)
{
    return segment_profile(sums, n_groups, group_of, s->d, &s->mean[first * s->d],
                           &s->z[first * s->d]);
}

/* z has mean 0 and variance 1 over all clients. */
static void measure_effects(seg_segments *s, int64_t n)
{
    for (int t = 0; t < s->d; t++)
        for (int i = 0; i < s->n_segments; i++) {
            double z = s->z[i * s->d + t];
            s->effect[t] += (double)s->segment[i].size / (double)n * z * z;
        }
}

/* ---- all together ---- */

/* Local. */
static seg_status prepare(const seg_kmeans *kmeans, const seg_guide *guide, int wanted,
                          seg_segments *s)
{
    int k = kmeans->n_clusters;

    SEG_TRY(segment_alloc(s, wanted < k ? wanted : k, k, kmeans->d, guide->d));
    SEG_TRY(segment_columns(s, guide->name));
    s->n_amounts = guide->n_amounts;
    for (int i = 0; i < s->n_segments; i++) {
        s->segment[i].previous = -1;
        s->segment[i].overlap = NAN;
    }
    return SEG_OK;
}

/* Local. */
static seg_status name(const seg_segments_input *in, const seg_guide *guide, seg_segments *s)
{
    SEG_TRY(segment_names(&guide->catalog, s));
    if (in->previous) segment_keep_names(in->previous->segments, s);
    return SEG_OK;
}

/* Collective. */
static seg_status fit(seg_comm *comm, const seg_kernels *kernels, const seg_segments_input *in,
                      const seg_guide *guide, const seg_segments_opts *opts, segment_sums *sums,
                      segment_sample *sample, seg_segments *s)
{
    int k = s->n_clusters, n = s->n_segments, identity[SEG_REFINE_MAX];

    for (int j = 0; j < k; j++)
        identity[j] = j;
    seg_progress_begin("segments", SEG_ROWS_READ, "rows read");
    SEG_TRY(segment_sums_fit(comm, in, sums));
    SEG_TRY(seg_agree(comm, profile(sums, k, identity, n, s)));
    SEG_TRY(merge_and_agree(comm, in, guide, opts->merge, s));
    SEG_TRY(seg_agree(comm, profile(sums, n, s->cluster_to_segment, 0, s)));
    measure_effects(s, in->matrix->total_weight);
    SEG_TRY(seg_agree(comm, name(in, guide, s)));

    SEG_TRY(segment_medians(comm, in, sums, s));
    SEG_TRY(segment_between(comm, kernels, in, s));
    SEG_TRY(segment_sample_draw(comm, in, sums, opts->seed, sample));
    SEG_TRY(segment_tree(comm, in, sample, s));
    SEG_TRY(segment_direct_cost(comm, kernels, in->matrix, sample, opts->seed, s));
    seg_progress_end(NULL);
    return segment_stability(comm, kernels, in, guide, opts, sample, s);
}

seg_status seg_segments_fit(seg_comm *comm, const seg_kernels *kernels,
                            const seg_segments_input *in, const seg_guide *guide,
                            const seg_segments_opts *opts, seg_segments *s)
{
    seg_status status = SEG_OK;
    segment_sums sums = { 0 };
    segment_sample sample = { 0 };

    *s = (seg_segments) { 0 };
    if (in->kmeans->n_clusters > SEG_REFINE_MAX) {
        seg_log_warning("no segments: more than %d clusters are not merged", SEG_REFINE_MAX);
        return SEG_OK;
    }
    SEG_TRY_OR_DONE(seg_agree(comm, prepare(in->kmeans, guide, opts->n_segments, s)));
    SEG_TRY_OR_DONE(fit(comm, kernels, in, guide, opts, &sums, &sample, s));
done:
    segment_sums_release(&sums);
    segment_sample_release(&sample);
    if (status != SEG_OK) seg_segments_release(s);
    return status;
}
