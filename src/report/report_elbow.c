/* An elbow in words: a line for each k with its indices, which k each rule names, and the one that
 * is recommended with the reason; and the same as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

typedef struct column {
    seg_index index;
    const char *title;
    double best; /* 1: the highest is best; -1: the lowest; 0: neither is */
} column;

static const column columns[] = {
    { SEG_INDEX_INERTIA, "inertia", 0 },
    { SEG_INDEX_VARIANCE_EXPLAINED, "explained", 0 },
    { SEG_INDEX_SILHOUETTE, "silhouette", 1 },
    { SEG_INDEX_SILHOUETTE_SIMPLIFIED, "simplified", 1 },
    { SEG_INDEX_DAVIES_BOULDIN, "Davies-B.", -1 },
    { SEG_INDEX_CALINSKI_HARABASZ, "Calinski-H.", 1 },
    { SEG_INDEX_SMALLEST_SHARE, "smallest", 0 },
    { SEG_INDEX_RESTART_AGREEMENT, "agreement", 0 },
    { SEG_INDEX_GAP, "gap", 0 },
    { SEG_INDEX_GAP_ERROR, "gap error", 0 },
    { SEG_INDEX_LEAST_STABILITY, "stability", 0 },
};

#define N_COLUMNS (int)(sizeof columns / sizeof *columns)

/* ---- the table ---- */

/* What the table shows of an elbow. */
typedef struct shown {
    const seg_elbow *elbow;
    int n;
    const column *column[N_COLUMNS];
} shown;

/* True if no value of the column is better than that of fit number i, and no earlier one as good.
 */
static bool is_best(const seg_elbow *elbow, const column *c, int i)
{
    const double *value = elbow->index[c->index];
    int best = -1;

    if (!(c->best > 0 || c->best < 0)) return false;
    for (int other = 0; other < elbow->sweep.n_k; other++)
        if (!isnan(value[other]) && (best < 0 || c->best * value[other] > c->best * value[best]))
            best = other;
    return best == i;
}

/* The best of a column is marked. */
static void print_cell(const void *from, int row, int number, char text[REPORT_CELL])
{
    const shown *s = from;
    const column *c = s->column[number];
    double value = s->elbow->index[c->index][row];
    const char *mark = is_best(s->elbow, c, row) ? "*" : "";
    char figure[32];

    if (isnan(value))
        snprintf(figure, sizeof figure, "-");
    else if (c->index == SEG_INDEX_VARIANCE_EXPLAINED || c->index == SEG_INDEX_SMALLEST_SHARE)
        snprintf(figure, sizeof figure, "%.1f %%", 100 * value);
    else if (c->index == SEG_INDEX_INERTIA || c->index == SEG_INDEX_CALINSKI_HARABASZ)
        report_number(value, figure, sizeof figure);
    else
        snprintf(figure, sizeof figure, "%.4f", value);
    snprintf(text, REPORT_CELL, "%s%s", mark, figure);
}

static seg_status print_table(const seg_elbow *elbow)
{
    seg_status status = SEG_OK;
    int n = elbow->sweep.n_k;
    shown s = { .elbow = elbow };
    const char *title[N_COLUMNS], **name = NULL;
    char(*text)[16] = NULL;

    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *name, &name));
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *text, &text));
    for (int i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "k = %d", elbow->sweep.fit[i].k);
        name[i] = text[i];
    }
    for (int c = 0; c < N_COLUMNS; c++) {
        if (!seg_elbow_has(elbow, (int)columns[c].index)) continue;
        title[s.n] = columns[c].title;
        s.column[s.n++] = &columns[c];
    }
    const report_table table = {
        .n = n, .n_columns = s.n, .name = name, .title = title, .from = &s, .cell = print_cell
    };
    putchar('\n');
    report_table_print(&table);
done:
    seg_free(name);
    seg_free(text);
    return status;
}

/* What the numbers were made from. */
static void print_notes(const seg_elbow *elbow)
{
    int64_t least = elbow->n, most = 0;
    char a[32], b[32], text[400];

    for (int i = 0; i < elbow->sweep.n_k; i++) {
        int64_t looked_at = elbow->silhouette_clients[i];
        if (isnan(elbow->index[SEG_INDEX_SILHOUETTE][i])) continue;
        least = looked_at < least ? looked_at : least;
        most = looked_at > most ? looked_at : most;
    }
    putchar('\n');
    if (most > 0 && least == elbow->n)
        report_paragraph(2, "silhouette: exact, over all pairs of clients");
    else if (most > 0) {
        snprintf(text, sizeof text,
                 "silhouette: over all pairs of a sample of %s to %s clients, stratified by "
                 "cluster; simplified: of all clients, by distances to centers",
                 seg_text_count(least, a, sizeof a), seg_text_count(most, b, sizeof b));
        report_paragraph(2, text);
    }
    if (elbow->n_references > 0 || elbow->n_bootstraps > 0) {
        int64_t sample = elbow->n < SEG_ELBOW_SAMPLE ? elbow->n : SEG_ELBOW_SAMPLE;
        snprintf(text, sizeof text,
                 "gap: %d references drawn from a box along the %s; stability: "
                 "%d bootstraps; both on %s clients",
                 elbow->n_references,
                 elbow->gap_kind == SEG_GAP_PCA ? "principal components" : "columns",
                 elbow->n_bootstraps, seg_text_count(sample, a, sizeof a));
        report_paragraph(2, text);
    }
}

/* ---- the choice ---- */

/* NaN where k is none of the range: a rule names none, or all clients are alike. */
static double index_at(const seg_elbow *elbow, seg_index index, int k)
{
    return k >= elbow->k_min ? elbow->index[index][k - elbow->k_min] : NAN;
}

/* "5: the cost curve bends there most ..." */
static void reason_of(const seg_elbow *elbow, char *text, size_t size)
{
    const seg_elbow_choice *c = &elbow->choice;
    double highest = index_at(elbow, SEG_INDEX_SILHOUETTE, c->silhouette);

    switch (c->reason) {
    case SEG_CHOICE_ALIKE:
        snprintf(text, size, "%d: all clients are alike, so there is nothing to tell apart.",
                 c->recommended);
        return;
    case SEG_CHOICE_ONLY:
        snprintf(text, size, "%d: the range holds no other k, so nothing was compared.",
                 c->recommended);
        return;
    case SEG_CHOICE_SILHOUETTE:
        snprintf(text, size,
                 "%d: its clusters stand apart. The silhouette is highest there, %.2f, and from "
                 "%.1f on a structure counts as reasonable.",
                 c->recommended, highest, SEG_CHOICE_APART);
        return;
    case SEG_CHOICE_KNEE:
        snprintf(
            text, size,
            "%d, as a compromise: no k tells clients clearly apart (the highest silhouette is "
            "%.2f, at k = %d; from %.1f on a structure counts as reasonable), so the knee of the "
            "cost curve decides, the k farthest below the chord from k = %d to k = %d. The "
            "knee moves with that range; what the segments are for should weigh more.",
            c->recommended, highest, c->silhouette, SEG_CHOICE_APART, c->knee_from, c->knee_to);
        return;
    case SEG_CHOICE_HIGHEST:
        snprintf(
            text, size,
            "%d, for want of better: no k tells clients clearly apart, and the cost curve from "
            "k = %d to k = %d has no knee; the silhouette is highest there. A wider range of k "
            "would tell more.",
            c->recommended, c->knee_from, c->knee_to);
        return;
    }
}

static void print_rule(const char *rule, int k, const char *missing)
{
    if (k > 0)
        printf("  %-27s %d\n", rule, k);
    else
        printf("  %-27s - (%s)\n", rule, missing);
}

void report_elbow_choice(const seg_elbow *elbow)
{
    const seg_elbow_choice *c = &elbow->choice;
    char text[800], rule[64];

    report_heading("Choice of k");
    snprintf(rule, sizeof rule, "knee from %d to %d", c->knee_from, c->knee_to);
    print_rule(rule, c->knee, "the curve has none in this range");
    print_rule("highest silhouette", c->silhouette, "not defined");
    print_rule("lowest Davies-Bouldin", c->davies_bouldin, "not defined");
    print_rule("highest Calinski-Harabasz", c->calinski_harabasz, "not defined");
    if (elbow->n_references > 0)
        print_rule("gap statistic", c->gap, "the gap still rises at the end of the range");
    if (elbow->n_bootstraps > 0) print_rule("most clusters, all stable", c->stable, "none");
    reason_of(elbow, text, sizeof text);
    printf("\n  recommended\n");
    report_paragraph(4, text);
    if (index_at(elbow, SEG_INDEX_SMALLEST_SHARE, c->recommended) < SEG_CHOICE_SHARE)
        report_paragraph(4, "Its smallest cluster holds less than 1 % of the clients: look whether "
                            "it is made of outliers.");
}

seg_status seg_report_elbow(const seg_model *model)
{
    const seg_elbow *elbow = &model->elbow;

    report_clients(model->prep.n, elbow->n, model->prep.d);
    printf(", k from %d to %d, %d restart%s each\n", elbow->k_min, elbow->k_max,
           elbow->sweep.n_init, REPORT_S(elbow->sweep.n_init));
    report_embedding(&model->embedding);
    SEG_TRY(print_table(elbow));
    print_notes(elbow);
    report_elbow_choice(elbow);
    return SEG_OK;
}

/* ---- JSON ---- */

static void add_choice(seg_json *json, const seg_elbow *elbow)
{
    const seg_elbow_choice *c = &elbow->choice;
    seg_json *choice = seg_json_object();
    char text[800];

    reason_of(elbow, text, sizeof text);
    seg_json_add_int(choice, "recommended", c->recommended);
    seg_json_add_text(choice, "reason", text);
    seg_json_add_int(choice, "knee", c->knee);
    seg_json_add_int(choice, "knee_from", c->knee_from);
    seg_json_add_int(choice, "knee_to", c->knee_to);
    seg_json_add_int(choice, "silhouette", c->silhouette);
    seg_json_add_int(choice, "davies_bouldin", c->davies_bouldin);
    seg_json_add_int(choice, "calinski_harabasz", c->calinski_harabasz);
    if (elbow->n_references > 0) seg_json_add_int(choice, "gap", c->gap);
    if (elbow->n_bootstraps > 0) seg_json_add_int(choice, "stable", c->stable);
    seg_json_add(json, "choice", choice);
}

static seg_json *fit_json(const seg_elbow *elbow, int i)
{
    const seg_sweep_fit *fit = &elbow->sweep.fit[i];
    seg_json *json = seg_json_object(), *size = seg_json_array();

    seg_json_add_int(json, "n_clusters", fit->k);
    seg_json_add_int(json, "n_clusters_found", fit->n_clusters);
    for (int c = 0; c < N_COLUMNS; c++)
        if (seg_elbow_has(elbow, (int)columns[c].index))
            seg_json_add_double(json, seg_index_names[columns[c].index],
                                elbow->index[columns[c].index][i]);
    seg_json_add_int(json, "silhouette_clients", elbow->silhouette_clients[i]);
    if (elbow->stability)
        seg_json_add_doubles(json, "stability", fit->n_clusters,
                             elbow->stability + (int64_t)i * elbow->k_max);
    for (int j = 0; j < fit->n_clusters; j++)
        seg_json_add_int(size, NULL, fit->cluster_size[j]);
    seg_json_add(json, "cluster_size", size);
    seg_json_add_doubles(json, "restart_inertia", elbow->sweep.n_init, fit->restart_inertia);
    seg_json_add_int(json, "n_iter", fit->n_iter);
    seg_json_add_int(json, "n_swaps", fit->n_swaps);
    seg_json_add_bool(json, "converged", fit->converged);
    return json;
}

seg_json *report_sweep_json(const seg_elbow *elbow)
{
    seg_json *json = seg_json_object(), *fits = seg_json_array();

    seg_json_add_int(json, "n_clients", elbow->n);
    seg_json_add_double(json, "total_inertia", elbow->sweep.total_inertia);
    for (int i = 0; i < elbow->sweep.n_k; i++)
        seg_json_add(fits, NULL, fit_json(elbow, i));
    seg_json_add(json, "fits", fits);
    add_choice(json, elbow);
    return json;
}

seg_json *seg_report_elbow_json(const seg_model *model)
{
    seg_json *json = report_sweep_json(&model->elbow);

    report_embedding_json(json, &model->embedding);
    return json;
}
