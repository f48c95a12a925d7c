/* Segments in words: who they are, what sets them apart, what to do; and the same as JSON. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define MARGIN      15
#define EFFECTS     5  /* columns */
#define CLUSTERS    12 /* named of one segment */
#define SHARE_LEAST 0.05
#define Z_STRONG    0.5

static const char *const merge_words[] = { "guided by the catalog", "Ward on amounts",
                                           "average linkage on amounts", "k-means on amounts" };

/* "CASH_ADVANCE 3,900 (+1.4 sd), CREDIT_LIMIT 7,500 (+0.8 sd)" */
static void print_strongest(const seg_segments *s, int segment)
{
    char text[1024], mean[32];
    int column[REPORT_STRONGEST];
    int n = seg_segments_strongest(s, segment, REPORT_STRONGEST, column);
    size_t used = 0;

    for (int i = 0; i < n && used < sizeof text; i++) {
        int at = segment * s->d + column[i];
        if (i > 0 && fabs(s->z[at]) < REPORT_Z_SHOWN) break;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.250s %s (%+.1f sd)",
                                 i > 0 ? ", " : "", s->column[column[i]],
                                 report_number(s->mean[at], mean, sizeof mean), s->z[at]);
    }
    report_paragraph(MARGIN, text);
}

int report_doubts(const seg_segments *s, int i, int64_t n, const char *doubts[REPORT_DOUBTS])
{
    int column, found = 0;

    if ((double)s->segment[i].size < SHARE_LEAST * (double)n)
        doubts[found++] = "Note: fewer than 5 % of the clients are in it.";
    if (seg_segments_strongest(s, i, 1, &column) > 0 && fabs(s->z[i * s->d + column]) < Z_STRONG)
        doubts[found++] = "Note: no feature lies more than 0.5 sd from the average.";
    if (s->segment[i].stability < SEG_CHOICE_STABLE)
        doubts[found++] = "Note: it is not found again reliably in drawn samples.";
    return found;
}

static void print_segment(const seg_segments *s, int i, int64_t n)
{
    const seg_segment *segment = &s->segment[i];
    double share = (double)segment->size / (double)n;
    const char *doubts[REPORT_DOUBTS];
    char name[256], size[32], was[32] = "";

    if (*s->matched && segment->previous < 0) snprintf(was, sizeof was, ", new");
    if (*s->matched && segment->previous >= 0 && segment->previous != i)
        snprintf(was, sizeof was, ", was %d", segment->previous);
    printf("  %2d %6.1f %%  %s (%s client%s%s)\n", i, 100 * share,
           seg_text_clean(segment->name, name, sizeof name),
           seg_text_count(segment->size, size, sizeof size), REPORT_S(segment->size), was);
    print_strongest(s, i);
    report_paragraph(MARGIN, segment->description);
    report_paragraph(MARGIN, segment->recommendation);
    for (int d = 0, found = report_doubts(s, i, n, doubts); d < found; d++)
        report_paragraph(MARGIN, doubts[d]);
}

static double percent_above(double cost, double least)
{
    return least > 0 ? 100 * (cost / least - 1) : 0;
}

static void print_merge(const seg_segments *s)
{
    char text[400];
    const char *all = s->merge != SEG_MERGE_CATALOG && s->n_amounts == 0
                          ? " (no column is known to be one, so on all)"
                          : "";

    if (s->n_segments == s->n_clusters) return;
    snprintf(text, sizeof text,
             "%d clusters merged into %d segments, %s%s: the cost is %.1f %% above the cheapest "
             "merge and %.1f %% above %d clusters fitted directly",
             s->n_clusters, s->n_segments, merge_words[s->merge], all,
             percent_above(s->cost, s->least_cost), percent_above(s->cost, s->direct_cost),
             s->n_segments);
    report_paragraph(2, text);
}

static void print_match(const seg_segments *s)
{
    char text[200];

    if (*s->matched == '\0') return;
    snprintf(text, sizeof text,
             "matched with model %s: %.1f %% of the clients are in the same segment in both "
             "(adjusted Rand index %.3f)",
             s->matched, 100 * s->match_share, s->match_rand);
    report_paragraph(2, text);
}

static void print_clusters(const seg_segments *s, int segment)
{
    int n = 0, shown = 0;

    for (int j = 0; j < s->n_clusters; j++)
        n += s->cluster_to_segment[j] == segment;
    for (int j = 0; j < s->n_clusters && shown < CLUSTERS; j++)
        if (s->cluster_to_segment[j] == segment) printf("%s%d", shown++ > 0 ? " " : "", j);
    if (n > shown) printf(" and %d more", n - shown);
    putchar('\n');
}

/* "PURCHASES 53 %, CASH_ADVANCE 45 %": the columns whose variance lies between segments most. */
static void print_effects(const seg_segments *s)
{
    char text[1024];
    int order[EFFECTS], n = 0;
    size_t used = (size_t)snprintf(text, sizeof text, "variance that lies between segments:");

    for (int t = 0; t < s->d; t++) {
        int at = n < EFFECTS ? n++ : EFFECTS;
        for (; at > 0 && s->effect[t] > s->effect[order[at - 1]]; at--)
            if (at < EFFECTS) order[at] = order[at - 1];
        if (at < EFFECTS) order[at] = t;
    }
    for (int i = 0; i < n && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s %.150s %.0f %%",
                                 i > 0 ? "," : "", s->column[order[i]], 100 * s->effect[order[i]]);
    report_paragraph(2, text);
}

static void print_quality(const seg_segments *s)
{
    report_heading("How sharp the segments are");
    printf("      stability   between   %sclusters\n", *s->matched ? "overlap   " : "");
    for (int i = 0; i < s->n_segments; i++) {
        if (isnan(s->segment[i].stability))
            printf("  %2d  %9s", i, "-");
        else
            printf("  %2d  %9.2f", i, s->segment[i].stability);
        printf(" %7.1f %%  ", 100 * s->segment[i].between);
        if (*s->matched) printf("%8.2f  ", s->segment[i].overlap);
        print_clusters(s, i);
    }
    report_paragraph(
        2, "stability: mean Jaccard index with its like in new fits of drawn clients, 0.75 "
           "and more is stable; between: share of its clients that are less than 10 % "
           "farther from another segment");
    if (s->n_segments > 1) print_effects(s);
    print_merge(s);
    print_match(s);
}

static void print_leaf(void *user, int number, int n, const report_condition *path)
{
    const seg_segments *s = user;
    const seg_tree_node *leaf = &s->tree.node[number];
    char text[2048], clients[32], share[20];
    size_t used = (size_t)snprintf(text, sizeof text, "%.160s", s->segment[leaf->segment].name);

    for (int i = 0; i < n && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s %.200s %s %.15g",
                                 i > 0 ? "and" : "if", s->column[path[i].column],
                                 path[i].above ? ">" : "<=", path[i].threshold);
    if (used < sizeof text)
        snprintf(text + used, sizeof text - used, " (%s of %s client%s)",
                 report_percent((double)leaf->hits / (double)leaf->clients, share, sizeof share),
                 seg_text_count(leaf->clients, clients, sizeof clients), REPORT_S(leaf->clients));
    report_paragraph(2, text);
}

/* Behind n conditions.  One on the same side of the same column is narrower than what it replaces.
 */
static void walk(const seg_segments *s, int node, int n, const report_condition *path,
                 report_take_leaf *take, void *user)
{
    const seg_tree_node *here = &s->tree.node[node];

    for (int side = 0; side < 2 && here->column >= 0; side++) {
        report_condition longer[SEG_TREE_NODES];
        int at = 0;
        for (int i = 0; i < n; i++)
            longer[i] = path[i];
        while (at < n && (path[at].column != here->column || path[at].above != (side == 1)))
            at++;
        longer[at] = (report_condition) { here->column, side == 1, here->threshold };
        walk(s, side == 0 ? here->left : here->right, at == n ? n + 1 : n, longer, take, user);
    }
    if (here->column < 0 && here->clients > 0) take(user, node, n, path);
}

void report_leaves(const seg_segments *s, report_take_leaf *take, void *user)
{
    walk(s, 0, 0, NULL, take, user);
}

static void print_names_source(const seg_segments *s)
{
    for (int i = 0; i < s->n_segments; i++)
        if (!isnan(s->segment[i].fit) || *s->matched) return;
    report_paragraph(2, "No known segment fits, so names are made of the strongest features. "
                        "--catalog FILE brings segments, names and advice of your own, --schema "
                        "FILE says which columns are amounts of money.");
}

void report_segments(const seg_segments *s, int64_t n)
{
    char heading[128];

    if (s->n_segments == 0) return;
    report_heading("Segments");
    for (int i = 0; i < s->n_segments; i++)
        print_segment(s, i, n);
    print_names_source(s);
    print_quality(s);
    if (s->tree.n_nodes < 2) return;
    snprintf(heading, sizeof heading,
             "The segments in simple rules, right for %.1f %% of all clients",
             100 * s->tree.fidelity);
    report_heading(heading);
    report_leaves(s, print_leaf, (void *)s);
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
    seg_json_add_double(json, "stability", segment->stability);
    seg_json_add_double(json, "between", segment->between);
    if (*s->matched) seg_json_add_int(json, "previous", segment->previous);
    if (*s->matched) seg_json_add_double(json, "overlap", segment->overlap);
    seg_json_add_doubles(json, "mean", s->d, &s->mean[i * s->d]);
    seg_json_add_doubles(json, "median", s->d, &s->median[i * s->d]);
    seg_json_add_doubles(json, "z", s->d, &s->z[i * s->d]);
    return json;
}

static void add_tree(seg_json *to, const seg_segments *s)
{
    seg_json *tree = seg_json_object(), *nodes = seg_json_array();

    for (int i = 0; i < s->tree.n_nodes; i++) {
        const seg_tree_node *node = &s->tree.node[i];
        seg_json *json = seg_json_object();
        if (node->column >= 0) {
            seg_json_add_text(json, "feature", s->column[node->column]);
            seg_json_add_double(json, "threshold", node->threshold);
            seg_json_add_int(json, "left", node->left);
            seg_json_add_int(json, "right", node->right);
        }
        seg_json_add_int(json, "segment", node->segment);
        seg_json_add_int(json, "clients", node->clients);
        seg_json_add_int(json, "hits", node->hits);
        seg_json_add(nodes, NULL, json);
    }
    seg_json_add(tree, "node", nodes);
    seg_json_add_double(tree, "fidelity", s->tree.fidelity);
    seg_json_add(to, "tree", tree);
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
    seg_json_add_text(part, "merge_method", seg_merge_names[s->merge]);
    seg_json_add_double(part, "cost", s->cost);
    seg_json_add_double(part, "least_cost", s->least_cost);
    seg_json_add_double(part, "direct_cost", s->direct_cost);
    if (*s->matched) {
        seg_json_add_text(part, "matched_model", s->matched);
        seg_json_add_double(part, "match_share", s->match_share);
        seg_json_add_double(part, "match_rand", s->match_rand);
    }
    add_tree(part, s);
    seg_json_add(json, "segments", part);
}
