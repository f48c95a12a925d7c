/* The client matrix: rows in, rounded to the grid, into tiles of 16 clients; rows out again. */
#include "segmpi/matrix.h"

#include <math.h>
#include <string.h>

#include "segmpi/memory.h"

#define GRID_FINEST 20

seg_status seg_matrix_init(seg_matrix *m, seg_rows rows, int d, const int *grid,
                           const double *max_abs)
{
    seg_status status = SEG_OK;

    *m = (seg_matrix) { .rows = rows,
                        .d = d,
                        .n_tiles = rows.count / SEG_LANES + (rows.count % SEG_LANES != 0) };
    SEG_TRY_OR_DONE(seg_alloc(m->n_tiles * d, SEG_LANES * sizeof *m->x, &m->x));
    SEG_TRY_OR_DONE(seg_alloc(d, sizeof *m->grid, &m->grid));
    SEG_TRY_OR_DONE(seg_alloc(d, sizeof *m->max_abs, &m->max_abs));
    memcpy(m->grid, grid, (size_t)d * sizeof *grid);
    memcpy(m->max_abs, max_abs, (size_t)d * sizeof *max_abs);
done:
    if (status != SEG_OK) seg_matrix_release(m);
    return status;
}

void seg_matrix_release(seg_matrix *m)
{
    seg_free(m->x);
    seg_free(m->grid);
    seg_free(m->max_abs);
    *m = (seg_matrix) { 0 };
}

/* With 2^(e - 1) <= sum < 2^e, 61 - e is the largest grid that keeps sum * 2^(grid + 1) below
 * 2^62.  One bit is left for clients that are subtracted and added in the same sum. */
int seg_matrix_grid(int64_t total_rows, double max_abs, double rms)
{
    int e;
    double sum = (double)total_rows * fmin(max_abs, rms);

    if (sum == 0) return GRID_FINEST;
    (void)frexp(sum, &e);
    return 61 - e < GRID_FINEST ? 61 - e : GRID_FINEST;
}

void seg_matrix_set(seg_matrix *m, int64_t at, int64_t count, const double *z)
{
    for (int t = 0; t < m->d; t++) {
        double up = ldexp(1, m->grid[t]), down = ldexp(1, -m->grid[t]);
        for (int64_t i = 0; i < count; i++) {
            int64_t row = at + i;
            m->x[(row / SEG_LANES * m->d + t) * SEG_LANES + row % SEG_LANES] =
                (float)(rint(z[i * m->d + t] * up) * down);
        }
    }
}

void seg_matrix_get(const seg_matrix *m, int64_t at, int64_t count, double *z)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t row = at + i;
        const float *lane = &m->x[row / SEG_LANES * m->d * SEG_LANES + row % SEG_LANES];
        for (int t = 0; t < m->d; t++)
            z[i * m->d + t] = lane[t * SEG_LANES];
    }
}
