/* The model card: what a reviewer asks for, as a section of the page, as Markdown and as JSON; and
 * the profiles for a spreadsheet.  What only people know is left blank. */
#include <math.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"
#include "segmpi/text.h"

#define FACTS 16

/* One line of the card; value "": to be filled in by hand. */
typedef struct fact {
    const char *key, *name;
    char value[PAGE_TEXT * 2];
} fact;

/* "1,256 "; nothing where a column has few, whose number the others would tell. */
static const char *count_cells(int d, const int64_t *cells, char *text, size_t size)
{
    const size_t length = strlen(seg_text_count(report_sum(d, cells), text, size));

    (void)seg_text_copy(text + length, size - length, " ");
    for (int t = 0; t < d; t++)
        if (page_is_hidden(cells[t])) *text = '\0';
    return text;
}

static int transformed_by(const seg_prep *prep, seg_transform transform)
{
    int n = 0;

    for (int t = 0; t < prep->d; t++)
        n += prep->transform[t] == (int)transform;
    return n;
}

static void describe_preparation(const seg_prep *prep, char *text, size_t size)
{
    static const char *const fills[] = { "the median", "the mean", "a constant" };
    static const char *const scales[] = { "mean 0 and standard deviation 1", "their own units",
                                          "median 0 and interquartile range 1", "0 to 1" };
    const int logs = transformed_by(prep, SEG_TRANSFORM_LOG1P);
    const int roots = transformed_by(prep, SEG_TRANSFORM_SQRT);
    char missing[40], capped[40], transformed[120] = "";

    if (logs + roots > 0)
        (void)snprintf(transformed, sizeof transformed,
                       "; columns transformed by log(1 + x): %d, by the square root: %d", logs,
                       roots);
    (void)snprintf(
        text, size,
        "%smissing cells filled with %s; %scells capped at their bounds%s; columns scaled "
        "to %s",
        count_cells(prep->d, prep->missing, missing, sizeof missing), fills[prep->opts.impute],
        count_cells(prep->d, prep->capped, capped, sizeof capped), transformed,
        scales[prep->opts.scale]);
}

static void describe_method(const page_data *data, char *text, size_t size)
{
    static const char *const spaces[] = { "the prepared features", "principal components",
                                          "the code of an autoencoder" };
    const seg_kmeans *kmeans = &data->model->kmeans;
    const int n = data->s->n_segments;
    char segments[120] = "not merged into segments";

    if (n > 0)
        (void)snprintf(segments, sizeof segments,
                       "%s %d segment%s, named by a catalog of known ones where they fit it",
                       n < kmeans->n_clusters ? "merged into" : "taken for", n, REPORT_S(n));
    (void)snprintf(text, size, "k-means on %s: %d clusters, the best of %d restart%s%s; %s",
                   spaces[data->model->embedding.opts.method], kmeans->n_clusters, kmeans->n_init,
                   REPORT_S(kmeans->n_init),
                   kmeans->n_swap_rounds > 0 ? " and of center swaps" : "", segments);
}

static void describe_quality(const page_data *data, char *text, size_t size)
{
    const seg_kmeans *kmeans = &data->model->kmeans;
    const seg_segments *s = data->s;
    double least = INFINITY;
    char stable[80] = "not measured", segments[200] = "";

    for (int i = 0; i < s->n_segments; i++)
        if (s->segment[i].stability < least) least = s->segment[i].stability;
    if (isfinite(least))
        (void)snprintf(stable, sizeof stable, "at least %.2f (mean Jaccard index in new fits)",
                       least);
    if (s->n_segments > 0)
        (void)snprintf(segments, sizeof segments,
                       "; stability of the segments %s; simple rules reproduce %.1f %% of the "
                       "segments",
                       stable, 100 * s->tree.fidelity);
    (void)snprintf(text, size, "variance explained by clusters %.1f %%%s",
                   kmeans->total_inertia > 0 ? 100 * (1 - kmeans->inertia / kmeans->total_inertia)
                                             : 0,
                   segments);
}

static fact *next(fact *facts, int *n, const char *key, const char *name)
{
    facts[*n].key = key;
    facts[*n].name = name;
    *facts[*n].value = '\0';
    return &facts[(*n)++];
}

static int collect(const page_data *data, fact facts[FACTS])
{
    const size_t size = sizeof facts->value;
    char clients[40];
    int n = 0;

    (void)next(facts, &n, "owner", "Owner");
    (void)next(facts, &n, "purpose", "Purpose");
    (void)next(facts, &n, "approved_by", "Approved by");
    (void)next(facts, &n, "next_review", "Next review");
    (void)snprintf(next(facts, &n, "model", "Model")->value, size, "%s, %.40s",
                   data->origin.model_id, data->origin.created);
    (void)snprintf(next(facts, &n, "data", "Data")->value, size, "%.200s: %s clients, %d features",
                   data->origin.input, page_count(data->model->prep.n, clients, sizeof clients),
                   data->model->prep.d);
    describe_preparation(&data->model->prep, next(facts, &n, "preparation", "Preparation")->value,
                         size);
    describe_method(data, next(facts, &n, "method", "Method")->value, size);
    describe_quality(data, next(facts, &n, "quality", "Quality")->value, size);
    (void)snprintf(next(facts, &n, "use", "What it is for")->value, size,
                   "Groups of clients who use their accounts alike, for offers and service");
    (void)snprintf(next(facts, &n, "limits", "What it is not for")->value, size,
                   "Decisions about single clients, such as credit: segments describe groups, and "
                   "clients near a border could as well be in the next one");
    (void)snprintf(next(facts, &n, "monitoring", "Monitoring")->value, size,
                   "Score each month with 'segmpi score' and watch drift and moves with 'segmpi "
                   "compare'");
    return n;
}

void page_model_card(const page_data *data, FILE *out)
{
    fact facts[FACTS];
    int n = collect(data, facts);

    fputs("<section id=\"model-card\">\n<h2>Model card</h2>\n<p class=\"sub\">Supports your "
          "model-risk documentation; dotted lines are for you to fill in</p>\n<dl "
          "class=\"facts\">\n",
          out);
    for (int i = 0; i < n; i++)
        if (*facts[i].value)
            page_put(out, "<dt>$</dt><dd>$</dd>\n", facts[i].name, facts[i].value);
        else
            page_put(out, "<dt>$</dt><dd class=\"blank\"></dd>\n", facts[i].name);
    fputs("</dl>\n</section>\n", out);
}

/* A text where Markdown finds nothing to interpret. */
static void put_plain(const char *text, FILE *out)
{
    char clean[4096];

    for (const char *c = seg_text_clean(text, clean, sizeof clean); *c; c++) {
        if (strchr("\\`*_{}[]<>#|!&~$", *c)) fputc('\\', out);
        fputc(*c, out);
    }
}

void card_markdown(const page_data *data, FILE *out)
{
    fact facts[FACTS];
    int n = collect(data, facts);
    char share[20], clients[40], stability[20];
    bool few, withheld;

    fputs("# Model card\n\nSupports your model-risk documentation; blanks are for you to fill in.\n"
          "\n| | |\n| --- | --- |\n",
          out);
    for (int i = 0; i < n; i++) {
        fprintf(out, "| %s | ", facts[i].name);
        put_plain(*facts[i].value ? facts[i].value : "..........", out);
        fputs(" |\n", out);
    }
    fputs("\n## Segments\n\n| segment | clients | share | stability |\n| --- | ---: | ---: | ---: "
          "|\n",
          out);
    for (int i = 0; i < data->s->n_segments; i++) {
        const seg_segment *segment = &data->s->segment[i];
        double part = (double)segment->size / (double)data->model->prep.n;
        withheld = page_segment_is_withheld(data, i);
        few = page_is_hidden(segment->size);
        fputs("| ", out);
        put_plain(segment->name, out);
        (void)snprintf(stability, sizeof stability, isfinite(segment->stability) ? "%.2f" : "-",
                       segment->stability);
        fprintf(out, " | %s | %s | %s |\n",
                withheld && !few ? PAGE_WITHHELD
                                 : page_count(segment->size, clients, sizeof clients),
                few        ? "few"
                : withheld ? PAGE_WITHHELD
                           : report_percent(part, share, sizeof share),
                stability);
    }
}

seg_json *card_json(const page_data *data)
{
    fact facts[FACTS];
    int n = collect(data, facts);
    seg_json *json = seg_json_object(), *segments = seg_json_array();
    char clean[PAGE_TEXT * 2];

    seg_json_add_text(json, "format", "model_card");
    seg_json_add_text(json, "model_id", data->origin.model_id);
    for (int i = 0; i < n; i++)
        seg_json_add_text(json, facts[i].key, seg_text_clean(facts[i].value, clean, sizeof clean));
    for (int i = 0; i < data->s->n_segments; i++) {
        const seg_segment *from = &data->s->segment[i];
        seg_json *segment = seg_json_object();
        bool few = page_segment_is_withheld(data, i);
        seg_json_add_text(segment, "name", seg_text_clean(from->name, clean, sizeof clean));
        if (!few) seg_json_add_int(segment, "clients", from->size);
        seg_json_add_double(segment, "share",
                            few ? NAN : (double)from->size / (double)data->model->prep.n);
        seg_json_add_double(segment, "stability", from->stability);
        seg_json_add(segments, NULL, segment);
    }
    seg_json_add(json, "segments", segments);
    return json;
}

/* ---- profiles ---- */

static void add_profile(const page_data *data, int group, const char *kind, const char *name,
                        int64_t clients, bool is_withheld, page_sheet *sheet)
{
    const seg_segments *s = data->s;

    for (int t = 0; t < s->d; t++) {
        int64_t at = (int64_t)group * s->d + t;
        sheet_text(sheet, kind);
        sheet_text(sheet, name);
        sheet_size(sheet, clients, is_withheld);
        sheet_text(sheet, s->column[t]);
        sheet_of_few(sheet, s->mean[at], clients);
        sheet_of_few(sheet, s->median[at], clients);
        sheet_of_few(sheet, s->z[at], clients);
    }
}

void page_profiles(const page_data *data, page_sheet *sheet)
{
    static const char *const titles[] = { "kind", "name",   "clients", "feature",
                                          "mean", "median", "z" };
    const seg_segments *s = data->s;
    char name[40];

    for (int i = 0; i < 7; i++)
        sheet_title(sheet, titles[i]);
    for (int i = 0; i < s->n_segments; i++)
        add_profile(data, i, "segment", s->segment[i].name, s->segment[i].size,
                    page_segment_is_withheld(data, i), sheet);
    for (int j = 0; j < s->n_clusters && s->n_segments > 0; j++) {
        (void)snprintf(name, sizeof name, "cluster %d", j);
        add_profile(data, s->n_segments + j, "cluster", name, data->model->kmeans.cluster_size[j],
                    page_has_few(data), sheet);
    }
}
