/* What sets a group of clients apart: its means against those of all clients.  Exact sums per
 * cluster are learned in one pass; those of segments, and filled gaps, are additions. */
#include <math.h>

#include "segment_internal.h"
#include "segmpi/memory.h"

static seg_status sums_alloc(segment_sums *sums, const seg_segments_input *in)
{
    SEG_TRY(seg_fault("profile_alloc", SEG_ERR_MEMORY));
    sums->k = in->kmeans->n_clusters;
    for (int p = 0; p < sums->n_parts; p++) {
        segment_part *part = &sums->part[p];
        SEG_TRY(seg_alloc(sums->k, sizeof *part->cluster, &part->cluster));
        SEG_TRY(seg_moments_init(&part->all, part->d, true));
        SEG_TRY(seg_alloc(part->d, 3 * sizeof *part->fill, &part->fill));
        part->mean = part->fill + part->d;
        part->deviation = part->mean + part->d;
    }
    return SEG_OK;
}

/* Moments of all clients with their gaps filled: as the preparation does it, or by the mean. */
static void fill_all(const segment_sums *sums, segment_part *part, const double *fill)
{
    for (int j = 0; j < sums->k; j++)
        seg_moments_merge(&part->all, &part->cluster[j]);
    for (int t = 0; t < part->d; t++) {
        double mean = seg_moments_mean(&part->all, t);
        part->fill[t] = fill ? fill[t] : isnan(mean) ? 0 : mean;
        seg_moments_fill(&part->all, t, part->fill[t]);
        part->mean[t] = seg_moments_mean(&part->all, t);
        part->deviation[t] = sqrt(seg_moments_variance(&part->all, t));
    }
}

seg_status segment_sums_fit(seg_comm *comm, const seg_segments_input *in, segment_sums *sums)
{
    int d = seg_table_columns(in->table);

    *sums = (segment_sums) { .n_parts = in->extra ? 2 : 1 };
    sums->part[0] = (segment_part) { .table = in->table, .d = d };
    if (in->extra)
        sums->part[1] =
            (segment_part) { .table = in->extra, .d = seg_table_columns(in->extra), .offset = d };
    SEG_TRY(seg_agree(comm, sums_alloc(sums, in)));
    for (int p = 0; p < sums->n_parts; p++) {
        segment_part *part = &sums->part[p];
        SEG_TRY(
            seg_moments_of_groups(comm, part->table, sums->k, in->kmeans->label, part->cluster));
        fill_all(sums, part, p == 0 ? in->prep->fill_value : NULL);
    }
    return SEG_OK;
}

void segment_sums_release(segment_sums *sums)
{
    for (int p = 0; p < sums->n_parts; p++) {
        segment_part *part = &sums->part[p];
        for (int j = 0; part->cluster && j < sums->k; j++)
            seg_moments_release(&part->cluster[j]);
        seg_free(part->cluster);
        seg_moments_release(&part->all);
        seg_free(part->fill);
    }
    *sums = (segment_sums) { 0 };
}

/* One group of clusters in the columns of one part; m: moments without clients. */
static void profile_group(const segment_sums *sums, const segment_part *part, const int *group_of,
                          int group, seg_moments *m, double *mean, double *z)
{
    for (int j = 0; j < sums->k; j++)
        if (group_of[j] == group) seg_moments_merge(m, &part->cluster[j]);
    for (int t = 0; t < part->d; t++) {
        mean[part->offset + t] = seg_moments_mean(m, t);
        seg_moments_fill(m, t, part->fill[t]);
        double difference = seg_moments_mean(m, t) - part->mean[t];
        z[part->offset + t] = part->deviation[t] > 0 ? difference / part->deviation[t] : 0;
    }
}

seg_status segment_profile(const segment_sums *sums, int n_groups, const int *group_of, int d,
                           double *mean, double *z)
{
    seg_status status = SEG_OK;

    SEG_TRY(seg_fault("profile_rows_alloc", SEG_ERR_MEMORY));
    for (int p = 0; p < sums->n_parts; p++)
        for (int group = 0; group < n_groups && status == SEG_OK; group++) {
            seg_moments m;
            status = seg_moments_init(&m, sums->part[p].d, true);
            if (status == SEG_OK)
                profile_group(sums, &sums->part[p], group_of, group, &m, &mean[group * d],
                              &z[group * d]);
            seg_moments_release(&m);
        }
    return status;
}

/* ---- medians ---- */

/* Present values of a column in a group: a segment, or behind these a cluster. */
static int64_t count_of(const segment_sums *sums, const segment_part *part, const seg_segments *s,
                        int group, int t)
{
    int64_t count = 0;

    if (group >= s->n_segments) return part->cluster[group - s->n_segments].count[t];
    for (int j = 0; j < sums->k; j++)
        if (s->cluster_to_segment[j] == group) count += part->cluster[j].count[t];
    return count;
}

typedef struct medians {
    int *of_label; /* [k][2] segment and cluster, as groups */
    int64_t *rank; /* [groups][d][2] */
    double *value; /* same */
} medians;

/* Local. */
static seg_status medians_init(medians *m, const segment_sums *sums, const segment_part *part,
                               const seg_segments *s)
{
    int groups = s->n_segments + s->n_clusters;
    int64_t cells = (int64_t)groups * part->d;

    SEG_TRY(seg_fault("medians_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(s->n_clusters, 2 * sizeof *m->of_label, &m->of_label));
    SEG_TRY(seg_alloc(cells, 2 * sizeof *m->rank, &m->rank));
    SEG_TRY(seg_alloc(cells, 2 * sizeof *m->value, &m->value));
    for (int j = 0; j < s->n_clusters; j++) {
        m->of_label[2 * j] = s->cluster_to_segment[j];
        m->of_label[2 * j + 1] = s->n_segments + j;
    }
    for (int64_t cell = 0; cell < cells; cell++) {
        int64_t count = count_of(sums, part, s, (int)(cell / part->d), (int)(cell % part->d));
        m->rank[2 * cell] = count > 0 ? (count - 1) / 2 : -1;
        m->rank[2 * cell + 1] = count > 0 ? count / 2 : -1;
    }
    return SEG_OK;
}

static seg_status medians_of_part(seg_comm *comm, const seg_segments_input *in,
                                  const segment_sums *sums, const segment_part *part,
                                  seg_segments *s)
{
    seg_status status = SEG_OK;
    medians m = { 0 };
    int n = s->n_segments + s->n_clusters;

    SEG_TRY_OR_DONE(seg_agree(comm, medians_init(&m, sums, part, s)));
    const seg_groups groups = { .n = n,
                                .n_labels = s->n_clusters,
                                .label = in->kmeans->label,
                                .n_of_label = 2,
                                .of_label = m.of_label };
    SEG_TRY_OR_DONE(seg_group_order_statistics(comm, part->table, &groups, 2, m.rank, m.value));
    for (int group = 0; group < n; group++)
        for (int t = 0; t < part->d; t++) {
            const double *middle = &m.value[2 * ((int64_t)group * part->d + t)];
            s->median[group * s->d + part->offset + t] =
                seg_quantile_between(middle[0], middle[1], 0.5);
        }
done:
    seg_free(m.of_label);
    seg_free(m.rank);
    seg_free(m.value);
    return status;
}

seg_status segment_medians(seg_comm *comm, const seg_segments_input *in, const segment_sums *sums,
                           seg_segments *segments)
{
    for (int p = 0; p < sums->n_parts; p++)
        SEG_TRY(medians_of_part(comm, in, sums, &sums->part[p], segments));
    return SEG_OK;
}
