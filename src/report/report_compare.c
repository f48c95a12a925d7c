/* What changed between two scorings: in words, and as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/compare.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define COLUMNS_MOST (REPORT_COLUMNS - 1) /* segments in the table of migration */

static const char *const verdicts[] = {
    [SEG_DRIFT_NONE] = "not comparable", [SEG_DRIFT_STABLE] = "stable",
    [SEG_DRIFT_CHANCE] = "chance",       [SEG_DRIFT_MODERATE] = "moderate",
    [SEG_DRIFT_LARGE] = "large",
};

static const char *verdict_of(seg_psi psi)
{
    return verdicts[seg_drift_of(psi)];
}

/* Clients of a segment by the counts that go with the PSI. */
static int64_t share_count(const seg_comparison *c, int side, int segment)
{
    const seg_reference *r = &c->side[side].reference;

    return segment < r->n_segments ? r->segment_count[segment] : 0;
}

/* "0 Frugal Users" for each segment; owned by the caller (seg_free), one block. */
static seg_status number_names(const seg_comparison *c, char ***names)
{
    const char *text[SEG_SEGMENTS_MAX + 1];
    char line[SEG_SEGMENTS_MAX][200];
    int n = seg_comparison_segments(c);

    for (int j = 0; j < n; j++) {
        (void)snprintf(line[j], sizeof line[j], "%d %s", j, seg_comparison_name(c, j));
        text[j] = line[j];
    }
    text[n] = "not in the old base";
    return seg_texts_duplicate(n + 1, text, names);
}

/* ---- in words ---- */

static void print_sides(const seg_comparison *c)
{
    static const char *const which[] = { "old", "new" };
    char n[32], file[200], model[SEG_MODEL_ID], created[40];

    for (int s = 0; s < 2; s++) {
        const seg_scored *side = &c->side[s];
        printf("%s  %s: %s clients, model %s%s%s\n", which[s],
               seg_text_clean(side->file, file, sizeof file),
               seg_text_count(side->clients, n, sizeof n),
               seg_text_clean(side->model_id, model, sizeof model), *side->created ? ", " : "",
               seg_text_clean(side->created, created, sizeof created));
    }
}

/* Features by their index, the largest first; those without one last. */
static void sort_features(const seg_comparison *c, int *order)
{
    for (int t = 0; t < c->d; t++) {
        int at = t;
        double psi = c->feature[t].psi.psi;
        for (; at > 0; at--) {
            double before = c->feature[order[at - 1]].psi.psi;
            if (isnan(psi) || (!isnan(before) && before >= psi)) break;
            order[at] = order[at - 1];
        }
        order[at] = t;
    }
}

typedef struct drift_table {
    const seg_comparison *c;
    const int *order;
} drift_table;

static void drift_cell(const void *from, int row, int column, char text[REPORT_CELL])
{
    const drift_table *table = from;
    seg_psi psi = table->c->feature[table->order[row]].psi;

    if (column == 2)
        (void)snprintf(text, REPORT_CELL, "%s", verdict_of(psi));
    else if (isnan(psi.psi))
        (void)snprintf(text, REPORT_CELL, "-");
    else
        (void)snprintf(text, REPORT_CELL, "%.4f", column == 0 ? psi.psi : psi.critical);
}

static seg_status print_features(const seg_comparison *c)
{
    static const char *const titles[] = { "PSI", "by chance", "verdict" };
    seg_status status = SEG_OK;
    const char **names = NULL;
    int *order = NULL;

    if (c->d == 0) return SEG_OK;
    SEG_TRY_OR_DONE(seg_alloc(c->d, sizeof *order, &order));
    SEG_TRY_OR_DONE(seg_alloc(c->d, sizeof *names, &names));
    sort_features(c, order);
    for (int t = 0; t < c->d; t++)
        names[t] = c->feature[order[t]].name;
    const drift_table from = { c, order };
    const report_table table = { c->d, 3, names, titles, &from, drift_cell };
    report_heading("Features: how far the new base is from the old one");
    report_table_print(&table);
    report_paragraph(2, "PSI over ten training deciles and a bin for missing; rules of thumb: from "
                        "0.10 on moderate, from 0.25 on large. By chance: what one in twenty "
                        "comparisons of so many clients exceeds where nothing has changed.");
done:
    seg_free(order);
    seg_free(names);
    return status;
}

static void share_cell(const void *from, int row, int column, char text[REPORT_CELL])
{
    const seg_comparison *c = from;
    int64_t all = c->side[column].reference.n, count = share_count(c, column, row);
    char n[32];

    (void)snprintf(text, REPORT_CELL, "%s (%.1f %%)", seg_text_count(count, n, sizeof n),
                   all > 0 ? 100.0 * (double)count / (double)all : 0);
}

static void print_shares(const seg_comparison *c, const char *const *names)
{
    static const char *const titles[] = { "old", "new" };
    const report_table table = { seg_comparison_segments(c), 2, names, titles, c, share_cell };

    if (isnan(c->segment_share.psi)) return;
    report_heading("Segments: clients");
    report_table_print(&table);
    printf("  PSI of the shares %.4f (by chance %.4f): %s\n", c->segment_share.psi,
           c->segment_share.critical, verdict_of(c->segment_share));
}

static void migration_cell(const void *from, int row, int column, char text[REPORT_CELL])
{
    const seg_migration *m = from;
    int64_t matched = 0;
    char n[32];

    for (int b = 0; b < m->n && row < m->n; b++)
        matched += m->counts[row * m->n + b];
    if (row == m->n && column == m->n) {
        text[0] = '\0';
        return;
    }
    int64_t count = row == m->n      ? m->entered_by_segment[column]
                    : column == m->n ? m->left_by_segment[row]
                                     : m->counts[row * m->n + column];
    seg_text_count(count, n, sizeof n);
    if (row == m->n || column == m->n || matched == 0)
        (void)snprintf(text, REPORT_CELL, "%s", n);
    else
        (void)snprintf(text, REPORT_CELL, "%s (%.1f %%)", n,
                       100.0 * (double)count / (double)matched);
}

static void print_matrix(const seg_migration *m, const char *const *names)
{
    char text[REPORT_COLUMNS][16];
    const char *titles[REPORT_COLUMNS];

    if (m->n > COLUMNS_MOST) {
        report_paragraph(2, "There are too many segments for a table; --json holds all counts.");
        return;
    }
    for (int b = 0; b < m->n; b++) {
        (void)snprintf(text[b], sizeof text[b], "to %d", b);
        titles[b] = text[b];
    }
    titles[m->n] = "left";
    const report_table table = { m->n + 1, m->n + 1, names, titles, m, migration_cell };
    report_table_print(&table);
}

static void print_migration(const seg_comparison *c, const char *const *names)
{
    const seg_migration *m = &c->migration;
    int64_t both = m->stayed + m->moved;
    char a[32], b[32], d[32], e[32];

    if (!c->has_migration) {
        printf("\nNo migration: %s.\n", seg_comparison_segments(c) == 0
                                            ? "there are no segments"
                                            : "only scores of clients with ids can be joined");
        return;
    }
    report_heading("Migration: old segments down, new ones across");
    print_matrix(m, names);
    printf("  Of %s clients in both bases %s moved (%.1f %%); %s entered, %s left\n",
           seg_text_count(both, a, sizeof a), seg_text_count(m->moved, b, sizeof b),
           both > 0 ? 100.0 * (double)m->moved / (double)both : 0,
           seg_text_count(m->entered, d, sizeof d), seg_text_count(m->left, e, sizeof e));
    if (m->duplicates[0] + m->duplicates[1] > 0)
        printf("  Left out: %s rows of the old and %s of the new base, whose ids are not unique\n",
               seg_text_count(m->duplicates[0], a, sizeof a),
               seg_text_count(m->duplicates[1], b, sizeof b));
}

static void distance_cell(const void *from, int row, int column, char text[REPORT_CELL])
{
    const seg_comparison *c = from;
    const seg_distances *d = &c->side[row].distances;
    const double value[] = { d->mean, d->median, d->p90 };

    (void)report_number(value[column], text, REPORT_CELL);
}

static void print_distances(const seg_comparison *c)
{
    static const char *const names[] = { "old", "new" };
    static const char *const titles[] = { "mean", "median", "90th percentile" };
    const report_table table = { 2, 3, names, titles, c, distance_cell };

    report_heading("Distance of clients to the center of their cluster, in scaled units");
    report_table_print(&table);
}

seg_status seg_report_compare(const seg_comparison *c)
{
    seg_status status = SEG_OK;
    char **names = NULL;

    print_sides(c);
    SEG_TRY_OR_DONE(print_features(c));
    SEG_TRY_OR_DONE(number_names(c, &names));
    print_shares(c, (const char *const *)names);
    print_migration(c, (const char *const *)names);
    print_distances(c);
done:
    seg_free(names);
    return status;
}

/* ---- JSON ---- */

static seg_json *ints_json(int n, const int64_t *values)
{
    seg_json *json = seg_json_array();

    for (int i = 0; i < n; i++)
        seg_json_add_int(json, NULL, values[i]);
    return json;
}

static void add_psi(seg_json *json, seg_psi psi)
{
    seg_json_add_double(json, "psi", psi.psi);
    seg_json_add_double(json, "critical", psi.critical);
    seg_json_add_text(json, "verdict", verdict_of(psi));
}

static void add_names(seg_json *json, const seg_comparison *c)
{
    seg_json *names = seg_json_array();

    for (int j = 0; j < seg_comparison_segments(c); j++)
        seg_json_add_text(names, NULL, seg_comparison_name(c, j));
    seg_json_add(json, "names", names);
}

static seg_json *side_json(const seg_scored *side)
{
    seg_json *json = seg_json_object();

    seg_json_add_text(json, "file", side->file);
    seg_json_add_text(json, "created", side->created);
    seg_json_add_text(json, "model_id", side->model_id);
    seg_json_add_int(json, "clients", side->clients);
    return json;
}

static seg_json *features_json(const seg_comparison *c)
{
    seg_json *json = seg_json_array();

    for (int t = 0; t < c->d; t++) {
        seg_json *feature = seg_json_object();
        seg_json_add_text(feature, "name", c->feature[t].name);
        add_psi(feature, c->feature[t].psi);
        seg_json_add(json, NULL, feature);
    }
    return json;
}

static seg_json *shares_json(const seg_comparison *c)
{
    static const char *const which[] = { "old", "new" };
    seg_json *json = seg_json_object();

    add_psi(json, c->segment_share);
    add_names(json, c);
    for (int s = 0; s < 2; s++) {
        seg_json *counts = seg_json_array();
        for (int j = 0; j < seg_comparison_segments(c); j++)
            seg_json_add_int(counts, NULL, share_count(c, s, j));
        seg_json_add(json, which[s], counts);
    }
    return json;
}

static seg_json *migration_json(const seg_comparison *c)
{
    const seg_migration *m = &c->migration;
    seg_json *json = seg_json_object(), *counts = seg_json_array();

    add_names(json, c);
    for (int a = 0; a < m->n; a++)
        seg_json_add(counts, NULL, ints_json(m->n, m->counts + a * m->n));
    seg_json_add(json, "counts", counts);
    seg_json_add_int(json, "stayed", m->stayed);
    seg_json_add_int(json, "moved", m->moved);
    seg_json_add_int(json, "entered", m->entered);
    seg_json_add_int(json, "left", m->left);
    seg_json_add(json, "entered_by_segment", ints_json(m->n, m->entered_by_segment));
    seg_json_add(json, "left_by_segment", ints_json(m->n, m->left_by_segment));
    seg_json_add_int(json, "duplicates", m->duplicates[0] + m->duplicates[1]);
    return json;
}

static seg_json *distances_json(const seg_distances *d)
{
    seg_json *json = seg_json_object();

    seg_json_add_double(json, "mean", d->mean);
    seg_json_add_double(json, "median", d->median);
    seg_json_add_double(json, "p90", d->p90);
    return json;
}

seg_json *seg_report_compare_json(const seg_comparison *c)
{
    seg_json *json = seg_json_object(), *distance = seg_json_object();

    seg_json_add_text(json, "format", "comparison");
    seg_json_add(json, "old", side_json(&c->side[0]));
    seg_json_add(json, "new", side_json(&c->side[1]));
    seg_json_add(json, "features", features_json(c));
    seg_json_add(json, "segment_share", shares_json(c));
    if (c->has_migration) seg_json_add(json, "migration", migration_json(c));
    seg_json_add(distance, "old", distances_json(&c->side[0].distances));
    seg_json_add(distance, "new", distances_json(&c->side[1].distances));
    seg_json_add(json, "distance", distance);
    return json;
}
