/* The choice of k from known figures; an elbow is the same on any number of ranks, and comes back
 * from its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "clients_fixture.h"
#include "segmpi/log.h"
#include "segmpi/model.h"
#include "segmpi/random.h"

#define D     3
#define N     2500
#define HEAPS 4
#define K_MAX 6

static seg_comm *comm;
static const seg_kernels *kernels;

/* ---- the choice ---- */

/* An elbow of n_k fits from k_min on with these figures and no others. */
typedef struct figures {
    seg_elbow elbow;
    seg_sweep_fit fit[10];
    double value[SEG_N_INDICES][10];
} figures;

static void set(figures *f, int k_min, int n_k, const double *inertia, const double *silhouette)
{
    memset(f, 0, sizeof *f);
    f->elbow.k_min = k_min;
    f->elbow.k_max = k_min + n_k - 1;
    f->elbow.sweep.fit = f->fit;
    f->elbow.sweep.n_k = n_k;
    f->elbow.sweep.total_inertia = 100;
    for (int index = 0; index < SEG_N_INDICES; index++) {
        f->elbow.index[index] = f->value[index];
        for (int i = 0; i < n_k; i++)
            f->value[index][i] = NAN;
    }
    for (int i = 0; i < n_k; i++) {
        f->fit[i].k = f->fit[i].n_clusters = k_min + i;
        f->value[SEG_INDEX_INERTIA][i] = inertia[i];
        f->value[SEG_INDEX_SILHOUETTE][i] = silhouette[i];
        f->value[SEG_INDEX_SMALLEST_SHARE][i] = 0.1;
    }
}

static const double curve[] = { 100, 80, 61, 43, 35, 31, 28, 26 };
static const double flat[] = { NAN, 0.2, 0.3, 0.25, 0.2, 0.2, 0.2, 0.2 };

static void the_knee_is_farthest_below_the_chord(void **state)
{
    (void)state;
    figures f;

    set(&f, 1, 8, curve, flat); /* the chord falls by 74 / 7 a step: 43 is 25.3 below it */
    seg_elbow_choice choice = seg_elbow_choose(&f.elbow);
    assert_true(choice.knee == 4 && choice.knee_from == 1 && choice.knee_to == 8);
    assert_true(choice.recommended == 4 && choice.reason == SEG_CHOICE_KNEE);
    assert_true(choice.silhouette == 3 && choice.davies_bouldin == 0 && choice.gap == 0);

    set(&f, 3, 4, curve + 2, flat + 2); /* from 3 to 6 the same curve bends at 4 too, to 5 at 4 */
    assert_int_equal(seg_elbow_choose(&f.elbow).knee, 4);
}

static void a_straight_curve_has_no_knee(void **state)
{
    (void)state;
    const double straight[] = { 100, 80, 60, 40 }, bulging[] = { 100, 95, 85, 40 };
    figures f;

    set(&f, 1, 4, straight, flat);
    seg_elbow_choice choice = seg_elbow_choose(&f.elbow);
    assert_true(choice.knee == 0 && choice.recommended == 3);
    assert_int_equal(choice.reason, SEG_CHOICE_HIGHEST);
    set(&f, 1, 4, bulging, flat);
    assert_int_equal(seg_elbow_choose(&f.elbow).knee, 0);
    set(&f, 7, 1, curve, flat + 4);
    choice = seg_elbow_choose(&f.elbow);
    assert_true(choice.recommended == 7 && choice.reason == SEG_CHOICE_ONLY);
}

static void clusters_that_stand_apart_are_preferred(void **state)
{
    (void)state;
    const double high[] = { NAN, 0.9, 0.3, 0.25, 0.2, 0.55, 0.6, 0.2 };
    figures f;

    set(&f, 1, 8, curve, high);
    assert_int_equal(seg_elbow_choose(&f.elbow).recommended, 2);
    assert_int_equal(seg_elbow_choose(&f.elbow).reason, SEG_CHOICE_SILHOUETTE);
    f.value[SEG_INDEX_SMALLEST_SHARE][1] = 0.009; /* a handful of outliers stands apart */
    assert_int_equal(seg_elbow_choose(&f.elbow).recommended, 7);
    assert_int_equal(seg_elbow_choose(&f.elbow).silhouette, 2);
    for (int i = 0; i < 8; i++)
        f.value[SEG_INDEX_SMALLEST_SHARE][i] = 0.009;
    assert_int_equal(seg_elbow_choose(&f.elbow).reason, SEG_CHOICE_KNEE);
}

static void fits_with_fewer_clusters_do_not_count(void **state)
{
    (void)state;
    const double high[] = { NAN, 0.2, 0.7, 0.9, 1, 1, 1, 1 };
    figures f;

    set(&f, 1, 8, curve, high);
    for (int i = 5; i < 8; i++)
        f.fit[i].n_clusters = 5;
    seg_elbow_choice choice = seg_elbow_choose(&f.elbow);
    assert_true(choice.recommended == 5 && choice.silhouette == 5 && choice.knee_to == 5);

    f.elbow.sweep.total_inertia = 0;
    for (int i = 0; i < 8; i++)
        f.fit[i].n_clusters = 1;
    choice = seg_elbow_choose(&f.elbow);
    assert_true(choice.recommended == 1 && choice.reason == SEG_CHOICE_ALIKE);
}

static void every_index_names_its_best(void **state)
{
    (void)state;
    const double davies[] = { NAN, 1.5, 0.7, 0.9, 1, 1, 1, 1 };
    const double calinski[] = { NAN, 10, 70, 90, 91, 1, 91, 1 };
    const double gap[] = { 1, 2, 3, 3.5, 3.6, 3.5, 3.9, 4 };
    const double error[] = { 0.1, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1 };
    const double stability[] = { 1, 0.9, 0.7, 0.8, 0.6, 0.74, 0.1, NAN };
    figures f;

    set(&f, 1, 8, curve, flat);
    memcpy(f.value[SEG_INDEX_DAVIES_BOULDIN], davies, sizeof davies);
    memcpy(f.value[SEG_INDEX_CALINSKI_HARABASZ], calinski, sizeof calinski);
    memcpy(f.value[SEG_INDEX_GAP], gap, sizeof gap);
    memcpy(f.value[SEG_INDEX_GAP_ERROR], error, sizeof error);
    memcpy(f.value[SEG_INDEX_LEAST_STABILITY], stability, sizeof stability);
    seg_elbow_choice choice = seg_elbow_choose(&f.elbow);
    assert_int_equal(choice.davies_bouldin, 3);
    assert_int_equal(choice.calinski_harabasz, 5); /* the first of equals */
    assert_int_equal(choice.gap, 4);               /* 3.5 >= 3.6 - 0.2 */
    assert_int_equal(choice.stable, 4);
}

/* ---- a run ---- */

static double cell(int64_t row, int column)
{
    const seg_random key = { .seed = 4, .purpose = SEG_RANDOM_TEST };

    return seg_random_normal(key, row, (uint64_t)column) + 9 * (double)(row % HEAPS >> column & 1);
}

static const char *const names[D] = { "a", "b", "c" };

static seg_fit_opts opts_of(seg_embed_method method)
{
    seg_fit_opts opts = { .prep = seg_prep_defaults(),
                          .embed = { .method = method, .components = 2 } };

    opts.elbow =
        (seg_elbow_opts) { .sweep = { .k_min = 1, .k_max = K_MAX, .kmeans = seg_kmeans_defaults() },
                           .n_references = 3,
                           .n_bootstraps = 4 };

    opts.elbow.sweep.kmeans.n_init = 3;
    return opts;
}

static void run(seg_comm *c, const char *path, seg_embed_method method, seg_model *model)
{
    const seg_table_opts all = { 0 };
    const seg_fit_opts opts = opts_of(method);
    seg_table *table;

    assert_int_equal(seg_table_open(c, path, &all, &table), SEG_OK);
    assert_int_equal(seg_model_sweep(c, kernels, table, &opts, model), SEG_OK);
    seg_table_free(table);
}

static void assert_same(const seg_elbow *a, const seg_elbow *b)
{
    assert_memory_equal(&a->choice, &b->choice, sizeof a->choice);
    assert_true(a->n == b->n && a->k_min == b->k_min && a->k_max == b->k_max);
    assert_true(a->n_references == b->n_references && a->gap_kind == b->gap_kind);
    assert_memory_equal(a->index[0], b->index[0], SEG_N_INDICES * K_MAX * sizeof(double));
    assert_memory_equal(a->silhouette_clients, b->silhouette_clients, K_MAX * sizeof(int64_t));
    assert_memory_equal(a->stability, b->stability, (size_t)K_MAX * K_MAX * sizeof(double));
    assert_true(fabs(a->sweep.total_inertia - b->sweep.total_inertia) <= 0);
    for (int i = 0; i < K_MAX; i++) {
        const seg_sweep_fit *x = &a->sweep.fit[i], *y = &b->sweep.fit[i];
        size_t k = (size_t)x->n_clusters;
        assert_true(x->k == y->k && x->n_clusters == y->n_clusters && x->n_iter == y->n_iter);
        assert_true(x->n_swaps == y->n_swaps && x->converged == y->converged);
        assert_memory_equal(x->cluster_centers, y->cluster_centers,
                            k * (size_t)a->sweep.d * sizeof(double));
        assert_memory_equal(x->cluster_size, y->cluster_size, k * sizeof(int64_t));
        assert_memory_equal(x->restart_inertia, y->restart_inertia, 3 * sizeof(double));
    }
}

static void ranks_change_nothing_and_the_heaps_are_found(void **state)
{
    (void)state;
    char path[100];
    seg_model model, alone;
    const seg_elbow *elbow = &model.elbow;

    fixture_path(comm, path, sizeof path);
    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    run(comm, path, SEG_EMBED_NONE, &model);
    run(seg_comm_self(comm), path, SEG_EMBED_NONE, &alone);
    assert_same(elbow, &alone.elbow);
    assert_int_equal(elbow->choice.recommended, HEAPS);
    assert_int_equal(elbow->choice.stable, HEAPS);
    assert_true(elbow->index[SEG_INDEX_GAP][HEAPS - 1] > elbow->index[SEG_INDEX_GAP][0]);
    assert_true(elbow->stability[(HEAPS - 1) * K_MAX] > 0.99);
    assert_true(isnan(elbow->stability[(HEAPS - 1) * K_MAX + HEAPS]));
    seg_model_release(&model);
    seg_model_release(&alone);
    fixture_remove(comm, path);
}

static seg_status keep_nothing(seg_comm *of, const seg_keeper *keeper, const char *part, int n,
                               const seg_field *fields, int64_t asked)
{
    (void)of, (void)keeper, (void)part, (void)n, (void)fields, (void)asked;
    return SEG_OK;
}

/* A state of the part that the keeper's stage names, with a count outside of the storage. */
static seg_status restore_badly(seg_comm *of, const seg_keeper *keeper, const char *part, int n,
                                const seg_field *fields, bool *found)
{
    (void)of, (void)n;
    *found = strcmp(part, keeper->stage) == 0;
    if (*found) memcpy(fields[0].data, keeper->context, sizeof(int64_t));
    return SEG_OK;
}

static void states_that_were_tampered_with_are_refused(void **state)
{
    (void)state;
    static const char *const parts[] = { "gap", "stability" };
    const seg_table_opts all = { 0 };
    int64_t count[] = { -1, 1000 };
    char path[100];

    fixture_path(comm, path, sizeof path);
    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    for (int i = 0; i < 4; i++) {
        const seg_keeper keeper = { keep_nothing, restore_badly, &count[i / 2], parts[i % 2] };
        seg_fit_opts opts = opts_of(SEG_EMBED_NONE);
        seg_model model;
        seg_table *table;
        opts.elbow.sweep.kmeans.keeper = &keeper;
        assert_int_equal(seg_table_open(comm, path, &all, &table), SEG_OK);
        assert_int_equal(seg_model_sweep(comm, kernels, table, &opts, &model), SEG_ERR_DATA);
        seg_error_clear();
        seg_table_free(table);
    }
    fixture_remove(comm, path);
}

/* The elbow of `file` into a copy of `model` that has none. */
static seg_status load(const char *file, const seg_model *model, seg_elbow *elbow)
{
    seg_model other = *model;

    other.elbow = (seg_elbow) { 0 };
    seg_status status = seg_elbow_load(file, &other);
    *elbow = other.elbow;
    return status;
}

static void write_and_read(seg_embed_method method)
{
    const seg_provenance provenance = { .command = "elbow", .options = "{}" };
    char path[100], file[100];
    seg_output *out;
    seg_input *in;
    seg_model model, read;
    seg_elbow elbow;

    fixture_path(comm, path, sizeof path);
    fixture_path(comm, file, sizeof file);
    assert_int_equal(fixture_clients(comm, path, N, D, names, cell), SEG_OK);
    run(comm, path, method, &model);
    assert_int_equal(model.elbow.sweep.d, method == SEG_EMBED_NONE ? D : 2);
    assert_int_equal(seg_output_open(comm, file, "elbow", true, &out), SEG_OK);
    assert_int_equal(seg_elbow_write(comm, &model, &provenance, out), SEG_OK);
    seg_output_free(out);

    assert_int_equal(seg_input_open(file, &in), SEG_OK);
    assert_int_equal(seg_elbow_read(in, &read), SEG_OK);
    assert_same(&model.elbow, &read.elbow);
    assert_true(seg_embedding_same(&model.embedding, &read.embedding));
    seg_input_close(in);
    seg_model_release(&read);
    assert_int_equal(load(file, &model, &elbow), SEG_OK);
    assert_same(&model.elbow, &elbow);
    seg_elbow_release(&elbow);

    double *learned = method == SEG_EMBED_NONE ? model.prep.mean : model.embedding.pca.components;
    learned[1] += 1;
    assert_int_equal(load(file, &model, &elbow), SEG_ERR_DATA);
    seg_error_clear();
    seg_model_release(&model);
    fixture_remove(comm, path);
    fixture_remove(comm, file);
}

static void an_elbow_comes_back_from_its_file(void **state)
{
    (void)state;
    write_and_read(SEG_EMBED_NONE);
}

static void an_elbow_on_components_comes_back_from_its_file(void **state)
{
    (void)state;
    write_and_read(SEG_EMBED_PCA);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_knee_is_farthest_below_the_chord),
        cmocka_unit_test(a_straight_curve_has_no_knee),
        cmocka_unit_test(clusters_that_stand_apart_are_preferred),
        cmocka_unit_test(fits_with_fewer_clusters_do_not_count),
        cmocka_unit_test(every_index_names_its_best),
        cmocka_unit_test(ranks_change_nothing_and_the_heaps_are_found),
        cmocka_unit_test(states_that_were_tampered_with_are_refused),
        cmocka_unit_test(an_elbow_comes_back_from_its_file),
        cmocka_unit_test(an_elbow_on_components_comes_back_from_its_file),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    kernels = seg_kernels_choose();
    int failed = kernels ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    seg_comm_close(comm);
    return failed;
}
