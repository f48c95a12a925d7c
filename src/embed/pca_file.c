/* Principal components in a model file: group pca/, its dimension `component` and the root's
 * `feature`. */
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "embed_internal.h"

seg_status seg_pca_write(const seg_pca *pca, const char *columns, seg_output *out)
{
    char dims[40];

    (void)snprintf(dims, sizeof dims, "component,%s", columns);
    SEG_TRY(seg_output_dim(out, "pca/component", pca->n_components));
    SEG_TRY(seg_output_array(out, "pca/components", SEG_FLOAT64, dims, pca->components));
    SEG_TRY(seg_output_array(out, "pca/explained_variance", SEG_FLOAT64, "component",
                             pca->explained_variance));
    SEG_TRY(seg_output_array(out, "pca/explained_variance_ratio", SEG_FLOAT64, "component",
                             pca->explained_variance_ratio));
    SEG_TRY(seg_output_array(out, "pca/singular_values", SEG_FLOAT64, "component",
                             pca->singular_values));
    return seg_output_array(out, "pca/mean", SEG_FLOAT64, columns, pca->mean);
}

static seg_status read_arrays(seg_input *in, seg_pca *pca)
{
    int n = pca->n_components, d = pca->d;

    SEG_TRY(seg_input_array(in, "pca/components", SEG_FLOAT64, n, d, pca->components));
    SEG_TRY(
        seg_input_array(in, "pca/explained_variance", SEG_FLOAT64, n, 0, pca->explained_variance));
    SEG_TRY(seg_input_array(in, "pca/explained_variance_ratio", SEG_FLOAT64, n, 0,
                            pca->explained_variance_ratio));
    SEG_TRY(seg_input_array(in, "pca/singular_values", SEG_FLOAT64, n, 0, pca->singular_values));
    return seg_input_array(in, "pca/mean", SEG_FLOAT64, d, 0, pca->mean);
}

seg_status seg_pca_read(seg_input *in, seg_pca *pca)
{
    seg_shape shape;

    *pca = (seg_pca) { 0 };
    SEG_TRY(seg_input_shape(in, "pca/components", &shape));
    if (shape.rank != 2 || shape.dim[1] > INT_MAX || shape.dim[0] > shape.dim[1])
        return SEG_FAIL(SEG_ERR_DATA, "'pca/components' in '%s' has the wrong shape",
                        seg_input_path(in));
    SEG_TRY(seg_pca_init(pca, (int)shape.dim[1], (int)shape.dim[0]));

    seg_status status = read_arrays(in, pca);
    for (int64_t i = 0; status == SEG_OK && i < (int64_t)pca->n_components * pca->d; i++)
        if (!(fabs(pca->components[i]) < 1 + 1e-6)) /* NaN too */
            status = SEG_FAIL(SEG_ERR_DATA, "'pca/components' in '%s' are no unit vectors",
                              seg_input_path(in));
    if (status != SEG_OK) seg_pca_release(pca);
    return status;
}
