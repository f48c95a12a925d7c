/* Indices of labels: known small cases, the definitions by brute force, the same bits on any number
 * of ranks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quality_fixture.h"
#include "segmpi/log.h"

static seg_comm *comm;
static const seg_kernels *kernels;

/* ---- the definitions ---- */

static double distance(const double *a, const double *b)
{
    double sum = 0;

    for (int t = 0; t < D; t++)
        sum += (a[t] - b[t]) * (a[t] - b[t]);
    return sqrt(sum);
}

static double (*rows_of(int64_t n))[D]
{
    double(*x)[D] = calloc((size_t)n, sizeof *x);

    assert_non_null(x);
    for (int64_t i = 0; i < n; i++)
        for (int t = 0; t < D; t++)
            x[i][t] = (double)(float)cell(i, t);
    return x;
}

/* figure [K]: mean silhouette of each cluster of the first n clients. */
static void silhouettes(int64_t n, double (*x)[D], double *figure)
{
    double sum[K] = { 0 };
    int64_t count[K] = { 0 };

    for (int64_t i = 0; i < n; i++)
        count[label_of(i)]++;
    for (int64_t i = 0; i < n; i++) {
        double to[K] = { 0 }, other = INFINITY;
        int own = label_of(i);
        for (int64_t j = 0; j < n; j++)
            to[label_of(j)] += distance(x[i], x[j]);
        for (int j = 0; j < K; j++)
            if (j != own && count[j] > 0) other = fmin(other, to[j] / (double)count[j]);
        if (count[own] == 1) continue;
        double inside = to[own] / (double)(count[own] - 1);
        sum[own] += (other - inside) / fmax(other, inside);
    }
    for (int j = 0; j < K; j++)
        figure[j] = sum[j] / (double)count[j];
}

typedef struct by_hand {
    double mean[K + 1][D]; /* the last one of all */
    int64_t count[K];
    double spread[K], within, between, simplified;
} by_hand;

static void means_by_hand(int64_t n, double (*x)[D], by_hand *h)
{
    for (int64_t i = 0; i < n; i++) {
        h->count[label_of(i)]++;
        for (int t = 0; t < D; t++) {
            h->mean[label_of(i)][t] += x[i][t];
            h->mean[K][t] += x[i][t] / (double)n;
        }
    }
    for (int j = 0; j < K; j++)
        for (int t = 0; t < D; t++)
            h->mean[j][t] /= (double)h->count[j];
}

static void figures_by_hand(int64_t n, double (*x)[D], by_hand *h)
{
    for (int64_t i = 0; i < n; i++) {
        int own = label_of(i);
        double near = distance(x[i], h->mean[own]), next = INFINITY;
        for (int j = 0; j < K; j++)
            if (j != own) next = fmin(next, distance(x[i], h->mean[j]));
        h->spread[own] += near / (double)h->count[own];
        h->within += near * near;
        if (h->count[own] > 1) h->simplified += (next - near) / fmax(next, near) / (double)n;
    }
    for (int j = 0; j < K; j++)
        h->between += (double)h->count[j] * pow(distance(h->mean[j], h->mean[K]), 2);
}

static double davies_bouldin_by_hand(const by_hand *h)
{
    double sum = 0;

    for (int a = 0; a < K; a++) {
        double most = 0;
        for (int b = 0; b < K; b++)
            if (a != b)
                most = fmax(most, (h->spread[a] + h->spread[b]) / distance(h->mean[a], h->mean[b]));
        sum += most / K;
    }
    return sum;
}

/* ---- tests ---- */

static void indices_are_their_definitions(void **state)
{
    (void)state;
    double(*x)[D] = rows_of(N);
    by_hand h = { 0 };
    seg_matrix m;
    int32_t *label;
    seg_quality q;

    make(comm, N, &m, &label);
    means_by_hand(N, x, &h);
    figures_by_hand(N, x, &h);
    assert_int_equal(seg_quality_fit(comm, &m, K, label, &q), SEG_OK);
    assert_int_equal(q.n_clusters, K);
    assert_close(q.variance_explained, h.between / (h.between + h.within));
    assert_close(q.calinski_harabasz, h.between / (K - 1) / (h.within / (N - K)));
    assert_close(q.davies_bouldin, davies_bouldin_by_hand(&h));
    assert_close(q.silhouette_simplified, h.simplified);
    assert_close(q.smallest_share, 1.0 / N);
    seg_free(label);
    seg_matrix_release(&m);
    free(x);
}

static void indices_are_the_same_bits_on_one_rank(void **state)
{
    (void)state;
    seg_comm *self = seg_comm_self(comm);
    seg_matrix m, whole;
    int32_t *label, *all;
    seg_quality q, alone;

    make(comm, N, &m, &label);
    make(self, N, &whole, &all);
    assert_int_equal(seg_quality_fit(comm, &m, K, label, &q), SEG_OK);
    assert_int_equal(seg_quality_fit(self, &whole, K, all, &alone), SEG_OK);
    assert_memory_equal(&q.variance_explained, &alone.variance_explained,
                        sizeof q - offsetof(seg_quality, variance_explained));
    seg_free(label);
    seg_free(all);
    seg_matrix_release(&m);
    seg_matrix_release(&whole);
}

static void empty_clusters_count_for_nothing(void **state)
{
    (void)state;
    seg_matrix m;
    int32_t *label;
    seg_quality q, with;

    make(comm, N, &m, &label);
    assert_int_equal(seg_quality_fit(comm, &m, K, label, &q), SEG_OK);
    for (int64_t i = 0; i < m.rows.count; i++)
        label[i] += label[i] > 1; /* nobody in cluster 2 */
    assert_int_equal(seg_quality_fit(comm, &m, K + 3, label, &with), SEG_OK);
    assert_int_equal(with.n_clusters, K);
    assert_memory_equal(&q.variance_explained, &with.variance_explained,
                        sizeof q - offsetof(seg_quality, variance_explained));
    seg_free(label);
    seg_matrix_release(&m);
}

static void one_cluster_has_no_index(void **state)
{
    (void)state;
    seg_matrix m;
    int32_t *label;
    seg_quality q;

    make(comm, N, &m, &label);
    memset(label, 0, (size_t)m.rows.count * sizeof *label);
    assert_int_equal(seg_quality_fit(comm, &m, 1, label, &q), SEG_OK);
    assert_true(fabs(q.variance_explained) <= 0);
    assert_true(isnan(q.davies_bouldin) && isnan(q.calinski_harabasz));
    assert_true(isnan(q.silhouette_simplified) && fabs(q.smallest_share - 1) <= 0);
    seg_free(label);
    seg_matrix_release(&m);
}

/* Clients at 0, 1, 10, 11 in two clusters: by hand, Davies-Bouldin (0.5 + 0.5) / 10, Calinski-
 * Harabasz (100 / 1) / (1 / 2), silhouettes 1 - 1 / 10.5 and 1 - 1 / 9.5. */
static void four_clients_are_worked_out_by_hand(void **state)
{
    (void)state;
    const double places[] = { 0, 1, 10, 11 }, max_abs = 64;
    const int grid = 10, k = 2;
    seg_comm *self = seg_comm_self(comm);
    int32_t label[] = { 0, 0, 1, 1 };
    const int32_t *labels[] = { label };
    double silhouette;
    seg_matrix m;
    seg_quality q;

    assert_int_equal(seg_matrix_init(&m, seg_rows_of(4, 0, 1), 1, &grid, &max_abs), SEG_OK);
    seg_matrix_set(&m, 0, 4, places);
    assert_int_equal(seg_quality_fit(self, &m, 2, label, &q), SEG_OK);
    assert_close(q.davies_bouldin, 0.1);
    assert_close(q.calinski_harabasz, 200);
    assert_close(q.variance_explained, 100.0 / 101);
    assert_close(q.silhouette_simplified, ((1 - 0.5 / 10.5) + (1 - 0.5 / 9.5)) / 2);
    assert_int_equal(seg_silhouette(self, kernels, &m, 1, &k, labels, NULL, &silhouette), SEG_OK);
    assert_close(silhouette, ((1 - 1 / 10.5) + (1 - 1 / 9.5)) / 2);
    seg_matrix_release(&m);
}

static void clients_in_one_place_give_zeros(void **state)
{
    (void)state;
    const double places[] = { 3, 3, 3, 3, 3 }, max_abs = 64;
    const int grid = 10, k = 2;
    seg_comm *self = seg_comm_self(comm);
    int32_t label[] = { 0, 0, 1, 1, 1 };
    const int32_t *labels[] = { label };
    double silhouette;
    seg_matrix m;
    seg_quality q;

    assert_int_equal(seg_matrix_init(&m, seg_rows_of(5, 0, 1), 1, &grid, &max_abs), SEG_OK);
    seg_matrix_set(&m, 0, 5, places);
    assert_int_equal(seg_quality_fit(self, &m, 2, label, &q), SEG_OK);
    assert_true(isnan(q.variance_explained));
    assert_true(fabs(q.davies_bouldin) <= 0 && fabs(q.calinski_harabasz - 1) <= 0);
    assert_int_equal(seg_silhouette(self, kernels, &m, 1, &k, labels, NULL, &silhouette), SEG_OK);
    assert_true(fabs(silhouette) <= 0);
    seg_matrix_release(&m);
}

static void silhouettes_of_many_labellings_are_their_definition(void **state)
{
    (void)state;
    const int k[] = { K, 1, 2, K };
    double(*x)[D] = rows_of(N), expected[K], found[4], sum = 0;
    int32_t *label, *halves;
    const int32_t *labels[4];
    seg_matrix all;

    make(seg_comm_self(comm), N, &all, &label);
    assert_int_equal(seg_alloc(N, sizeof *halves, &halves), SEG_OK);
    for (int i = 0; i < 4; i++)
        labels[i] = k[i] == K ? label : halves;
    silhouettes(N, x, expected);
    assert_int_equal(seg_silhouette(comm, kernels, &all, 4, k, labels, NULL, found), SEG_OK);
    for (int64_t i = 0; i < N; i++)
        sum += expected[label_of(i)];
    assert_close(found[0], sum / N);
    assert_memory_equal(&found[0], &found[3], sizeof(double));
    assert_true(isnan(found[1]));
    assert_true(isnan(found[2])); /* all in one of two */
    seg_free(label);
    seg_free(halves);
    seg_matrix_release(&all);
    free(x);
}

/* Of a sample, each cluster counts as much as it weighs in the table. */
static void silhouettes_of_a_sample_are_weighed_by_cluster(void **state)
{
    (void)state;
    const int k = K;
    const int64_t size[K] = { 10, 2000, 300, 40, 1 }, *sizes = size;
    double(*x)[D] = rows_of(N), expected[K], found, sum = 0;
    int32_t *label;
    const int32_t *labels;
    seg_matrix all;

    make(seg_comm_self(comm), N, &all, &label);
    labels = label;
    silhouettes(N, x, expected);
    for (int j = 0; j < K; j++)
        sum += (double)size[j] * expected[j];
    assert_int_equal(seg_silhouette(comm, kernels, &all, 1, &k, &labels, &sizes, &found), SEG_OK);
    assert_close(found, sum / 2351);
    seg_free(label);
    seg_matrix_release(&all);
    free(x);
}

static void silhouettes_are_the_same_bits_on_one_rank(void **state)
{
    (void)state;
    const int k = K;
    double found, alone;
    int32_t *label;
    const int32_t *labels;
    seg_matrix all;

    make(seg_comm_self(comm), N, &all, &label);
    labels = label;
    assert_int_equal(seg_silhouette(comm, kernels, &all, 1, &k, &labels, NULL, &found), SEG_OK);
    assert_int_equal(
        seg_silhouette(seg_comm_self(comm), kernels, &all, 1, &k, &labels, NULL, &alone), SEG_OK);
    assert_memory_equal(&found, &alone, sizeof found);
    seg_free(label);
    seg_matrix_release(&all);
}

/* Clients that count w times give what w copies give. */
static void weights_are_copies(void **state)
{
    (void)state;
    enum { ROWS = 300, COPIES = 450 }; /* weights 0, 1, 2, 3 in turn */
    const int grid[D] = { 20, 20, 20 }, k = K;
    const double max_abs[D] = { 64, 64, 64 };
    seg_comm *self = seg_comm_self(comm);
    seg_matrix weighted, copied;
    int32_t label[ROWS], copies[COPIES], n = 0;
    const int32_t *labels[] = { label, copies };
    seg_quality a, b;
    double silhouette[2];

    assert_int_equal(seg_matrix_init(&weighted, seg_rows_of(ROWS, 0, 1), D, grid, max_abs), SEG_OK);
    assert_int_equal(seg_matrix_init(&copied, seg_rows_of(COPIES, 0, 1), D, grid, max_abs), SEG_OK);
    assert_int_equal(seg_matrix_add_weights(&weighted), SEG_OK);
    weighted.total_weight = COPIES;
    for (int i = 0; i < ROWS; i++) {
        double z[D];
        for (int t = 0; t < D; t++)
            z[t] = cell(i, t);
        seg_matrix_set(&weighted, i, 1, z);
        weighted.weight[i] = i % 4;
        label[i] = i == 1 ? K - 1 : i == 4 ? K - 2 : i % (K - 2);
        for (int copy = 0; copy < i % 4; copy++) {
            seg_matrix_set(&copied, n, 1, z);
            copies[n++] = label[i];
        }
    }
    assert_int_equal(n, COPIES);
    assert_int_equal(seg_quality_fit(self, &weighted, K, label, &a), SEG_OK);
    assert_int_equal(seg_quality_fit(self, &copied, K, copies, &b), SEG_OK);
    assert_int_equal(a.n_clusters, K - 1); /* one is left without weight */
    assert_close(a.variance_explained, b.variance_explained);
    assert_close(a.davies_bouldin, b.davies_bouldin);
    assert_close(a.calinski_harabasz, b.calinski_harabasz);
    assert_close(a.silhouette_simplified, b.silhouette_simplified);
    assert_close(a.smallest_share, b.smallest_share);
    assert_int_equal(seg_silhouette(self, kernels, &weighted, 1, &k, labels, NULL, &silhouette[0]),
                     SEG_OK);
    assert_int_equal(
        seg_silhouette(self, kernels, &copied, 1, &k, labels + 1, NULL, &silhouette[1]), SEG_OK);
    assert_close(silhouette[0], silhouette[1]);
    seg_matrix_release(&weighted);
    seg_matrix_release(&copied);
}

/* Column 0 of the sample tells the row, so that each client can be found again. */
static void a_stratified_sample_sees_every_cluster_and_no_client_twice(void **state)
{
    (void)state;
    enum { MANY = 60000 };
    const int grid[1] = { 0 };
    const double max_abs[1] = { MANY };
    static bool seen[MANY];
    int32_t *label, *drawn;
    int64_t size[4], count[4] = { 0 }, low[4] = { 0 };
    seg_matrix m, sample;

    assert_int_equal(seg_matrix_init(&m,
                                     seg_rows_of(MANY, seg_comm_rank(comm), seg_comm_size(comm)), 1,
                                     grid, max_abs),
                     SEG_OK);
    assert_int_equal(seg_alloc(m.rows.count, sizeof *label, &label), SEG_OK);
    for (int64_t i = 0; i < m.rows.count; i++) {
        double row = (double)(m.rows.first + i);
        seg_matrix_set(&m, i, 1, &row);
        label[i] = row < 7 ? 3 : row < 900 ? 2 : m.rows.first + i < 40000 ? 0 : 1;
    }
    assert_int_equal(seg_silhouette_sample(comm, &m, 4, label, 3, size, &sample, &drawn), SEG_OK);
    assert_true(size[0] == 39100 && size[1] == 20000 && size[2] == 893 && size[3] == 7);
    memset(seen, 0, sizeof seen);
    for (int64_t i = 0; i < sample.rows.total; i++) {
        double row;
        seg_matrix_get(&sample, i, 1, &row);
        assert_false(seen[(int64_t)row]);
        seen[(int64_t)row] = true;
        assert_int_equal(drawn[i], row < 7 ? 3 : row < 900 ? 2 : row < 40000 ? 0 : 1);
        count[drawn[i]]++;
        if (drawn[i] == 0) low[0] += row < 20450;
    }
    /* half of 10,000 by size, rounded up, and half in equal parts, one more */
    assert_int_equal(count[0], 3259 + 1251);
    assert_int_equal(count[1], 1667 + 1251);
    assert_int_equal(count[2], 893);
    assert_int_equal(count[3], 7);
    assert_true(labs((long)(low[0] - count[0] / 2)) <= 1); /* from equal ranges */
    seg_free(label);
    seg_free(drawn);
    seg_matrix_release(&m);
    seg_matrix_release(&sample);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_are_their_definitions),
        cmocka_unit_test(indices_are_the_same_bits_on_one_rank),
        cmocka_unit_test(empty_clusters_count_for_nothing),
        cmocka_unit_test(one_cluster_has_no_index),
        cmocka_unit_test(four_clients_are_worked_out_by_hand),
        cmocka_unit_test(clients_in_one_place_give_zeros),
        cmocka_unit_test(silhouettes_of_many_labellings_are_their_definition),
        cmocka_unit_test(silhouettes_of_a_sample_are_weighed_by_cluster),
        cmocka_unit_test(silhouettes_are_the_same_bits_on_one_rank),
        cmocka_unit_test(weights_are_copies),
        cmocka_unit_test(a_stratified_sample_sees_every_cluster_and_no_client_twice),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    kernels = seg_kernels_choose();
    if (!kernels) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    seg_comm_close(comm);
    return failed;
}
