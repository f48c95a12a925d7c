/* One-to-one assignment of the greatest total.
 * Source: the Hungarian method with potentials (Kuhn 1955, Munkres 1957), O(n^2 m). */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "segment_internal.h"

static int64_t less(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows are the shorter side; each storage below has one more place than its side. */
int64_t assignment_size(int n, int m)
{
    int64_t rows = less(n, m) + 1, columns = (int64_t)n + m + 2 - rows;

    return rows + 4 * columns;
}

typedef struct matching {
    int rows, columns;
    const double *score;
    int stride_row, stride_column;
    double *u;     /* [rows + 1] potentials */
    double *v;     /* [columns + 1] */
    double *row;   /* [columns + 1] number of the row that has the column, 0: none; from 1 */
    double *from;  /* [columns + 1] column before on the path */
    double *slack; /* [columns + 1] NaN: the column is on the path */
} matching;

static double cost_of(const matching *m, int i, int j)
{
    return -m->score[(i - 1) * m->stride_row + (j - 1) * m->stride_column];
}

/* Extends the path by the cheapest column, from column j on; the new end. */
static int extend(matching *m, int j)
{
    int i = (int)m->row[j], next = 0;
    double least = INFINITY;

    m->slack[j] = NAN;
    for (int c = 1; c <= m->columns; c++) {
        if (isnan(m->slack[c])) continue;
        double slack = cost_of(m, i, c) - m->u[i] - m->v[c];
        if (slack < m->slack[c]) {
            m->slack[c] = slack;
            m->from[c] = j;
        }
        if (m->slack[c] < least) {
            least = m->slack[c];
            next = c;
        }
    }
    for (int c = 0; c <= m->columns; c++)
        if (isnan(m->slack[c])) {
            m->u[(int)m->row[c]] += least;
            m->v[c] -= least;
        } else {
            m->slack[c] -= least;
        }
    return next;
}

static void match_row(matching *m, int i)
{
    int j = 0;

    m->row[0] = i;
    for (int c = 0; c <= m->columns; c++)
        m->slack[c] = INFINITY;
    do
        j = extend(m, j);
    while (m->row[j] > 0);
    for (; j > 0; j = (int)m->from[j])
        m->row[j] = m->row[(int)m->from[j]];
}

double assignment_best(int n, int m, const double *score, double *work, int *to)
{
    bool turned = n > m;
    int rows = turned ? m : n, columns = turned ? n : m;
    matching a = { .rows = rows,
                   .columns = columns,
                   .score = score,
                   .stride_row = turned ? 1 : m,
                   .stride_column = turned ? m : 1,
                   .u = work,
                   .v = work + rows + 1 };
    double sum = 0;

    a.row = a.v + columns + 1;
    a.from = a.row + columns + 1;
    a.slack = a.from + columns + 1;
    memset(work, 0, (size_t)assignment_size(n, m) * sizeof *work);
    for (int i = 1; i <= rows; i++)
        match_row(&a, i);
    for (int i = 0; i < n; i++)
        to[i] = -1;
    for (int j = 1; j <= columns; j++) {
        int i = (int)a.row[j] - 1;
        if (i < 0) continue;
        sum -= cost_of(&a, i + 1, j);
        if (turned)
            to[j - 1] = i;
        else
            to[i] = j - 1;
    }
    return sum;
}
