/* The page: one HTML file without scripts that asks nobody for anything. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"
#include "segmpi/text.h"

/* ---- figures ---- */

static void put_table(const page_figure *figure, FILE *out)
{
    const page_sheet *sheet = figure->shown.n_columns > 0 ? &figure->shown : &figure->sheet[0];

    if (sheet->n_columns == 0) return;
    fputs("<details><summary>Numbers behind this figure</summary>\n", out);
    sheet_html(sheet, out);
    fputs("</details>\n", out);
}

static seg_status put_figure(const page_data *data, const figure_kind *kind, const char *folder,
                             bool drawn, bool first, FILE *out)
{
    seg_status status = SEG_OK;
    page_figure figure = { .name = kind->name };

    kind->tell(data, &figure);
    page_put(out,
             first ? "<h2>@</h2>\n<p class=\"sub\">@</p>\n"
                   : "<h2 class=\"second\">@</h2>\n<p class=\"sub\">@</p>\n",
             figure.title, figure.subtitle);
    if (drawn) {
        page_put(out, "<figure id=\"figure-$\">\n", kind->name);
        SEG_TRY_OR_DONE(page_inline(data, kind, figure.title, folder, false, out));
        SEG_TRY_OR_DONE(page_inline(data, kind, figure.title, folder, true, out));
        fputs("</figure>\n", out);
    }
    put_table(&figure, out);
done:
    page_figure_release(&figure);
    return status;
}

/* A section of all its figures that apply; nothing if there is none. */
static seg_status put_figures(const page_data *data, const char *section, const char *folder,
                              bool drawn, FILE *out)
{
    int n = 0;

    for (int i = 0; i < figure_n_kinds; i++) {
        const figure_kind *kind = figure_kinds[i];
        if (strcmp(kind->section, section) != 0 || !kind->applies(data)) continue;
        if (n++ == 0) page_put(out, "<section id=\"$\">\n", section);
        SEG_TRY(put_figure(data, kind, folder, drawn, n == 1, out));
    }
    if (n > 0) fputs("</section>\n", out);
    return SEG_OK;
}

/* ---- head ---- */

static const char *const spelled[] = { "No",   "One", "Two",   "Three", "Four",
                                       "Five", "Six", "Seven", "Eight", "Nine" };

static const char *headline(const page_data *data, char *text, size_t size)
{
    const int n = data->s->n_segments;
    char clients[40], number[20];

    page_number((double)data->model->prep.n, clients, sizeof clients);
    (void)snprintf(number, sizeof number, "%d", n);
    if (n == 0)
        (void)snprintf(text, size, "%d clusters of %s clients", data->model->kmeans.n_clusters,
                       clients);
    else
        (void)snprintf(text, size, "%s segment%s describe%s %s clients",
                       n < 10 ? spelled[n] : number, n == 1 ? "" : "s", n == 1 ? "s" : "", clients);
    return text;
}

static double z_of(const seg_segments *s, int segment, int t)
{
    return s->z[(int64_t)segment * s->d + t];
}

/* The segment with the strongest feature, the column in *column; -1 where all are small. */
static int most_special(const seg_segments *s, int *column)
{
    int best = -1, own;

    for (int i = 0; i < s->n_segments; i++)
        if (!page_is_hidden(s->segment[i].size) && seg_segments_strongest(s, i, 1, &own) > 0 &&
            (best < 0 || fabs(z_of(s, i, own)) > fabs(z_of(s, best, *column)))) {
            best = i;
            *column = own;
        }
    return best;
}

static void put_head(const page_data *data, FILE *out)
{
    const seg_segments *s = data->s;
    char title[200], date[12], text[PAGE_TEXT * 2] = "", share[20];

    (void)snprintf(date, sizeof date, "%.10s", data->origin.created);
    headline(data, title, sizeof title);
    page_put(out,
             "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
             "'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<title>$</title>\n<style>\n",
             title);
    fputs(page_style, out);
    page_put(out,
             "</style>\n</head>\n<body>\n<main>\n<header>\n<p class=\"kicker\">segmpi $ \xc2\xb7 $ "
             "\xc2\xb7 $ \xc2\xb7 model $</p>\n<h1>$</h1>\n",
             data->origin.version, data->origin.input, date, data->origin.model_id, title);
    int column = 0, special = most_special(s, &column);
    if (s->n_segments > 1 && special >= 0) {
        if (!page_segment_is_withheld(data, 0))
            (void)snprintf(text, sizeof text, "The largest, %s, holds %s of them. ",
                           PAGE_SHORT(s->segment[0].name),
                           report_percent((double)s->segment[0].size / (double)data->model->prep.n,
                                          share, sizeof share));
        const size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used,
                       "%s stand out most: their mean of "
                       "%s lies %.1f standard deviations %s that of all.",
                       PAGE_SHORT(s->segment[special].name), PAGE_SHORT(s->column[column]),
                       fabs(z_of(s, special, column)),
                       z_of(s, special, column) < 0 ? "below" : "above");
    }
    page_put(out, "<p class=\"lead\">@</p>\n</header>\n", text);
}

static void put_number(FILE *out, const char *number, const char *what)
{
    page_put(out, "<div><b>$</b><span>$</span></div>\n", number, what);
}

static double largest_psi(const page_drift *drift)
{
    double most = 0;

    for (int i = 0; i < drift->n; i++)
        most = fmax(most, drift->row[i].psi);
    return most;
}

static void put_numbers(const page_data *data, FILE *out)
{
    const seg_segments *s = data->s;
    double least = INFINITY, between = 0;
    char text[60];

    for (int i = 0; i < s->n_segments; i++) {
        least = fmin(least, isnan(s->segment[i].stability) ? INFINITY : s->segment[i].stability);
        between += s->segment[i].between * (double)s->segment[i].size / (double)data->model->prep.n;
    }
    fputs("<div class=\"numbers\">\n", out);
    put_number(out, page_number((double)data->model->prep.n, text, sizeof text), "clients");
    if (s->n_segments > 0)
        (void)snprintf(text, sizeof text, "%d \xe2\x86\x92 %d", s->n_clusters, s->n_segments);
    else
        (void)snprintf(text, sizeof text, "%d", data->model->kmeans.n_clusters);
    put_number(out, text, s->n_segments > 0 ? "clusters into segments" : "clusters");
    (void)snprintf(text, sizeof text, isfinite(least) ? "%.2f" : "-", least);
    put_number(out, text,
               isfinite(least) ? "stability of the least stable segment (0.75 and more is stable)"
                               : "stability was not measured");
    if (data->drift.n > 0)
        put_number(out, page_number(largest_psi(&data->drift), text, sizeof text),
                   "largest drift (PSI; below 0.10 is little)");
    else if (s->n_segments > 0)
        put_number(out, report_percent(between, text, sizeof text),
                   "of the clients lie between segments");
    fputs("</div>\n", out);
}

/* ---- segments ---- */

static void put_strongest(const seg_segments *s, int segment, FILE *out)
{
    int column[REPORT_STRONGEST];
    int n = seg_segments_strongest(s, segment, REPORT_STRONGEST, column);
    char mean[40], z[20];

    fputs("<ul class=\"traits\">\n", out);
    for (int i = 0; i < n; i++) {
        if (i > 0 && fabs(z_of(s, segment, column[i])) < REPORT_Z_SHOWN) break;
        page_put(out, "<li>@ <b>$</b> <span class=\"small\">$ sd</span></li>\n",
                 s->column[column[i]],
                 page_number(s->mean[(int64_t)segment * s->d + column[i]], mean, sizeof mean),
                 page_signed(z_of(s, segment, column[i]), z, sizeof z));
    }
    fputs("</ul>\n", out);
}

static void put_doubts(const page_data *data, int i, FILE *out)
{
    const char *doubts[REPORT_DOUBTS];
    int n = report_doubts(data->s, i, data->model->prep.n, doubts);

    for (int d = 0; d < n; d++)
        page_put(out, "<p class=\"note\">$</p>\n", doubts[d]);
}

static void put_card(const page_data *data, int i, FILE *out)
{
    const seg_segment *segment = &data->s->segment[i];
    double share = (double)segment->size / (double)data->model->prep.n;
    bool withheld = page_segment_is_withheld(data, i), few = page_is_hidden(segment->size);
    char size[80] = "size not shown", percent[20], clients[40], width[20];

    report_percent(share, percent, sizeof percent);
    page_count(segment->size, clients, sizeof clients);
    if (few || !withheld)
        (void)snprintf(size, sizeof size, "%s \xc2\xb7 %s clients", few ? "few" : percent, clients);
    (void)snprintf(width, sizeof width, "%.1f%%", withheld ? 0 : 100 * share);
    page_put(out,
             "<div class=\"card\" style=\"border-color:$\">\n<h3>@</h3>\n"
             "<p class=\"small\">$</p>\n<div class=\"bar\"><i "
             "style=\"width:$;background:$\"></i></div>\n",
             canvas_colour(i), segment->name, size, width, canvas_colour(i));
    if (!few) put_strongest(data->s, i, out);
    if (*segment->description) page_put(out, "<p>$</p>\n", segment->description);
    if (*segment->recommendation)
        page_put(out, "<p class=\"advice\">$</p>\n", segment->recommendation);
    put_doubts(data, i, out);
    fputs("</div>\n", out);
}

static void put_cards(const page_data *data, FILE *out)
{
    if (data->s->n_segments == 0) return;
    page_put(out, "<section id=\"segments\">\n<h2>Who they are and what to do</h2>\n<p "
                  "class=\"sub\">Share of the clients, and the features that set each segment "
                  "apart: mean, and distance from the average of all in standard deviations "
                  "(sd)</p>\n<div class=\"cards\">\n");
    for (int i = 0; i < data->s->n_segments; i++)
        put_card(data, i, out);
    fputs("</div>\n</section>\n", out);
}

/* ---- the tree in words ---- */

typedef struct leaves {
    const seg_segments *s;
    int64_t size[SEG_TREE_NODES]; /* clients of leaves, 0 of other nodes */
    FILE *out;
} leaves;

static void put_leaf(void *user, int node, int n, const report_condition *path)
{
    const leaves *l = user;
    const seg_tree_node *leaf = &l->s->tree.node[node];
    const bool few = page_is_hidden(leaf->clients);
    const bool withheld = page_is_withheld(l->s->tree.n_nodes, l->size, node);
    char text[1024] = "", clients[40], share[20], number[40];

    for (int i = 0; i < n; i++) {
        const size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%s%.200s %s %s", i > 0 ? ", and " : "",
                       l->s->column[path[i].column], path[i].above ? "above" : "at most",
                       page_number(path[i].threshold, number, sizeof number));
    }
    page_put(l->out,
             "<li style=\"border-color:$\"><b>@</b> if @ <span class=\"small\">($ of $ "
             "clients)</span></li>\n",
             canvas_colour(leaf->segment), l->s->segment[leaf->segment].name, text,
             few ? "few"
                 : report_percent((double)leaf->hits / (double)leaf->clients, share, sizeof share),
             withheld && !few ? "its" : page_count(leaf->clients, clients, sizeof clients));
}

static void put_tree(const page_data *data, FILE *out)
{
    const seg_tree *tree = &data->s->tree;
    leaves l = { .s = data->s, .out = out };
    char share[20];

    if (tree->n_nodes < 2) return;
    for (int i = 0; i < tree->n_nodes; i++)
        l.size[i] = tree->node[i].column < 0 ? tree->node[i].clients : 0;
    page_put(out,
             "<section id=\"rules\">\n<h2>Simple rules tell the segment of $ of the clients</h2>\n"
             "<p class=\"sub\">A decision tree of depth three; behind each rule, how many of the "
             "clients whom it fits are in that segment</p>\n<ul class=\"rules\">\n",
             report_percent(tree->fidelity, share, sizeof share));
    report_leaves(data->s, put_leaf, &l);
    fputs("</ul>\n</section>\n", out);
}

/* ---- quality of the data ---- */

static void put_quality(const page_data *data, FILE *out)
{
    const seg_prep *prep = &data->model->prep;
    page_sheet sheet = { 0 };
    int most = 0;
    char share[20];
    static const char *const titles[] = { "feature", "missing",     "share",      "filled with",
                                          "capped",  "lower bound", "upper bound" };

    for (int i = 0; i < 7; i++)
        sheet_title(&sheet, titles[i]);
    for (int t = 0; t < prep->d; t++) {
        if (prep->missing[t] > prep->missing[most]) most = t;
        sheet_text(&sheet, prep->names[t]);
        sheet_count(&sheet, prep->missing[t]);
        sheet_share(&sheet, (double)prep->missing[t] / (double)prep->n, prep->missing[t]);
        sheet_number(&sheet, prep->fill_value[t]);
        sheet_count(&sheet, prep->capped[t]);
        sheet_number(&sheet, prep->lower_bound[t]);
        sheet_number(&sheet, prep->upper_bound[t]);
    }
    fputs("<section id=\"quality\" class=\"long\">\n", out);
    report_percent((double)prep->missing[most] / (double)prep->n, share, sizeof share);
    if (prep->missing[most] == 0)
        fputs("<h2>No cell is missing</h2>\n", out);
    else
        page_put(out, "<h2>@ has most gaps: $ of its cells are missing</h2>\n", prep->names[most],
                 page_is_hidden(prep->missing[most]) ? "a few" : share);
    page_put(out, "<p class=\"sub\">Missing cells, what they are filled with, and cells beyond the "
                  "bounds, which are capped there before clients are compared</p>\n");
    sheet_html(&sheet, out);
    fputs("</section>\n", out);
    sheet_release(&sheet);
}

/* ---- a later scoring ---- */

static void put_share(page_sheet *sheet, int64_t n, int64_t all, bool is_withheld)
{
    if (is_withheld && !page_is_hidden(n))
        sheet_text(sheet, PAGE_WITHHELD);
    else
        sheet_share(sheet, (double)n / (double)all, n);
}

static void put_scores(const page_data *data, FILE *out)
{
    const page_scores *scores = &data->scores;
    page_sheet sheet = { 0 };
    char n[40], date[12];

    if (!scores->size) return;
    sheet_title(&sheet, "segment");
    sheet_title(&sheet, "scored clients");
    sheet_title(&sheet, "share now");
    sheet_title(&sheet, "share in training");
    for (int i = 0; i < data->s->n_segments; i++) {
        const int64_t size = data->s->segment[i].size;
        sheet_text(&sheet, data->s->segment[i].name);
        bool withheld = page_is_withheld(data->s->n_segments, scores->size, i);
        sheet_size(&sheet, scores->size[i], withheld);
        put_share(&sheet, scores->size[i], scores->n, withheld);
        put_share(&sheet, size, data->model->prep.n, page_segment_is_withheld(data, i));
    }
    (void)snprintf(date, sizeof date, "%.10s", scores->created);
    page_put(out,
             "<section id=\"scores\">\n<h2>$ clients were scored with this model</h2>\n<p "
             "class=\"sub\">$, $: their shares of the segments beside those in training</p>\n",
             page_count(scores->n, n, sizeof n), scores->name, date);
    sheet_html(&sheet, out);
    fputs("</section>\n", out);
    sheet_release(&sheet);
}

/* ---- where it comes from ---- */

static void put_fact(FILE *out, const char *name, const char *value)
{
    if (*value) page_put(out, "<dt>$</dt><dd><code>$</code></dd>\n", name, value);
}

static void put_provenance(const page_data *data, FILE *out)
{
    const page_origin *o = &data->origin;
    char text[60];

    fputs("<section id=\"provenance\" class=\"long\">\n<h2>Where it comes from</h2>\n<p "
          "class=\"sub\">Enough to make the same model again, bit for bit</p>\n<dl "
          "class=\"facts\">\n",
          out);
    put_fact(out, "model", o->model_id);
    put_fact(out, "program", o->version);
    put_fact(out, "created", o->created);
    put_fact(out, "input", o->input);
    put_fact(out, "checksum of the input", o->input_fingerprint);
    (void)snprintf(text, sizeof text, "%lld", (long long)o->rows_read);
    put_fact(out, "rows read", text);
    (void)snprintf(text, sizeof text, "%lld", (long long)o->seed);
    put_fact(out, "seed", text);
    put_fact(out, "command line", o->command);
    put_fact(out, "effective options", o->options);
    fputs("</dl>\n</section>\n", out);
}

/* Points are defined once, as gnuplot draws them, for all pictures. */
#define HOLLOW(tag, n, form)                                                                       \
    "<" tag " id=\"gpPt" n "\" stroke-width=\".222\" stroke=\"currentColor\" " form "/>"
#define SOLID(tag, n, form)                                                                        \
    "<" tag " id=\"gpPt" n "\" stroke=\"none\" fill=\"currentColor\" " form "/>"
#define BOTH(tag, n, m, form) HOLLOW(tag, n, form) SOLID(tag, m, form) "\n"

static const char point_shapes[] =
    "<svg class=\"defs\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\n" BOTH(
        "rect", "3", "4", "x=\"-1\" y=\"-1\" width=\"2\" height=\"2\"") BOTH("circle", "5", "6",
                                                                             "r=\"1\"")
        BOTH("path", "7", "8", "d=\"M0,-1.33 L-1.33,0.67 L1.33,0.67 z\"") BOTH(
            "path", "9", "10", "d=\"M0,1.33 L1.33,-0.67 L-1.33,-0.67 z\"")
            BOTH("path", "11", "12", "d=\"M0,-1.414 L1.414,0 L0,1.414 L-1.414,0 z\"") BOTH(
                "path", "13", "14",
                "d=\"M0,-1.33 L1.265,-.41 L.78,1.07 L-.78,1.07 L-1.265,-.41 z\"") "</defs></svg>\n";

seg_status page_write(const page_data *data, const char *folder, bool drawn, FILE *out)
{
    static const char *const figures[] = { "centers",     "plane", "clusters",   "distributions",
                                           "correlation", "elbow", "autoencoder" };

    put_head(data, out);
    if (drawn)
        fputs(point_shapes, out);
    else
        fputs("<p class=\"note\">gnuplot, which draws the figures, is not installed: here are "
              "their numbers. On Debian: apt-get install gnuplot-nox</p>\n",
              out);
    put_numbers(data, out);
    put_cards(data, out);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        SEG_TRY(put_figures(data, figures[i], folder, drawn, out));
    put_tree(data, out);
    put_quality(data, out);
    put_scores(data, out);
    SEG_TRY(put_figures(data, "drift", folder, drawn, out));
    page_model_card(data, out);
    put_provenance(data, out);
    page_put(out,
             "<footer><p>Groups of fewer than 10 clients are not shown. Every figure lies in the "
             "folder figures/ as $numbers and a script.</p></footer>\n</main>\n</body>\n</html>\n",
             drawn ? "SVG, PNG and PDF, with its " : "");
    return SEG_OK;
}
