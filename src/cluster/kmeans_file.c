/* Group kmeans/ of a model: centers in scaled units, sizes, costs.  The model adds original units
 * and the labels. */
#include <limits.h>
#include <stdio.h>

#include "cluster_internal.h"

static seg_status write_figures(const seg_kmeans *kmeans, seg_output *out)
{
    SEG_TRY(seg_output_array(out, "kmeans/inertia", SEG_FLOAT64, "", &kmeans->inertia));
    SEG_TRY(seg_output_attr_text(out, "kmeans/inertia", "long_name",
                                 "sum of squared distances of clients to their centers"));
    SEG_TRY(seg_output_array(out, "kmeans/n_iter", SEG_INT32, "", &kmeans->n_iter));
    SEG_TRY(seg_output_attr_double(out, "kmeans", "total_inertia", kmeans->total_inertia));
    SEG_TRY(seg_output_attr_double(out, "kmeans", "total_squares", kmeans->total_squares));
    SEG_TRY(seg_output_attr_int(out, "kmeans", "n_swap_rounds", kmeans->n_swap_rounds));
    SEG_TRY(seg_output_attr_int(out, "kmeans", "n_swaps", kmeans->n_swaps));
    SEG_TRY(seg_output_attr_int(out, "kmeans", "n_redone", kmeans->n_redone));
    return seg_output_attr_int(out, "kmeans", "converged", kmeans->converged);
}

seg_status seg_kmeans_write(const seg_kmeans *kmeans, const char *columns, seg_output *out)
{
    char dims[40];

    (void)snprintf(dims, sizeof dims, "cluster,%s", columns);
    SEG_TRY(seg_output_array(out, "kmeans/cluster_centers", SEG_FLOAT64, dims,
                             kmeans->cluster_centers));
    SEG_TRY(seg_output_attr_text(out, "kmeans/cluster_centers", "long_name",
                                 "cluster centers in scaled units"));
    SEG_TRY(
        seg_output_array(out, "kmeans/cluster_size", SEG_INT64, "cluster", kmeans->cluster_size));
    SEG_TRY(seg_output_dim(out, "kmeans/restart", kmeans->n_init));
    SEG_TRY(seg_output_array(out, "kmeans/restart_inertia", SEG_FLOAT64, "restart",
                             kmeans->restart_inertia));
    return write_figures(kmeans, out);
}

static seg_status read_number(seg_input *in, const char *path, seg_type type, void *value)
{
    seg_shape shape;

    SEG_TRY(seg_input_shape(in, path, &shape));
    if (shape.rank == 0) return seg_input_read(in, path, type, 0, 1, value);
    return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is not one number", path, seg_input_path(in));
}

static seg_status read_arrays(seg_input *in, seg_kmeans *kmeans)
{
    int64_t rounds, swaps, converged;
    int k = kmeans->n_clusters, d = kmeans->d;

    SEG_TRY(
        seg_input_array(in, "kmeans/cluster_centers", SEG_FLOAT64, k, d, kmeans->cluster_centers));
    SEG_TRY(seg_input_array(in, "kmeans/cluster_size", SEG_INT64, k, 0, kmeans->cluster_size));
    SEG_TRY(seg_input_array(in, "kmeans/restart_inertia", SEG_FLOAT64, kmeans->n_init, 0,
                            kmeans->restart_inertia));
    SEG_TRY(read_number(in, "kmeans/inertia", SEG_FLOAT64, &kmeans->inertia));
    SEG_TRY(read_number(in, "kmeans/n_iter", SEG_INT32, &kmeans->n_iter));
    SEG_TRY(seg_input_attr_double(in, "kmeans", "total_inertia", &kmeans->total_inertia));
    SEG_TRY(seg_input_attr_double(in, "kmeans", "total_squares", &kmeans->total_squares));
    SEG_TRY(seg_input_attr_int(in, "kmeans", "n_swap_rounds", &rounds));
    SEG_TRY(seg_input_attr_int(in, "kmeans", "n_swaps", &swaps));
    SEG_TRY(seg_input_attr_int(in, "kmeans", "n_redone", &kmeans->n_redone));
    SEG_TRY(seg_input_attr_int(in, "kmeans", "converged", &converged));
    kmeans->n_swap_rounds = (int)rounds;
    kmeans->n_swaps = (int)swaps;
    kmeans->converged = converged != 0;
    return SEG_OK;
}

seg_status seg_kmeans_read(seg_input *in, seg_kmeans *kmeans)
{
    seg_shape centers, restarts;

    *kmeans = (seg_kmeans) { 0 };
    SEG_TRY(seg_input_shape(in, "kmeans/cluster_centers", &centers));
    SEG_TRY(seg_input_shape(in, "kmeans/restart_inertia", &restarts));
    if (centers.rank != 2 || centers.dim[0] < 1 || centers.dim[0] > SEG_CENTERS_MAX ||
        centers.dim[1] < 1 || centers.dim[1] > INT_MAX || restarts.rank != 1 ||
        restarts.dim[0] > INT_MAX)
        return SEG_FAIL(SEG_ERR_DATA, "group 'kmeans' in '%s' has arrays of the wrong shape",
                        seg_input_path(in));

    seg_status status =
        kmeans_alloc(kmeans, (int)centers.dim[0], (int)centers.dim[1], (int)restarts.dim[0]);
    if (status == SEG_OK) status = read_arrays(in, kmeans);
    if (status != SEG_OK) seg_kmeans_release(kmeans);
    return status;
}
