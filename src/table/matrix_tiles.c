/* The client matrix: rows in, rounded to the grid, into tiles of 16 clients; rows out again. */
#include "segmpi/matrix.h"

#include <math.h>
#include <string.h>

#include "segmpi/memory.h"

#define GRID_FINEST 20

/* x in memory, or where `place` says. */
static seg_status alloc_cells(seg_matrix *m, const seg_place *place)
{
    int64_t bytes = m->n_tiles * m->d * SEG_LANES * (int64_t)sizeof *m->x;

    if (seg_place_memory(place, bytes) == bytes)
        return seg_alloc(m->n_tiles * m->d, SEG_LANES * sizeof *m->x, &m->x);
    return seg_scratch_new(bytes, place, &m->scratch, &m->x);
}

static int64_t tile_bytes(const seg_matrix *m)
{
    return m->d * SEG_LANES * (int64_t)sizeof *m->x;
}

seg_status seg_matrix_init(seg_matrix *m, seg_rows rows, int d, const int *grid,
                           const double *max_abs)
{
    return seg_matrix_init_in(m, NULL, rows, d, grid, max_abs);
}

seg_status seg_matrix_init_in(seg_matrix *m, const seg_place *place, seg_rows rows, int d,
                              const int *grid, const double *max_abs)
{
    seg_status status = SEG_OK;

    *m = (seg_matrix) { .rows = rows,
                        .d = d,
                        .total_weight = rows.total,
                        .n_tiles = rows.count / SEG_LANES + (rows.count % SEG_LANES != 0) };
    SEG_TRY_OR_DONE(alloc_cells(m, place));
    SEG_TRY_OR_DONE(seg_alloc(d, sizeof *m->grid, &m->grid));
    SEG_TRY_OR_DONE(seg_alloc(d, sizeof *m->max_abs, &m->max_abs));
    memcpy(m->grid, grid, (size_t)d * sizeof *grid);
    memcpy(m->max_abs, max_abs, (size_t)d * sizeof *max_abs);
done:
    if (status != SEG_OK) seg_matrix_release(m);
    return status;
}

seg_status seg_matrix_add_weights(seg_matrix *m)
{
    return seg_alloc(m->n_tiles, SEG_LANES * sizeof *m->weight, &m->weight);
}

seg_status seg_matrix_copy_weights(const seg_matrix *from, seg_matrix *to)
{
    to->total_weight = from->total_weight;
    if (!from->weight) return SEG_OK;
    SEG_TRY(seg_matrix_add_weights(to));
    memcpy(to->weight, from->weight, (size_t)(to->n_tiles * SEG_LANES) * sizeof *to->weight);
    return SEG_OK;
}

void seg_matrix_release(seg_matrix *m)
{
    seg_free(m->weight);
    if (!m->scratch) seg_free(m->x);
    seg_scratch_free(m->scratch);
    seg_free(m->grid);
    seg_free(m->max_abs);
    *m = (seg_matrix) { 0 };
}

seg_status seg_matrix_fill(seg_matrix *m, int64_t end)
{
    int64_t tiles = end < m->rows.count ? end / SEG_LANES : m->n_tiles;

    SEG_TRY(seg_fault("matrix_fill", SEG_ERR_IO));
    if (!m->scratch) return SEG_OK;
    return seg_scratch_fill(m->scratch, tiles * tile_bytes(m));
}

int64_t seg_matrix_block(const seg_matrix *m, int64_t tile)
{
    int64_t rest = m->n_tiles - tile;

    if (m->scratch) seg_scratch_pass(m->scratch, tile * tile_bytes(m));
    return rest < SEG_BLOCK_TILES ? rest : SEG_BLOCK_TILES;
}

void seg_matrix_want(const seg_matrix *m, int64_t count, const int64_t *row)
{
    seg_matrix_rest(m);
    for (int64_t i = 0; m->scratch && i < count && i < SEG_MATRIX_WANTED; i++)
        if (row[i] >= 0)
            seg_scratch_want(m->scratch, row[i] / SEG_LANES * tile_bytes(m), tile_bytes(m));
}

void seg_matrix_rest(const seg_matrix *m)
{
    if (m->scratch) seg_scratch_rest(m->scratch);
}

/* With 2^(e - 1) <= sum < 2^e, 61 - e is the largest grid that keeps sum * 2^(grid + 1) below
 * 2^62.  One bit is left for clients that are subtracted and added in the same sum. */
int seg_matrix_grid(int64_t total_weight, double max_abs, double rms)
{
    int e;
    double sum = (double)total_weight * fmin(max_abs, rms);

    if (sum == 0) return GRID_FINEST;
    (void)frexp(sum, &e);
    return 61 - e < GRID_FINEST ? 61 - e : GRID_FINEST;
}

/* rint() without a call: below 2^52 the addition rounds, above it a double has no fraction. */
static inline double round_to_integer(double x)
{
    const double size = fabs(x), rounded = (size + 0x1p52) - 0x1p52;

    return copysign(size < 0x1p52 ? rounded : size, x);
}

/* Some columns and their grids. */
typedef struct steps {
    int first, end;
    double up[64], down[64]; /* 2^grid, 2^-grid */
} steps;

static void steps_init(const seg_matrix *m, int first, steps *s)
{
    s->first = first;
    s->end = first + 64 < m->d ? first + 64 : m->d;
    for (int t = first; t < s->end; t++) {
        s->up[t - first] = ldexp(1, m->grid[t]);
        s->down[t - first] = ldexp(1, -m->grid[t]);
    }
}

/* `count` rows z [count][d] that lie in one tile, from local row `row` on. */
static inline void set_tile(seg_matrix *m, int64_t row, int64_t count, const double *z,
                            const steps *s)
{
    float *tile = &m->x[row / SEG_LANES * SEG_LANES * m->d + row % SEG_LANES];

    for (int t = s->first; t < s->end; t++)
        for (int64_t i = 0; i < count; i++)
            tile[t * SEG_LANES + i] =
                (float)(round_to_integer(z[i * m->d + t] * s->up[t - s->first]) *
                        s->down[t - s->first]);
}

/* Tile by tile, so that its rows stay in the cache while their columns are written. */
void seg_matrix_set(seg_matrix *m, int64_t at, int64_t count, const double *z)
{
    steps s;

    for (int first = 0; first < m->d; first = s.end) {
        steps_init(m, first, &s);
        for (int64_t i = 0, n; i < count; i += n) {
            const int64_t room = SEG_LANES - (at + i) % SEG_LANES;
            n = count - i < room ? count - i : room;
            if (n == SEG_LANES) /* the same, but the compiler knows the number */
                set_tile(m, at + i, SEG_LANES, z + i * m->d, &s);
            else
                set_tile(m, at + i, n, z + i * m->d, &s);
        }
    }
}

void seg_matrix_get(const seg_matrix *m, int64_t at, int64_t count, double *z)
{
    (void)seg_matrix_block(m, at / SEG_LANES);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = at + i;
        const float *lane = &m->x[row / SEG_LANES * m->d * SEG_LANES + row % SEG_LANES];
        for (int t = 0; t < m->d; t++)
            z[i * m->d + t] = lane[t * SEG_LANES];
    }
}
