/* Pictures in the terminal: scripts for gnuplot's text terminal.  Texts from files go through
 * report_gnuplot_text(). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/log.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define LEFT_MARGIN    8
#define PICTURE_WIDTH  (LEFT_MARGIN + SEG_HISTOGRAM_BINS)
#define PICTURE_HEIGHT 11
#define CURVE_HEIGHT   18
#define NARROW_TICS    8 /* bins from one to the next */
#define WIDE_TICS      16
#define CELL_WIDTH     5 /* of a correlation in hundredths */
#define NUMBER_WIDTH   5 /* of a feature */

/* A text as a string of gnuplot, in at most `width` columns. */
static void print_quoted(FILE *script, const char *text, int width)
{
    char shown[256];

    if (report_text_width(text) > width)
        report_name(text, width, shown, sizeof shown);
    else
        (void)seg_text_clean(text, shown, sizeof shown);
    report_gnuplot_text(script, shown);
}

static void print_terminal(FILE *script, int width, int height)
{
    fprintf(script,
            "set terminal dumb %s size %d,%d\nset termoption noenhanced\nset encoding %s\n"
            "unset key\n",
            seg_log_colour(1) ? "ansi256" : "mono", width, height,
            report_is_utf8() ? "utf8" : "default");
}

/* ---- histograms ---- */

/* The largest of 1, 2, 5, 10, 20 ... that is not above the value. */
static double round_below(double value)
{
    double power = pow(10, floor(log10(fmax(value, 1))));

    return power * (value >= 5 * power ? 5 : value >= 2 * power ? 2 : 1);
}

/* Bins from one tic to the next, so that their numbers do not touch. */
static int tics_of(const double *edges)
{
    char number[32];

    for (int i = 0; i <= SEG_HISTOGRAM_BINS; i += NARROW_TICS)
        if (strlen(report_number(edges[i], number, sizeof number)) > NARROW_TICS - 3)
            return WIDE_TICS;
    return NARROW_TICS;
}

static void print_tics(FILE *script, const int64_t *count, const double *edges)
{
    char number[32];
    double most = 1;

    for (int i = 0; i < SEG_HISTOGRAM_BINS; i++)
        most = fmax(most, (double)count[i]);
    double high = round_below(most), low = round_below(high / 4);
    fprintf(script, "set yrange [0:%g]\nset ytics ('0' 0", most);
    fprintf(script, ", '%s' %g", report_number(high, number, sizeof number), high);
    if (low < high) fprintf(script, ", '%s' %g", report_number(low, number, sizeof number), low);
    fprintf(script, ")\nset xtics (");
    for (int i = 0; i <= SEG_HISTOGRAM_BINS; i += tics_of(edges))
        fprintf(script, "%s'%s' %d", i == 0 ? "" : ", ",
                report_number(edges[i], number, sizeof number), i);
    fprintf(script, ")\n");
}

static void print_histogram(FILE *script, const seg_describe *d, int t)
{
    const int64_t *count = &d->bin_count[(int64_t)t * SEG_HISTOGRAM_BINS];

    fprintf(script, "$bins << EOD\n");
    for (int i = 0; i < SEG_HISTOGRAM_BINS; i++)
        fprintf(script, "%g %lld\n", i + 0.5, (long long)count[i]);
    fprintf(script, "EOD\nset title ");
    print_quoted(script, d->names[t], SEG_HISTOGRAM_BINS);
    fprintf(script, "\n");
    print_tics(script, count, &d->bin_edges[(int64_t)t * (SEG_HISTOGRAM_BINS + 1)]);
    fprintf(script, "plot $bins using 1:2 with boxes lc rgb '#0072B2'\n");
}

/* Every bin is one column of the terminal. */
static void print_histograms(FILE *script, const void *what)
{
    const seg_describe *d = what;
    int across = report_width() / PICTURE_WIDTH;
    if (across < 1) across = 1;
    if (across > d->d) across = d->d;
    int down = (d->d + across - 1) / across;

    print_terminal(script, across * PICTURE_WIDTH, down * PICTURE_HEIGHT);
    fprintf(script,
            "set style fill solid 1\nset boxwidth 1\nset border 3\nset tics nomirror\n"
            "set nonlinear y via sqrt(y) inverse y*y\n"
            "set lmargin %d\nset rmargin 0\nset tmargin 2\nset bmargin 2\n"
            "set xrange [0:%d]\nset multiplot layout %d,%d\n",
            LEFT_MARGIN, SEG_HISTOGRAM_BINS, down, across);
    for (int t = 0; t < d->d; t++)
        print_histogram(script, d, t);
    fprintf(script, "unset multiplot\n");
}

/* ---- correlations ---- */

/* Columns first .. end of the matrix, coloured where the terminal has colours. */
static void print_matrix(FILE *script, const seg_describe *d, int left, int first, int end)
{
    char name[256];

    print_terminal(script, left + NUMBER_WIDTH + CELL_WIDTH * (end - first), d->d + 3);
    fprintf(script,
            "unset border\nunset tics\nunset colorbox\nunset label\n"
            "set palette defined (-100 '#0072B2', 0 '#808080', 100 '#D55E00')\n"
            "set cbrange [-100:100]\nset xrange [%g:%g]\nset yrange [%g:-1.5]\n"
            "set lmargin %d\nset rmargin 0\nset tmargin 0\nset bmargin 0\n",
            first - 0.5, end - 0.5, d->d - 0.5, left + NUMBER_WIDTH - 1);
    for (int t = first; t < end; t++)
        fprintf(script, "set label '%d' at %d,-1 center\n", t + 1, t);
    for (int s = 0; s < d->d; s++) {
        (void)snprintf(name, sizeof name, "%*d %s", NUMBER_WIDTH - 2, s + 1, d->names[s]);
        fprintf(script, "set label ");
        print_quoted(script, name, left + NUMBER_WIDTH - 1);
        fprintf(script, " at screen 0,first %d left\n", s);
    }
    fprintf(script, "$cells << EOD\n");
    for (int s = 0; s < d->d; s++)
        for (int t = first; t < end; t++)
            if (!isnan(d->correlation[(int64_t)s * d->d + t]))
                fprintf(script, "%d %d %.0f\n", t, s, 100 * d->correlation[(int64_t)s * d->d + t]);
    fprintf(script, "EOD\n"
                    "plot $cells using 1:2:(sprintf('%%d', $3)):3 with labels textcolor palette\n");
}

static void print_correlations(FILE *script, const void *what)
{
    const seg_describe *d = what;
    int left = report_name_width(d->d, (const char *const *)d->names, report_width() / 3);
    int across = (report_width() - left - NUMBER_WIDTH) / CELL_WIDTH;

    if (across < 1) across = 1;
    for (int first = 0; first < d->d; first += across)
        print_matrix(script, d, left, first, first + across < d->d ? first + across : d->d);
}

/* ---- elbow ---- */

/* The line from the first cost to the last that counts, below which the knee is farthest. */
static void print_chord(FILE *script, const seg_elbow *elbow)
{
    const double *cost = elbow->index[SEG_INDEX_INERTIA];
    int from = elbow->choice.knee_from, to = elbow->choice.knee_to;

    fprintf(script, "set arrow 1 from %d,%.9g to %d,%.9g nohead dt 3 lc rgb '#808080'\n", from,
            cost[from - elbow->k_min], to, cost[to - elbow->k_min]);
}

/* One index by k, drawn as a line; the k that it speaks for stands in the title. */
static void print_curve(FILE *script, const seg_elbow *elbow, seg_index index, const char *title)
{
    int n = elbow->k_max - elbow->k_min + 1;

    fprintf(script, "set title '%s'\n$curve << EOD\n", title);
    for (int i = 0; i < n; i++)
        if (!isnan(elbow->index[index][i]))
            fprintf(script, "%d %.9g\n", elbow->k_min + i, elbow->index[index][i]);
    fprintf(script, "EOD\nplot $curve using 1:2 with linespoints pt 'o' lc rgb '#0072B2'\n");
}

static void print_elbow(FILE *script, const void *what)
{
    const seg_elbow *elbow = what;
    const seg_elbow_choice *choice = &elbow->choice;
    int width = report_width() < 100 ? report_width() : 100;
    char title[100];

    print_terminal(script, width, 2 * CURVE_HEIGHT);
    fprintf(script,
            "set border 3\nset tics nomirror\nset xrange [%g:%g]\nset xtics 1\n"
            "set xlabel 'k'\nset format y '%%.4g'\nset offsets graph 0, 0, 0.05, 0.05\n"
            "set lmargin 12\nset multiplot layout 2,1\n",
            elbow->k_min - 0.5, elbow->k_max + 0.5);
    if (choice->knee > 0)
        (void)snprintf(title, sizeof title, "inertia: knee at k = %d, seen from %d to %d",
                       choice->knee, choice->knee_from, choice->knee_to);
    else
        (void)snprintf(title, sizeof title, "inertia: no knee");
    if (choice->knee > 0) print_chord(script, elbow);
    print_curve(script, elbow, SEG_INDEX_INERTIA, title);
    fprintf(script, "unset arrow\n");
    if (choice->silhouette > 0) {
        (void)snprintf(title, sizeof title, "silhouette: highest at k = %d", choice->silhouette);
        print_curve(script, elbow, SEG_INDEX_SILHOUETTE, title);
    }
    fprintf(script, "unset multiplot\n");
}

/* ---- all together ---- */

static seg_status draw(const char *heading, void (*print)(FILE *script, const void *what),
                       const void *what)
{
    char *text = NULL;
    size_t size = 0;
    FILE *script = open_memstream(&text, &size);

    if (!script) return SEG_FAIL(SEG_ERR_MEMORY, "out of memory while drawing");
    print(script, what);
    seg_status status = fclose(script) == 0
                            ? report_gnuplot(heading, text, size)
                            : SEG_FAIL(SEG_ERR_MEMORY, "out of memory while drawing");
    free(text);
    return status;
}

static seg_status draw_describe(seg_input *in)
{
    seg_describe d;

    SEG_TRY(seg_input_expect(in, "describe"));
    SEG_TRY(seg_describe_read(in, "", &d));
    seg_status status =
        draw("Clients by value (square root scale; asinh scale where tails are long)",
             print_histograms, &d);
    if (status == SEG_OK)
        status = draw("Pearson's correlation, in hundredths", print_correlations, &d);
    seg_describe_release(&d);
    return status;
}

static seg_status draw_elbow(seg_input *in)
{
    seg_model model;

    SEG_TRY(seg_elbow_read(in, &model));
    seg_status status = draw("Indices by number of clusters", print_elbow, &model.elbow);
    seg_model_release(&model);
    return status;
}

seg_status seg_report_plot(seg_input *in)
{
    if (strcmp(seg_input_format(in), "describe") == 0) return draw_describe(in);
    if (strcmp(seg_input_format(in), "elbow") == 0) return draw_elbow(in);
    return SEG_FAIL(SEG_ERR_USAGE,
                    "'%s' holds nothing to draw; 'segmpi describe -o' and 'segmpi elbow -o' write "
                    "files that do",
                    seg_input_path(in));
}
