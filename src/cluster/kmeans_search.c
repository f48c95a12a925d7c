/* The method on one screen, for one k or many: all restarts of all k in shared passes, each k's
 * best one taken to its fixed point; a search for better centers on a sample, the k dealt to the
 * ranks; what it finds challenges the best, again in shared passes; and labels of the centers that
 * win. */
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

void kmeans_search_release(kmeans_search *s)
{
    kmeans_runs_release(&s->runs);
    seg_matrix_release(&s->sample);
    seg_free(s->seeds);
    seg_free(s->n_seeds);
    seg_free(s->found);
    seg_free(s->sums);
    seg_free(s->centers);
    seg_free(s->run_state);
    seg_free(s->best_state);
    seg_free(s->restart_inertia);
    *s = (kmeans_search) { 0 };
}

int kmeans_first_run(const kmeans_search *s, int i)
{
    return i * (s->opts->n_init + 1);
}

static int64_t found_size(int k_most, int d)
{
    return 3 + (int64_t)k_most * d;
}

/* Local. */
static seg_status alloc_small(kmeans_search *s)
{
    int k = s->k_most, n_init = s->opts->n_init;
    size_t d = (size_t)s->m->d;

    SEG_TRY(seg_fault("search_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc((int64_t)n_init * k, d * sizeof *s->seeds, &s->seeds));
    SEG_TRY(seg_alloc(n_init, sizeof *s->n_seeds, &s->n_seeds));
    SEG_TRY(seg_alloc(s->n_k * found_size(k, s->m->d), sizeof *s->found, &s->found));
    SEG_TRY(seg_alloc(kmeans_delta_size(k, s->m->d), sizeof *s->sums, &s->sums));
    SEG_TRY(seg_alloc(k, d * sizeof *s->centers, &s->centers));
    SEG_TRY(seg_alloc(kmeans_first_run(s, s->n_k), KMEANS_RUN_STATE * sizeof *s->run_state,
                      &s->run_state));
    SEG_TRY(seg_alloc(s->n_k, KMEANS_BEST_STATE * sizeof *s->best_state, &s->best_state));
    return seg_alloc(s->n_k, (size_t)n_init * sizeof *s->restart_inertia, &s->restart_inertia);
}

static int challenger_of(const kmeans_search *s, int i)
{
    return kmeans_first_run(s, i) + s->opts->n_init;
}

seg_status kmeans_search_init(seg_comm *comm, kmeans_search *s)
{
    SEG_TRY(seg_agree(comm, alloc_small(s)));
    SEG_TRY(kmeans_totals_fit(comm, s->m, &s->totals));
    SEG_TRY(kmeans_seed(comm, s));
    if (s->opts->swaps)
        SEG_TRY(seg_matrix_sample(comm, s->m, KMEANS_SAMPLE_ROWS, s->opts->seed, &s->sample));
    s->runs = (kmeans_runs) { .kernels = s->kernels,
                              .m = s->m,
                              .totals = &s->totals,
                              .n = kmeans_first_run(s, s->n_k),
                              .k_most = s->k_most,
                              .kept = s->opts->keeper ? s : NULL };
    return seg_agree(comm, kmeans_runs_init(&s->runs));
}

/* ---- restarts ---- */

static void start_restarts(kmeans_search *s)
{
    for (int r = 0; r < s->runs.n; r++)
        s->runs.run[r].k_before = 0;
    for (int i = 0; i < s->n_best; i++)
        for (int r = 0; r < s->opts->n_init; r++) {
            int k = s->best[i].k < s->n_seeds[r] ? s->best[i].k : s->n_seeds[r];
            kmeans_run_start(&s->runs, kmeans_first_run(s, i) + r, k,
                             s->seeds + (int64_t)r * s->k_most * s->m->d);
        }
    s->phase = KMEANS_RESTARTS;
}

/* Collective. */
static seg_status run_restarts(seg_comm *comm, kmeans_search *s)
{
    const seg_matrix *m = s->m;
    kmeans_stop stop = { .max_iter = s->opts->max_iter,
                         .shift =
                             s->opts->tol * s->totals.inertia / ((double)m->total_weight * m->d) };

    seg_progress_begin("restarts", (int64_t)s->n_best * s->opts->n_init, "fits");
    s->runs.are_counted = true;
    SEG_TRY(kmeans_lloyd(comm, &s->runs, stop));
    s->runs.are_counted = false;
    seg_progress_end(NULL);
    return SEG_OK;
}

/* The cheapest restart of k number i becomes its best run. */
static void choose(const kmeans_search *s, int i, kmeans_best *best)
{
    const kmeans_run *run = s->runs.run;

    best->run = kmeans_first_run(s, i);
    for (int r = 0; r < s->opts->n_init; r++) {
        int other = kmeans_first_run(s, i) + r;
        best->restart_inertia[r] = run[other].cost;
        if (run[other].cost < run[best->run].cost) best->run = other;
    }
    best->restart = best->run;
    best->n_iter = run[best->run].n_iter;
    best->swaps = (kmeans_swaps) { 0 };
}

/* The best runs go on to their fixed points. */
static void start_settling(kmeans_search *s)
{
    for (int i = 0; i < s->n_best; i++) {
        kmeans_run *run = &s->runs.run[s->best[i].run];
        run->n_iter = 0;
        run->active = !run->fixed;
    }
    s->phase = KMEANS_SETTLE;
}

/* ---- center swaps ---- */

/* Local.  Searches from a run; found: k, rounds, gains, centers as bits. */
static seg_status search_swaps(seg_comm *self, kmeans_search *s, const kmeans_run *run,
                               int64_t *found)
{
    const seg_kmeans_opts *opts = s->opts;
    size_t bytes = (size_t)run->k * (size_t)s->m->d * sizeof *s->centers;
    kmeans_swaps swaps;
    int k = run->k;

    SEG_TRY(seg_fault("swap_search", SEG_ERR_MEMORY));
    memcpy(s->centers, run->centers, bytes);
    SEG_TRY(kmeans_swap(self, s->kernels, &s->sample, opts, &k, s->centers, &swaps));
    found[0] = k;
    found[1] = swaps.n_rounds;
    found[2] = swaps.n_gains;
    memcpy(found + 3, s->centers, bytes);
    return SEG_OK;
}

/* True if center swaps can help: with one cluster there is nothing to swap, and a sample of few
 * clients per cluster says nothing about all. */
static bool is_worth_swapping(const kmeans_search *s, int k)
{
    int64_t sampled = s->sample.rows.total;

    return k > 1 && s->sample.total_weight > 0 &&
           (sampled == s->m->rows.total || sampled >= 16 * k);
}

/* Collective.  Each rank searches for some of the k; the sum over ranks of what they found, zero
 * elsewhere, makes it everybody's. */
static seg_status search_all_swaps(seg_comm *comm, kmeans_search *s, int n_k,
                                   const kmeans_best *best)
{
    int64_t size = found_size(s->k_most, s->m->d);
    int stride = seg_comm_size(comm);
    seg_status local = SEG_OK;

    memset(s->found, 0, (size_t)(n_k * size) * sizeof *s->found);
    for (int i = n_k - 1 - seg_comm_rank(comm); i >= 0 && local == SEG_OK; i -= stride) {
        const kmeans_run *run = &s->runs.run[best[i].run];
        if (is_worth_swapping(s, run->k))
            local = search_swaps(seg_comm_self(comm), s, run, s->found + i * size);
        seg_progress_set(n_k - i);
    }
    SEG_TRY(seg_agree(comm, local));
    seg_sum_int64(comm, s->found, n_k * size);
    return SEG_OK;
}

/* Collective.  Where swaps lowered the cost on the sample, their centers challenge the best run on
 * all clients. */
static seg_status find_challengers(seg_comm *comm, kmeans_search *s)
{
    SEG_TRY(search_all_swaps(comm, s, s->n_best, s->best));
    for (int i = 0; i < s->n_best; i++) {
        const int64_t *found = s->found + i * found_size(s->k_most, s->m->d);
        int k = (int)found[0];
        s->best[i].swaps = (kmeans_swaps) { (int)found[1], (int)found[2] };
        if (found[2] == 0) continue;
        memcpy(s->centers, found + 3, (size_t)k * (size_t)s->m->d * sizeof *s->centers);
        kmeans_run_start(&s->runs, challenger_of(s, i), k, s->centers);
    }
    s->phase = KMEANS_CHALLENGE;
    return SEG_OK;
}

static void take_winners(kmeans_search *s)
{
    const kmeans_run *run = s->runs.run;

    for (int i = 0; i < s->n_best; i++) {
        kmeans_best *best = &s->best[i];
        int challenger = challenger_of(s, i);
        if (best->swaps.n_gains == 0 || !(run[challenger].cost < run[best->run].cost)) continue;
        best->run = challenger;
        best->n_iter += run[challenger].n_iter;
    }
    s->phase = KMEANS_FOUND;
}

/* ---- the search ---- */

/* Collective.  From the restarts' ends to the winners. */
static seg_status improve(seg_comm *comm, kmeans_search *s)
{
    const kmeans_stop stop = { .max_iter = s->opts->max_iter, .shift = -1 };

    if (s->phase == KMEANS_SETTLE) {
        SEG_TRY(kmeans_lloyd(comm, &s->runs, stop));
        for (int i = 0; i < s->n_best; i++)
            s->best[i].n_iter += s->runs.run[s->best[i].run].n_iter;
        s->phase = KMEANS_SWAPS;
        SEG_TRY(kmeans_search_keep(comm, s, 0));
    }
    if (s->phase == KMEANS_SWAPS) SEG_TRY(find_challengers(comm, s));
    SEG_TRY(kmeans_lloyd(comm, &s->runs, stop));
    take_winners(s);
    return SEG_OK;
}

/* A group that is gone on with begins in the phase in which it was kept. */
seg_status kmeans_search_run(seg_comm *comm, kmeans_search *s, int n_k, kmeans_best *best)
{
    s->n_best = n_k;
    s->best = best;
    SEG_TRY(kmeans_search_restore(comm, s));
    if (s->phase == KMEANS_FOUND) return SEG_OK;
    if (s->phase == KMEANS_FRESH) start_restarts(s);
    if (s->phase == KMEANS_RESTARTS) {
        SEG_TRY(run_restarts(comm, s));
        for (int i = 0; i < n_k; i++)
            choose(s, i, &best[i]);
        if (s->opts->swaps)
            start_settling(s);
        else
            s->phase = KMEANS_FOUND;
        SEG_TRY(kmeans_search_keep(comm, s, 0));
    }
    if (s->phase == KMEANS_FOUND) return SEG_OK;

    seg_progress_begin("center swaps", n_k, "k");
    SEG_TRY(improve(comm, s));
    seg_progress_end(NULL);
    return kmeans_search_keep(comm, s, 0);
}

/* ---- the result ---- */

/* True if cluster a stands before b: larger, or of equals the one with the lower coordinates. */
static bool is_before(const kmeans_run *run, int d, int a, int b)
{
    if (run->count[a] != run->count[b]) return run->count[a] > run->count[b];
    for (int t = 0; t < d; t++) {
        double x = run->centers[(int64_t)a * d + t], y = run->centers[(int64_t)b * d + t];
        if (x < y || x > y) return x < y;
    }
    return a < b;
}

/* The clusters of the run in their order. */
static void take_centers(const kmeans_run *run, int d, seg_kmeans *kmeans)
{
    kmeans->n_clusters = run->k;
    for (int j = 0; j < run->k; j++) {
        int place = 0;
        for (int other = 0; other < run->k; other++)
            place += is_before(run, d, other, j);
        memcpy(kmeans->cluster_centers + (int64_t)place * d, run->centers + (int64_t)j * d,
               (size_t)d * sizeof *run->centers);
    }
}

/* Labels decide the sizes, which decide the order of the centers, which decides exact ties: so
 * until the order stands. */
seg_status kmeans_search_finish(seg_comm *comm, kmeans_search *s, const kmeans_best *best,
                                seg_kmeans *kmeans)
{
    const seg_matrix *m = s->m;
    enum { MOST_TRIES = 8 };
    kmeans_run *run = &s->runs.run[best->run];
    size_t k = (size_t)run->k, d = (size_t)m->d;

    for (int tries = 0, sorted = 0; tries < MOST_TRIES && !sorted; tries++) {
        take_centers(run, m->d, kmeans);
        SEG_TRY(kmeans_label(comm, s->kernels, m, kmeans, s->sums));
        memcpy(run->centers, kmeans->cluster_centers, k * d * sizeof *run->centers);
        memcpy(run->count, s->sums + k * d, k * sizeof *run->count);
        sorted = 1;
        for (int j = 1; j < run->k; j++)
            if (!is_before(run, m->d, j - 1, j)) sorted = 0;
    }
    memcpy(kmeans->cluster_size, run->count, k * sizeof *run->count);
    kmeans->inertia =
        kmeans_inertia(m, &s->totals, run->k, run->centers, s->sums, kmeans->cluster_size);
    kmeans->total_squares = s->totals.squares[0];
    kmeans->total_inertia = s->totals.inertia;
    kmeans->n_iter = best->n_iter;
    kmeans->n_swap_rounds = best->swaps.n_rounds;
    kmeans->n_swaps = best->swaps.n_gains;
    kmeans->converged = run->fixed;
    return SEG_OK;
}
