/* Segments of constructed clients: figures against sums over all cells, the same bits as one rank
 * alone, names, identity, and what comes back from a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "clients_fixture.h"
#include "segmpi/log.h"
#include "segmpi/random.h"
#include "segmpi/segment.h"

#define N 6000
#define K 6

enum { D = 3, EXTRA = 1 };
static seg_comm *comm;
static const seg_kernels *kernels;
static char path[64], model[64];
static const char *const names[D + EXTRA] = { "spend", "debt", "visits", "age" };
static const seg_random key = { .seed = 12, .purpose = SEG_RANDOM_TEST };

/* Six heaps: three of spenders, of 1/2, 1/4 and 1/8 of the clients, two of debtors, one of both. */
static int heap_of(int64_t row)
{
    int64_t place = row % 32;

    return place < 16 ? 0 : place < 22 ? 1 : place < 26 ? 2 : place < 29 ? 3 : place < 31 ? 4 : 5;
}

static double cell(int64_t row, int column)
{
    static const double middle[K][D] = { { 100, 10, 2 },  { 300, 20, 6 },  { 320, 15, 20 },
                                         { 120, 300, 3 }, { 90, 330, 12 }, { 500, 350, 30 } };
    double noise = seg_random_normal(key, row, (uint64_t)column);

    if (column == 3) return row % 7 == 0 ? NAN : 20 + 10 * heap_of(row) + noise;
    if (column == 1 && row % 11 == 0) return NAN;
    return middle[heap_of(row)][column] * (1 + 0.05 * noise);
}

typedef struct fitted {
    seg_table *table, *extra;
    seg_prep prep;
    seg_matrix m;
    seg_kmeans kmeans;
    seg_segments segments;
} fitted;

static seg_status fit_segments(seg_comm *ranks, fitted *f, const seg_segments_opts *opts,
                               const seg_previous *previous)
{
    seg_segments_input in = { f->table,   f->extra, &f->prep,   &f->m,
                              &f->kmeans, &f->m,    &f->kmeans, previous };
    seg_guide *guide;

    SEG_TRY(seg_guide_load(ranks, &in, opts, &guide));
    seg_status status = seg_segments_fit(ranks, kernels, &in, guide, opts, &f->segments);
    seg_guide_free(guide);
    return status;
}

static void fit(seg_comm *ranks, fitted *f, int k, const seg_segments_opts *opts,
                const seg_previous *previous)
{
    const seg_table_opts features = { .exclude_columns = "age" }, extra = { .columns = "age" };
    seg_prep_opts prep = seg_prep_defaults();
    seg_kmeans_opts kmeans = seg_kmeans_defaults();

    *f = (fitted) { 0 };
    kmeans.n_clusters = k;
    assert_int_equal(seg_table_open(ranks, path, &features, &f->table), SEG_OK);
    assert_int_equal(seg_table_open(ranks, path, &extra, &f->extra), SEG_OK);
    assert_int_equal(seg_prep_fit(ranks, f->table, &prep, &f->prep), SEG_OK);
    assert_int_equal(seg_agree(ranks, seg_prep_apply(&f->prep, f->table, NULL, &f->m)), SEG_OK);
    assert_int_equal(seg_kmeans_fit(ranks, kernels, &f->m, &kmeans, &f->kmeans), SEG_OK);
    assert_int_equal(fit_segments(ranks, f, opts, previous), SEG_OK);
}

static void release(fitted *f)
{
    seg_table_free(f->table);
    seg_table_free(f->extra);
    seg_prep_release(&f->prep);
    seg_matrix_release(&f->m);
    seg_kmeans_release(&f->kmeans);
    seg_segments_release(&f->segments);
}

/* Segment of every client, on all ranks: all [N]. */
static void gather_labels(const fitted *f, int64_t *all)
{
    memset(all, 0, N * sizeof *all);
    for (int64_t i = 0; i < f->m.rows.count; i++)
        all[f->m.rows.first + i] = f->segments.cluster_to_segment[f->kmeans.label[i]];
    seg_sum_int64(comm, all, N);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

/* ---- figures ---- */

/* Mean, median of the present cells and mean of the filled ones, of one segment (-1: all). */
static void figures_of(const int64_t *label, int segment, int t, double fill, double *mean,
                       double *median, double *filled, double *deviation)
{
    static double present[N];
    long double sum = 0, all = 0, square = 0;
    int64_t n = 0, n_all = 0;

    for (int64_t i = 0; i < N; i++) {
        double x = cell(i, t);
        if (segment >= 0 && label[i] != segment) continue;
        double value = isnan(x) ? fill : x;
        all += value;
        square += (long double)value * value;
        n_all++;
        if (isnan(x)) continue;
        sum += x;
        present[n++] = x;
    }
    qsort(present, (size_t)n, sizeof *present, compare_doubles);
    *mean = (double)(sum / n);
    *median = (present[(n - 1) / 2] + present[n / 2]) / 2;
    *filled = (double)(all / n_all);
    *deviation = (double)sqrtl(square / n_all - all / n_all * (all / n_all));
}

static void profiles_are_those_of_all_cells(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 3, .catalog = "none", .draws = 5 };
    static int64_t label[N];
    fitted f;

    fit(comm, &f, K, &opts, NULL);
    const seg_segments *s = &f.segments;
    gather_labels(&f, label);
    assert_true(s->n_segments == 3 && s->d == D + EXTRA && s->n_features == D);
    for (int t = 0; t < s->d; t++) {
        double fill = NAN, mean, median, filled, deviation, effect = 0, unused;
        figures_of(label, -1, t, 0, &fill, &median, &filled, &deviation);
        if (t < D) fill = f.prep.fill_value[t];
        figures_of(label, -1, t, fill, &mean, &median, &filled, &deviation);
        assert_string_equal(s->column[t], names[t]);
        for (int i = 0; i < 3; i++) {
            double own, middle, own_filled;
            figures_of(label, i, t, fill, &own, &middle, &own_filled, &unused);
            double z = (own_filled - filled) / deviation;
            assert_true(close_to(s->mean[i * s->d + t], own));
            assert_true(close_to(s->median[i * s->d + t], middle));
            assert_true(fabs(s->z[i * s->d + t] - z) < 1e-9);
            effect += z * z * (double)s->segment[i].size / N;
        }
        assert_true(fabs(s->effect[t] - effect) < 1e-9);
        assert_true(s->effect[t] > 0 && s->effect[t] < 1);
    }
    for (int i = 0; i < 3; i++) {
        int64_t size = 0;
        for (int64_t row = 0; row < N; row++)
            size += label[row] == i;
        assert_int_equal(s->segment[i].size, size);
        assert_true(i == 0 || size <= s->segment[i - 1].size);
        assert_int_equal(s->segment[i].previous, -1);
        assert_true(s->segment[i].stability > 0.9 && s->segment[i].stability <= 1);
    }
    release(&f);
}

static void costs_are_those_of_the_prepared_clients(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 3, .merge = SEG_MERGE_KMEANS };
    double cost[1] = { 0 };
    fitted f;

    fit(comm, &f, K, &opts, NULL);
    for (int64_t i = 0; i < f.m.rows.count; i++) {
        double z[D];
        const double *c = &f.segments.centers[f.segments.cluster_to_segment[f.kmeans.label[i]] * D];
        seg_matrix_get(&f.m, i, 1, z);
        for (int t = 0; t < D; t++)
            cost[0] += (z[t] - c[t]) * (z[t] - c[t]);
    }
    int64_t parts = llround(cost[0] * 0x1p30);
    seg_sum_int64(comm, &parts, 1);
    assert_true(fabs((double)parts * 0x1p-30 - f.segments.cost) < 1e-6 * f.segments.cost);
    assert_true(f.segments.least_cost <= f.segments.cost * (1 + 1e-12));
    assert_true(f.segments.direct_cost <= f.segments.least_cost * (1 + 1e-12));
    assert_true(f.segments.merge_tree[4 * (K - 2) + 3] == N);
    release(&f);
}

static void the_tree_says_what_it_counts(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 4, .catalog = "none" };
    static int64_t label[N];
    int64_t clients[SEG_TREE_NODES] = { 0 }, hits[SEG_TREE_NODES] = { 0 }, all = 0;
    fitted f;

    fit(comm, &f, K, &opts, NULL);
    const seg_tree *tree = &f.segments.tree;
    gather_labels(&f, label);
    for (int64_t i = 0; i < N; i++) {
        double x[D];
        for (int t = 0; t < D; t++)
            x[t] = isnan(cell(i, t)) ? f.prep.fill_value[t] : cell(i, t);
        int leaf = seg_tree_leaf(tree, x);
        assert_true(tree->node[leaf].column < 0);
        clients[leaf]++;
        hits[leaf] += label[i] == tree->node[leaf].segment;
        all += label[i] == tree->node[leaf].segment;
    }
    for (int i = 0; i < tree->n_nodes; i++) {
        const seg_tree_node *node = &tree->node[i];
        if (node->column < 0) {
            assert_int_equal(node->clients, clients[i]);
            assert_int_equal(node->hits, hits[i]);
        } else {
            assert_true(node->left > i && node->right > i);
            assert_int_equal(node->clients,
                             tree->node[node->left].clients + tree->node[node->right].clients);
        }
    }
    assert_true(tree->fidelity == (double)all / N);
    assert_true(tree->fidelity > 0.95);
    release(&f);
}

/* ---- the same bits ---- */

static void assert_same_segments(const seg_segments *a, const seg_segments *b)
{
    size_t rows = (size_t)(a->n_segments + a->n_clusters), cells = rows * (size_t)a->d;

    assert_int_equal(a->n_segments, b->n_segments);
    assert_memory_equal(a->cluster_to_segment, b->cluster_to_segment,
                        (size_t)a->n_clusters * sizeof(int));
    assert_memory_equal(a->segment, b->segment, (size_t)a->n_segments * sizeof *a->segment);
    assert_memory_equal(a->centers, b->centers,
                        (size_t)(a->n_segments * a->n_features) * sizeof(double));
    assert_memory_equal(a->merge_tree, b->merge_tree,
                        4 * (size_t)(a->n_clusters - 1) * sizeof(double));
    assert_memory_equal(a->mean, b->mean, cells * sizeof(double));
    assert_memory_equal(a->median, b->median, cells * sizeof(double));
    assert_memory_equal(a->z, b->z, cells * sizeof(double));
    assert_memory_equal(a->effect, b->effect, (size_t)a->d * sizeof(double));
    assert_int_equal(a->tree.n_nodes, b->tree.n_nodes);
    for (int i = 0; i < a->tree.n_nodes; i++) {
        const seg_tree_node *x = &a->tree.node[i], *y = &b->tree.node[i];
        assert_true(x->column == y->column && x->threshold == y->threshold && x->left == y->left);
        assert_true(x->segment == y->segment && x->clients == y->clients && x->hits == y->hits);
    }
    assert_true(a->cost == b->cost && a->least_cost == b->least_cost);
    assert_true(a->direct_cost == b->direct_cost && a->tree.fidelity == b->tree.fidelity);
}

static void ranks_have_the_bits_of_one_alone(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 3, .catalog = "none", .draws = 5 };
    fitted ours, alone;

    fit(comm, &ours, K, &opts, NULL);
    fit(seg_comm_self(comm), &alone, K, &opts, NULL);
    assert_same_segments(&ours.segments, &alone.segments);
    release(&ours);
    release(&alone);
}

static void a_file_gives_back_what_was_written(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 3, .catalog = "none", .draws = 5 };
    int32_t number[K] = { 0, 1, 2, 3, 4, 5 };
    seg_segments read;
    seg_output *out;
    seg_input *in;
    fitted f;

    fit(comm, &f, K, &opts, NULL);
    assert_int_equal(seg_output_open(comm, model, "model", true, &out), SEG_OK);
    seg_status local = seg_output_names(out, "feature", D, names);
    if (local == SEG_OK) local = seg_output_coordinates(out, "cluster", SEG_INT32, K, number);
    if (local == SEG_OK) local = seg_output_coordinates(out, "segment", SEG_INT32, 3, number);
    if (local == SEG_OK) local = seg_segments_write(&f.segments, out);
    assert_int_equal(seg_output_commit(comm, out, local), SEG_OK);
    seg_output_free(out);
    assert_int_equal(seg_input_open(model, &in), SEG_OK);
    assert_int_equal(seg_agree(comm, seg_segments_read(in, &read)), SEG_OK);
    assert_same_segments(&f.segments, &read);
    assert_string_equal(read.column[D], "age");
    seg_segments_release(&read);
    seg_input_close(in);
    release(&f);
}

/* ---- numbers and names ---- */

static void no_merge_leaves_the_clusters(void **state)
{
    (void)state;
    const seg_segments_opts all = { .n_segments = K }, one = { .n_segments = 1, .draws = 2 };
    fitted f;

    fit(comm, &f, K, &all, NULL);
    assert_int_equal(f.segments.n_segments, K);
    for (int j = 0; j < K; j++) {
        assert_int_equal(f.segments.cluster_to_segment[j], j);
        assert_int_equal(f.segments.segment[j].size, f.kmeans.cluster_size[j]);
        for (int other = 0; other < j; other++)
            assert_string_not_equal(f.segments.segment[j].name, f.segments.segment[other].name);
    }
    assert_true(fabs(f.segments.cost - f.kmeans.inertia) < 1e-9 * f.kmeans.inertia);
    release(&f);

    fit(comm, &f, K, &one, NULL);
    assert_int_equal(f.segments.segment[0].size, N);
    assert_string_equal(f.segments.segment[0].name, "Close to the average");
    assert_true(f.segments.tree.n_nodes == 1 && f.segments.tree.fidelity == 1);
    assert_true(f.segments.segment[0].between == 0 && f.segments.segment[0].stability == 1);
    release(&f);

    fit(comm, &f, 1, &one, NULL);
    assert_int_equal(f.segments.n_segments, 1);
    release(&f);
}

static void made_names_are_true(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 4, .catalog = "none" };
    fitted f;

    fit(comm, &f, K, &opts, NULL);
    for (int i = 0; i < 4; i++) {
        const seg_segment *segment = &f.segments.segment[i];
        assert_true(isnan(segment->fit));
        for (int t = 0; t < f.segments.d; t++) {
            char high[64], low[64];
            double z = f.segments.z[i * f.segments.d + t];
            snprintf(high, sizeof high, "igh %s", f.segments.column[t]);
            snprintf(low, sizeof low, "ow %s", f.segments.column[t]);
            assert_true(!strstr(segment->name, high) || z > 0);
            assert_true(!strstr(segment->name, low) || z < 0);
        }
    }
    release(&f);
}

static void an_earlier_model_gives_number_and_name(void **state)
{
    (void)state;
    const seg_segments_opts opts = { .n_segments = 4, .catalog = "none" };
    const int turned[4] = { 2, 0, 3, 1 };
    fitted old, f;

    fit(comm, &old, K, &opts, NULL);
    seg_segments earlier = old.segments;
    seg_segment before[4];
    int to[K];
    for (int i = 0; i < 4; i++) {
        before[turned[i]] = old.segments.segment[i];
        snprintf(before[turned[i]].name, sizeof before->name, "number %d", turned[i]);
    }
    for (int j = 0; j < K; j++)
        to[j] = turned[old.segments.cluster_to_segment[j]];
    earlier.segment = before;
    earlier.cluster_to_segment = to;
    const seg_embedding none = { 0 };
    const seg_previous previous = { &old.prep, &none, &old.kmeans, &earlier, "0123" };
    fit(comm, &f, K, &opts, &previous);
    assert_string_equal(f.segments.matched, "0123");
    assert_true(f.segments.match_share == 1 && fabs(f.segments.match_rand - 1) < 1e-12);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "number %d", i);
        assert_int_equal(f.segments.segment[i].previous, i);
        assert_string_equal(f.segments.segment[i].name, name);
        assert_int_equal(f.segments.segment[i].size, before[i].size);
        assert_true(f.segments.segment[i].overlap == 1);
    }
    for (int j = 0; j < K; j++)
        assert_int_equal(f.segments.cluster_to_segment[j], to[j]);
    release(&f);

    /* fewer segments than before: what merges two is like neither, or like the larger one */
    const seg_segments_opts fewer = { .n_segments = 2, .catalog = "none" };
    fit(comm, &f, K, &fewer, &previous);
    for (int i = 0; i < 2; i++) {
        const seg_segment *segment = &f.segments.segment[i];
        assert_true(segment->previous >= 0 ? segment->overlap >= 0.5 : segment->overlap < 0.5);
        assert_true((segment->previous >= 0) == (strncmp(segment->name, "number", 6) == 0));
    }
    assert_true(f.segments.match_share < 1);
    release(&f);
    release(&old);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_are_those_of_all_cells),
        cmocka_unit_test(costs_are_those_of_the_prepared_clients),
        cmocka_unit_test(the_tree_says_what_it_counts),
        cmocka_unit_test(ranks_have_the_bits_of_one_alone),
        cmocka_unit_test(a_file_gives_back_what_was_written),
        cmocka_unit_test(no_merge_leaves_the_clusters),
        cmocka_unit_test(made_names_are_true),
        cmocka_unit_test(an_earlier_model_gives_number_and_name),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    kernels = seg_kernels_choose();
    fixture_path(comm, path, sizeof path);
    fixture_path(comm, model, sizeof model);
    int failed = fixture_clients(comm, path, N, D + EXTRA, names, cell) != SEG_OK;
    if (!failed) failed = cmocka_run_group_tests(tests, NULL, NULL);
    fixture_remove(comm, path);
    fixture_remove(comm, model);
    seg_comm_close(comm);
    return failed;
}
