/* The plane of the first two principal components: all clients as a density, a sample of them as
 * points; and what the components are made of. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"

#define SHOWN    12 /* features named at their arrows, at most */
#define INK      "#2B3440"
#define MUTED    "#5B6673"
#define LABELLED 6 /* segments that are named in the plane, at most */

static bool has_plane(const page_data *data)
{
    return data->s->n_segments > 0 && data->model->picture.n_segments == data->s->n_segments &&
           data->model->pca.n_components > 1;
}

static double share_of(const page_data *data, int component)
{
    return data->model->pca.explained_variance_ratio[component];
}

static int64_t all_in(const seg_picture *p, int x, int y)
{
    int64_t n = 0;

    for (int g = 0; g < p->n_segments; g++)
        n += p->density[((int64_t)g * SEG_PICTURE_Y + y) * SEG_PICTURE_X + x];
    return n;
}

static double middle(const double range[2], int i, int n)
{
    return range[0] + (range[1] - range[0]) * (i + 0.5) / n;
}

/* ---- the plane ---- */

static void add_density(const page_data *data, page_sheet *sheet)
{
    const seg_picture *p = &data->model->picture;
    int64_t size[SEG_SEGMENTS_MAX];

    sheet_title(sheet, "pc1");
    sheet_title(sheet, "pc2");
    sheet_title(sheet, "clients");
    for (int g = 0; g < p->n_segments; g++)
        sheet_title(sheet, data->s->segment[g].name);
    for (int y = 0; y < SEG_PICTURE_Y; y++)
        for (int x = 0; x < SEG_PICTURE_X; x++) {
            sheet_number(sheet, middle(p->x, x, SEG_PICTURE_X));
            sheet_number(sheet, middle(p->y, y, SEG_PICTURE_Y));
            sheet_count(sheet, all_in(p, x, y));
            for (int g = 0; g < p->n_segments; g++)
                size[g] = p->density[((int64_t)g * SEG_PICTURE_Y + y) * SEG_PICTURE_X + x];
            for (int g = 0; g < p->n_segments; g++)
                sheet_size(sheet, size[g], page_is_withheld(p->n_segments, size, g));
        }
}

/* Clients of a small segment are not shown. */
static void add_sample(const page_data *data, page_sheet *sheet)
{
    const seg_picture *p = &data->model->picture;

    sheet_title(sheet, "pc1");
    sheet_title(sheet, "pc2");
    sheet_title(sheet, "segment");
    for (int i = 0; i < p->n_sample; i++) {
        if (page_is_hidden(data->s->segment[p->sample_segment[i]].size)) continue;
        sheet_number(sheet, p->sample[2 * i]);
        sheet_number(sheet, p->sample[2 * i + 1]);
        sheet_whole(sheet, p->sample_segment[i]);
    }
}

/* Mean place of the drawn clients of a segment; their number. */
static int place_of(const seg_picture *p, int segment, double at[2])
{
    int n = 0;

    at[0] = at[1] = 0;
    for (int i = 0; i < p->n_sample; i++)
        if (p->sample_segment[i] == segment) {
            at[0] += p->sample[2 * i];
            at[1] += p->sample[2 * i + 1];
            n++;
        }
    at[0] /= n > 0 ? n : 1;
    at[1] /= n > 0 ? n : 1;
    return n;
}

static void add_places(const page_data *data, page_sheet *sheet)
{
    const seg_picture *p = &data->model->picture;
    double at[2];

    sheet_title(sheet, "segment");
    sheet_title(sheet, "drawn clients");
    sheet_title(sheet, "their mean, component 1");
    sheet_title(sheet, "component 2");
    for (int g = 0; g < p->n_segments; g++) {
        int n = place_of(p, g, at);
        sheet_text(sheet, data->s->segment[g].name);
        sheet_count(sheet, n);
        sheet_of_few(sheet, at[0], n);
        sheet_of_few(sheet, at[1], n);
    }
}

static void tell_plane(const page_data *data, page_figure *figure)
{
    const seg_segments *s = data->s;
    int most = -1;
    char share[20], n[32];

    for (int g = 0; g < s->n_segments; g++)
        if (!page_is_hidden(s->segment[g].size) &&
            (most < 0 || s->segment[g].between > s->segment[most].between))
            most = g;
    if (most < 0)
        (void)snprintf(figure->title, PAGE_TEXT, "Where clients lie");
    else if (s->n_segments > 1)
        (void)snprintf(figure->title, PAGE_TEXT,
                       "%s blend into others most: %s of them lie between segments",
                       PAGE_SHORT(s->segment[most].name),
                       report_percent(s->segment[most].between, share, sizeof share));
    else
        (void)snprintf(figure->title, PAGE_TEXT, "All clients are one segment");
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Clients on the first two principal components (%.0f %% of the variance): grey "
                   "is the density of all, points are a sample of %s",
                   100 * (share_of(data, 0) + share_of(data, 1)),
                   page_count(data->model->picture.n_sample, n, sizeof n));
    figure->sheet_name[0] = "plane_density";
    figure->sheet_name[1] = "plane_sample";
    add_density(data, &figure->sheet[0]);
    add_sample(data, &figure->sheet[1]);
    add_places(data, &figure->shown);
}

static void label_axes(const page_data *data, page_canvas *c)
{
    char text[100];

    (void)snprintf(text, sizeof text, "component 1, %.0f %% of the variance",
                   100 * share_of(data, 0));
    canvas_text(c, c->width - c->right, c->height - 9, "right", 11, MUTED, text);
    (void)snprintf(text, sizeof text, "component 2, %.0f %%", 100 * share_of(data, 1));
    canvas_text(c, 6, c->top - 10, "left", 11, MUTED, text);
}

typedef struct tag {
    double x, y; /* px */
    int what;
} tag;

static int by_height(const void *a, const void *b)
{
    double x = ((const tag *)a)->y, y = ((const tag *)b)->y;

    return (x > y) - (x < y);
}

/* Moves tags up and down until neighbours are `apart` px from each other, within [top, bottom]. */
static void spread(tag *tags, int n, double apart, double top, double bottom)
{
    qsort(tags, (size_t)n, sizeof *tags, by_height);
    for (int i = 0; i < n; i++)
        tags[i].y = fmax(tags[i].y, i > 0 ? tags[i - 1].y + apart : top);
    for (int i = n - 1; i >= 0; i--)
        tags[i].y = fmin(tags[i].y, i < n - 1 ? tags[i + 1].y - apart : bottom);
}

/* Names of the segments where their clients are, on a patch of paper. */
static void name_segments(const page_data *data, page_canvas *c)
{
    const seg_picture *p = &data->model->picture;
    tag tags[LABELLED];
    double width = c->width - c->left - c->right, height = c->height - c->top - c->bottom, at[2];
    char name[200];
    int n = 0;

    if (c->phone || p->n_segments > LABELLED) return;
    for (int g = 0; g < p->n_segments; g++)
        if (!page_is_hidden(data->s->segment[g].size) && place_of(p, g, at) > 0)
            tags[n++] = (tag) { c->left + width * (at[0] - p->x[0]) / (p->x[1] - p->x[0]),
                                c->top + height * (p->y[1] - at[1]) / (p->y[1] - p->y[0]), g };
    spread(tags, n, 24, c->top + 12, c->top + height - 12);
    for (int i = 0; i < n; i++) {
        const int g = tags[i].what;
        canvas_fit(c, data->s->segment[g].name, 13, 260, name, sizeof name);
        double half = canvas_text_width(name, 13) / 2 + 2;
        double x = fmin(fmax(tags[i].x, c->left + half), c->width - c->right - half);
        fprintf(c->script,
                "set object rectangle center screen %.5f,%.5f size screen %.5f,%.5f front "
                "fillcolor rgb '#30FFFFFF' fillstyle solid noborder\n",
                x / c->width, 1 - tags[i].y / c->height, 2 * half / c->width, 18.0 / c->height);
        canvas_text(c, x, tags[i].y, "center", 13, canvas_dark(g), name);
    }
}

static void draw_plane(const page_data *data, page_canvas *c)
{
    const seg_picture *p = &data->model->picture;
    int key = canvas_key(c, data, false) + 18;

    c->height = key + (c->phone ? 300 : 470) + 40;
    canvas_margins(c, c->phone ? 30 : 36, 8, key, 40);
    (void)canvas_key(c, data, true);
    label_axes(data, c);
    name_segments(data, c);
    fprintf(c->script,
            "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\nset xtics font ',11' offset 0,0.3\n"
            "set ytics font ',11' offset 0.5,0\nset border 3 linecolor rgb '#CBD2DA'\n"
            "unset colorbox\nset palette defined (0 '#EEF1F4', 1 '#9AA7B5')\n",
            p->x[0], p->x[1], p->y[0], p->y[1]);
    fprintf(c->script, "plot 'plane_density.tsv' skip 1 using 1:2:(valid(3) && $3>0 ? log10($3) : "
                       "NaN) with image pixels");
    for (int g = 0; g < p->n_segments; g++)
        fprintf(c->script,
                ", 'plane_sample.tsv' skip 1 %susing ($3==%d?$1:NaN):2 with points pointtype %d "
                "pointsize %g linecolor rgb '#40%s'",
                c->phone ? "every 2 " : "", g, canvas_shape(g), c->phone ? 0.22 : 0.32,
                canvas_colour(g) + 1);
    fprintf(c->script, "\n");
}

const figure_kind figure_plane = { "plane", "plane", has_plane, tell_plane, draw_plane };

/* ---- loadings ---- */

static bool has_loadings(const page_data *data)
{
    return has_plane(data) && !data->model->feature_centers;
}

static double loading(const page_data *data, int component, int t)
{
    return data->model->pca.components[(int64_t)component * data->model->pca.d + t];
}

/* Columns with the longest arrows first. */
static int longest(const page_data *data, int most, int *column)
{
    int n = 0;

    for (int t = 0; t < data->model->pca.d; t++) {
        double length = hypot(loading(data, 0, t), loading(data, 1, t));
        int at = n < most ? n++ : most;
        for (; at > 0 &&
               length > hypot(loading(data, 0, column[at - 1]), loading(data, 1, column[at - 1]));
             at--)
            if (at < most) column[at] = column[at - 1];
        if (at < most) column[at] = t;
    }
    return n;
}

/* The column with the largest loading on a component. */
static int strongest(const page_data *data, int component)
{
    int best = 0;

    for (int t = 1; t < data->model->pca.d; t++)
        if (fabs(loading(data, component, t)) > fabs(loading(data, component, best))) best = t;
    return best;
}

static void tell_loadings(const page_data *data, page_figure *figure)
{
    char *const *names = data->model->prep.names;
    page_sheet *sheet = &figure->sheet[0];

    (void)snprintf(figure->title, PAGE_TEXT, "To the right: more %s; upwards: more %s",
                   PAGE_SHORT(names[strongest(data, 0)]), PAGE_SHORT(names[strongest(data, 1)]));
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Loadings of the features on both components; arrows that point the same way "
                   "go together%s",
                   data->model->pca.d > SHOWN ? "; the longest are named" : "");
    figure->sheet_name[0] = "loadings";
    sheet_title(sheet, "feature");
    sheet_title(sheet, "component 1");
    sheet_title(sheet, "component 2");
    for (int t = 0; t < data->model->pca.d; t++) {
        sheet_text(sheet, names[t]);
        sheet_number(sheet, loading(data, 0, t));
        sheet_number(sheet, loading(data, 1, t));
    }
}

/* What the arrows and the origin span, and the scale: px for 1. */
typedef struct span {
    double x[2], y[2], scale;
} span;

static span span_of(const page_data *data, double width, double most)
{
    span s = { { -0.05, 0.05 }, { -0.05, 0.05 }, 0 };

    for (int t = 0; t < data->model->pca.d; t++) {
        s.x[0] = fmin(s.x[0], loading(data, 0, t));
        s.x[1] = fmax(s.x[1], loading(data, 0, t));
        s.y[0] = fmin(s.y[0], loading(data, 1, t));
        s.y[1] = fmax(s.y[1], loading(data, 1, t));
    }
    s.scale = fmin(width / (s.x[1] - s.x[0]), most / (s.y[1] - s.y[0]));
    double rest = (width / s.scale - (s.x[1] - s.x[0])) / 2;
    s.x[0] -= rest;
    s.x[1] += rest;
    return s;
}

/* Names stand left and right of the arrows, each with a thin line to its tip. */
static void name_arrows(const page_data *data, page_canvas *c, const span *s, int side)
{
    int column[SHOWN], n = longest(data, c->phone ? 8 : SHOWN, column), n_tags = 0;
    const double size = c->phone ? 10 : 12, edge = side < 0 ? c->left : c->width - c->right;
    tag tags[SHOWN];
    char name[200];

    for (int i = 0; i < n; i++) {
        double x = loading(data, 0, column[i]), y = loading(data, 1, column[i]);
        if ((x < 0) == (side < 0))
            tags[n_tags++] = (tag) { c->left + s->scale * (x - s->x[0]),
                                     c->top + s->scale * (s->y[1] - y), column[i] };
    }
    spread(tags, n_tags, size + 5, c->top + 6, c->height - c->bottom - 6);
    for (int i = 0; i < n_tags; i++) {
        int t = tags[i].what;
        double tip = c->top + s->scale * (s->y[1] - loading(data, 1, t));
        fprintf(c->script,
                "set arrow from screen %.5f,%.5f to screen %.5f,%.5f nohead back linecolor rgb "
                "'#B9C2CC' linewidth 0.8\n",
                tags[i].x / c->width, 1 - tip / c->height, edge / c->width,
                1 - tags[i].y / c->height);
        canvas_fit(c, data->model->prep.names[t], size, (side < 0 ? c->left : c->right) - 10, name,
                   sizeof name);
        canvas_text(c, edge + side * 4, tags[i].y, side < 0 ? "right" : "left", size, INK, name);
    }
}

static void draw_loadings(const page_data *data, page_canvas *c)
{
    const int side = c->phone ? 104 : 236, least = c->phone ? 150 : 220;
    span s = span_of(data, c->width - 2 * side, c->phone ? 260 : 380);
    double height = s.scale * (s.y[1] - s.y[0]), rest = fmax(0, least - height) / 2 / s.scale;

    s.y[0] -= rest;
    s.y[1] += rest;
    c->height = (int)(s.scale * (s.y[1] - s.y[0])) + 24;
    canvas_margins(c, side, side, 12, 12);
    name_arrows(data, c, &s, -1);
    name_arrows(data, c, &s, 1);
    fprintf(c->script, "set xrange [%g:%g]\nset yrange [%g:%g]\nunset tics\n", s.x[0], s.x[1],
            s.y[0], s.y[1]);
    canvas_line(c, s.x[0], 0, s.x[1], 0, "back linecolor rgb '#D5DBE3' linewidth 1");
    canvas_line(c, 0, s.y[0], 0, s.y[1], "back linecolor rgb '#D5DBE3' linewidth 1");
    fprintf(c->script, "plot 'loadings.tsv' skip 1 using (0):(0):2:3 with vectors head filled "
                       "size screen 0.012,18 linewidth 1.5 linecolor rgb '#00619A'\n");
}

const figure_kind figure_loadings = { "loadings", "plane", has_loadings, tell_loadings,
                                      draw_loadings };
