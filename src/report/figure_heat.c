/* Coloured cells: clusters in segments with their merge tree, correlations, migration. */
#include <math.h>
#include <string.h>

#include "page_internal.h"
#include "segmpi/memory.h"

#define CLUSTERS 60  /* drawn, at most */
#define GAP      0.3 /* between segments, in cells */
#define TREE     64  /* px */
#define MUTED    "#5B6673"
#define INK      "#2B3440"

/* ---- clusters in segments ---- */

static bool has_clusters(const page_data *data)
{
    return data->s->n_segments > 0 && data->s->n_clusters <= CLUSTERS && data->s->n_clusters > 1;
}

static double cluster_z(const page_data *data, int cluster, int t)
{
    return data->s->z[((int64_t)data->s->n_segments + cluster) * data->s->d + t];
}

static int64_t cluster_size(const page_data *data, int cluster)
{
    return data->model->kmeans.cluster_size[cluster];
}

/* A node of the merge tree where it is drawn: leaves, then merges. */
typedef struct tree_node {
    double x, height;
} tree_node;

static double clients_of(const page_data *data, int node)
{
    int k = data->s->n_clusters;

    return node < k ? (double)cluster_size(data, node) : data->s->merge_tree[4 * (node - k) + 3];
}

/* Leaves below `node`, those of the larger part first: cluster numbers into leaf from *n on.
 * Merges name earlier nodes. */
static void collect(const page_data *data, int node, int *leaf, int *n)
{
    const int k = data->s->n_clusters;

    if (node < k) {
        if (*n < k) leaf[(*n)++] = node;
        return;
    }
    const double *merge = &data->s->merge_tree[4 * (int64_t)(node - k)];
    int first = clients_of(data, (int)merge[0]) >= clients_of(data, (int)merge[1]) ? 0 : 1;
    for (int side = 0; side < 2; side++)
        if ((int)merge[side ^ first] < node) collect(data, (int)merge[side ^ first], leaf, n);
}

/* Order of the clusters, places of all nodes; node [2 * n_clusters - 1], leaf [n_clusters]. Returns
 * the width in cells. */
static double place_nodes(const page_data *data, tree_node *node, int *leaf)
{
    const seg_segments *s = data->s;
    int n = 0, k = s->n_clusters;
    double x = 0;

    collect(data, 2 * k - 2, leaf, &n);
    for (int i = 0; i < k; i++) {
        if (i > 0) x += 1;
        if (i > 0 && s->cluster_to_segment[leaf[i]] != s->cluster_to_segment[leaf[i - 1]]) x += GAP;
        node[leaf[i]] = (tree_node) { x, 0 };
    }
    for (int m = 0; m < k - 1; m++) {
        const double *merge = &s->merge_tree[4 * (int64_t)m];
        const tree_node *a = &node[(int)merge[0]], *b = &node[(int)merge[1]];
        node[k + m].x = (a->x + b->x) / 2;
        node[k + m].height = fmax(sqrt(fmax(merge[2], 0)), 1.02 * fmax(a->height, b->height));
    }
    return x + 1;
}

static void tell_clusters(const page_data *data, page_figure *figure)
{
    const seg_segments *s = data->s;
    int members[SEG_SEGMENTS_MAX] = { 0 }, most = 0;
    char name[40];

    for (int j = 0; j < s->n_clusters; j++)
        members[s->cluster_to_segment[j]]++;
    for (int g = 1; g < s->n_segments; g++)
        if (members[g] > members[most]) most = g;
    if (s->n_clusters > s->n_segments)
        (void)snprintf(figure->title, PAGE_TEXT, "%s unite %d of the %d clusters",
                       PAGE_SHORT(s->segment[most].name), members[most], s->n_clusters);
    else
        (void)snprintf(figure->title, PAGE_TEXT, "Each of the %d clusters is a segment",
                       s->n_clusters);
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Mean of each cluster in standard deviations, blue below the average of all "
                   "clients, orange above; the tree joins the clusters that cost least to join");
    figure->sheet_name[0] = "clusters";
    figure->sheet_name[1] = "merge_tree";
    sheet_title(&figure->sheet[0], "feature");
    for (int j = 0; j < s->n_clusters; j++) {
        (void)snprintf(name, sizeof name, "cluster %d", j);
        sheet_title(&figure->sheet[0], name);
    }
    for (int i = 0; i < s->d; i++) {
        sheet_text(&figure->sheet[0], s->column[data->order[i]]);
        for (int j = 0; j < s->n_clusters; j++)
            sheet_of_few(&figure->sheet[0], cluster_z(data, j, data->order[i]),
                         cluster_size(data, j));
    }
    static const char *const titles[] = { "node", "joins", "and", "increase", "clients" };
    for (int i = 0; i < 5; i++)
        sheet_title(&figure->sheet[1], titles[i]);
    for (int m = 0; m < s->n_clusters - 1; m++) {
        sheet_whole(&figure->sheet[1], s->n_clusters + m);
        for (int i = 0; i < 3; i++)
            sheet_number(&figure->sheet[1], s->merge_tree[4 * m + i]);
        sheet_size(&figure->sheet[1], (int64_t)s->merge_tree[4 * m + 3], page_has_few(data));
    }
}

/* The tree stands above the cells: y from -1 at its foot to its top, in rows. */
static void draw_tree(const seg_segments *s, page_canvas *c, const tree_node *node, double foot,
                      double rows)
{
    const char *style = "back linecolor rgb '#8A95A3' linewidth 1.2";
    double top = node[2 * s->n_clusters - 2].height, scale = top > 0 ? rows / top : 0;

    for (int m = 0; m < s->n_clusters - 1; m++) {
        const double *merge = &s->merge_tree[4 * (int64_t)m];
        double y = -foot - scale * node[s->n_clusters + m].height, x[2];
        for (int side = 0; side < 2; side++) {
            const tree_node *child = &node[(int)merge[side]];
            x[side] = child->x;
            canvas_line(c, child->x, -foot - scale * child->height, child->x, y, style);
        }
        canvas_line(c, x[0], y, x[1], y, style);
    }
}

/* Colour of the segment, number and share of each cluster. */
static void head_clusters(const page_data *data, page_canvas *c, const tree_node *node, double cell,
                          double row)
{
    char text[40];
    const double px = 1 / row;

    for (int j = 0; j < data->s->n_clusters; j++) {
        fprintf(c->script,
                "set object rectangle from %.5g,%.5g to %.5g,%.5g fillcolor rgb '%s' fillstyle "
                "solid noborder\n",
                node[j].x - 0.49, -0.5 - 8 * px, node[j].x + 0.49, -0.5 - 3 * px,
                canvas_colour(data->s->cluster_to_segment[j]));
        if (cell < 14) continue;
        (void)snprintf(text, sizeof text, "%d", j);
        fprintf(c->script,
                "set label '%s' at %.5g,%.5g center font ',%d' textcolor rgb '" INK "'\n", text,
                node[j].x, -0.5 - 17 * px, c->phone ? 10 : 11);
    }
}

/* Values that are as dark as the ink are written in white. */
static void plot_cells(page_canvas *c, const char *file, int column, double x, double cell,
                       const char *value, double dark, bool is_first)
{
    fprintf(c->script,
            "%s '%s' skip 1 every ::::%d using (%.5g):0:(0.49):(0.485):%s with boxxyerror "
            "fillstyle solid noborder linecolor palette",
            is_first ? "plot" : ",", file, FIGURE_ROWS - 1, x, value);
    for (int white = 0; white < 2 && cell >= 28; white++)
        fprintf(c->script,
                ", '' skip 1 every ::::%d using (%.5g):0:(abs(known(%d))%s%g?written(%d):'') with "
                "labels font ',%d' "
                "textcolor rgb '%s'",
                FIGURE_ROWS - 1, x, column, white ? ">=" : "<", dark, column, c->phone ? 9 : 10,
                white ? "#FFFFFF" : INK);
}

static void draw_clusters(const page_data *data, page_canvas *c)
{
    const seg_segments *s = data->s;
    int n = s->d < FIGURE_ROWS ? s->d : FIGURE_ROWS, leaf[CLUSTERS];
    tree_node node[2 * CLUSTERS];
    double size = c->phone ? 10 : 12, row = n <= 24 ? 24 : 18;
    double cells = place_nodes(data, node, leaf);
    int key = canvas_key(c, data, false) + 4, head = TREE + 26;
    char value[80];

    c->height = (int)(key + head + n * row + 8);
    int left = 14 + figure_names_width(n, data->order, s->column, size, c->phone ? 110 : 230);
    double cell = (c->width - left - 8) / cells;
    canvas_margins(c, left, 8, key + head, 8);
    (void)canvas_key(c, data, true);
    figure_row_names(c, n, data->order, s->column, row, size);
    fprintf(c->script,
            "set tmargin at screen %.5f\nset xrange [-0.5:%.5g]\nset yrange [%g:%.6g]\n"
            "unset tics\n",
            1 - (double)key / c->height, cells - 0.5, n - 0.5, -0.5 - head / row);
    canvas_palette(c, 2);
    fprintf(c->script, "known(j) = valid(j) ? column(j) : NaN\n"
                       "written(j) = known(j)!=known(j) ? '' : abs(column(j))<0.05 ? '0' : "
                       "sprintf('%%+.1f',column(j))\n");
    draw_tree(s, c, node, 0.5 + 26 / row, (TREE - 4) / row);
    head_clusters(data, c, node, cell, row);
    for (int j = 0; j < s->n_clusters; j++) {
        (void)snprintf(value, sizeof value, "(column(%d)>2?2:column(%d)<-2?-2:column(%d))", j + 2,
                       j + 2, j + 2);
        plot_cells(c, "clusters.tsv", j + 2, node[j].x, cell, value, 1.35, j == 0);
    }
    fprintf(c->script, "\n");
}

const figure_kind figure_clusters = { "clusters", "clusters", has_clusters, tell_clusters,
                                      draw_clusters };

/* ---- correlations ---- */

static double correlation(const page_data *data, int s, int t)
{
    const seg_describe *d = &data->model->statistics;

    return d->correlation[(int64_t)s * d->d + t];
}

/* The two columns that go together most; false if no two have a correlation, as constant ones. */
static bool closest(const page_data *data, int *a, int *b)
{
    const int d = data->model->statistics.d;
    double most = -1;

    for (int s = 0; s < d; s++)
        for (int t = s + 1; t < d; t++)
            if (fabs(correlation(data, s, t)) > most) {
                most = fabs(correlation(data, s, t));
                *a = s;
                *b = t;
            }
    return most >= 0;
}

static bool has_correlation(const page_data *data)
{
    int a, b;

    return closest(data, &a, &b);
}

/* Of the first n features. */
static void add_correlations(const page_data *data, int n, page_sheet *sheet)
{
    char *const *names = data->model->statistics.names;

    sheet_title(sheet, "feature");
    for (int t = 0; t < n; t++)
        sheet_title(sheet, names[t]);
    for (int s = 0; s < n; s++) {
        sheet_text(sheet, names[s]);
        for (int t = 0; t < n; t++)
            sheet_number(sheet, correlation(data, s, t));
    }
}

static void tell_correlation(const page_data *data, page_figure *figure)
{
    const seg_describe *d = &data->model->statistics;
    int a = 0, b = 0;
    char n[32];

    (void)closest(data, &a, &b);
    (void)snprintf(figure->title, PAGE_TEXT, "%s and %s go together most (%+.2f)",
                   PAGE_SHORT(d->names[a]), PAGE_SHORT(d->names[b]), correlation(data, a, b));
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Pearson's correlation of the features over %s clients, in hundredths; blue is "
                   "negative, orange positive%s",
                   page_count(d->n, n, sizeof n), d->d > FIGURE_ROWS ? "; the first 60" : "");
    figure->sheet_name[0] = "correlation";
    add_correlations(data, d->d, &figure->sheet[0]);
    if (d->d > FIGURE_ROWS) add_correlations(data, FIGURE_ROWS, &figure->shown);
}

/* Names of columns under the triangle, slanted. */
static void name_below(page_canvas *c, int n, char *const *names, double cell, double width,
                       double size)
{
    char name[200];

    for (int t = 0; t < n - 1; t++) {
        canvas_fit(c, names[t], size, width, name, sizeof name);
        fprintf(c->script, "set label ");
        canvas_quote(c->script, name);
        fprintf(c->script,
                " at screen %.5f,%.5f right rotate by %d font ',%g' textcolor rgb '" INK "'\n",
                (c->left + (t + 0.5) * cell + 3) / c->width, (c->bottom - 8.0) / c->height,
                cell < 24 ? 90 : 45, size);
    }
}

static void draw_correlation(const page_data *data, page_canvas *c)
{
    const seg_describe *d = &data->model->statistics;
    int n = d->d < FIGURE_ROWS ? d->d : FIGURE_ROWS;
    double size = c->phone ? (n > 24 ? 6.5 : 9) : n > 32 ? 9 : 11;
    int most = c->phone ? 100 : 200;
    int left = 14 + figure_names_width(n, NULL, d->names, size, most);
    double cell = fmin((c->width - left - 6.0) / (n - 1), 44), row = fmax(cell, size + 1);
    int below =
        (int)(figure_names_width(n, NULL, d->names, size, most) * (cell < 24 ? 1 : 0.72)) + 22;
    char value[80];

    if (row > 32) row = 32;
    c->height = (int)(4 + (n - 1) * row + below);
    canvas_margins(c, left, (int)(c->width - left - cell * (n - 1)), 4, below);
    figure_row_names(c, n - 1, NULL, d->names + 1, row, size);
    name_below(c, n, d->names, cell, most, size);
    fprintf(c->script, "set xrange [-0.5:%g]\nset yrange [%g:0.5]\nunset tics\n", n - 1.5, n - 0.5);
    canvas_palette(c, 1);
    for (int t = 0; t < n - 1; t++) {
        (void)snprintf(value, sizeof value, "($0>%d?column(%d):NaN)", t, t + 2);
        fprintf(c->script,
                "%s 'correlation.tsv' skip 1 every ::::%d using (%d):0:(0.49):(0.485):%s with "
                "boxxyerror fillstyle solid noborder linecolor palette",
                t == 0 ? "plot" : ",", n - 1, t, value);
        for (int white = 0; white < 2 && cell >= 22; white++)
            fprintf(
                c->script,
                ", '' skip 1 every ::::%d using (%d):0:($0>%d && strcol(%d) ne 'NaN' && "
                "abs(column(%d))%s0.65 ? (abs(column(%d))<0.005 ? '0' : "
                "sprintf('%%.0f',100*column(%d))) : '') with labels font ',%d' textcolor rgb '%s'",
                n - 1, t, t, t + 2, t + 2, white ? ">=" : "<", t + 2, t + 2, c->phone ? 8 : 10,
                white ? "#FFFFFF" : INK);
    }
    fprintf(c->script, "\n");
}

const figure_kind figure_correlation = { "correlation", "correlation", has_correlation,
                                         tell_correlation, draw_correlation };
