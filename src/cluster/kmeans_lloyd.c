/* Lloyd's algorithm on many runs at once.  One pass over the rows serves all active runs: a block
 * of rows stays in cache while each run assigns it.  Only clients that changed cluster are
 * subtracted and added; the sums are exact integers, so they do not drift, and one all-reduce of
 * integers per iteration makes them everybody's. Source: Lloyd 1982; the stop rules are
 * scikit-learn's. */
#include <math.h>
#include <string.h>

#include "cluster_internal.h"
#include "segmpi/log.h"
#include "segmpi/stop.h"
#include "segmpi/timer.h"

/* ---- the pass ---- */

static int64_t count_bits(uint16_t bits)
{
    int64_t n = 0;

    for (; bits; bits &= (uint16_t)(bits - 1))
        n++;
    return n;
}

/* Local.  One run on one block of n tiles. */
static void assign_block(kmeans_runs *runs, kmeans_run *run, int64_t tile, int64_t n,
                         int64_t *delta)
{
    const seg_matrix *m = runs->m;
    const float *x = &m->x[tile * m->d * SEG_LANES];
    uint16_t *label = &run->label[tile * SEG_LANES], moved[SEG_BLOCK_TILES];
    int64_t cells = (int64_t)run->k * m->d, padding = m->n_tiles * SEG_LANES - m->rows.count;

    if (run->bounds == KMEANS_BOUNDS_NONE) {
        runs->kernels->assign(m->d, run->k, run->packed, n, x, label, runs->before, moved);
    } else {
        const seg_bounds bounds = kmeans_bounds(runs, run);
        runs->kernels->assign_doubtful(m->d, run->k, run->packed, n, x, &bounds, label,
                                       &run->slack[tile * SEG_LANES], runs->before, moved);
    }
    if (tile + n == m->n_tiles) moved[n - 1] &= (uint16_t)(UINT16_MAX >> padding);
    for (int64_t i = 0; i < n; i++)
        delta[cells + run->k] += count_bits(moved[i]);
    kmeans_move(runs->kernels, m, tile, n,
                &(kmeans_moves) { .moved = moved,
                                  .before = runs->before,
                                  .after = label,
                                  .sum = delta,
                                  .count = delta + cells });
}

/* Local.  All active runs on this rank's rows; the length of `delta`. */
static int64_t pass(kmeans_runs *runs)
{
    const seg_matrix *m = runs->m;
    int64_t length = 0;

    for (int r = 0; r < runs->n; r++)
        if (runs->run[r].active) length += kmeans_delta_size(runs->run[r].k, runs->d);
    memset(runs->delta, 0, (size_t)length * sizeof *runs->delta);
    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile);
        int64_t *delta = runs->delta;
        for (int r = 0; r < runs->n; r++) {
            kmeans_run *run = &runs->run[r];
            if (!run->active) continue;
            assign_block(runs, run, tile, n, delta);
            delta += kmeans_delta_size(run->k, runs->d);
        }
    }
    return length;
}

/* ---- empty clusters ---- */

static bool is_taken(const kmeans_runs *runs, int n_taken, int64_t row)
{
    for (int i = 0; i < n_taken; i++)
        if (runs->taken[i] == row) return true;
    return false;
}

/* Collective.  The client farthest from the center it was assigned to, of equals the lowest row, in
 * runs->farthest: key = -squared distance. */
static void find_farthest(seg_comm *comm, kmeans_runs *runs, const kmeans_run *run, int n_taken)
{
    const seg_matrix *m = runs->m;
    uint16_t label[SEG_BLOCK_ROWS];
    float best[SEG_BLOCK_ROWS], second[SEG_BLOCK_ROWS];
    seg_rival farthest = { .key = INFINITY, .row = INT64_MAX };

    for (int64_t tile = 0; tile < m->n_tiles; tile += SEG_BLOCK_TILES) {
        int64_t n = seg_matrix_block(m, tile), first = tile * SEG_LANES;
        runs->kernels->nearest(m->d, run->k, run->packed, n, &m->x[first * m->d], label, best,
                               second);
        for (int64_t i = 0; i < n * SEG_LANES && first + i < m->rows.count; i++) {
            int64_t row = m->rows.first + first + i;
            if (seg_matrix_weight(m, first + i) > 0 && -(double)best[i] < farthest.key &&
                !is_taken(runs, n_taken, row))
                farthest = (seg_rival) { .key = -(double)best[i], .row = row };
        }
    }
    kmeans_records_clear(m->d, 1, runs->farthest);
    memcpy(runs->farthest, &farthest, sizeof farthest);
    kmeans_race_end(comm, m, 1, runs->farthest);
}

/* Collective.  The cluster that client `row` is in now. */
static int label_of(seg_comm *comm, const seg_matrix *m, const kmeans_run *run, int64_t row)
{
    int64_t at = row - m->rows.first;
    int64_t label = at >= 0 && at < m->rows.count ? run->label[at] : 0;

    seg_max_int64(comm, &label, 1);
    return (int)label;
}

/* Moves the client at runs->farthest, which is in cluster `from`, to the empty cluster j. */
static void relocate(kmeans_runs *runs, kmeans_run *run, int64_t row, int from, int j)
{
    const seg_matrix *m = runs->m;
    const float *x = kmeans_record_values(runs->farthest);
    int32_t weight = *kmeans_record_weight(m->d, runs->farthest);
    int64_t at = row - m->rows.first;

    for (int t = 0; t < m->d; t++) {
        int64_t cell = (int64_t)ldexp((double)x[t], m->grid[t]) * weight;
        run->sum[(int64_t)from * m->d + t] -= cell;
        run->sum[(int64_t)j * m->d + t] = cell;
    }
    run->count[from] -= weight;
    run->count[j] = weight;
    if (at >= 0 && at < m->rows.count) run->label[at] = (uint16_t)j;
}

/* Cluster j goes; those behind it move up. */
static void drop_cluster(const seg_matrix *m, kmeans_run *run, int j)
{
    size_t behind = (size_t)(run->k - 1 - j), d = (size_t)m->d;

    memmove(&run->sum[(size_t)j * d], &run->sum[((size_t)j + 1) * d],
            behind * d * sizeof *run->sum);
    memmove(&run->centers[(size_t)j * d], &run->centers[((size_t)j + 1) * d],
            behind * d * sizeof *run->centers);
    memmove(&run->count[j], &run->count[j + 1], behind * sizeof *run->count);
    for (int64_t i = 0; i < m->n_tiles * SEG_LANES; i++)
        if (run->label[i] > j && run->label[i] != SEG_NO_LABEL) run->label[i]--;
    run->k--;
    seg_kernels_pack(run->k, m->d, run->centers, run->packed);
}

/* Collective.  An empty cluster takes the client farthest from its center; where no client stands
 * apart from the centers, there are fewer distinct clients than clusters, and the cluster goes. */
static void fill_empty(seg_comm *comm, kmeans_runs *runs, kmeans_run *run)
{
    const seg_matrix *m = runs->m;
    int n_taken = 0;

    for (int j = 0; j < run->k;) {
        if (run->count[j] > 0 || n_taken == runs->k_most) {
            j++;
            continue;
        }
        seg_rival farthest;
        find_farthest(comm, runs, run, n_taken);
        memcpy(&farthest, runs->farthest, sizeof farthest);
        if (!(farthest.key < 0)) {
            drop_cluster(m, run, j);
            continue;
        }
        runs->taken[n_taken++] = farthest.row;
        int from = label_of(comm, m, run, farthest.row);
        relocate(runs, run, farthest.row, from, j);
        j = from < j && run->count[from] == 0 ? from : j + 1;
    }
}

static bool has_empty(const kmeans_run *run)
{
    for (int j = 0; j < run->k; j++)
        if (run->count[j] == 0) return true;
    return false;
}

/* ---- the step ---- */

/* Centers of the run's sums; the sum of their squared shifts. */
static double move_centers(const seg_matrix *m, kmeans_run *run)
{
    double shift = 0;

    for (int j = 0; j < run->k; j++)
        for (int t = 0; t < m->d && run->count[j] > 0; t++) {
            int64_t at = (int64_t)j * m->d + t;
            double center = ldexp((double)run->sum[at], -m->grid[t]) / (double)run->count[j];
            double change = center - run->centers[at];
            shift += change * change;
            run->centers[at] = center;
        }
    return shift;
}

/* Collective.  What the reduced `delta` of a run means for it. */
static void step(seg_comm *comm, kmeans_runs *runs, kmeans_run *run, const int64_t *delta,
                 kmeans_stop stop)
{
    const seg_matrix *m = runs->m;
    int64_t cells = (int64_t)run->k * m->d;
    int k = run->k;

    run->k_before = k;
    memcpy(run->centers_before, run->centers, (size_t)cells * sizeof *run->centers);
    for (int64_t i = 0; i < cells; i++)
        run->sum[i] += delta[i];
    for (int j = 0; j < k; j++)
        run->count[j] += delta[cells + j];
    bool filled = has_empty(run);
    if (filled) fill_empty(comm, runs, run);

    double shift = move_centers(m, run);
    if (filled)
        run->bounds = KMEANS_BOUNDS_NONE;
    else
        kmeans_bounds_step(runs, run, (double)delta[cells + k] / (double)m->rows.total);
    seg_kernels_pack(run->k, m->d, run->centers, run->packed);
    run->n_iter++;
    run->fixed = delta[cells + k] == 0 && !filled;
    run->active = !run->fixed && run->n_iter < stop.max_iter && !(shift <= stop.shift);
}

seg_status kmeans_lloyd(seg_comm *comm, kmeans_runs *runs, kmeans_stop stop)
{
    for (int64_t length; (length = pass(runs)) > 0;) {
        const int64_t *delta = runs->delta;
        runs->delta[length] = seg_stop_asked();
        seg_sum_int64(comm, runs->delta, length + 1);
        const int64_t asked = runs->delta[length];
        seg_phase_add_bytes(runs->m->n_tiles * SEG_LANES * runs->d * (int64_t)sizeof(float));
        for (int r = 0; r < runs->n; r++) {
            kmeans_run *run = &runs->run[r];
            if (!run->active) continue;
            int64_t size = kmeans_delta_size(run->k, runs->d);
            step(comm, runs, run, delta, stop);
            if (!run->active) {
                run->cost = kmeans_inertia(runs->m, runs->totals, run->k, run->centers, run->sum,
                                           run->count);
                if (runs->are_counted) seg_progress_add(1);
            }
            delta += size;
        }
        if (asked && runs->kept) SEG_TRY(kmeans_search_keep(comm, runs->kept, asked));
        if (asked && !runs->kept) SEG_TRY(seg_keep(comm, NULL, "", 0, NULL, asked));
    }
    return SEG_OK;
}
