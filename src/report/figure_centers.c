/* Centers of the segments, feature by feature, and how clients are spread within segments. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "page_internal.h"

#define PANELS      6 /* features whose distributions are drawn */
#define RIDGE       0.82
#define PANEL_GAP   18.0 /* px */
#define PANEL_HEAD  28.0
#define PANEL_FOOT  30.0
#define MERGED_MOST 8 /* bins of a distribution that are put together */
#define GRID_STYLE  "back linecolor rgb '#E6E9EE' linewidth 1"
#define ZERO_STYLE  "back linecolor rgb '#A7B0BB' linewidth 1"

static bool has_segments(const page_data *data)
{
    return data->s->n_segments > 0;
}

static double z_of(const page_data *data, int group, int column)
{
    return data->s->z[(int64_t)group * data->s->d + column];
}

static double mean_of(const page_data *data, int group, int column)
{
    return data->s->mean[(int64_t)group * data->s->d + column];
}

static void title_segments(const page_data *data, page_sheet *sheet)
{
    for (int i = 0; i < data->s->n_segments; i++)
        sheet_title(sheet, data->s->segment[i].name);
}

/* ---- centers ---- */

static void tell_centers(const page_data *data, page_figure *figure)
{
    const seg_segments *s = data->s;
    page_sheet *sheet = &figure->sheet[0];

    if (s->d > 1)
        (void)snprintf(figure->title, PAGE_TEXT, "%s and %s set the segments apart most",
                       PAGE_SHORT(s->column[data->order[0]]),
                       PAGE_SHORT(s->column[data->order[1]]));
    else
        (void)snprintf(figure->title, PAGE_TEXT, "%s sets the segments apart",
                       PAGE_SHORT(s->column[0]));
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Mean of each segment, in standard deviations from the mean of all clients; "
                   "features in the order of the variance that lies between segments%s",
                   s->d > FIGURE_ROWS ? ", the first 60" : "");
    figure->sheet_name[0] = "centers";
    sheet_title(sheet, "feature");
    sheet_title(sheet, "between_segments");
    sheet_title(sheet, "lowest");
    sheet_title(sheet, "highest");
    title_segments(data, sheet);
    for (int i = 0; i < s->d; i++) {
        int t = data->order[i];
        double low = INFINITY, high = -INFINITY;
        for (int g = 0; g < s->n_segments; g++) {
            if (page_is_hidden(s->segment[g].size)) continue;
            low = fmin(low, z_of(data, g, t));
            high = fmax(high, z_of(data, g, t));
        }
        sheet_text(sheet, s->column[t]);
        sheet_number(sheet, s->effect[t]);
        sheet_number(sheet, low);
        sheet_number(sheet, high);
        for (int g = 0; g < s->n_segments; g++)
            sheet_of_few(sheet, z_of(data, g, t), s->segment[g].size);
    }
}

static void range_of(const page_data *data, int n, double *low, double *high)
{
    *low = -1;
    *high = 1;
    for (int i = 0; i < n; i++)
        for (int g = 0; g < data->s->n_segments; g++) {
            if (page_is_hidden(data->s->segment[g].size)) continue;
            *low = fmin(*low, z_of(data, g, data->order[i]));
            *high = fmax(*high, z_of(data, g, data->order[i]));
        }
    double margin = 0.04 * (*high - *low);
    *low -= margin;
    *high += margin;
}

/* Ticks at whole standard deviations, not more than fit. */
static void print_deviations(page_canvas *c, double low, double high)
{
    double step = 1;

    while ((high - low) / step > (c->phone ? 6 : 12))
        step *= 2;
    fprintf(c->script, "set xtics font ',11' offset 0,0.3 (");
    for (double x = ceil(low / step) * step; x <= high; x += step)
        if (x == 0)
            fprintf(c->script, "'average' 0%s", x + step <= high ? ", " : "");
        else
            fprintf(c->script, "'%+g sd' %g%s", x, x, x + step <= high ? ", " : "");
    fprintf(c->script, ")\n");
}

static void draw_centers(const page_data *data, page_canvas *c)
{
    const seg_segments *s = data->s;
    int n = s->d < FIGURE_ROWS ? s->d : FIGURE_ROWS;
    double low, high, size = c->phone ? 10 : 12, row = n <= 24 ? 24 : 18;

    range_of(data, n, &low, &high);
    int top = canvas_key(c, data, false) + 8;
    c->height = (int)(top + n * row + 30);
    int left = 14 + figure_names_width(n, data->order, s->column, size, c->phone ? 120 : 230);
    canvas_margins(c, left, 16, top, 28);
    (void)canvas_key(c, data, true);
    figure_row_names(c, n, data->order, s->column, row, size);
    fprintf(c->script, "set xrange [%g:%g]\nset yrange [%g:-0.5]\nunset ytics\n", low, high,
            n - 0.5);
    print_deviations(c, low, high);
    fprintf(c->script, "set grid xtics " GRID_STYLE "\n");
    canvas_line(c, 0, -0.5, 0, n - 0.5, ZERO_STYLE);
    fprintf(c->script,
            "plot 'centers.tsv' skip 1 every ::::%d using 3:0:($4-$3):(0) with vectors nohead "
            "linewidth 2 linecolor rgb '#CBD2DA'",
            n - 1);
    for (int g = 0; g < s->n_segments; g++)
        fprintf(c->script,
                ", '' skip 1 every ::::%d using %d:0 with points pointtype %d pointsize %g "
                "linecolor rgb '%s'",
                n - 1, 5 + g, canvas_shape(g), c->phone ? 0.9 : 1.1, canvas_colour(g));
    fprintf(c->script, "\n");
}

const figure_kind figure_centers = { "centers", "centers", has_segments, tell_centers,
                                     draw_centers };

/* ---- distributions ---- */

static bool has_histograms(const page_data *data)
{
    return data->s->n_segments > 0 && data->model->picture.n_segments == data->s->n_segments;
}

/* The strongest of the columns that have histograms: those of the distances. */
static int panels_of(const page_data *data, int panel[PANELS])
{
    int n = 0;

    for (int i = 0; i < data->s->d && n < PANELS; i++)
        if (data->order[i] < data->model->picture.d) panel[n++] = data->order[i];
    return n;
}

/* Clients by value, `each` of the bins put together: their number. */
static int bins_of(const page_data *data, int segment, int t, int each, int64_t *bins)
{
    const seg_picture *p = &data->model->picture;
    const int64_t *all = &p->histogram[((int64_t)segment * p->d + t) * SEG_PICTURE_BINS];
    const int n = SEG_PICTURE_BINS / each;

    memset(bins, 0, (size_t)n * sizeof *bins);
    for (int i = 0; i < SEG_PICTURE_BINS; i++)
        bins[i / each] += all[i];
    return n;
}

/* True if more than a quarter of a segment would not be shown. */
static bool hides_much(int n, const int64_t *bins)
{
    int64_t hidden = 0, all = 0, next = INT64_MAX;
    int few = 0;

    for (int i = 0; i < n; i++) {
        all += bins[i];
        few += page_is_hidden(bins[i]);
        hidden += page_is_hidden(bins[i]) ? bins[i] : 0;
        if (bins[i] >= PAGE_FEW && bins[i] < next) next = bins[i];
    }
    if (few == 1 && next < INT64_MAX) hidden += next;
    return 4 * hidden > all;
}

/* Bins of a feature that are put together, as small groups are not shown: as few as let most
 * segments be seen. */
static int each_of(const page_data *data, int t)
{
    int64_t bins[SEG_PICTURE_BINS];
    int best = 1, least = INT_MAX;

    for (int each = 1; each <= MERGED_MOST; each *= 2) {
        int unseen = 0;
        for (int g = 0; g < data->s->n_segments; g++)
            unseen += hides_much(bins_of(data, g, t, each, bins), bins);
        if (unseen >= least) continue;
        least = unseen;
        best = each;
    }
    return best;
}

static double edge_of(const page_data *data, int t, int edge)
{
    const double *edges = &data->model->picture.bin_edges[(int64_t)t * (SEG_PICTURE_BINS + 1)];
    double range = edges[SEG_PICTURE_BINS] - edges[0];

    return fabs(edges[edge]) < 1e-9 * range ? 0 : edges[edge];
}

static void add_bins(const page_data *data, int t, page_sheet *sheet)
{
    const int each = each_of(data, t), n = SEG_PICTURE_BINS / each;
    int64_t bins[SEG_PICTURE_BINS];

    for (int bin = 0; bin < n; bin++) {
        sheet_text(sheet, data->s->column[t]);
        sheet_whole(sheet, bin);
        sheet_number(sheet, edge_of(data, t, bin * each));
        sheet_number(sheet, edge_of(data, t, (bin + 1) * each));
        for (int g = 0; g < data->s->n_segments; g++) {
            (void)bins_of(data, g, t, each, bins);
            sheet_size(sheet, bins[bin], page_is_withheld(n, bins, bin));
        }
    }
}

static void add_medians(const page_data *data, page_sheet *sheet)
{
    const seg_segments *s = data->s;

    sheet_title(sheet, "median");
    title_segments(data, sheet);
    for (int i = 0; i < s->d; i++) {
        sheet_text(sheet, s->column[data->order[i]]);
        for (int g = 0; g < s->n_segments; g++)
            sheet_of_few(sheet, s->median[(int64_t)g * s->d + data->order[i]], s->segment[g].size);
    }
}

static void tell_distributions(const page_data *data, page_figure *figure)
{
    const seg_segments *s = data->s;
    int panel[PANELS] = { 0 }, n = panels_of(data, panel), low = -1, high = -1;
    char a[40], b[40];

    for (int g = 0; g < s->n_segments && n > 0; g++) {
        if (page_is_hidden(s->segment[g].size)) continue;
        if (low < 0 || mean_of(data, g, panel[0]) < mean_of(data, low, panel[0])) low = g;
        if (high < 0 || mean_of(data, g, panel[0]) > mean_of(data, high, panel[0])) high = g;
    }
    if (low == high)
        (void)snprintf(figure->title, PAGE_TEXT, "How clients are spread");
    else
        (void)snprintf(figure->title, PAGE_TEXT, "%s: %s on average among %s, %s among %s",
                       PAGE_SHORT(s->column[panel[0]]),
                       page_number(mean_of(data, high, panel[0]), a, sizeof a),
                       PAGE_SHORT(s->segment[high].name),
                       page_number(mean_of(data, low, panel[0]), b, sizeof b),
                       PAGE_SHORT(s->segment[low].name));
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Clients of each segment by value, all clients counted, each ridge to its own "
                   "height; the axis spans the 1st to the 99th percentile, what lies beyond "
                   "stands at its ends");
    figure->sheet_name[0] = "distributions";
    sheet_title(&figure->sheet[0], "feature");
    sheet_title(&figure->sheet[0], "bin");
    sheet_title(&figure->sheet[0], "from");
    sheet_title(&figure->sheet[0], "to");
    title_segments(data, &figure->sheet[0]);
    for (int t = 0; t < data->model->picture.d; t++)
        add_bins(data, t, &figure->sheet[0]);
    add_medians(data, &figure->shown);
}

/* The place of a panel. */
typedef struct place {
    double x, y, width, row; /* left and top of the ridges, height of each */
    int first, each;         /* line of the file, and bins that are put together */
} place;

static void label_panel(const page_data *data, page_canvas *c, int t, const place *p)
{
    const double size = c->phone ? 10 : 11;
    double bottom = p->y + data->s->n_segments * p->row;
    char text[200];

    canvas_fit(c, data->s->column[t], size + 1, p->width, text, sizeof text);
    canvas_text(c, p->x, p->y - 12, "left", size + 1, "#2B3440", text);
    for (int i = 0; i < 2; i++) {
        double value = edge_of(data, t, i * SEG_PICTURE_BINS);
        page_number(value, text, sizeof text);
        canvas_text(c, p->x + i * p->width, bottom + 10, i == 0 ? "left" : "right", size - 1,
                    "#5B6673", text);
    }
}

/* One segment in one panel, as a term of the plot command. */
static void plot_ridge(const page_data *data, page_canvas *c, int t, int g, const place *p,
                       bool is_first)
{
    int64_t bins[SEG_PICTURE_BINS], most = 1;
    const int n = bins_of(data, g, t, p->each, bins);
    double base = p->y + (g + 1) * p->row - 2, width = p->width / n;

    for (int bin = 0; bin < n; bin++)
        if (bins[bin] > most) most = bins[bin];
    double scale = RIDGE * p->row / (double)most / 2; /* a box has half of it on each side */
    fprintf(c->script,
            "%s skip 1 every ::%d::%d using (%.2f+($2+0.5)*%.4f):(valid(%d)&&column(%d)>0?%.2f-"
            "%.8g*column(%d):NaN):(%.4f):(%.8g*column(%d)) with boxxyerror fillstyle solid "
            "noborder linecolor rgb '%s'",
            is_first ? "plot 'distributions.tsv'" : ", ''", p->first, p->first + n - 1, p->x, width,
            5 + g, 5 + g, base, scale, 5 + g, width / 2, scale, 5 + g, canvas_colour(g));
}

/* Where all clients of a segment but a few lie in one bin, its number is not told, but it is seen.
 */
static void draw_alone(const page_data *data, page_canvas *c, int t, int g, const place *p)
{
    int64_t bins[SEG_PICTURE_BINS];
    const int n = bins_of(data, g, t, p->each, bins);
    const double base = p->y + (g + 1) * p->row - 2, width = p->width / n;
    int large = 0, at = 0;

    for (int bin = 0; bin < n; bin++)
        if (bins[bin] >= PAGE_FEW) {
            large++;
            at = bin;
        }
    if (large != 1 || !page_is_withheld(n, bins, at)) return;
    fprintf(c->script,
            "set object rectangle from %.2f,%.2f to %.2f,%.2f fillcolor rgb '%s' fillstyle solid "
            "noborder\n",
            p->x + at * width, base, p->x + (at + 1) * width, base - RIDGE * p->row,
            canvas_colour(g));
}

/* Panel number i, of the feature t, in blocks of this width and height. */
static place place_of(const page_data *data, int t, int i, int across, double width, double block)
{
    place p = { .x = 6 + i % across * (width + PANEL_GAP),
                .y = i / across * block + PANEL_HEAD,
                .width = width,
                .each = each_of(data, t) };

    for (int before = 0; before < t; before++)
        p.first += SEG_PICTURE_BINS / each_of(data, before);
    return p;
}

static void draw_distributions(const page_data *data, page_canvas *c)
{
    const seg_segments *s = data->s;
    int panel[PANELS], n = panels_of(data, panel), across = c->phone ? 2 : 3;
    const double row = s->n_segments > 6 ? 26 : c->phone ? 30 : 34;
    int top = canvas_key(c, data, false);
    double block = PANEL_HEAD + s->n_segments * row + PANEL_FOOT;
    double width = (c->width - 12 - PANEL_GAP * (across - 1)) / across;
    place places[PANELS];

    c->height = (int)(top + ((n + across - 1) / across) * block);
    canvas_plain(c);
    (void)canvas_key(c, data, true);
    for (int i = 0; i < n; i++) {
        place *p = &places[i];
        *p = place_of(data, panel[i], i, across, width, block);
        p->y += top;
        p->row = row;
        label_panel(data, c, panel[i], p);
        for (int g = 0; g < s->n_segments; g++) {
            double base = p->y + (g + 1) * row - 2;
            canvas_line(c, p->x, base, p->x + width, base,
                        "back linecolor rgb '#D5DBE3' linewidth 1");
            draw_alone(data, c, panel[i], g, p);
        }
    }
    for (int i = 0; i < n; i++)
        for (int g = 0; g < s->n_segments; g++)
            plot_ridge(data, c, panel[i], g, &places[i], i == 0 && g == 0);
    fprintf(c->script, "\n");
}

const figure_kind figure_distributions = { "distributions", "distributions", has_histograms,
                                           tell_distributions, draw_distributions };
