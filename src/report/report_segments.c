/* Segments in words: who they are, what sets them apart, what to do; and the same as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define STRONGEST 3 /* features shown */
#define MARGIN    15

static const char *const merge_words[] = { "guided by the catalog", "Ward on amounts",
                                           "average linkage on amounts", "k-means on amounts" };
static const char *const merge_names[] = { "catalog", "ward", "average", "kmeans" };

/* "CASH_ADVANCE 3,900 (+1.4 sd), CREDIT_LIMIT 7,500 (+0.8 sd)" */
static void print_strongest(const seg_segments *s, int segment)
{
    char text[1024], mean[32];
    int column[STRONGEST], n = seg_segments_strongest(s, segment, STRONGEST, column);
    size_t used = 0;

    for (int i = 0; i < n && used < sizeof text; i++) {
        int at = segment * s->d + column[i];
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.250s %s (%+.1f sd)",
                                 i > 0 ? ", " : "", s->column[column[i]],
                                 report_number(s->mean[at], mean, sizeof mean), s->z[at]);
    }
    report_paragraph(MARGIN, text);
}

static void print_segment(const seg_segments *s, int i, int64_t n)
{
    const seg_segment *segment = &s->segment[i];
    char name[256], size[32];

    printf("  %2d %6.1f %%  %s (%s clients)\n", i, 100 * (double)segment->size / (double)n,
           seg_text_clean(segment->name, name, sizeof name),
           seg_text_count(segment->size, size, sizeof size));
    print_strongest(s, i);
    report_paragraph(MARGIN, segment->description);
    report_paragraph(MARGIN, segment->recommendation);
}

void report_segments(const seg_segments *s, int64_t n)
{
    if (s->n_segments == 0) return;
    report_heading("Segments");
    for (int i = 0; i < s->n_segments; i++)
        print_segment(s, i, n);
    if (s->n_segments == s->n_clusters) return;
    printf("  %d clusters in %d segments, %s%s; costs %.1f %% more than the cheapest merge\n",
           s->n_clusters, s->n_segments, merge_words[s->merge],
           s->merge != SEG_MERGE_CATALOG && s->n_amounts == 0
               ? " (no column is known to be one, so on all)"
               : "",
           s->least_cost > 0 ? 100 * (s->cost / s->least_cost - 1) : 0.0);
}

static seg_json *segment_json(const seg_segments *s, int i, int64_t n)
{
    const seg_segment *segment = &s->segment[i];
    seg_json *json = seg_json_object(), *clusters = seg_json_array();

    seg_json_add_text(json, "name", segment->name);
    seg_json_add_text(json, "description", segment->description);
    seg_json_add_text(json, "recommendation", segment->recommendation);
    seg_json_add_double(json, "fit", segment->fit);
    seg_json_add_int(json, "size", segment->size);
    seg_json_add_double(json, "share", (double)segment->size / (double)n);
    for (int j = 0; j < s->n_clusters; j++)
        if (s->cluster_to_segment[j] == i) seg_json_add_int(clusters, NULL, j);
    seg_json_add(json, "clusters", clusters);
    seg_json_add_doubles(json, "mean", s->d, &s->mean[i * s->d]);
    seg_json_add_doubles(json, "z", s->d, &s->z[i * s->d]);
    return json;
}

void report_segments_json(seg_json *json, const seg_segments *s, int64_t n)
{
    seg_json *part = seg_json_object(), *segments = seg_json_array();

    if (s->n_segments == 0) {
        seg_json_free(part);
        seg_json_free(segments);
        return;
    }
    seg_json_add_texts(part, "columns", s->d, (const char *const *)s->column);
    for (int i = 0; i < s->n_segments; i++)
        seg_json_add(segments, NULL, segment_json(s, i, n));
    seg_json_add(part, "segment", segments);
    seg_json_add_doubles(part, "effect", s->d, s->effect);
    seg_json_add_text(part, "merge_method", merge_names[s->merge]);
    seg_json_add_double(part, "cost", s->cost);
    seg_json_add_double(part, "least_cost", s->least_cost);
    seg_json_add(json, "segments", part);
}
