/* Inside segment/: the catalog, merges of clusters, and what the steps of a fit share. */
#pragma once

#include "segmpi/segment.h"

/* ---- the catalog: segments that are known, with what to say about them ---- */

#define CATALOG_TERMS_MOST     64
#define CATALOG_ENTRIES_MOST   127
#define CATALOG_STRENGTH_LEAST 0.15 /* below it an entry does not name a segment */

typedef enum catalog_direction {
    CATALOG_LOW = -1,
    CATALOG_AVERAGE = 0,
    CATALOG_HIGH = 1
} catalog_direction;

typedef struct catalog_term {
    int column; /* of the profile */
    catalog_direction direction;
    double weight;
} catalog_term;

typedef struct catalog_entry {
    char name[64], description[400], recommendation[800];
    int line;      /* of the catalog */
    bool is_known; /* the table has all its columns */
    int n_terms;
    catalog_term term[CATALOG_TERMS_MOST];
} catalog_entry;

typedef struct segment_catalog {
    int n;
    catalog_entry *entry; /* [n]; owned */
} segment_catalog;

/* Local.  Entries of `text` (a file named `name`) whose columns are among names [d].  An entry with
 * other columns is left out; with `strict` it is an error. */
seg_status catalog_parse(const char *name, const char *text, bool strict, int d,
                         const char *const *names, segment_catalog *c);
void catalog_release(segment_catalog *c);
/* Weighted mean of tanh(z), -tanh(z) or 1 - |tanh(z)| over the terms, as they say high, low or
 * average; z [d]. */
double catalog_fit(const catalog_entry *entry, const double *z);
/* True if what the entry says holds: every `high` column lies above the mean, every `low` one
 * below, every `average` one within a standard deviation, and the fit of the first two alone is
 * CATALOG_STRENGTH_LEAST: that a column is average holds of clients without any profile, too. */
bool catalog_holds(const catalog_entry *entry, const double *z);
/* Local.  amount[t] = true where the schema `text` says so of names[t]. */
seg_status catalog_amounts(const char *name, const char *text, int d, const char *const *names,
                           bool *amount);

struct seg_guide {
    int n_features, d;
    const char **name; /* [d], borrowed from the tables; owned */
    bool *amount;      /* [d]; owned */
    int n_amounts;     /* of the features */
    segment_catalog catalog;
};

/* Made by CMake from data/. */
extern const char segment_builtin_catalog[], segment_builtin_schema[];

/* ---- assignment ---- */

/* One to one, the greatest sum of score [n][m]: to[i] = column, -1 where n > m leaves none.
 * work: storage for `assignment_size(n, m)` doubles.  Returns the sum. */
int64_t assignment_size(int n, int m);
double assignment_best(int n, int m, const double *score, double *work, int *to);

/* ---- merges ---- */

/* Points with weights, as what merging them costs: pair[i][j] = w_i w_j |x_i - x_j|^2, so that the
 * sum of squares of a group about its mean is the sum of its pairs over the sum of its weights. */
typedef struct merge_space {
    int k;
    const double *weight; /* [k], above 0; borrowed */
    double *pair;         /* [k][k]; owned */
} merge_space;

seg_status merge_space_init(merge_space *space, int k, int d, const double *weight,
                            const double *x);
void merge_space_release(merge_space *space);

/* Sum of squares of the groups that label [k] makes, n_groups of them. */
double merge_cost(const merge_space *space, int n_groups, const int *label);

/* What a merge is worth, less is better; INFINITY: not allowed.  `cost` is its merge_cost(). */
typedef double (*merge_value)(void *user, const int *label, double cost);

/* True if there are at most 10^6 merges of k clusters into n_groups groups. */
bool merge_is_small(int k, int n_groups);
/* The merge into n_groups groups of least value, the first of equal ones: of all merges where
 * merge_is_small(), otherwise reached from `label` by moving single clusters.  label [k] in and
 * out; the value. */
double merge_best(const merge_space *space, int n_groups, merge_value value, void *user,
                  int *label);

typedef enum merge_linkage { MERGE_WARD, MERGE_AVERAGE } merge_linkage;

/* The merge tree [k - 1][4] of a linkage, as scipy's.  With `within` [k] clusters of equal label
 * are joined before others.  The height of Ward's is the increase of the cost, not its root. */
seg_status merge_tree(const merge_space *space, merge_linkage linkage, const int *within,
                      double *tree);
/* label [k] of the n_groups groups that the tree's first k - n_groups merges make. */
void merge_cut(int k, const double *tree, int n_groups, int *label);

/* ---- refinement: which cluster goes to which segment ---- */

typedef struct refinement {
    int k, n_segments;
    int d;                 /* columns of the prepared matrix */
    const double *size;    /* [k] */
    const double *centers; /* [k][d] scaled */
    double inertia;        /* of the k clusters */
    int n_columns;         /* of the profile */
    const double *z;       /* [k][n_columns] */
    const seg_guide *guide;
    seg_merge_method method;
} refinement;

/* What came of it. */
typedef struct refinement_result {
    int *label;   /* [k], filled; numbers without meaning */
    double *tree; /* [k - 1][4], filled: Ward on the prepared centers, first within segments */
    seg_merge_method method;
    double cost, least_cost;
} refinement_result;

seg_status segment_refine(const refinement *r, refinement_result *result);

/* ---- profile ---- */

/* The columns of one table: the features, or those that are only profiled. */
typedef struct segment_part {
    seg_table *table;     /* borrowed */
    int d, offset;        /* columns, and the place of the first in the profile */
    seg_moments *cluster; /* [k] gaps left out; owned */
    seg_moments all;      /* gaps filled; owned */
    double *fill;         /* [d]; one block with the next two, owned */
    double *mean;         /* [d] of all, gaps filled */
    double *deviation;    /* [d] same */
} segment_part;

typedef struct segment_sums {
    int k, n_parts;
    segment_part part[2];
} segment_sums;

/* Collective.  After a failure there is still memory to release. */
seg_status segment_sums_fit(seg_comm *comm, const seg_segments_input *in, segment_sums *sums);
void segment_sums_release(segment_sums *sums);
/* Collective.  median [n_segments + k][d] of segments and clusters, gaps left out. */
seg_status segment_medians(seg_comm *comm, const seg_segments_input *in, const segment_sums *sums,
                           seg_segments *segments);
/* Local.  mean [n_groups][d] (gaps left out) and z [n_groups][d] (gaps filled) of groups of
 * clusters, group_of [k]. */
seg_status segment_profile(const segment_sums *sums, int n_groups, const int *group_of, int d,
                           double *mean, double *z);

/* ---- names ---- */

/* Local.  Names from the catalog, one to one, where they fit and are true; others are made of the
 * strongest columns. */
seg_status segment_names(const segment_catalog *c, seg_segments *segments);

/* Local.  The name becomes one of the strongest columns, unlike those of the other segments. */
void segment_make_name(seg_segments *segments, int segment);
bool segment_name_is_taken(const seg_segments *segments, int segment); /* by another one */

/* ---- identity ---- */

#define MATCH_LEAST 0.5 /* Jaccard's index of segments that are the same */

/* Local.  column [d] of the table, may be NULL; SEG_ERR_DATA naming the first that it lacks. */
seg_status segment_match_columns(const seg_table *table, const seg_prep *prep, int *column);
/* Collective.  Compares with in->previous and renumbers. */
seg_status segment_match(seg_comm *comm, const seg_segments_input *in, seg_segments *segments);
/* Local.  Segments that are old ones are called as before. */
void segment_keep_names(const seg_segments *old, seg_segments *segments);

/* ---- a sample of clients, the same on every rank ---- */

#define SAMPLE_MOST 8192

typedef struct segment_sample {
    int64_t n;
    int d;                   /* columns of the profile */
    seg_matrix m;            /* prepared features; owned */
    seg_matrix code;         /* where clusters were found, if elsewhere; owned */
    const seg_matrix *space; /* that, or the features; borrowed from here */
    double *row; /* [n][d + 1] columns with filled gaps, original units; cluster; owned */
} segment_sample;

/* What the client number i of a sample is in a column; and its cluster. */
static inline double segment_sample_value(const segment_sample *sample, int64_t i, int t)
{
    return sample->row[i * (sample->d + 1) + t];
}

static inline int segment_sample_cluster(const segment_sample *sample, int64_t i)
{
    return (int)sample->row[(i + 1) * (sample->d + 1) - 1];
}

/* Collective.  After a failure there is still memory to release. */
seg_status segment_sample_draw(seg_comm *comm, const seg_segments_input *in,
                               const segment_sums *sums, uint64_t seed, segment_sample *sample);
void segment_sample_release(segment_sample *sample);

/* ---- what is learned from it, and about it; all collective ---- */

seg_status segment_direct_cost(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                               const segment_sample *sample, uint64_t seed, seg_segments *segments);
seg_status segment_stability(seg_comm *comm, const seg_kernels *kernels,
                             const seg_segments_input *in, const seg_guide *guide,
                             const seg_segments_opts *opts, const segment_sample *sample,
                             seg_segments *segments);
seg_status segment_between(seg_comm *comm, const seg_kernels *kernels, const seg_segments_input *in,
                           seg_segments *segments);
seg_status segment_tree(seg_comm *comm, const seg_segments_input *in, const segment_sample *sample,
                        seg_segments *segments);

/* ---- storage ---- */

/* Local.  Zeroed storage; n_features of the d columns are in the distances. */
seg_status segment_alloc(seg_segments *segments, int n_segments, int n_clusters, int n_features,
                         int d);
seg_status segment_columns(seg_segments *segments, const char *const *names); /* [d], copied */
