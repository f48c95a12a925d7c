/* A description in words and tables. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define PAIRS_SHOWN 12
#define PAIR_LEAST  0.5
#define GAPS_SHOWN  12
#define BARS        16 /* of a small histogram: bins are put together */

typedef char number_text[32];

/* ---- tables of columns ---- */

static const char *share_text(int64_t part, int64_t whole, char *buffer, size_t size)
{
    double share = whole > 0 ? 100 * (double)part / (double)whole : 0;

    if (part == 0)
        (void)seg_text_copy(buffer, size, "0");
    else
        (void)snprintf(buffer, size, share < 0.095 ? "<0.1 %%" : "%.1f %%", share);
    return buffer;
}

static void count_or_more(int64_t count, char text[REPORT_CELL])
{
    char number[32];

    seg_text_count(count < 0 ? SEG_DISTINCT_CAP : count, number, sizeof number);
    (void)snprintf(text, REPORT_CELL, "%s%s", count < 0 ? ">" : "", number);
}

static void values_cell(const void *from, int t, int column, char text[REPORT_CELL])
{
    const seg_describe *d = from;

    switch (column) {
    case 0:
        seg_text_count(d->missing[t], text, REPORT_CELL);
        return;
    case 1:
        share_text(d->zeros[t], d->count[t], text, REPORT_CELL);
        return;
    case 2:
        count_or_more(d->distinct[t], text);
        return;
    case 3:
        report_number(d->mean[t], text, REPORT_CELL);
        return;
    case 4:
        report_number(d->std[t], text, REPORT_CELL);
        return;
    case 5:
        report_number(d->skewness[t], text, REPORT_CELL);
        return;
    default:
        report_number(d->kurtosis[t], text, REPORT_CELL);
    }
}

static void quantiles_cell(const void *from, int t, int column, char text[REPORT_CELL])
{
    const seg_describe *d = from;
    double value;

    if (column == 0)
        value = d->min[t];
    else if (column <= SEG_QUANTILES)
        value = d->quantile[(int64_t)t * SEG_QUANTILES + column - 1];
    else
        value = d->max[t];
    report_number(value, text, REPORT_CELL);
}

/* One character per BARS-th of the bins, as high as the root of its share: tails stay visible. */
static void draw_bars(const int64_t *count, char text[REPORT_CELL])
{
    static const char *const utf8[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    static const char *const ascii[] = { " ", ".", ":", "-", "=", "+", "*", "#", "@" };
    const char *const *level = report_is_utf8() ? utf8 : ascii;
    int each = SEG_HISTOGRAM_BINS / BARS;
    double bar[BARS] = { 0 }, most = 0;

    for (int i = 0; i < SEG_HISTOGRAM_BINS; i++)
        bar[i / each] += (double)count[i];
    for (int i = 0; i < BARS; i++)
        most = fmax(most, bar[i]);
    *text = '\0';
    for (int i = 0; i < BARS; i++) {
        int height = bar[i] > 0 ? (int)ceil(8 * sqrt(bar[i] / most)) : 0;
        (void)strncat(text, level[height], REPORT_CELL - 1 - strlen(text));
    }
}

static void shape_cell(const void *from, int t, int column, char text[REPORT_CELL])
{
    const seg_describe *d = from;

    if (column < 2)
        share_text(column == 0 ? d->iqr_outliers[t] : d->z_outliers[t], d->count[t], text,
                   REPORT_CELL);
    else if (column == 2)
        (void)seg_text_copy(text, REPORT_CELL,
                            d->bin_scale[t] == SEG_BINS_ASINH ? "asinh" : "linear");
    else
        draw_bars(&d->bin_count[(int64_t)t * SEG_HISTOGRAM_BINS], text);
}

static void print_columns(const seg_describe *d)
{
    static const char *const values[] = { "missing", "zeros", "distinct", "mean",
                                          "std",     "skew",  "kurtosis" };
    static const char *const quantiles[] = { "min",  "1 %",  "5 %",  "25 %", "50 %",
                                             "75 %", "95 %", "99 %", "max" };
    static const char *const shape[] = { "beyond fence", "beyond 3 std", "scale", "histogram" };
    report_table table = { .n = d->d, .name = (const char *const *)d->names, .from = d };

    report_heading("Values");
    table.title = values;
    table.n_columns = 7;
    table.cell = values_cell;
    report_table_print(&table);
    report_heading("Quantiles");
    table.title = quantiles;
    table.n_columns = 2 + SEG_QUANTILES;
    table.cell = quantiles_cell;
    report_table_print(&table);
    report_heading("Outliers and shape (fence: 1.5 interquartile ranges)");
    table.title = shape;
    table.n_columns = 4;
    table.cell = shape_cell;
    report_table_print(&table);
}

/* ---- pairs ---- */

typedef struct pair {
    int s, t;
    double strength;
} pair;

static double larger_of(double a, double b)
{
    return fmax(fabs(a), fabs(b)); /* skips NaN */
}

/* The strongest pairs, in order; their number. */
static int find_pairs(const seg_describe *d, pair pairs[PAIRS_SHOWN])
{
    int n = 0;

    for (int s = 0; s < d->d; s++)
        for (int t = s + 1; t < d->d; t++) {
            int64_t cell = (int64_t)s * d->d + t;
            pair p = { s, t, larger_of(d->correlation[cell], d->spearman[cell]) };
            int at = n;
            if (!(p.strength >= PAIR_LEAST)) continue;
            for (; at > 0 && pairs[at - 1].strength < p.strength; at--)
                if (at < PAIRS_SHOWN) pairs[at] = pairs[at - 1];
            if (at < PAIRS_SHOWN) pairs[at] = p;
            if (n < PAIRS_SHOWN) n++;
        }
    return n;
}

static void correlation_text(double r, number_text text)
{
    if (isnan(r))
        (void)snprintf(text, sizeof(number_text), "-");
    else
        (void)snprintf(text, sizeof(number_text), "%.3f", r);
}

static void print_pairs(const seg_describe *d)
{
    pair pairs[PAIRS_SHOWN];
    int n = find_pairs(d, pairs), most = (report_width() - 26) / 2;
    int width = report_name_width(d->d, (const char *const *)d->names, most);
    char first[256], second[256], rows[32], heading[120];
    number_text pearson, spearman;

    (void)snprintf(heading, sizeof heading, "Strongest correlations");
    if (d->spearman_rows > 0 && d->spearman_rows < d->rows)
        (void)snprintf(heading, sizeof heading,
                       "Strongest correlations (Spearman: a sample of %s clients)",
                       seg_text_count(d->spearman_rows, rows, sizeof rows));
    report_heading(heading);
    if (n == 0) {
        printf("  none of %g or more\n", PAIR_LEAST);
        return;
    }
    printf("  %*s %9s %9s\n", 2 * width + 2, "", "Pearson", "Spearman");
    for (int i = 0; i < n; i++) {
        int64_t cell = (int64_t)pairs[i].s * d->d + pairs[i].t;
        report_name(d->names[pairs[i].s], width, first, sizeof first);
        report_name(d->names[pairs[i].t], width, second, sizeof second);
        correlation_text(d->correlation[cell], pearson);
        correlation_text(d->spearman[cell], spearman);
        printf("  %s  %s %9s %9s\n", first, second, pearson, spearman);
    }
}

/* ---- words ---- */

/* " + 0.98 NAME" at the end of a line. */
static void append_part(char *line, size_t size, double coefficient, const char *name)
{
    char clean[256], number[32] = "";
    size_t used = strlen(line);
    bool first = line[used - 2] == '=';

    seg_text_clean(name, clean, sizeof clean);
    if (fabs(coefficient) != 1) (void)snprintf(number, sizeof number, "%.4g ", fabs(coefficient));
    (void)snprintf(line + used, size - used, "%s%s%s%s", first ? "" : " ",
                   coefficient < 0 ? (first ? "-" : "- ") : (first ? "" : "+ "), number, clean);
}

static void print_relation(const seg_describe *d, int i)
{
    const double *coefficient = &d->relation_coefficient[(int64_t)i * d->d];
    int column = d->relation_column[i];
    char line[4096], clean[256], equal[32], count[32];

    (void)snprintf(line, sizeof line,
                   "%s = ", seg_text_clean(d->names[column], clean, sizeof clean));
    for (int t = 0; t < d->d; t++)
        if (coefficient[t] != 0) append_part(line, sizeof line, coefficient[t], d->names[t]);
    if (d->relation_equal[i] == 0 && fabs(d->relation_intercept[i]) > 1e-3 * d->std[column]) {
        char constant[32];
        (void)snprintf(constant, sizeof constant, "%.4g", fabs(d->relation_intercept[i]));
        append_part(line, sizeof line, d->relation_intercept[i] < 0 ? -1 : 1, constant);
    }

    size_t used = strlen(line);
    if (d->relation_equal[i] > 0)
        (void)snprintf(line + used, sizeof line - used, ", for %s of %s clients",
                       seg_text_count(d->relation_equal[i], equal, sizeof equal),
                       seg_text_count(d->count[column], count, sizeof count));
    else
        (void)snprintf(line + used, sizeof line - used, ", which explains %.4g %% of its variance",
                       100 * d->relation_explained[i]);
    report_paragraph(2, line);
}

static void print_relations(const seg_describe *d)
{
    report_heading("Columns that others make up");
    for (int i = 0; i < d->n_relations; i++)
        print_relation(d, i);
    if (d->n_relations == 0) printf("  none\n");
}

static void print_gap(const seg_describe *d, const seg_gap *gap)
{
    char line[1024], missing[256], other[256], clients[32], all[32];

    (void)snprintf(line, sizeof line,
                   "%s is missing where %s is %s: %s of its %s gaps (%.0f %%), %.3g times "
                   "the share among all clients",
                   seg_text_clean(d->names[gap->missing], missing, sizeof missing),
                   seg_text_clean(d->names[gap->other], other, sizeof other),
                   gap->other_missing ? "missing too" : "0",
                   seg_text_count(gap->clients, clients, sizeof clients),
                   seg_text_count(d->missing[gap->missing], all, sizeof all), 100 * gap->share,
                   gap->lift);
    report_paragraph(2, line);
}

static void print_gaps(const seg_describe *d)
{
    seg_gap gaps[GAPS_SHOWN];
    int n = seg_describe_gaps(d, GAPS_SHOWN, gaps);

    report_heading("Gaps that come together");
    for (int i = 0; i < n; i++)
        print_gap(d, &gaps[i]);
    if (n == 0) printf("  none\n");
}

void seg_report_describe(const seg_describe *d)
{
    char cells[32];
    int64_t missing = 0;

    for (int t = 0; t < d->d; t++)
        missing += d->missing[t];
    report_clients(d->n, d->rows, d->d);
    printf(", %s missing cell%s", seg_text_count(missing, cells, sizeof cells), REPORT_S(missing));
    if (d->infinite > 0)
        printf(" (%s of them infinite)", seg_text_count(d->infinite, cells, sizeof cells));
    putchar('\n');
    print_columns(d);
    print_pairs(d);
    print_relations(d);
    print_gaps(d);
}
