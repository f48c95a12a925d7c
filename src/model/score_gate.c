/* Are these clients like those of the training base?  Its deciles are the yardstick.
 *
 * A column in another unit: its PSI is above PSI_OTHER as it comes, and below PSI_ALIKE once it is
 * multiplied or divided by one of a few factors.  That is looked for in a sample of blocks, before
 * anything is scored.  A column that has moved: its PSI over all clients is above PSI_ALIKE and
 * above what chance explains; or its share of gaps has changed by more than GAPS; or its values lie
 * more than RANGES ranges of the training base outside of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "score_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define BLOCKS    64
#define LEAST     100 /* clients; fewer say nothing */
#define PSI_OTHER 1.0
#define PSI_ALIKE 0.25
#define GAPS      0.05
#define RANGES    10.0
#define SHOWN     5 /* columns in a message */

static const double factors[] = { 1, 10, 12, 100, 1000, 1 / 10.0, 1 / 12.0, 1 / 100.0, 1 / 1000.0 };

#define N_FACTORS ((int)(sizeof factors / sizeof *factors))

typedef struct gate {
    const seg_reference *base;
    seg_reference counted[sizeof factors / sizeof *factors];
} gate;

/* ---- the sample ---- */

/* Local.  This rank's rows of a block, by each factor. */
static seg_status count_block(scorer *s, gate *g, int64_t first)
{
    const seg_rows rows = seg_table_rows(s->scoring->table);
    const int64_t rest = rows.count - first, n = rest < SEG_BLOCK_ROWS ? rest : SEG_BLOCK_ROWS;

    SEG_TRY(seg_table_read(s->scoring->table, first, n, s->x));
    for (int f = 0; f < N_FACTORS; f++) {
        for (int64_t cell = 0; cell < n * g->base->d; cell++)
            s->z[cell] = s->x[cell] * factors[f];
        seg_reference_add(&g->counted[f], n, s->z, NULL);
    }
    return SEG_OK;
}

/* Local.  Blocks from the middle of equal ranges of blocks, so that any number of ranks sees the
 * same. */
static seg_status count_sample(scorer *s, gate *g)
{
    const seg_rows rows = seg_table_rows(s->scoring->table);
    const int64_t blocks = seg_rows_blocks(rows.total), n = blocks < BLOCKS ? blocks : BLOCKS;

    SEG_TRY(seg_fault("score_sample", SEG_ERR_IO));
    for (int f = 0; f < N_FACTORS; f++)
        SEG_TRY(seg_reference_copy(g->base, &g->counted[f]));
    for (int64_t i = 0; i < n; i++) {
        const int64_t first = (2 * i + 1) * blocks / (2 * n) * SEG_BLOCK_ROWS - rows.first;
        if (first >= 0 && first < rows.count) SEG_TRY(count_block(s, g, first));
    }
    return SEG_OK;
}

/* ---- another unit ---- */

/* The factor by which column t fits, 1 if it fits as it is or not at all. */
static double factor_of(const gate *g, int t)
{
    double least = PSI_ALIKE, factor = 1;

    if (!(seg_reference_psi(g->base, t, &g->counted[0], t).psi > PSI_OTHER)) return 1;
    for (int f = 1; f < N_FACTORS; f++) {
        const double psi = seg_reference_psi(g->base, t, &g->counted[f], t).psi;
        if (!(psi < least)) continue;
        least = psi;
        factor = factors[f];
    }
    return factor;
}

/* "'BALANCE' / 100", added to a list. */
static void add_column(const char *name, double factor, int n, char *list, size_t size)
{
    const size_t used = strlen(list);
    char clean[100];

    seg_text_clean(name, clean, sizeof clean);
    if (n == SHOWN) (void)snprintf(list + used, size - used, ", ...");
    if (n >= SHOWN) return;
    (void)snprintf(list + used, size - used, "%s'%s' %s %.0f", n > 0 ? ", " : "", clean,
                   factor < 1 ? "/" : "*", factor < 1 ? 1 / factor : factor);
}

static seg_status judge_units(const gate *g, bool allow)
{
    char list[700] = "";
    int n = 0;

    for (int t = 0; t < g->base->d && g->counted[0].n >= LEAST; t++) {
        const double factor = factor_of(g, t);
        if (factor < 1 || factor > 1) add_column(g->base->names[t], factor, n++, list, sizeof list);
    }
    if (n == 0) return SEG_OK;
    if (allow) {
        seg_log_warning("columns look as if they were in another unit than the training base of "
                        "the model; these would fit: %s",
                        list);
        return SEG_OK;
    }
    return SEG_FAIL(SEG_ERR_DATA,
                    "columns look as if they were in another unit than the training base of the "
                    "model; these would fit: %s; convert them, or say --allow-drift",
                    list);
}

seg_status score_gate(seg_comm *comm, scorer *s)
{
    seg_status status = SEG_OK;
    gate g = { .base = &s->scoring->model->reference };

    if (g.base->d == 0) {
        seg_log_note("the model does not say what its training base was like: drift is not seen");
        return SEG_OK;
    }
    SEG_TRY_OR_DONE(seg_agree(comm, count_sample(s, &g)));
    for (int f = 0; f < N_FACTORS; f++)
        seg_reference_sum(comm, &g.counted[f]);
    status = judge_units(&g, s->scoring->allow_drift);
done:
    for (int f = 0; f < N_FACTORS; f++)
        seg_reference_release(&g.counted[f]);
    return status;
}

/* ---- what has moved ---- */

static double gaps(const seg_reference *r, int t)
{
    return (double)r->missing[t] / (double)r->n;
}

/* What is to be said of column t; "" for nothing. */
static void describe(const seg_reference *base, const seg_reference *r, int t, char *text,
                     size_t size)
{
    const seg_psi psi = seg_reference_psi(base, t, r, t);
    const double room = RANGES * (base->max[t] - base->min[t]);

    *text = '\0';
    if (r->max[t] > base->max[t] + room || r->min[t] < base->min[t] - room)
        (void)snprintf(text, size, "lies between %.4g and %.4g, there between %.4g and %.4g",
                       r->min[t], r->max[t], base->min[t], base->max[t]);
    else if (fabs(gaps(r, t) - gaps(base, t)) > GAPS)
        (void)snprintf(text, size, "is missing for %.1f %% of clients, there for %.1f %%",
                       100 * gaps(r, t), 100 * gaps(base, t));
    else if (psi.psi > PSI_ALIKE && psi.psi > psi.critical)
        (void)snprintf(text, size, "has moved (PSI %.2f)", psi.psi);
}

void score_warn(const seg_reference *base, const seg_reference *r)
{
    char text[200], clean[100];
    int n = 0;

    for (int t = 0; t < r->d && r->n >= LEAST; t++) {
        describe(base, r, t, text, sizeof text);
        if (*text && n++ < SHOWN)
            seg_log_warning("not as in the training base: '%s' %s",
                            seg_text_clean(base->names[t], clean, sizeof clean), text);
    }
    if (n > SHOWN) seg_log_warning("%d more columns are not as in the training base", n - SHOWN);
}
