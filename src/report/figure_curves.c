/* Curves: cost and other indices by the number of clusters, loss by epoch. */
#include <math.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"

#define MUTED "#5B6673"
#define BLUE  "#0072B2"
#define GREEN "#009E73"

/* ---- elbow ---- */

static bool has_elbow(const page_data *data)
{
    return data->model->elbow.sweep.n_k > 1;
}

static double index_of(const seg_elbow *elbow, seg_index index, int k)
{
    return elbow->index[index][k - elbow->k_min];
}

static bool in_sweep(const seg_elbow *elbow, int k)
{
    return k >= elbow->k_min && k <= elbow->k_max;
}

static void tell_elbow(const page_data *data, page_figure *figure)
{
    const seg_elbow *elbow = &data->model->elbow;
    page_sheet *sheet = &figure->sheet[0];
    int k = data->model->kmeans.n_clusters, best = elbow->choice.recommended;
    char share[20];

    if (in_sweep(elbow, k))
        report_percent(index_of(elbow, SEG_INDEX_VARIANCE_EXPLAINED, k), share, sizeof share);
    else
        (void)snprintf(share, sizeof share, "part");
    if (k == best)
        (void)snprintf(figure->title, PAGE_TEXT,
                       "%d clusters, as the sweep recommends, explain %s of the variance", k,
                       share);
    else
        (void)snprintf(figure->title, PAGE_TEXT,
                       "%d clusters explain %s of the variance; the sweep recommends %d", k, share,
                       best);
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Sum of squares within clusters per client, by the number of clusters; the best "
                   "of %d restarts",
                   elbow->sweep.n_init);
    figure->sheet_name[0] = "elbow";
    sheet_title(sheet, "k");
    sheet_title(sheet, "inertia_per_client");
    for (int i = 0; i < SEG_N_INDICES; i++)
        sheet_title(sheet, seg_index_names[i]);
    for (int i = elbow->k_min; i <= elbow->k_max; i++) {
        sheet_whole(sheet, i);
        sheet_number(sheet, index_of(elbow, SEG_INDEX_INERTIA, i) / (double)elbow->n);
        for (int j = 0; j < SEG_N_INDICES; j++) {
            double value = index_of(elbow, (seg_index)j, i);
            bool tells = j == SEG_INDEX_SMALLEST_SHARE && value >= 0; /* how many there are */
            sheet_of_few(sheet, value, tells ? llround(value * (double)elbow->n) : PAGE_FEW);
        }
    }
}

/* The name of a point stands above it, to the side with more room, or below the curve. */
static void mark(page_canvas *c, const seg_elbow *elbow, int k, const char *what,
                 const char *colour, bool below)
{
    double x = (double)(k - elbow->k_min) / (elbow->k_max - elbow->k_min);
    double y = index_of(elbow, SEG_INDEX_INERTIA, k) / (double)elbow->n;
    const char *align = x > (below ? 0.3 : 0.6) ? "right" : "left";

    fprintf(c->script,
            "set label '%s' at %d,%.9g %s offset %g,%g font ',12' textcolor rgb '%s' point "
            "pointtype 7 pointsize 1.5 linecolor rgb '%s' front\n",
            what, k, y, align, x > 0.6 ? 0.5 : 0.2,
            below     ? -1.2
            : x > 0.6 ? 1.6
                      : 0.8,
            colour, colour);
}

static void draw_elbow(const page_data *data, page_canvas *c)
{
    const seg_elbow *elbow = &data->model->elbow;
    int k = data->model->kmeans.n_clusters, best = elbow->choice.recommended;
    double most = index_of(elbow, SEG_INDEX_INERTIA, elbow->k_min) / (double)elbow->n;
    int step = 1, room = c->phone ? 12 : 24;
    char text[60];

    while ((elbow->k_max - elbow->k_min) / step > room)
        step++;
    c->height = c->phone ? 240 : 300;
    canvas_margins(c, c->phone ? 38 : 48, 16, 14, 42);
    fprintf(c->script,
            "set xrange [%g:%g]\nset yrange [0:%.9g]\nset xtics %d font ',11' offset 0,0.3\n"
            "set ytics font ',11' offset 0.6,0\nset grid ytics back linecolor rgb '#E6E9EE' "
            "linewidth 1 linetype 1\n",
            elbow->k_min - 0.4, elbow->k_max + 0.4, 1.08 * most, step);
    canvas_text(c, c->width - 16, c->height - 9, "right", 11, MUTED, "number of clusters");
    if (in_sweep(elbow, k)) {
        (void)snprintf(text, sizeof text, k == best ? "%d, fitted and recommended" : "%d fitted",
                       k);
        mark(c, elbow, k, text, "#B04C00",
             k != best && index_of(elbow, SEG_INDEX_INERTIA, k) > 0.2 * most * (double)elbow->n);
    }
    if (k != best && in_sweep(elbow, best)) {
        (void)snprintf(text, sizeof text, "%d recommended", best);
        mark(c, elbow, best, text, "#007A58", false);
    }
    fprintf(c->script, "plot 'elbow.tsv' skip 1 using 1:2 with linespoints linewidth 2 pointtype 7 "
                       "pointsize 0.6 linecolor rgb '" BLUE "'\n");
}

const figure_kind figure_elbow = { "elbow", "elbow", has_elbow, tell_elbow, draw_elbow };

/* ---- other indices ---- */

/* Columns of elbow.tsv stand in the order of seg_index behind k and the cost per client. */
static const struct {
    seg_index index;
    const char *title;
} panels[] = {
    { SEG_INDEX_SILHOUETTE, "Silhouette (higher is better)" },
    { SEG_INDEX_DAVIES_BOULDIN, "Davies-Bouldin (lower is better)" },
    { SEG_INDEX_CALINSKI_HARABASZ, "Calinski-Harabasz (higher is better)" },
    { SEG_INDEX_GAP, "Gap (first local peak)" },
    { SEG_INDEX_RESTART_AGREEMENT, "Agreement of restarts (1 is full)" },
    { SEG_INDEX_LEAST_STABILITY, "Least stable cluster (0.75 is stable)" },
};
#define PANELS ((int)(sizeof panels / sizeof *panels))

/* Least and most of an index; false if it has fewer than two values. */
static bool range_of(const seg_elbow *elbow, seg_index index, double *low, double *high)
{
    int n = 0;

    *low = INFINITY;
    *high = -INFINITY;
    for (int k = elbow->k_min; k <= elbow->k_max; k++) {
        double value = index_of(elbow, index, k);
        if (!isfinite(value)) continue;
        *low = fmin(*low, value);
        *high = fmax(*high, value);
        n++;
    }
    return n > 1;
}

static void tell_indices(const page_data *data, page_figure *figure)
{
    const seg_elbow *elbow = &data->model->elbow;
    const seg_elbow_choice *choice = &elbow->choice;
    const struct {
        const char *rule;
        int k;
        bool asked;
    } rules[] = {
        { "knee", choice->knee, true },
        { "silhouette", choice->silhouette, true },
        { "Davies-Bouldin", choice->davies_bouldin, true },
        { "Calinski-Harabasz", choice->calinski_harabasz, true },
        { "gap", choice->gap, elbow->n_references > 0 },
        { "most clusters, all stable", choice->stable, elbow->n_bootstraps > 0 },
    };
    char text[PAGE_TEXT / 2] = "", k[16];
    int agree = 0, n = 0;

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!rules[i].asked) continue;
        const size_t used = strlen(text);
        (void)snprintf(k, sizeof k, "%d", rules[i].k);
        (void)snprintf(text + used, sizeof text - used, "%s%s: %s", used > 0 ? "; " : "",
                       rules[i].rule, rules[i].k > 0 ? k : "none");
        n += rules[i].k > 0;
        agree += rules[i].k > 0 && rules[i].k == choice->recommended;
    }
    (void)snprintf(figure->title, PAGE_TEXT, "%d of %d rules name%s %d clusters", agree, n,
                   agree == 1 ? "s" : "", choice->recommended);
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Other indices by the number of clusters, and the number that each rule names; "
                   "%s",
                   text);
}

/* Labels at once; the curve as one more term of the plot command. */
static void draw_panel(const seg_elbow *elbow, page_canvas *c, int which, double x, double y,
                       double width, double height, char *plot, size_t size)
{
    const size_t used = strlen(plot);
    double low, high;
    char text[40];

    (void)range_of(elbow, panels[which].index, &low, &high);
    double range = high > low ? high - low : 1, inner = width - 46;
    canvas_text(c, x, y - 14, "left", 12, "#2B3440", panels[which].title);
    canvas_text(c, x + 38, y + 4, "right", 10, MUTED, page_number(high, text, sizeof text));
    canvas_text(c, x + 38, y + height, "right", 10, MUTED, page_number(low, text, sizeof text));
    (void)snprintf(text, sizeof text, "k = %d", elbow->k_min);
    canvas_text(c, x + 46, y + height + 16, "left", 10, MUTED, text);
    (void)snprintf(text, sizeof text, "%d", elbow->k_max);
    canvas_text(c, x + width, y + height + 16, "right", 10, MUTED, text);
    canvas_line(c, x + 46, y + height + 6, x + width, y + height + 6,
                "back linecolor rgb '#CBD2DA' linewidth 1");
    double step = inner / (elbow->k_max - elbow->k_min);
    double chosen = x + 46 + step * (elbow->choice.recommended - elbow->k_min);
    canvas_line(c, chosen, y, chosen, y + height + 6,
                "back linecolor rgb '#009E73' linewidth 1.2 dashtype 3");
    (void)snprintf(
        plot + used, size - used,
        "%s using (%.3f+%.5f*($1-%d)):(%.3f-%.8g*(column(%d)-%.9g)) with linespoints linewidth "
        "1.6 pointtype 7 pointsize 0.4 linecolor rgb '" BLUE "'",
        used == 0 ? "plot 'elbow.tsv' skip 1" : ", '' skip 1", x + 46, step, elbow->k_min,
        y + height, height / range, (int)panels[which].index + 3, low);
}

static bool has_indices(const page_data *data)
{
    double low, high;

    return has_elbow(data) && range_of(&data->model->elbow, SEG_INDEX_SILHOUETTE, &low, &high);
}

static void draw_indices(const page_data *data, page_canvas *c)
{
    const seg_elbow *elbow = &data->model->elbow;
    int shown[PANELS], n = 0, across = c->phone ? 1 : 2;
    double low, high, height = c->phone ? 66 : 84, block = height + 62;
    double width = (c->width - 16 - 24.0 * (across - 1)) / across;
    char plot[PANELS * PAGE_TEXT] = "";

    for (int i = 0; i < PANELS; i++)
        if (range_of(elbow, panels[i].index, &low, &high)) shown[n++] = i;
    c->height = (int)((n + across - 1) / across * block + 4);
    canvas_plain(c);
    for (int i = 0; i < n; i++)
        draw_panel(elbow, c, shown[i], 6 + i % across * (width + 24), i / across * block + 30,
                   width, height, plot, sizeof plot);
    fprintf(c->script, "%s\n", plot);
}

const figure_kind figure_indices = { "indices", "elbow", has_indices, tell_indices, draw_indices };

/* ---- loss of the autoencoder ---- */

static bool has_loss(const page_data *data)
{
    return data->model->embedding.opts.method == SEG_EMBED_AUTOENCODER &&
           data->model->embedding.autoencoder.n_epochs > 1;
}

static void tell_loss(const page_data *data, page_figure *figure)
{
    const seg_autoencoder *ae = &data->model->embedding.autoencoder;
    page_sheet *sheet = &figure->sheet[0];

    (void)snprintf(figure->title, PAGE_TEXT,
                   "A code of %d numbers reproduces a cell with a mean squared error of %.2g",
                   data->model->embedding.d_out, ae->loss[ae->best_epoch]);
    (void)snprintf(figure->subtitle, PAGE_TEXT,
                   "Mean squared error of a cell by epoch, in training%s; the weights of epoch %d "
                   "are kept",
                   isfinite(ae->validation_loss[0]) ? " and on clients kept out of it" : "",
                   ae->best_epoch + 1);
    figure->sheet_name[0] = "loss";
    sheet_title(sheet, "epoch");
    sheet_title(sheet, "training");
    sheet_title(sheet, "validation");
    for (int i = 0; i < ae->n_epochs; i++) {
        sheet_whole(sheet, i + 1);
        sheet_number(sheet, ae->loss[i]);
        sheet_number(sheet, ae->validation_loss[i]);
    }
}

static void draw_loss(const page_data *data, page_canvas *c)
{
    const seg_autoencoder *ae = &data->model->embedding.autoencoder;
    double most = 0;
    bool validated = isfinite(ae->validation_loss[0]);

    for (int i = 0; i < ae->n_epochs; i++)
        most = fmax(most, fmax(ae->loss[i], validated ? ae->validation_loss[i] : 0));
    c->height = c->phone ? 230 : 280;
    canvas_margins(c, c->phone ? 42 : 50, 16, 30, 42);
    fprintf(c->script,
            "set xrange [0.5:%g]\nset yrange [0:%.9g]\nset xtics font ',11' offset 0,0.3\n"
            "set ytics font ',11' offset 0.6,0\nset grid ytics back linecolor rgb '#E6E9EE' "
            "linewidth 1 linetype 1\n",
            ae->n_epochs + 0.5, 1.05 * most);
    canvas_text(c, c->width - 16, c->height - 9, "right", 11, MUTED, "epoch");
    canvas_text(c, c->width - 16, 14, "right", 12, "#00619A", "training");
    if (validated) canvas_text(c, c->width - 84, 14, "right", 12, "#B04C00", "kept out");
    fprintf(c->script, "plot 'loss.tsv' skip 1 using 1:2 with lines linewidth 2 linecolor rgb "
                       "'" BLUE "'");
    if (validated)
        fprintf(c->script, ", '' skip 1 using 1:3 with lines linewidth 2 linecolor rgb '#D55E00'");
    fprintf(c->script, "\n");
}

const figure_kind figure_loss = { "loss", "autoencoder", has_loss, tell_loss, draw_loss };
