/* What has changed: drift of the features and of the segments, and who moved from where to where.
 */
#include <math.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"

#define SEGMENTS 24 /* drawn in the table of moves, at most */
#define INK      "#2B3440"
#define MUTED    "#5B6673"

/* ---- drift ---- */

static bool has_drift(const page_data *data)
{
    return data->drift.n > 0;
}

static void tell_drift(const page_data *data, page_figure *figure)
{
    const page_drift *drift = &data->drift;
    page_sheet *sheet = &figure->sheet[0];
    const page_drift_row *first = NULL;
    int moved = 0;

    for (int i = drift->n - 1; i >= 0; i--) {
        const page_drift_row *row = &drift->row[i];
        if (row->is_share) continue;
        first = row;
        moved += seg_drift_of((seg_psi) { row->psi, row->critical }) == SEG_DRIFT_LARGE;
    }
    if (!first)
        (void)snprintf(figure->title, PAGE_TEXT, "No feature could be compared");
    else if (!(first->psi > 0))
        (void)snprintf(figure->title, PAGE_TEXT, "No feature has moved at all");
    else if (moved == 0)
        (void)snprintf(figure->title, PAGE_TEXT,
                       "No feature has moved far; %s has moved most (PSI %.2g)",
                       PAGE_SHORT(first->name), first->psi);
    else
        (void)snprintf(figure->title, PAGE_TEXT, "%d feature%s moved far, %s most (PSI %.2g)",
                       moved, moved == 1 ? " has" : "s have", PAGE_SHORT(first->name), first->psi);
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Population stability index from %.100s to %.100s; 0.10 and 0.25 are rules of "
                   "thumb, the tick is what chance alone exceeds in one of 20 comparisons",
                   drift->base[0], drift->base[1]);
    figure->sheet_name[0] = "drift";
    sheet_title(sheet, "feature");
    sheet_title(sheet, "psi");
    sheet_title(sheet, "critical");
    for (int i = 0; i < drift->n; i++) {
        sheet_text(sheet, drift->row[i].name);
        sheet_number(sheet, drift->row[i].psi);
        sheet_number(sheet, drift->row[i].critical);
    }
}

static void draw_drift(const page_data *data, page_canvas *c)
{
    static const double rules[] = { SEG_PSI_MODERATE, SEG_PSI_LARGE };
    const page_drift *drift = &data->drift;
    int n = drift->n < FIGURE_ROWS ? drift->n : FIGURE_ROWS;
    double most = 0.3, size = c->phone ? 10 : 12, row = n <= 24 ? 22 : 16;
    char *names[FIGURE_ROWS], text[20];

    for (int i = 0; i < n; i++) {
        names[i] = drift->row[i].name;
        most = fmax(most, drift->row[i].psi);
    }
    c->height = (int)(26 + n * row + 10);
    canvas_margins(c, 14 + figure_names_width(n, NULL, names, size, c->phone ? 120 : 230), 16, 26,
                   10);
    figure_row_names(c, n, NULL, names, row, size);
    fprintf(c->script, "set xrange [0:%g]\nset yrange [%g:-0.5]\nunset tics\n", 1.04 * most,
            n - 0.5);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof text, "%.2f", rules[i]);
        if (most < 2 || i == 1)
            canvas_text(c, c->left + (c->width - c->left - c->right) * rules[i] / (1.04 * most), 14,
                        "center", 11, MUTED, text);
        canvas_line(c, rules[i], -0.5, rules[i], n - 0.5,
                    "back linecolor rgb '#A7B0BB' linewidth 1 dashtype 3");
    }
    fprintf(c->script,
            "plot 'drift.tsv' skip 1 every ::::%d using ($2/2):0:($2/2):(0.28) with boxxyerror "
            "fillstyle solid noborder linecolor rgb '#56A0C9', '' skip 1 every ::::%d using "
            "3:($0-0.4):(0):(0.8) with vectors nohead linewidth 2 linecolor rgb '#B04C00'\n",
            n - 1, n - 1);
}

const figure_kind figure_drift = { "drift", "drift", has_drift, tell_drift, draw_drift };

/* ---- migration ---- */

static const seg_json *moves(const page_data *data)
{
    return seg_json_get(data->compared, "migration");
}

static bool has_migration(const page_data *data)
{
    int n = seg_json_length(seg_json_get(moves(data), "names"));

    return n > 0 && n <= SEGMENTS && seg_json_length(seg_json_get(moves(data), "counts")) == n;
}

static const char *name_of(const page_data *data, int i)
{
    return seg_json_string(seg_json_item(seg_json_get(moves(data), "names"), i));
}

static double moved(const page_data *data, int from, int to)
{
    return seg_json_number(
        seg_json_item(seg_json_item(seg_json_get(moves(data), "counts"), from), to));
}

static void tell_migration(const page_data *data, page_figure *figure)
{
    const seg_json *m = moves(data);
    int n = seg_json_length(seg_json_get(m, "names"));
    double stayed = seg_json_number(seg_json_get(m, "stayed"));
    double left = seg_json_number(seg_json_get(m, "moved"));
    char share[20], a[40], b[40];
    page_sheet *sheet = &figure->sheet[0];

    (void)snprintf(figure->title, PAGE_TEXT, "%s of the clients in both scorings changed segment",
                   report_percent(left / (stayed + left), share, sizeof share));
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Rows: the segment before; columns: now, in per cent of the row; %s clients are "
                   "new, %s are gone",
                   page_count((int64_t)seg_json_number(seg_json_get(m, "entered")), a, sizeof a),
                   page_count((int64_t)seg_json_number(seg_json_get(m, "left")), b, sizeof b));
    figure->sheet_name[0] = "migration";
    sheet_title(sheet, "from");
    for (int i = 0; i < n; i++)
        sheet_title(sheet, name_of(data, i));
    for (int from = 0; from < n; from++) {
        sheet_text(sheet, name_of(data, from));
        for (int to = 0; to < n; to++)
            sheet_count(sheet, (int64_t)moved(data, from, to));
    }
}

static void draw_migration(const page_data *data, page_canvas *c)
{
    int n = seg_json_length(seg_json_get(moves(data), "names"));
    page_name shown[SEGMENTS];
    char *names[SEGMENTS], name[200];
    double size = c->phone ? 10 : 12;
    const double row = 34;

    for (int i = 0; i < n; i++) {
        (void)page_short(name_of(data, i), shown[i]);
        names[i] = shown[i];
    }
    int left = 14 + figure_names_width(n, NULL, names, size, c->phone ? 110 : 220);
    double cell = fmin((c->width - left - 8.0) / n, 130);
    c->height = (int)(30 + n * row + 6);
    canvas_margins(c, left, (int)(c->width - left - n * cell), 30, 6);
    figure_row_names(c, n, NULL, names, row, size);
    fprintf(c->script,
            "set xrange [-0.5:%g]\nset yrange [%g:-0.5]\nunset tics\nunset colorbox\n"
            "set cbrange [0:1]\nset palette defined (0 '#F4F5F7', 1 '#6FAED6')\n",
            n - 0.5, n - 0.5);
    for (int to = 0; to < n; to++) {
        canvas_fit(c, names[to], size - 1, cell - 6, name, sizeof name);
        canvas_text(c, left + (to + 0.5) * cell, 16, "center", size - 1, canvas_dark(to), name);
    }
    fprintf(c->script, "share(j) = column(j+2)/(0.0");
    for (int j = 0; j < n; j++)
        fprintf(c->script, "+(valid(%d)?column(%d):0)", j + 2, j + 2);
    fprintf(c->script, ")\nplot ");
    for (int to = 0; to < n; to++)
        fprintf(c->script,
                "%s'migration.tsv' skip 1 using (%d):0:(0.49):(0.48):(share(%d)) with boxxyerror "
                "fillstyle solid noborder linecolor palette, '' skip 1 using (%d):0:(valid(%d) ? "
                "sprintf('%%.0f %%%%',100*share(%d)) : 'few') with labels font ',%d' textcolor rgb "
                "'%s'",
                to == 0 ? "" : ", ", to, to, to, to + 2, to, c->phone ? 9 : 11, INK);
    fprintf(c->script, "\n");
}

const figure_kind figure_migration = { "migration", "drift", has_migration, tell_migration,
                                       draw_migration };
