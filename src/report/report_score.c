/* What a scoring found: clients per segment, gaps, outliers, speed. */
#include <stdio.h>

#include "report_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static double share(int64_t part, int64_t n)
{
    return n > 0 ? (double)part / (double)n : 0;
}

static void print_segment(int i, const char *name, int64_t size, int64_t n)
{
    char clean[200], count[32];

    printf("  %3d  %5.1f %%  %s (%s)\n", i, 100 * share(size, n),
           seg_text_clean(name, clean, sizeof clean), seg_text_count(size, count, sizeof count));
}

void seg_report_score(const char *path, const char *csv_path, const seg_model *model,
                      const seg_score_summary *s)
{
    char text[200], clean[400];

    printf("%s: %s clients\n", seg_text_clean(path, clean, sizeof clean),
           seg_text_count(s->n, text, sizeof text));
    for (int i = 0; i < s->n_segments; i++)
        print_segment(i, model->segments.segment[i].name, s->segment_size[i], s->n);
    if (csv_path) printf("%s: the same as CSV\n", seg_text_clean(csv_path, clean, sizeof clean));
    printf("%s missing cells filled; ", seg_text_count(s->imputed_cells, text, sizeof text));
    printf("%s clients with outliers\n", seg_text_count(s->outliers, text, sizeof text));
    printf("memory at most %s per rank", seg_text_bytes(s->memory, text, sizeof text));
    if (s->seconds > 0)
        printf(", %s clients/s, %.2f GB/s",
               seg_text_count((int64_t)((double)s->n / s->seconds), text, sizeof text),
               1e-9 * (double)s->bytes / s->seconds);
    putchar('\n');
}

/* How far each column is from the training base. */
static void add_drift(seg_json *json, const seg_reference *base, const seg_reference *r)
{
    seg_json *columns = seg_json_array();

    for (int t = 0; t < r->d; t++) {
        const seg_psi psi = seg_reference_psi(base, t, r, t);
        seg_json *column = seg_json_object();
        seg_json_add_text(column, "name", base->names[t]);
        seg_json_add_double(column, "psi", psi.psi);
        seg_json_add_double(column, "critical", psi.critical);
        seg_json_add_double(column, "missing_share", share(r->missing[t], r->n));
        seg_json_add(columns, NULL, column);
    }
    seg_json_add(json, "drift", columns);
}

seg_json *seg_report_score_json(const seg_model *model, const seg_score_summary *s)
{
    seg_json *json = seg_json_object(), *segments = seg_json_array(), *sizes = seg_json_array();

    seg_json_add_text(json, "format", "scores");
    seg_json_add_int(json, "n_clients", s->n);
    for (int i = 0; i < s->n_segments; i++) {
        seg_json *segment = seg_json_object();
        seg_json_add_text(segment, "name", model->segments.segment[i].name);
        seg_json_add_int(segment, "size", s->segment_size[i]);
        seg_json_add_double(segment, "share", share(s->segment_size[i], s->n));
        seg_json_add(segments, NULL, segment);
    }
    seg_json_add(json, "segments", segments);
    for (int j = 0; j < s->n_clusters; j++)
        seg_json_add_int(sizes, NULL, s->cluster_size[j]);
    seg_json_add(json, "cluster_size", sizes);
    add_drift(json, &model->reference, &s->reference);
    seg_json_add_int(json, "imputed_cells", s->imputed_cells);
    seg_json_add_int(json, "outliers", s->outliers);
    seg_json_add_int(json, "redone", s->redone);
    seg_json_add_int(json, "memory", s->memory);
    seg_json_add_double(json, "seconds", s->seconds);
    return json;
}

/* Columns with gaps, all in one line each. */
static void print_gaps(const seg_reference *r)
{
    char name[100], count[32];

    for (int t = 0; t < r->d; t++)
        if (r->missing[t] > 0)
            printf("  %s is missing for %s clients (%.1f %%)\n",
                   seg_text_clean(r->names[t], name, sizeof name),
                   seg_text_count(r->missing[t], count, sizeof count),
                   100 * share(r->missing[t], r->n));
}

seg_status report_scores(seg_input *in)
{
    seg_status status = SEG_OK;
    seg_reference r = { 0 };
    char **names = NULL, text[32];
    seg_shape shape;
    int n = 0;

    SEG_TRY_OR_DONE(seg_input_expect(in, "scores"));
    SEG_TRY_OR_DONE(seg_input_shape(in, "cluster", &shape));
    SEG_TRY_OR_DONE(seg_reference_read(in, &r));
    if (seg_input_has(in, "segments/name"))
        SEG_TRY_OR_DONE(seg_input_names(in, "segments/name", &n, &names));
    printf("scores of %s clients%s\n", seg_text_count(shape.dim[0], text, sizeof text),
           seg_input_has(in, "ids/client_id") ? ", with ids" : "");
    for (int i = 0; i < n && i < r.n_segments; i++)
        print_segment(i, names[i], r.segment_count[i], r.n);
    print_gaps(&r);
done:
    seg_reference_release(&r);
    seg_free(names);
    return status;
}
