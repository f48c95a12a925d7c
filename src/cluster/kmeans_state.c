/* The state of a search between two steps, without the labels: centers before the last step say
 * what its labels were, so one more pass finds labels, sums and centers again, to the bit, on any
 * number of ranks. */
#include <stdio.h>
#include <string.h>

#include "cluster_internal.h"

#define FIELDS    5
#define PART_NAME 32

enum { RUN_K, RUN_N_ITER, RUN_FIXED, RUN_ACTIVE };                     /* KMEANS_RUN_STATE */
enum { BEST_RESTART, BEST_RUN, BEST_N_ITER, BEST_ROUNDS, BEST_GAINS }; /* KMEANS_BEST_STATE */

/* "search_8": the lowest k of a group tells it from others of the sweep. */
static const char *part_of(const kmeans_search *s, char name[PART_NAME])
{
    (void)snprintf(name, PART_NAME, "search_%d", s->best[0].k);
    return name;
}

static void list_fields(kmeans_search *s, seg_field field[FIELDS])
{
    int64_t n_runs = kmeans_first_run(s, s->n_best), n_init = s->opts->n_init;

    field[0] = (seg_field) { "phase", SEG_INT64, 1, &s->phase };
    field[1] = (seg_field) { "run", SEG_INT64, n_runs * KMEANS_RUN_STATE, s->run_state };
    field[2] = (seg_field) { "centers_before", SEG_FLOAT64, n_runs * s->k_most * s->m->d,
                             s->runs.centers_before };
    field[3] = (seg_field) { "best", SEG_INT64, s->n_best * KMEANS_BEST_STATE, s->best_state };
    field[4] =
        (seg_field) { "restart_inertia", SEG_FLOAT64, s->n_best * n_init, s->restart_inertia };
}

static void collect(kmeans_search *s)
{
    int n_init = s->opts->n_init;

    for (int r = 0; r < kmeans_first_run(s, s->n_best); r++) {
        const kmeans_run *run = &s->runs.run[r];
        int64_t *state = s->run_state + r * KMEANS_RUN_STATE;
        state[RUN_K] = run->k_before;
        state[RUN_N_ITER] = run->n_iter;
        state[RUN_FIXED] = run->fixed;
        state[RUN_ACTIVE] = run->active;
    }
    for (int i = 0; i < s->n_best; i++) {
        const kmeans_best *best = &s->best[i];
        int64_t *state = s->best_state + i * KMEANS_BEST_STATE;
        state[BEST_RESTART] = best->restart;
        state[BEST_RUN] = best->run;
        state[BEST_N_ITER] = best->n_iter;
        state[BEST_ROUNDS] = best->swaps.n_rounds;
        state[BEST_GAINS] = best->swaps.n_gains;
        memcpy(s->restart_inertia + (int64_t)i * n_init, best->restart_inertia,
               (size_t)n_init * sizeof *best->restart_inertia);
    }
}

seg_status kmeans_search_keep(seg_comm *comm, kmeans_search *s, int64_t asked)
{
    seg_field field[FIELDS];
    char part[PART_NAME];

    if (!s->opts->keeper) return SEG_OK;
    collect(s);
    list_fields(s, field);
    return seg_keep(comm, s->opts->keeper, part_of(s, part), FIELDS, field, asked);
}

/* Nothing in a state that was kept leads outside the storage. */
static bool is_sound(const kmeans_search *s)
{
    int n_runs = kmeans_first_run(s, s->n_best);
    bool sound = s->phase > KMEANS_FRESH && s->phase <= KMEANS_FOUND;

    for (int r = 0; r < n_runs; r++) {
        int64_t k = s->run_state[r * KMEANS_RUN_STATE + RUN_K];
        sound = sound && k >= 0 && k <= s->k_most;
    }
    for (int i = 0; i < s->n_best; i++) {
        const int64_t *best = s->best_state + i * KMEANS_BEST_STATE;
        sound = sound && best[BEST_RESTART] >= 0 && best[BEST_RESTART] < n_runs &&
                best[BEST_RUN] >= 0 && best[BEST_RUN] < n_runs;
    }
    return sound;
}

/* Collective.  The last step of every run once more. */
static seg_status replay(seg_comm *comm, kmeans_search *s)
{
    const kmeans_stop once = { .max_iter = 1, .shift = -1 };
    int n_runs = kmeans_first_run(s, s->n_best);
    struct kmeans_search *kept = s->runs.kept;

    for (int r = 0; r < n_runs; r++) {
        int k = (int)s->run_state[r * KMEANS_RUN_STATE + RUN_K];
        if (k > 0) kmeans_run_start(&s->runs, r, k, s->runs.run[r].centers_before);
    }
    s->runs.kept = NULL; /* these are not the state to be kept */
    SEG_TRY(kmeans_lloyd(comm, &s->runs, once));
    s->runs.kept = kept;
    for (int r = 0; r < n_runs; r++) {
        const int64_t *state = s->run_state + r * KMEANS_RUN_STATE;
        kmeans_run *run = &s->runs.run[r];
        run->n_iter = (int)state[RUN_N_ITER];
        run->fixed = state[RUN_FIXED] != 0;
        run->active = state[RUN_ACTIVE] != 0;
    }
    return SEG_OK;
}

seg_status kmeans_search_restore(seg_comm *comm, kmeans_search *s)
{
    seg_field field[FIELDS];
    char part[PART_NAME];
    int n_init = s->opts->n_init;
    bool found;

    s->phase = KMEANS_FRESH;
    list_fields(s, field);
    SEG_TRY(seg_restore(comm, s->opts->keeper, part_of(s, part), FIELDS, field, &found));
    if (!found) {
        s->phase = KMEANS_FRESH;
        return SEG_OK;
    }
    if (!is_sound(s)) return SEG_FAIL(SEG_ERR_DATA, "the state of k-means cannot be gone on with");
    for (int i = 0; i < s->n_best; i++) {
        const int64_t *state = s->best_state + i * KMEANS_BEST_STATE;
        kmeans_best *best = &s->best[i];
        best->restart = (int)state[BEST_RESTART];
        best->run = (int)state[BEST_RUN];
        best->n_iter = (int)state[BEST_N_ITER];
        best->swaps = (kmeans_swaps) { (int)state[BEST_ROUNDS], (int)state[BEST_GAINS] };
        memcpy(best->restart_inertia, s->restart_inertia + (int64_t)i * n_init,
               (size_t)n_init * sizeof *best->restart_inertia);
    }
    return replay(comm, s);
}
