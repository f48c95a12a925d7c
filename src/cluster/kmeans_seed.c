/* Starting centers.  k-means++: the first center is a client drawn evenly; each further one is the
 * best of four drawn by squared distance to the centers so far (greedy; the number of trials does
 * not depend on k, so that the seeds for k are the first of those for k + 1).
 * Source: Arthur and Vassilvitskii, k-means++, SODA 2007; greedy as in scikit-learn. */
#include <math.h>
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/stop.h"
#include "segmpi/timer.h"

#define TRIALS      4
#define SEED_FIELDS 3

typedef struct seeding {
    const kmeans_search *search; /* its seeds are filled */
    int n_init, d;
    float *d2;        /* [n_init][n_tiles * 16] to the nearest center so far; 0 in padding */
    char *records;    /* [n_init][TRIALS] */
    float *packed;    /* [n_init] the trials of a restart, for the kernels */
    int64_t n_packed; /* floats of one of them */
    double *trial;    /* [TRIALS][d] */
    float *center;    /* [d] */
    int64_t *cost;    /* [n_init][TRIALS], then what ranks ask for */
    kmeans_racing racing;
} seeding;

static void seeding_release(seeding *s)
{
    seg_free(s->d2);
    seg_free(s->records);
    seg_free(s->packed);
    seg_free(s->trial);
    seg_free(s->center);
    seg_free(s->cost);
}

/* Local. */
static seg_status seeding_init(seeding *s, const kmeans_search *search)
{
    const seg_matrix *m = search->m;
    const seg_kmeans_opts *opts = search->opts;
    int n = opts->n_init;

    s->search = search;
    s->n_init = n;
    s->d = m->d;
    s->n_packed = seg_kernels_packed_size(TRIALS, m->d);
    s->racing = (kmeans_racing) { search->kernels, m, { opts->seed, SEG_RANDOM_SEEDING } };
    SEG_TRY(seg_fault("seeding_alloc", SEG_ERR_MEMORY));
    if (opts->init == SEG_INIT_KMEANSPP)
        SEG_TRY(seg_alloc(n, (size_t)(m->n_tiles * SEG_LANES) * sizeof *s->d2, &s->d2));
    SEG_TRY(seg_alloc(n * TRIALS, (size_t)kmeans_record_size(m->d), &s->records));
    SEG_TRY(seg_alloc(n * s->n_packed, sizeof *s->packed, &s->packed));
    SEG_TRY(seg_alloc(TRIALS * m->d, sizeof *s->trial, &s->trial));
    SEG_TRY(seg_alloc(m->d, sizeof *s->center, &s->center));
    return seg_alloc(n * TRIALS + 1, sizeof *s->cost, &s->cost);
}

static char *record_of(const seeding *s, int r, int trial)
{
    return s->records + (r * TRIALS + trial) * kmeans_record_size(s->d);
}

/* Seed number j of restart r. */
static double *seed_of(const seeding *s, int r, int j)
{
    return s->search->seeds + ((int64_t)r * s->search->k_most + j) * s->d;
}

/* The record's client becomes the next center of restart r. */
static void append(seeding *s, int r, char *record)
{
    double *center = seed_of(s, r, s->search->n_seeds[r]++);

    for (int t = 0; t < s->d; t++)
        center[t] = (double)kmeans_record_values(record)[t];
}

/* Draw number j of restart r, with room for the trials' numbers. */
static uint64_t draw_of(int r, int j)
{
    return (uint64_t)r << 40 | (uint64_t)j << 8;
}

/* Collective.  One client for each restart, drawn by weight alone; one that was drawn before leaves
 * an empty cluster, which finds a client of its own. */
static void draw_by_weight(seg_comm *comm, seeding *s, int j)
{
    const seg_matrix *m = s->search->m;

    kmeans_records_clear(s->d, s->n_init * TRIALS, s->records);
    for (int r = 0; r < s->n_init; r++)
        kmeans_race(&s->racing, 0, m->rows.count, NULL, draw_of(r, j), 1, record_of(s, r, 0));
    kmeans_race_end(comm, m, s->n_init * TRIALS, s->records);
    for (int r = 0; r < s->n_init; r++)
        append(s, r, record_of(s, r, 0));
}

/* Collective.  One evenly drawn client for each restart, record_of(r, 0), that is none of those it
 * has: rows that were drawn already are drawn again.  rows [n_init][k] of all draws so far. */
static void draw_evenly(seg_comm *comm, seeding *s, int j, int64_t *rows, int k)
{
    const seg_matrix *m = s->search->m;

    kmeans_records_clear(s->d, s->n_init * TRIALS, s->records);
    for (int r = 0; r < s->n_init; r++) {
        int64_t *drawn = &rows[(int64_t)r * k];
        for (int64_t again = 0;; again++) {
            double u = seg_random_uniform(s->racing.key, -1 - again, draw_of(r, j));
            int64_t row = (int64_t)(u * (double)m->rows.total);
            int before = 0;
            drawn[j] = row < m->rows.total ? row : m->rows.total - 1;
            while (before < j && drawn[before] != drawn[j])
                before++;
            if (before == j) break;
        }
        /* whoever has the row answers in kmeans_race_end(); all ranks name it alike */
        const seg_rival winner = { .key = 0, .row = drawn[j] };
        int64_t at = drawn[j] - m->rows.first;
        if (at >= 0 && at < m->rows.count) memcpy(record_of(s, r, 0), &winner, sizeof winner);
    }
    kmeans_race_end(comm, m, s->n_init * TRIALS, s->records);
    for (int r = 0; r < s->n_init; r++)
        append(s, r, record_of(s, r, 0));
}

/* ---- k-means++ ---- */

/* Tiles [tile, tile + n) of restart r. */
static float *distances_of(const seeding *s, int r, int64_t tile)
{
    return s->d2 + ((int64_t)r * s->search->m->n_tiles + tile) * SEG_LANES;
}

/* Local.  Takes the newest center of each restart into its distances, and lets the trials of the
 * next draw, number j, race over them. */
static void race(seeding *s, int j)
{
    const seg_kernels *kernels = s->search->kernels;
    const seg_matrix *m = s->search->m;

    kmeans_records_clear(s->d, s->n_init * TRIALS, s->records);
    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile);
        int64_t first = tile * SEG_LANES, rows = m->rows.count - first;
        const float *x = &m->x[tile * m->d * SEG_LANES];

        if (rows > n * SEG_LANES) rows = n * SEG_LANES;
        for (int r = 0; r < s->n_init; r++) {
            float *d2 = distances_of(s, r, tile);
            if (s->search->n_seeds[r] < j) continue; /* no client was left at a distance */
            const double *newest = seed_of(s, r, j - 1);
            for (int t = 0; t < s->d; t++)
                s->center[t] = (float)newest[t];
            (j == 1 ? kernels->distance : kernels->closer)(m->d, s->center, n, x, d2);
            memset(d2 + rows, 0, (size_t)(n * SEG_LANES - rows) * sizeof *d2);
            kmeans_race(&s->racing, first, rows, d2, draw_of(r, j), TRIALS, record_of(s, r, 0));
        }
    }
}

/* Local.  What the cost of each restart would be with each of its trials, in units of 1 / scale. */
static void try_all(seeding *s, float scale)
{
    const seg_matrix *m = s->search->m;

    memset(s->cost, 0, (size_t)(s->n_init * TRIALS) * sizeof *s->cost);
    for (int r = 0; r < s->n_init; r++) {
        for (int trial = 0; trial < TRIALS; trial++)
            for (int t = 0; t < s->d; t++)
                s->trial[trial * s->d + t] =
                    (double)kmeans_record_values(record_of(s, r, trial))[t];
        seg_kernels_pack(TRIALS, s->d, s->trial, s->packed + r * s->n_packed);
    }
    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile);
        for (int r = 0; r < s->n_init && !m->weight; r++)
            s->search->kernels->potential(m->d, TRIALS, s->packed + r * s->n_packed, n,
                                          &m->x[tile * m->d * SEG_LANES], distances_of(s, r, tile),
                                          scale, &s->cost[r * TRIALS]);
        for (int i = 0; i < s->n_init * TRIALS && m->weight; i++)
            kmeans_potential(s->search->kernels, m, tile, n,
                             kmeans_record_values(record_of(s, i / TRIALS, i % TRIALS)),
                             distances_of(s, i / TRIALS, tile), scale, &s->cost[i]);
    }
}

/* The power of two that turns squared distances into integers for choosing among trials: their mean
 * is at most 2^16, so that a sum over 2^33 clients fits int64. */
static float scale_of(const kmeans_search *search)
{
    int e;

    (void)frexp(search->totals.inertia / (double)search->m->total_weight, &e);
    return ldexpf(1, 16 - e);
}

/* Collective.  Draw number j of all restarts; what ranks ask for. */
static int64_t draw_by_distance(seg_comm *comm, seeding *s, int j, float scale)
{
    int64_t *asked = &s->cost[s->n_init * TRIALS];

    const seg_matrix *m = s->search->m;

    race(s, j);
    kmeans_race_end(comm, m, s->n_init * TRIALS, s->records);
    try_all(s, scale);
    seg_phase_add_bytes(2 * m->n_tiles * SEG_LANES * m->d * (int64_t)sizeof(float));
    *asked = seg_stop_asked();
    seg_sum_int64(comm, s->cost, (int64_t)s->n_init * TRIALS + 1);
    for (int r = 0; r < s->n_init; r++) {
        seg_rival winner;
        int best = 0;
        for (int trial = 1; trial < TRIALS; trial++)
            if (s->cost[r * TRIALS + trial] < s->cost[r * TRIALS + best]) best = trial;
        memcpy(&winner, record_of(s, r, best), sizeof winner);
        if (winner.row != INT64_MAX) append(s, r, record_of(s, r, best));
    }
    return *asked;
}

/* ---- all methods ---- */

/* Collective. */
static seg_status seed_evenly(seg_comm *comm, seeding *s, int k)
{
    int64_t *rows = NULL;

    SEG_TRY(seg_agree(comm, seg_alloc(s->n_init, (size_t)k * sizeof *rows, &rows)));
    for (int j = 0; j < k; j++)
        if (s->search->m->weight)
            draw_by_weight(comm, s, j);
        else
            draw_evenly(comm, s, j, rows, k);
    seg_free(rows);
    return SEG_OK;
}

static void seed_as_given(seeding *s, int k)
{
    for (int r = 0; r < s->n_init; r++) {
        memcpy(seed_of(s, r, 0), s->search->opts->init_centers,
               (size_t)k * (size_t)s->d * sizeof(double));
        s->search->n_seeds[r] = k;
    }
}

/* Collective.  Draws from number n_drawn on; what was drawn before is in the seeds. */
static seg_status seed_by_distance(seg_comm *comm, seeding *s, const seg_field *state,
                                   int64_t *n_drawn)
{
    const seg_kmeans_opts *opts = s->search->opts;
    float scale = scale_of(s->search);

    for (int j = 1; j < *n_drawn; j++)
        race(s, j); /* for the distances */
    while (*n_drawn < s->search->k_most) {
        int64_t asked = draw_by_distance(comm, s, (int)*n_drawn, scale);
        seg_progress_set(++*n_drawn);
        if (asked) SEG_TRY(seg_keep(comm, opts->keeper, "seeds", SEED_FIELDS, state, asked));
    }
    return SEG_OK;
}

/* Collective.  From the first seed on. */
static seg_status seed(seg_comm *comm, seeding *s, const seg_field *state, int64_t *n_drawn)
{
    int k = s->search->k_most;

    switch (s->search->opts->init) {
    case SEG_INIT_CENTERS:
        seed_as_given(s, k);
        break;
    case SEG_INIT_RANDOM:
        SEG_TRY(seed_evenly(comm, s, k));
        break;
    case SEG_INIT_KMEANSPP:
        if (*n_drawn == 0) SEG_TRY(seed_evenly(comm, s, 1));
        if (*n_drawn == 0) *n_drawn = 1;
        return seed_by_distance(comm, s, state, n_drawn);
    }
    *n_drawn = k;
    return SEG_OK;
}

/* Nothing in a state that was kept leads outside the storage. */
static bool is_sound(const kmeans_search *search, int64_t n_drawn)
{
    bool sound = n_drawn > 0 && n_drawn <= search->k_most;

    for (int r = 0; r < search->opts->n_init; r++)
        sound = sound && search->n_seeds[r] > 0 && search->n_seeds[r] <= n_drawn;
    return sound;
}

seg_status kmeans_seed(seg_comm *comm, kmeans_search *search)
{
    seg_status status = SEG_OK;
    const seg_keeper *keeper = search->opts->keeper;
    seeding s = { 0 };
    int k = search->k_most, n_init = search->opts->n_init;
    int64_t n_drawn = 0;
    const seg_field state[SEED_FIELDS] = {
        { "n_drawn", SEG_INT64, 1, &n_drawn },
        { "n_seeds", SEG_INT32, n_init, search->n_seeds },
        { "seeds", SEG_FLOAT64, (int64_t)n_init * k * search->m->d, search->seeds },
    };
    bool found;

    SEG_TRY(seg_restore(comm, keeper, "seeds", SEED_FIELDS, state, &found));
    if (found && !is_sound(search, n_drawn))
        return SEG_FAIL(SEG_ERR_DATA, "the state of the starting centers cannot be gone on with");
    if (n_drawn == k) return SEG_OK;
    SEG_TRY_OR_DONE(seg_agree(comm, seeding_init(&s, search)));
    seg_progress_begin("starting centers", k, "centers");
    SEG_TRY_OR_DONE(seed(comm, &s, state, &n_drawn));
    seg_progress_end(NULL);
    status = seg_keep(comm, keeper, "seeds", SEED_FIELDS, state, 0);
done:
    seeding_release(&s);
    return status;
}
