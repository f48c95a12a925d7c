/* Work that is interrupted at any of the places where its state is kept goes on from that state to
 * the same bits, on these ranks or on one alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "segmpi/autoencoder.h"
#include "segmpi/keep.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/random.h"
#include "segmpi/stop.h"
#include "segmpi/sweep.h"

#define D     4
#define PARTS 12

static seg_comm *comm;
static const seg_kernels *kernels;

/* ---- a keeper without files ---- */

typedef struct memory {
    int n_keeps, stop_at; /* the number of the call that ends the run; 0: none */
    int n_parts;
    struct {
        char name[40];
        int n;
        int64_t size[16];
        char *data[16];
    } part[PARTS];
} memory;

static int find_part(const memory *held, const char *name)
{
    int i = 0;

    while (i < held->n_parts && strcmp(held->part[i].name, name) != 0)
        i++;
    return i;
}

static seg_status keep(seg_comm *of, const seg_keeper *keeper, const char *part, int n,
                       const seg_field *fields, int64_t asked)
{
    memory *held = keeper->context;
    int i = find_part(held, part);

    (void)of;
    (void)asked;
    assert_true(i < PARTS && n <= 16);
    if (i == held->n_parts) held->n_parts++;
    (void)snprintf(held->part[i].name, sizeof held->part[i].name, "%s", part);
    held->part[i].n = n;
    for (int f = 0; f < n; f++) {
        held->part[i].size[f] = fields[f].n * seg_type_size(fields[f].type, 0);
        seg_free(held->part[i].data[f]);
        assert_int_equal(seg_alloc(held->part[i].size[f], 1, &held->part[i].data[f]), SEG_OK);
        memcpy(held->part[i].data[f], fields[f].data, (size_t)held->part[i].size[f]);
    }
    if (++held->n_keeps != held->stop_at) return SEG_OK;
    return SEG_FAIL(SEG_ERR_INTERRUPTED, "stopped by the test");
}

static seg_status restore(seg_comm *of, const seg_keeper *keeper, const char *part, int n,
                          const seg_field *fields, bool *found)
{
    memory *held = keeper->context;
    int i = find_part(held, part);

    (void)of;
    *found = i < held->n_parts;
    for (int f = 0; f < n && *found; f++) {
        assert_int_equal(held->part[i].size[f], fields[f].n * seg_type_size(fields[f].type, 0));
        memcpy(fields[f].data, held->part[i].data[f], (size_t)held->part[i].size[f]);
    }
    return SEG_OK;
}

static void forget(memory *held)
{
    for (int i = 0; i < held->n_parts; i++)
        for (int f = 0; f < held->part[i].n; f++)
            seg_free(held->part[i].data[f]);
    *held = (memory) { 0 };
}

/* ---- the work ---- */

/* n clients in six loose heaps, `distinct` of them, the rest copies; weighted if asked for. */
static void make(seg_comm *of, int64_t n, int64_t distinct, bool weighted, seg_matrix *m)
{
    const seg_random key = { .seed = 4, .purpose = SEG_RANDOM_TEST };
    const int grid[D] = { 20, 20, 20, 20 };
    const double max_abs[D] = { 64, 64, 64, 64 };

    assert_int_equal(
        seg_matrix_init(m, seg_rows_of(n, seg_comm_rank(of), seg_comm_size(of)), D, grid, max_abs),
        SEG_OK);
    if (weighted) assert_int_equal(seg_matrix_add_weights(m), SEG_OK);
    m->total_weight = 0;
    for (int64_t row = 0; row < n; row++) {
        int32_t weight = weighted ? (int32_t)(row % 3) : 1;
        int64_t i = row - m->rows.first;
        double z[D];
        m->total_weight += weight;
        if (i < 0 || i >= m->rows.count) continue;
        for (int t = 0; t < D; t++)
            z[t] = seg_random_normal(key, row % distinct, (uint64_t)t) +
                   2.5 * (double)((row % distinct % 6) >> t % 3);
        seg_matrix_set(m, i, 1, z);
        if (weighted) m->weight[i] = weight;
    }
}

typedef struct work work;
/* Runs to its end on the clients of `of`: what it finds, as bytes that do not depend on ranks. */
typedef seg_status work_run(const work *w, seg_comm *of, const seg_keeper *keeper, char *result);

struct work {
    work_run *run;
    int64_t n, distinct;
    bool weighted;
    int k;
    seg_init_method init;
    bool swaps;
    int together;
};

#define RESULT_BYTES 8192

static void append(char *result, size_t *used, const void *bytes, size_t size)
{
    assert_true(*used + size <= RESULT_BYTES);
    memcpy(result + *used, bytes, size);
    *used += size;
}

static seg_kmeans_opts opts_of(const work *w, const seg_keeper *keeper)
{
    seg_kmeans_opts opts = seg_kmeans_defaults();

    opts.n_clusters = w->k;
    opts.n_init = 3;
    opts.init = w->init;
    opts.swaps = w->swaps;
    opts.keeper = keeper;
    return opts;
}

static seg_status fit(const work *w, seg_comm *of, const seg_keeper *keeper, char *result)
{
    const seg_kmeans_opts opts = opts_of(w, keeper);
    size_t used = 0;
    seg_matrix m;
    seg_kmeans found;

    make(of, w->n, w->distinct, w->weighted, &m);
    seg_status status = seg_kmeans_fit(of, kernels, &m, &opts, &found);
    if (status == SEG_OK) {
        size_t k = (size_t)found.n_clusters;
        const int figures[] = { found.n_clusters, found.n_iter, found.n_swap_rounds, found.n_swaps,
                                found.converged };
        append(result, &used, figures, sizeof figures);
        append(result, &used, found.cluster_centers, k * D * sizeof(double));
        append(result, &used, found.cluster_size, k * sizeof(int64_t));
        append(result, &used, found.restart_inertia, 3 * sizeof(double));
        append(result, &used, &found.inertia, sizeof found.inertia);
    }
    seg_kmeans_release(&found);
    seg_matrix_release(&m);
    return status;
}

static seg_status sweep(const work *w, seg_comm *of, const seg_keeper *keeper, char *result)
{
    const seg_sweep_opts opts = {
        .k_min = 1, .k_max = w->k, .kmeans = opts_of(w, keeper), .together = w->together
    };
    size_t used = 0;
    seg_matrix m;
    seg_sweep found;

    make(of, w->n, w->distinct, w->weighted, &m);
    seg_status status = seg_sweep_run(of, kernels, &m, &opts, &found);
    for (int i = 0; status == SEG_OK && i < found.n_k; i++) {
        const seg_sweep_fit *one = &found.fit[i];
        const int figures[] = { one->n_clusters, one->n_iter, one->n_swap_rounds, one->n_swaps };
        append(result, &used, figures, sizeof figures);
        append(result, &used, one->cluster_centers, (size_t)one->n_clusters * D * sizeof(double));
        append(result, &used, &one->restart_agreement, sizeof(double));
        append(result, &used, &one->inertia, sizeof(double));
    }
    seg_sweep_release(&found);
    seg_matrix_release(&m);
    return status;
}

static seg_status train(const work *w, seg_comm *of, const seg_keeper *keeper, char *result)
{
    seg_ae_opts opts = { .n_layers = 4,
                         .width = { 0, 5, 2, 5, 0 },
                         .code = 2,
                         .activation = SEG_ELU,
                         .epochs = 6,
                         .batch = 200,
                         .learning_rate = 0.2,
                         .patience = w->k,
                         .validation = 0.1,
                         .keeper = keeper };
    size_t used = 0;
    seg_matrix m;
    seg_autoencoder found;

    make(of, w->n, w->distinct, w->weighted, &m);
    seg_status status = seg_ae_fit(of, &m, &opts, &found);
    if (status == SEG_OK) {
        append(result, &used, &found.n_epochs, sizeof found.n_epochs);
        append(result, &used, &found.best_epoch, sizeof found.best_epoch);
        append(result, &used, found.params, (size_t)found.n_params * sizeof(float));
        append(result, &used, found.loss, (size_t)found.n_epochs * sizeof(double));
        append(result, &used, found.validation_loss, (size_t)found.n_epochs * sizeof(double));
    }
    seg_ae_release(&found);
    seg_matrix_release(&m);
    return status;
}

/* ---- the test ---- */

/* Interrupts at every `step`-th place, goes on, and compares; the number of places. */
static int interrupt_everywhere(const work *w, int step)
{
    static char whole[RESULT_BYTES], resumed[RESULT_BYTES];
    memory held = { 0 };
    const seg_keeper keeper = { .keep = keep, .restore = restore, .context = &held, .stage = "" };
    int places = 0;

    memset(whole, 0, sizeof whole);
    seg_stop_limit(0, -1);
    assert_int_equal(w->run(w, comm, NULL, whole), SEG_OK);
    seg_stop_limit(0, 0); /* rank 0 asks for a checkpoint whenever it can */
    for (int at = 1;; at += step) {
        memset(resumed, 0, sizeof resumed);
        held.stop_at = at;
        seg_status status = w->run(w, comm, &keeper, resumed);
        seg_error_clear();
        if (status == SEG_OK) break;
        assert_int_equal(status, SEG_ERR_INTERRUPTED);
        held.stop_at = 0;
        places++;
        memset(resumed, 0, sizeof resumed);
        assert_int_equal(w->run(w, at % 2 ? seg_comm_self(comm) : comm, &keeper, resumed), SEG_OK);
        assert_memory_equal(resumed, whole, sizeof whole);
        forget(&held);
    }
    assert_memory_equal(resumed, whole, sizeof whole);
    forget(&held);
    print_message("%d places\n", places);
    return places;
}

static void a_fit_goes_on_from_any_iteration(void **state)
{
    (void)state;
    const work w = { .run = fit, .n = 4000, .distinct = 4000, .k = 7, .swaps = true };

    assert_true(interrupt_everywhere(&w, 1) > 20);
}

static void so_does_one_with_weights_from_random_centers(void **state)
{
    (void)state;
    const work w = {
        .run = fit, .n = 3000, .distinct = 3000, .weighted = true, .k = 5, .init = SEG_INIT_RANDOM
    };

    assert_true(interrupt_everywhere(&w, 1) > 8);
}

static void so_does_one_with_fewer_distinct_clients_than_clusters(void **state)
{
    (void)state;
    const work w = {
        .run = fit, .n = 3000, .distinct = 9, .k = 12, .init = SEG_INIT_RANDOM, .swaps = true
    };

    assert_true(interrupt_everywhere(&w, 1) > 2);
}

static void a_sweep_goes_on_from_any_iteration(void **state)
{
    (void)state;
    const work w = { .run = sweep, .n = 3000, .distinct = 3000, .k = 6, .swaps = true };

    assert_true(interrupt_everywhere(&w, 1) > 10);
}

static void a_sweep_in_groups_keeps_to_them(void **state)
{
    (void)state;
    const work w = {
        .run = sweep, .n = 3000, .distinct = 3000, .k = 6, .swaps = true, .together = 2
    };

    assert_true(interrupt_everywhere(&w, 1) > 10);
}

static void training_goes_on_from_any_batch(void **state)
{
    (void)state;
    const work w = { .run = train, .n = 1500, .distinct = 1500 };

    assert_true(interrupt_everywhere(&w, 1) > 6 * 7);
}

static void so_does_training_that_ends_early(void **state)
{
    (void)state;
    const work w = { .run = train, .n = 300, .distinct = 300, .k = 1 };

    assert_true(interrupt_everywhere(&w, 1) > 4);
}

/* Counts of a state that would lead outside the storage. */
static void starting_centers_that_were_tampered_with_are_refused(void **state)
{
    (void)state;
    static const int64_t drawn[] = { -1, 0, 6, INT64_MAX };
    const work w = { .run = fit, .n = 3000, .distinct = 3000, .k = 5 };
    memory held = { .stop_at = 1 };
    const seg_keeper keeper = { .keep = keep, .restore = restore, .context = &held, .stage = "" };
    static char result[RESULT_BYTES];
    const int32_t far = 1 << 20;

    seg_stop_limit(0, 0);
    assert_int_equal(w.run(&w, comm, &keeper, result), SEG_ERR_INTERRUPTED);
    assert_string_equal(held.part[0].name, "seeds");
    seg_error_clear();
    for (int i = 0; i < 5; i++) {
        if (i < 4)
            memcpy(held.part[0].data[0], &drawn[i], sizeof drawn[i]);
        else
            memcpy(held.part[0].data[1], &far, sizeof far);
        assert_int_equal(w.run(&w, comm, &keeper, result), SEG_ERR_DATA);
        seg_error_clear();
        if (i == 3) memcpy(held.part[0].data[0], &(int64_t) { 2 }, sizeof(int64_t));
    }
    forget(&held);
}

/* Nothing is kept then, but nobody waits for the end of a long search either. */
static void without_a_keeper_a_stop_is_heeded_too(void **state)
{
    (void)state;

    seg_stop_limit(1e-9, -1);
    assert_int_equal(seg_keep(comm, NULL, "", 0, NULL, SEG_ASKS_SAVE), SEG_OK);
    assert_int_equal(seg_keep(comm, NULL, "", 0, NULL, SEG_ASKS_STOP), SEG_ERR_INTERRUPTED);
    seg_error_clear();
    seg_stop_limit(0, -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fit_goes_on_from_any_iteration),
        cmocka_unit_test(so_does_one_with_weights_from_random_centers),
        cmocka_unit_test(so_does_one_with_fewer_distinct_clients_than_clusters),
        cmocka_unit_test(a_sweep_goes_on_from_any_iteration),
        cmocka_unit_test(a_sweep_in_groups_keeps_to_them),
        cmocka_unit_test(training_goes_on_from_any_batch),
        cmocka_unit_test(so_does_training_that_ends_early),
        cmocka_unit_test(starting_centers_that_were_tampered_with_are_refused),
        cmocka_unit_test(without_a_keeper_a_stop_is_heeded_too),
    };

    if (seg_comm_open(&argc, &argv, &comm) != SEG_OK) return 1;
    seg_log_init("test", SEG_QUIET);
    seg_log_hush(true);
    kernels = seg_kernels_choose();
    int failed = kernels ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
    seg_comm_close(comm);
    return failed;
}
