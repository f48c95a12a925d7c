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
        SEG_TRY(seg_moments_init(&part->all, part->d, NULL));
        SEG_TRY(seg_alloc(part->d, sizeof *part->fill, &part->fill));
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
        double deviation = sqrt(seg_moments_variance(&part->all, t));
        mean[part->offset + t] = seg_moments_mean(m, t);
        seg_moments_fill(m, t, part->fill[t]);
        double difference = seg_moments_mean(m, t) - seg_moments_mean(&part->all, t);
        z[part->offset + t] = deviation > 0 ? difference / deviation : 0;
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
            status = seg_moments_init(&m, sums->part[p].d, NULL);
            if (status == SEG_OK)
                profile_group(sums, &sums->part[p], group_of, group, &m, &mean[group * d],
                              &z[group * d]);
            seg_moments_release(&m);
        }
    return status;
}
