/* Group segments/ of a model.  What is said of columns stands there for the features, and in
 * segments/profile_only/ for columns that take no part in distances. */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define GROUP "segments"
#define EXTRA GROUP "/profile_only"

const char *const seg_merge_names[SEG_N_MERGES] = { "catalog", "ward", "average", "kmeans" };

/* ---- values per column: blocks of a profile [row][d] ---- */

typedef struct block {
    const char *name, *dims;
    double *values; /* first row */
    int rows;
} block;

#define N_BLOCKS 7

static void blocks_of(const seg_segments *s, block blocks[N_BLOCKS])
{
    const int n = s->n_segments, k = s->n_clusters, d = s->d;
    const block all[N_BLOCKS] = {
        { "mean", "segment,feature", s->mean, n },
        { "median", "segment,feature", s->median, n },
        { "z", "segment,feature", s->z, n },
        { "cluster_mean", "cluster,feature", s->mean + n * d, k },
        { "cluster_median", "cluster,feature", s->median + n * d, k },
        { "cluster_z", "cluster,feature", s->z + n * d, k },
        { "effect", "feature", s->effect, 1 },
    };

    memcpy(blocks, all, sizeof all);
}

/* Columns [first, first + count) of a block, as they stand in the file. */
static void block_copy(const seg_segments *s, const block *b, int first, int count, double *part,
                       bool out)
{
    for (int row = 0; row < b->rows; row++) {
        double *here = &b->values[row * s->d + first], *there = &part[row * count];
        memcpy(out ? there : here, out ? here : there, (size_t)count * sizeof *part);
    }
}

static seg_status write_profile(const seg_segments *s, const char *group, int first, int count,
                                seg_output *out)
{
    seg_status status = SEG_OK;
    block blocks[N_BLOCKS];
    double *part = NULL;
    char path[80];

    blocks_of(s, blocks);
    SEG_TRY_OR_DONE(
        seg_alloc((int64_t)s->n_segments + s->n_clusters, (size_t)count * sizeof *part, &part));
    for (int i = 0; i < N_BLOCKS; i++) {
        block_copy(s, &blocks[i], first, count, part, true);
        snprintf(path, sizeof path, "%s/%s", group, blocks[i].name);
        SEG_TRY_OR_DONE(seg_output_array(out, path, SEG_FLOAT64, blocks[i].dims, part));
    }
done:
    seg_free(part);
    return status;
}

static seg_status read_profile(seg_input *in, const char *group, int first, int count,
                               seg_segments *s)
{
    seg_status status = SEG_OK;
    block blocks[N_BLOCKS];
    double *part = NULL;
    char path[80];

    blocks_of(s, blocks);
    SEG_TRY_OR_DONE(
        seg_alloc((int64_t)s->n_segments + s->n_clusters, (size_t)count * sizeof *part, &part));
    for (int i = 0; i < N_BLOCKS; i++) {
        bool flat = strchr(blocks[i].dims, ',') == NULL;
        snprintf(path, sizeof path, "%s/%s", group, blocks[i].name);
        SEG_TRY_OR_DONE(seg_input_array(in, path, SEG_FLOAT64, flat ? count : blocks[i].rows,
                                        flat ? 0 : count, part));
        block_copy(s, &blocks[i], first, count, part, false);
    }
done:
    seg_free(part);
    return status;
}

/* ---- texts ---- */

static const struct {
    const char *path;
    size_t offset, size;
} texts[] = {
    { GROUP "/name", offsetof(seg_segment, name), sizeof((seg_segment *)0)->name },
    { GROUP "/description", offsetof(seg_segment, description),
      sizeof((seg_segment *)0)->description },
    { GROUP "/recommendation", offsetof(seg_segment, recommendation),
      sizeof((seg_segment *)0)->recommendation },
};
#define N_TEXTS 3

static seg_status write_texts(const seg_segments *s, seg_output *out)
{
    const char *lines[SEG_SEGMENTS_MAX];

    for (int i = 0; i < N_TEXTS; i++) {
        for (int j = 0; j < s->n_segments; j++)
            lines[j] = (const char *)&s->segment[j] + texts[i].offset;
        SEG_TRY(seg_output_texts(out, texts[i].path, "segment", lines));
    }
    return SEG_OK;
}

static seg_status read_texts(seg_input *in, seg_segments *s)
{
    for (int i = 0; i < N_TEXTS; i++) {
        char **lines;
        int n;
        SEG_TRY(seg_input_names(in, texts[i].path, &n, &lines));
        for (int j = 0; j < s->n_segments && j < n; j++)
            (void)seg_text_copy((char *)&s->segment[j] + texts[i].offset, texts[i].size, lines[j]);
        seg_free(lines);
        if (n != s->n_segments)
            return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' has not one text per segment",
                            texts[i].path, seg_input_path(in));
    }
    return SEG_OK;
}

/* ---- one value per segment ---- */

static const struct {
    const char *path;
    size_t offset;
    const char *long_name;
} figures[] = {
    { GROUP "/fit", offsetof(seg_segment, fit),
      "fit to the entry of the catalog, -1 to 1; NaN: the name is made of features" },
    { GROUP "/stability", offsetof(seg_segment, stability),
      "mean Jaccard index with its like in new fits of drawn clients" },
    { GROUP "/between", offsetof(seg_segment, between),
      "share of its clients that are nearly as close to another segment" },
    { GROUP "/overlap", offsetof(seg_segment, overlap),
      "Jaccard index with its like in the earlier model" },
};
#define N_FIGURES 4

/* The double at an offset of a segment. */
static double *figure_of(const seg_segments *s, int segment, size_t offset)
{
    return (double *)(void *)((char *)&s->segment[segment] + offset);
}

static seg_status write_figures(const seg_segments *s, seg_output *out)
{
    double share[SEG_SEGMENTS_MAX], value[SEG_SEGMENTS_MAX];
    int64_t size[SEG_SEGMENTS_MAX], all = 0;
    int32_t previous[SEG_SEGMENTS_MAX];
    int n = s->n_segments;

    for (int i = 0; i < n; i++)
        all += s->segment[i].size;
    for (int i = 0; i < n; i++) {
        size[i] = s->segment[i].size;
        share[i] = (double)size[i] / (double)all;
        previous[i] = s->segment[i].previous;
    }
    SEG_TRY(seg_output_array(out, GROUP "/size", SEG_INT64, "segment", size));
    SEG_TRY(seg_output_array(out, GROUP "/share", SEG_FLOAT64, "segment", share));
    SEG_TRY(seg_output_array(out, GROUP "/previous", SEG_INT32, "segment", previous));
    SEG_TRY(seg_output_attr_text(out, GROUP "/previous", "long_name",
                                 "its number in the earlier model, -1: none"));
    for (int f = 0; f < N_FIGURES; f++) {
        for (int i = 0; i < n; i++)
            value[i] = *figure_of(s, i, figures[f].offset);
        SEG_TRY(seg_output_array(out, figures[f].path, SEG_FLOAT64, "segment", value));
        SEG_TRY(seg_output_attr_text(out, figures[f].path, "long_name", figures[f].long_name));
    }
    return SEG_OK;
}

static seg_status read_figures(seg_input *in, seg_segments *s)
{
    double value[SEG_SEGMENTS_MAX];
    int64_t size[SEG_SEGMENTS_MAX];
    int32_t previous[SEG_SEGMENTS_MAX];
    int n = s->n_segments;

    SEG_TRY(seg_input_array(in, GROUP "/size", SEG_INT64, n, 0, size));
    SEG_TRY(seg_input_array(in, GROUP "/previous", SEG_INT32, n, 0, previous));
    for (int i = 0; i < n; i++) {
        s->segment[i].size = size[i];
        s->segment[i].previous = previous[i];
    }
    for (int f = 0; f < N_FIGURES; f++) {
        SEG_TRY(seg_input_array(in, figures[f].path, SEG_FLOAT64, n, 0, value));
        for (int i = 0; i < n; i++)
            *figure_of(s, i, figures[f].offset) = value[i];
    }
    return SEG_OK;
}

/* ---- the merge ---- */

static seg_status write_merge(const seg_segments *s, seg_output *out)
{
    static const char *const parts[] = { "left", "right", "cost", "clients" };

    SEG_TRY(seg_output_array(out, GROUP "/cluster_to_segment", SEG_INT32, "cluster",
                             s->cluster_to_segment));
    SEG_TRY(seg_output_array(out, GROUP "/centers", SEG_FLOAT64, "segment,feature", s->centers));
    if (s->n_clusters > 1) {
        SEG_TRY(seg_output_dim(out, GROUP "/merge", s->n_clusters - 1));
        SEG_TRY(seg_output_names(out, GROUP "/merge_part", 4, parts));
        SEG_TRY(seg_output_array(out, GROUP "/merge_tree", SEG_FLOAT64, "merge,merge_part",
                                 s->merge_tree));
    }
    SEG_TRY(seg_output_attr_text(out, GROUP, "merge_method", seg_merge_names[s->merge]));
    SEG_TRY(seg_output_attr_int(out, GROUP, "n_amounts", s->n_amounts));
    SEG_TRY(seg_output_attr_double(out, GROUP, "cost", s->cost));
    SEG_TRY(seg_output_attr_double(out, GROUP, "least_cost", s->least_cost));
    SEG_TRY(seg_output_attr_double(out, GROUP, "direct_cost", s->direct_cost));
    SEG_TRY(seg_output_attr_text(out, GROUP, "matched_model", s->matched));
    if (*s->matched == '\0') return SEG_OK;
    SEG_TRY(seg_output_attr_double(out, GROUP, "match_share", s->match_share));
    return seg_output_attr_double(out, GROUP, "match_rand", s->match_rand);
}

static seg_status read_match(seg_input *in, seg_segments *s)
{
    SEG_TRY(seg_input_attr_text(in, GROUP, "matched_model", s->matched, sizeof s->matched));
    if (*s->matched == '\0') return SEG_OK;
    SEG_TRY(seg_input_attr_double(in, GROUP, "match_share", &s->match_share));
    return seg_input_attr_double(in, GROUP, "match_rand", &s->match_rand);
}

/* Every node but the last is joined once, by a later one. */
static bool is_tree(const seg_segments *s)
{
    bool joined[2 * SEG_REFINE_MAX] = { false };

    for (int m = 0; m < s->n_clusters - 1; m++)
        for (int side = 0; side < 2; side++) {
            const double node = s->merge_tree[4 * m + side];
            if (!(node >= 0 && node < s->n_clusters + m) || joined[(int)node]) return false;
            joined[(int)node] = true;
        }
    for (int m = 0; m < s->n_clusters - 1; m++)
        if (!(s->merge_tree[4 * m + 3] >= 0 && s->merge_tree[4 * m + 3] < 1e15)) return false;
    return true;
}

static seg_status read_merge(seg_input *in, seg_segments *s)
{
    int k = s->n_clusters;
    int64_t amounts;
    char name[32];

    SEG_TRY(
        seg_input_array(in, GROUP "/cluster_to_segment", SEG_INT32, k, 0, s->cluster_to_segment));
    SEG_TRY(seg_input_array(in, GROUP "/centers", SEG_FLOAT64, s->n_segments, s->n_features,
                            s->centers));
    if (k > 1)
        SEG_TRY(seg_input_array(in, GROUP "/merge_tree", SEG_FLOAT64, k - 1, 4, s->merge_tree));
    if (!is_tree(s))
        return SEG_FAIL(SEG_ERR_DATA, "'" GROUP "/merge_tree' in '%s' is no tree",
                        seg_input_path(in));
    SEG_TRY(seg_input_attr_text(in, GROUP, "merge_method", name, sizeof name));
    SEG_TRY(seg_input_attr_int(in, GROUP, "n_amounts", &amounts));
    SEG_TRY(seg_input_attr_double(in, GROUP, "cost", &s->cost));
    SEG_TRY(seg_input_attr_double(in, GROUP, "least_cost", &s->least_cost));
    SEG_TRY(seg_input_attr_double(in, GROUP, "direct_cost", &s->direct_cost));
    s->n_amounts = (int)amounts;
    for (int i = 0; i < SEG_N_MERGES; i++)
        if (strcmp(name, seg_merge_names[i]) == 0) s->merge = (seg_merge_method)i;
    for (int j = 0; j < k; j++)
        if (s->cluster_to_segment[j] < 0 || s->cluster_to_segment[j] >= s->n_segments)
            return SEG_FAIL(SEG_ERR_DATA, "cluster %d in '%s' is in no segment", j,
                            seg_input_path(in));
    return SEG_OK;
}

/* ---- the tree ---- */

#define TREE GROUP "/tree"

typedef struct tree_arrays {
    int32_t column[SEG_TREE_NODES], left[SEG_TREE_NODES], right[SEG_TREE_NODES];
    int32_t segment[SEG_TREE_NODES];
    double threshold[SEG_TREE_NODES];
    int64_t clients[SEG_TREE_NODES], hits[SEG_TREE_NODES];
} tree_arrays;

#define N_TREE 7

typedef struct tree_array {
    const char *path;
    seg_type type;
    void *data;
} tree_array;

static void tree_list(tree_arrays *a, tree_array list[N_TREE])
{
    const tree_array all[N_TREE] = {
        { TREE "/feature", SEG_INT32, a->column },
        { TREE "/threshold", SEG_FLOAT64, a->threshold },
        { TREE "/left", SEG_INT32, a->left },
        { TREE "/right", SEG_INT32, a->right },
        { TREE "/segment", SEG_INT32, a->segment },
        { TREE "/clients", SEG_INT64, a->clients },
        { TREE "/hits", SEG_INT64, a->hits },
    };

    memcpy(list, all, sizeof all);
}

static seg_status write_tree(const seg_tree *tree, seg_output *out)
{
    tree_arrays a;
    tree_array list[N_TREE];

    for (int i = 0; i < tree->n_nodes; i++) {
        const seg_tree_node *node = &tree->node[i];
        a.column[i] = node->column;
        a.left[i] = node->left;
        a.right[i] = node->right;
        a.segment[i] = node->segment;
        a.threshold[i] = node->threshold;
        a.clients[i] = node->clients;
        a.hits[i] = node->hits;
    }
    tree_list(&a, list);
    SEG_TRY(seg_output_dim(out, TREE "/node", tree->n_nodes));
    for (int i = 0; i < N_TREE; i++)
        SEG_TRY(seg_output_array(out, list[i].path, list[i].type, "node", list[i].data));
    SEG_TRY(seg_output_attr_text(out, TREE, "long_name",
                                 "clients with feature <= threshold go left; feature -1: a leaf"));
    return seg_output_attr_double(out, TREE, "fidelity", tree->fidelity);
}

/* Children stand behind their parent, so that following them ends. */
static bool is_sound(const seg_segments *s, const seg_tree_node *node, int number)
{
    if (node->segment < 0 || node->segment >= s->n_segments) return false;
    if (node->column < 0) return true;
    return node->column < s->n_features && node->left > number && node->right > number &&
           node->left < s->tree.n_nodes && node->right < s->tree.n_nodes;
}

static seg_status read_tree(seg_input *in, seg_segments *s)
{
    seg_tree *tree = &s->tree;
    tree_arrays a;
    tree_array list[N_TREE];
    seg_shape shape;
    bool sound = true;

    SEG_TRY(seg_input_shape(in, TREE "/feature", &shape));
    if (shape.rank != 1 || shape.dim[0] < 1 || shape.dim[0] > SEG_TREE_NODES)
        return SEG_FAIL(SEG_ERR_DATA, "'" TREE "' in '%s' has the wrong shape", seg_input_path(in));
    tree->n_nodes = (int)shape.dim[0];
    tree_list(&a, list);
    for (int i = 0; i < N_TREE; i++)
        SEG_TRY(seg_input_array(in, list[i].path, list[i].type, tree->n_nodes, 0, list[i].data));
    for (int i = 0; i < tree->n_nodes; i++) {
        tree->node[i] = (seg_tree_node) { .column = a.column[i],
                                          .left = a.left[i],
                                          .right = a.right[i],
                                          .segment = a.segment[i],
                                          .threshold = a.threshold[i],
                                          .clients = a.clients[i],
                                          .hits = a.hits[i] };
        sound = sound && is_sound(s, &tree->node[i], i);
    }
    if (!sound) return SEG_FAIL(SEG_ERR_DATA, "'" TREE "' in '%s' is no tree", seg_input_path(in));
    return seg_input_attr_double(in, TREE, "fidelity", &tree->fidelity);
}

/* ---- all together ---- */

seg_status seg_segments_write(const seg_segments *s, seg_output *out)
{
    int extra = s->d - s->n_features;

    if (s->n_segments == 0) return SEG_OK;
    SEG_TRY(write_texts(s, out));
    SEG_TRY(write_figures(s, out));
    SEG_TRY(write_merge(s, out));
    SEG_TRY(write_tree(&s->tree, out));
    SEG_TRY(write_profile(s, GROUP, 0, s->n_features, out));
    if (extra == 0) return SEG_OK;
    SEG_TRY(seg_output_names(out, EXTRA "/feature", extra,
                             (const char *const *)s->column + s->n_features));
    return write_profile(s, EXTRA, s->n_features, extra, out);
}

/* Names of the features, then of the columns that are only profiled; storage for all. */
static seg_status read_columns(seg_input *in, int n_segments, int n_clusters, seg_segments *s)
{
    seg_status status = SEG_OK;
    char **features = NULL, **extra = NULL;
    const char **all = NULL;
    int d = 0, p = 0;

    SEG_TRY_OR_DONE(seg_input_names(in, "feature", &d, &features));
    if (seg_input_has(in, EXTRA))
        SEG_TRY_OR_DONE(seg_input_names(in, EXTRA "/feature", &p, &extra));
    SEG_TRY_OR_DONE(segment_alloc(s, n_segments, n_clusters, d, d + p));
    SEG_TRY_OR_DONE(seg_alloc(d + p, sizeof *all, &all));
    for (int t = 0; t < d + p; t++)
        all[t] = t < d ? features[t] : extra[t - d];
    SEG_TRY_OR_DONE(segment_columns(s, all));
done:
    seg_free(features);
    seg_free(extra);
    seg_free(all);
    return status;
}

seg_status seg_segments_read(seg_input *in, seg_segments *s)
{
    seg_status status = SEG_OK;
    seg_shape segments, clusters;

    *s = (seg_segments) { 0 };
    if (!seg_input_has(in, GROUP)) return SEG_OK;
    SEG_TRY_OR_DONE(seg_input_shape(in, GROUP "/size", &segments));
    SEG_TRY_OR_DONE(seg_input_shape(in, GROUP "/cluster_to_segment", &clusters));
    if (segments.rank != 1 || segments.dim[0] < 1 || segments.dim[0] > SEG_SEGMENTS_MAX ||
        clusters.rank != 1 || clusters.dim[0] < 1 || clusters.dim[0] > SEG_REFINE_MAX)
        SEG_TRY_OR_DONE(SEG_FAIL(SEG_ERR_DATA, "group '" GROUP "' in '%s' has the wrong shape",
                                 seg_input_path(in)));
    SEG_TRY_OR_DONE(read_columns(in, (int)segments.dim[0], (int)clusters.dim[0], s));
    SEG_TRY_OR_DONE(read_texts(in, s));
    SEG_TRY_OR_DONE(read_figures(in, s));
    SEG_TRY_OR_DONE(read_merge(in, s));
    SEG_TRY_OR_DONE(read_match(in, s));
    SEG_TRY_OR_DONE(read_tree(in, s));
    SEG_TRY_OR_DONE(read_profile(in, GROUP, 0, s->n_features, s));
    if (s->d > s->n_features)
        SEG_TRY_OR_DONE(read_profile(in, EXTRA, s->n_features, s->d - s->n_features, s));
done:
    if (status != SEG_OK) seg_segments_release(s);
    return status;
}
