/* elbow.h5, and group elbow/ of a model: figures of every k, its centers, and the choice. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model_internal.h"
#include "segmpi/memory.h"
#include "segmpi/timer.h"

const char *const seg_index_names[SEG_N_INDICES] = { "inertia",
                                                     "variance_explained",
                                                     "silhouette",
                                                     "silhouette_simplified",
                                                     "davies_bouldin",
                                                     "calinski_harabasz",
                                                     "smallest_share",
                                                     "restart_agreement",
                                                     "gap",
                                                     "gap_error",
                                                     "least_stability" };

const char *const seg_index_long_names[SEG_N_INDICES] = {
    "sum of squared distances of clients to their centers",
    "share of the sum of squares that lies between clusters",
    "mean silhouette by distances between clients",
    "mean silhouette by distances to centers",
    "Davies-Bouldin index, low is good",
    "Calinski-Harabasz index, high is good",
    "share of clients in the smallest cluster",
    "mean adjusted Rand index of the other restarts with the best one",
    "gap statistic",
    "standard error of the gap statistic",
    "mean Jaccard index of the least stable cluster under bootstrap",
};

static const char *const reason_names[] = { "alike", "only", "silhouette", "knee", "highest" };
static const char *const gap_names[] = { "pca", "columns" };

#define N_REASONS 5

typedef char path_text[128];

static const char *path_of(const char *group, const char *name, path_text path)
{
    (void)snprintf(path, sizeof(path_text), "%s%s%s", group, *group ? "/" : "", name);
    return path;
}

bool seg_elbow_has(const seg_elbow *elbow, int index)
{
    if (index == SEG_INDEX_GAP || index == SEG_INDEX_GAP_ERROR) return elbow->n_references > 0;
    return index != SEG_INDEX_LEAST_STABILITY || elbow->n_bootstraps > 0;
}

/* ---- one number for each k, gathered from the fits ---- */

#define N_COUNTS 5

static const char *const count_names[N_COUNTS] = { "n_clusters_found", "n_iter", "n_swap_rounds",
                                                   "n_swaps", "converged" };

/* counts [N_COUNTS][n_k] */
static void gather_counts(const seg_sweep *sweep, int32_t *counts)
{
    for (int i = 0; i < sweep->n_k; i++) {
        const seg_sweep_fit *fit = &sweep->fit[i];
        const int all[N_COUNTS] = { fit->n_clusters, fit->n_iter, fit->n_swap_rounds, fit->n_swaps,
                                    fit->converged };
        for (int c = 0; c < N_COUNTS; c++)
            counts[c * sweep->n_k + i] = all[c];
    }
}

static void spread_counts(seg_sweep *sweep, const int32_t *counts)
{
    int n = sweep->n_k;

    for (int i = 0; i < n; i++) {
        seg_sweep_fit *fit = &sweep->fit[i];
        fit->n_clusters = counts[i];
        fit->n_iter = counts[n + i];
        fit->n_swap_rounds = counts[2 * n + i];
        fit->n_swaps = counts[3 * n + i];
        fit->converged = counts[4 * n + i] != 0;
    }
}

/* ---- writing ---- */

/* Local.  Dimensions: n_clusters with its values, cluster, restart. */
static seg_status write_dims(const seg_elbow *elbow, const char *group, seg_output *out)
{
    seg_status status = SEG_OK;
    int n_k = elbow->sweep.n_k, longest = n_k > elbow->k_max ? n_k : elbow->k_max;
    int32_t *number = NULL;
    path_text path;

    SEG_TRY_OR_DONE(seg_alloc(longest, sizeof *number, &number));
    for (int i = 0; i < n_k; i++)
        number[i] = elbow->sweep.fit[i].k;
    SEG_TRY_OR_DONE(
        seg_output_coordinates(out, path_of(group, "n_clusters", path), SEG_INT32, n_k, number));
    for (int j = 0; j < elbow->k_max; j++)
        number[j] = j;
    SEG_TRY_OR_DONE(seg_output_coordinates(out, path_of(group, "cluster", path), SEG_INT32,
                                           elbow->k_max, number));
    SEG_TRY_OR_DONE(seg_output_dim(out, path_of(group, "restart", path), elbow->sweep.n_init));
done:
    seg_free(number);
    return status;
}

static seg_status write_indices(const seg_elbow *elbow, const char *group, seg_output *out)
{
    path_text path;

    for (int i = 0; i < SEG_N_INDICES; i++) {
        if (!seg_elbow_has(elbow, i)) continue;
        (void)path_of(group, seg_index_names[i], path);
        SEG_TRY(seg_output_array(out, path, SEG_FLOAT64, "n_clusters", elbow->index[i]));
        SEG_TRY(seg_output_attr_text(out, path, "long_name", seg_index_long_names[i]));
    }
    SEG_TRY(seg_output_array(out, path_of(group, "silhouette_clients", path), SEG_INT64,
                             "n_clusters", elbow->silhouette_clients));
    SEG_TRY(seg_output_attr_text(out, path, "long_name", "clients that the silhouette looked at"));
    SEG_TRY(seg_output_attr_text(out, path_of(group, "silhouette", path), "method",
                                 elbow->n <= SEG_SILHOUETTE_ROWS
                                     ? "all pairs of clients"
                                     : "all pairs of a stratified sample of clients"));
    return elbow->n_bootstraps > 0
               ? seg_output_array(out, path_of(group, "stability", path), SEG_FLOAT64,
                                  "n_clusters,cluster", elbow->stability)
               : SEG_OK;
}

static seg_status write_counts(const seg_elbow *elbow, const char *group, seg_output *out)
{
    seg_status status = SEG_OK;
    int n_k = elbow->sweep.n_k;
    int32_t *counts = NULL;
    path_text path;

    SEG_TRY_OR_DONE(seg_alloc(N_COUNTS * n_k, sizeof *counts, &counts));
    gather_counts(&elbow->sweep, counts);
    for (int c = 0; c < N_COUNTS; c++)
        SEG_TRY_OR_DONE(seg_output_array(out, path_of(group, count_names[c], path), SEG_INT32,
                                         "n_clusters", counts + (int64_t)c * n_k));
done:
    seg_free(counts);
    return status;
}

/* Ragged arrays, filled up: sizes with 0, centers with NaN. */
static seg_status write_clusters(const seg_elbow *elbow, const seg_prep *prep, const char *group,
                                 seg_output *out)
{
    seg_status status = SEG_OK;
    const seg_sweep *sweep = &elbow->sweep;
    int64_t n_k = sweep->n_k, k_max = elbow->k_max, d = sweep->d, cells = k_max * d;
    double *center = NULL, *original = NULL, *restart = NULL;
    const char *dims = prep ? "n_clusters,cluster,feature" : "n_clusters,cluster,code";
    int64_t *size = NULL;
    path_text path;

    SEG_TRY_OR_DONE(seg_alloc(n_k * cells, sizeof *center, &center));
    SEG_TRY_OR_DONE(seg_alloc(n_k * cells, sizeof *original, &original));
    SEG_TRY_OR_DONE(seg_alloc(n_k * sweep->n_init, sizeof *restart, &restart));
    SEG_TRY_OR_DONE(seg_alloc(n_k * k_max, sizeof *size, &size));
    for (int64_t i = 0; i < n_k * cells; i++)
        center[i] = original[i] = NAN;
    for (int64_t i = 0; i < n_k; i++) {
        const seg_sweep_fit *fit = &sweep->fit[i];
        size_t k = (size_t)fit->n_clusters;
        memcpy(center + i * cells, fit->cluster_centers, k * (size_t)d * sizeof *center);
        if (prep)
            seg_prep_invert(prep, fit->n_clusters, fit->cluster_centers, original + i * cells);
        memcpy(size + i * k_max, fit->cluster_size, k * sizeof *size);
        memcpy(restart + i * sweep->n_init, fit->restart_inertia,
               (size_t)sweep->n_init * sizeof *restart);
    }
    SEG_TRY_OR_DONE(seg_output_array(out, path_of(group, "cluster_size", path), SEG_INT64,
                                     "n_clusters,cluster", size));
    SEG_TRY_OR_DONE(
        seg_output_array(out, path_of(group, "cluster_centers", path), SEG_FLOAT64, dims, center));
    if (prep)
        SEG_TRY_OR_DONE(seg_output_array(out, path_of(group, "cluster_centers_original", path),
                                         SEG_FLOAT64, dims, original));
    SEG_TRY_OR_DONE(seg_output_array(out, path_of(group, "restart_inertia", path), SEG_FLOAT64,
                                     "n_clusters,restart", restart));
done:
    seg_free(center);
    seg_free(original);
    seg_free(restart);
    seg_free(size);
    return status;
}

static seg_status write_choice(const seg_elbow *elbow, const char *group, seg_output *out)
{
    const seg_elbow_choice *choice = &elbow->choice;
    const struct {
        const char *name;
        int value;
    } numbers[] = {
        { "recommended", choice->recommended },
        { "knee", choice->knee },
        { "knee_from", choice->knee_from },
        { "knee_to", choice->knee_to },
        { "best_silhouette", choice->silhouette },
        { "best_davies_bouldin", choice->davies_bouldin },
        { "best_calinski_harabasz", choice->calinski_harabasz },
        { "best_gap", choice->gap },
        { "most_stable", choice->stable },
        { "n_references", elbow->n_references },
        { "n_bootstraps", elbow->n_bootstraps },
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        SEG_TRY(seg_output_attr_int(out, group, numbers[i].name, numbers[i].value));
    SEG_TRY(seg_output_attr_int(out, group, "n_clients", elbow->n));
    SEG_TRY(seg_output_attr_double(out, group, "total_inertia", elbow->sweep.total_inertia));
    SEG_TRY(seg_output_attr_text(out, group, "gap_reference", gap_names[elbow->gap_kind]));
    return seg_output_attr_text(out, group, "recommended_by", reason_names[choice->reason]);
}

seg_status seg_elbow_write_group(const seg_elbow *elbow, const seg_prep *prep, const char *group,
                                 seg_output *out)
{
    SEG_TRY(seg_fault("elbow_write", SEG_ERR_IO));
    SEG_TRY(write_dims(elbow, group, out));
    SEG_TRY(write_indices(elbow, group, out));
    SEG_TRY(write_counts(elbow, group, out));
    SEG_TRY(write_clusters(elbow, prep, group, out));
    return write_choice(elbow, group, out);
}

/* Rank 0. */
static seg_status write_file(const seg_model *model, const seg_provenance *provenance,
                             seg_output *out)
{
    const seg_prep *prep = &model->prep;
    bool embedded = model->embedding.opts.method != SEG_EMBED_NONE;

    SEG_TRY(seg_output_names(out, "feature", prep->d, (const char *const *)prep->names));
    if (embedded) SEG_TRY(seg_output_dim(out, "code", model->embedding.d_out));
    SEG_TRY(seg_prep_write(prep, out));
    SEG_TRY(seg_embedding_write(&model->embedding, out));
    SEG_TRY(seg_elbow_write_group(&model->elbow, embedded ? NULL : prep, "", out));
    return seg_provenance_write(provenance, out);
}

seg_status seg_elbow_write(seg_comm *comm, const seg_model *model, const seg_provenance *provenance,
                           seg_output *out)
{
    seg_status local = SEG_OK;

    seg_phase_begin("write");
    if (seg_comm_rank(comm) == 0) local = write_file(model, provenance, out);
    SEG_TRY(seg_output_commit(comm, out, local));
    seg_phase_end();
    return SEG_OK;
}

/* ---- reading ---- */

/* Local.  The range of k and the shapes of the file, and memory for them. */
static seg_status make(seg_input *in, const char *group, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    seg_shape centers, restarts;
    int32_t *k = NULL;
    path_text path;

    SEG_TRY_OR_DONE(seg_input_shape(in, path_of(group, "cluster_centers", path), &centers));
    SEG_TRY_OR_DONE(seg_input_shape(in, path_of(group, "restart_inertia", path), &restarts));
    bool good = centers.rank == 3 && restarts.rank == 2 && restarts.dim[0] == centers.dim[0] &&
                centers.dim[0] >= 1 && centers.dim[0] <= centers.dim[1] &&
                centers.dim[1] <= SEG_CENTERS_MAX && centers.dim[2] >= 1 &&
                centers.dim[2] <= INT_MAX && restarts.dim[1] >= 1 && restarts.dim[1] <= INT_MAX;
    if (good) {
        elbow->k_max = (int)centers.dim[1];
        elbow->k_min = (int)(centers.dim[1] - centers.dim[0] + 1);
        SEG_TRY_OR_DONE(seg_alloc(centers.dim[0], sizeof *k, &k));
        SEG_TRY_OR_DONE(seg_input_array(in, path_of(group, "n_clusters", path), SEG_INT32,
                                        centers.dim[0], 0, k));
        for (int64_t i = 0; i < centers.dim[0]; i++)
            good = good && k[i] == elbow->k_min + i;
    }
    if (!good) {
        status = SEG_FAIL(SEG_ERR_DATA, "the sweep over k has arrays of the wrong shape");
        goto done;
    }
    SEG_TRY_OR_DONE(seg_sweep_init(&elbow->sweep, elbow->k_min, elbow->k_max, (int)centers.dim[2],
                                   (int)restarts.dim[1]));
    SEG_TRY_OR_DONE(model_elbow_alloc(elbow));
done:
    seg_free(k);
    return status;
}

/* Which parts there are. */
static seg_status read_parts(seg_input *in, const char *group, seg_elbow *elbow)
{
    int64_t n_references, n_bootstraps;
    char kind[16];

    SEG_TRY(seg_input_attr_int(in, group, "n_clients", &elbow->n));
    SEG_TRY(seg_input_attr_int(in, group, "n_references", &n_references));
    SEG_TRY(seg_input_attr_int(in, group, "n_bootstraps", &n_bootstraps));
    SEG_TRY(seg_input_attr_text(in, group, "gap_reference", kind, sizeof kind));
    elbow->n_references = (int)n_references;
    elbow->n_bootstraps = (int)n_bootstraps;
    elbow->gap_kind = strcmp(kind, gap_names[SEG_GAP_PCA]) == 0 ? SEG_GAP_PCA : SEG_GAP_COLUMNS;
    return SEG_OK;
}

static seg_status read_figures(seg_input *in, const char *group, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    int n_k = elbow->sweep.n_k;
    int32_t *counts = NULL;
    path_text path;

    SEG_TRY(seg_input_attr_double(in, group, "total_inertia", &elbow->sweep.total_inertia));
    for (int i = 0; i < SEG_N_INDICES; i++)
        if (seg_elbow_has(elbow, i))
            SEG_TRY_OR_DONE(seg_input_array(in, path_of(group, seg_index_names[i], path),
                                            SEG_FLOAT64, n_k, 0, elbow->index[i]));
    SEG_TRY_OR_DONE(seg_input_array(in, path_of(group, "silhouette_clients", path), SEG_INT64, n_k,
                                    0, elbow->silhouette_clients));
    if (elbow->n_bootstraps > 0)
        SEG_TRY_OR_DONE(seg_input_array(in, path_of(group, "stability", path), SEG_FLOAT64, n_k,
                                        elbow->k_max, elbow->stability));
    SEG_TRY_OR_DONE(seg_alloc(N_COUNTS * n_k, sizeof *counts, &counts));
    for (int c = 0; c < N_COUNTS; c++)
        SEG_TRY_OR_DONE(seg_input_array(in, path_of(group, count_names[c], path), SEG_INT32, n_k, 0,
                                        counts + (int64_t)c * n_k));
    spread_counts(&elbow->sweep, counts);
    for (int i = 0; i < n_k; i++)
        if (elbow->sweep.fit[i].n_clusters < 1 ||
            elbow->sweep.fit[i].n_clusters > elbow->sweep.fit[i].k)
            status = SEG_FAIL(SEG_ERR_DATA, "a fit of the sweep has %d clusters out of %d",
                              elbow->sweep.fit[i].n_clusters, elbow->sweep.fit[i].k);
done:
    seg_free(counts);
    return status;
}

static seg_status read_clusters(seg_input *in, const char *group, seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    seg_sweep *sweep = &elbow->sweep;
    int64_t k_max = elbow->k_max, d = sweep->d, *size = NULL;
    double *center = NULL;
    path_text path;

    SEG_TRY_OR_DONE(seg_alloc(k_max * d, sizeof *center, &center));
    SEG_TRY_OR_DONE(seg_alloc(sweep->n_k * k_max, sizeof *size, &size));
    SEG_TRY_OR_DONE(seg_input_array(in, path_of(group, "cluster_size", path), SEG_INT64, sweep->n_k,
                                    k_max, size));
    for (int i = 0; i < sweep->n_k; i++) {
        seg_sweep_fit *fit = &sweep->fit[i];
        size_t k = (size_t)fit->n_clusters;
        SEG_TRY_OR_DONE(
            seg_input_read(in, path_of(group, "cluster_centers", path), SEG_FLOAT64, i, 1, center));
        SEG_TRY_OR_DONE(seg_input_read(in, path_of(group, "restart_inertia", path), SEG_FLOAT64, i,
                                       1, fit->restart_inertia));
        memcpy(fit->cluster_centers, center, k * (size_t)d * sizeof *center);
        memcpy(fit->cluster_size, size + i * k_max, k * sizeof *size);
        fit->inertia = elbow->index[SEG_INDEX_INERTIA][i];
        fit->restart_agreement = elbow->index[SEG_INDEX_RESTART_AGREEMENT][i];
    }
done:
    seg_free(center);
    seg_free(size);
    return status;
}

seg_status seg_elbow_read_group(seg_input *in, const char *group, seg_elbow *elbow)
{
    seg_status status = SEG_OK;

    *elbow = (seg_elbow) { 0 };
    SEG_TRY_OR_DONE(read_parts(in, group, elbow));
    SEG_TRY_OR_DONE(make(in, group, elbow));
    SEG_TRY_OR_DONE(read_figures(in, group, elbow));
    SEG_TRY_OR_DONE(read_clusters(in, group, elbow));
    elbow->choice = seg_elbow_choose(elbow);
done:
    if (status != SEG_OK) seg_elbow_release(elbow);
    return status;
}

seg_status seg_elbow_read(seg_input *in, seg_model *model)
{
    seg_status status = SEG_OK;
    const seg_embedding *e = &model->embedding;

    *model = (seg_model) { 0 };
    SEG_TRY_OR_DONE(seg_input_expect(in, "elbow"));
    SEG_TRY_OR_DONE(seg_prep_read(in, &model->prep));
    SEG_TRY_OR_DONE(seg_embedding_read(in, &model->embedding));
    SEG_TRY_OR_DONE(seg_elbow_read_group(in, "", &model->elbow));
    bool embedded = e->opts.method != SEG_EMBED_NONE;
    if (model->elbow.sweep.d != (embedded ? e->d_out : model->prep.d) ||
        (embedded && e->d_in != model->prep.d))
        status =
            SEG_FAIL(SEG_ERR_DATA, "the stages of '%s' do not fit together", seg_input_path(in));
done:
    if (status != SEG_OK) seg_model_release(model);
    return status;
}

/* True if two preparations have learned the same of the same columns. */
static bool is_same(const seg_prep *a, const seg_prep *b)
{
    if (a->d != b->d || a->n != b->n) return false;
    size_t doubles = (size_t)a->d * sizeof(double), ints = (size_t)a->d * sizeof(int);
    for (int t = 0; t < a->d; t++)
        if (strcmp(a->names[t], b->names[t]) != 0) return false;
    return memcmp(a->fill_value, b->fill_value, doubles) == 0 &&
           memcmp(a->lower_bound, b->lower_bound, doubles) == 0 &&
           memcmp(a->upper_bound, b->upper_bound, doubles) == 0 &&
           memcmp(a->mean, b->mean, doubles) == 0 && memcmp(a->scale, b->scale, doubles) == 0 &&
           memcmp(a->transform, b->transform, ints) == 0 && memcmp(a->grid, b->grid, ints) == 0;
}

static seg_status expect_same(const seg_model *model, const seg_model *swept)
{
    if (!is_same(&model->prep, &swept->prep))
        return SEG_FAIL(SEG_ERR_DATA,
                        "the sweep was made from another table, or with other options of "
                        "preparation; run elbow again");
    if (!seg_embedding_same(&model->embedding, &swept->embedding))
        return SEG_FAIL(SEG_ERR_DATA,
                        "the sweep was made on another embedding; run elbow again with the options "
                        "--embed, --ae-... and --seed of this fit");
    return SEG_OK;
}

seg_status seg_elbow_load(const char *path, seg_model *model)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;
    seg_model swept = { 0 };

    SEG_TRY_OR_DONE(seg_fault("elbow_read", SEG_ERR_IO));
    SEG_TRY_OR_DONE(seg_input_open(path, &in));
    SEG_TRY_OR_DONE(seg_elbow_read(in, &swept));
    SEG_TRY_OR_DONE(expect_same(model, &swept));
    model->elbow = swept.elbow;
    swept.elbow = (seg_elbow) { 0 };
done:
    if (status != SEG_OK) seg_error_while("reading the sweep over k from '%s'", path);
    seg_model_release(&swept);
    seg_input_close(in);
    return status;
}
