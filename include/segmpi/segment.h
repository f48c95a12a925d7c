/* From clusters to meaning: k clusters are merged into a few segments, which are profiled, named
 * and explained.  A stage, but for _apply: a client's segment is cluster_to_segment of its cluster.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/embedding.h"
#include "segmpi/kmeans.h"
#include "segmpi/matrix.h"
#include "segmpi/prep.h"
#include "segmpi/store.h"
#include "segmpi/table.h"

#define SEG_SEGMENTS_MAX 127 /* a label fits int8 */
#define SEG_REFINE_MAX   256 /* clusters that can be merged */
#define SEG_MODEL_ID     40  /* bytes of a model's identity */

typedef enum seg_merge_method {
    SEG_MERGE_CATALOG, /* the best fit to the catalog among merges of nearly the least cost */
    SEG_MERGE_WARD,    /* by size, on amounts with damped tails; so are the next two */
    SEG_MERGE_AVERAGE, /* average linkage */
    SEG_MERGE_KMEANS,  /* least sum of squares */
    SEG_N_MERGES
} seg_merge_method;
extern const char *const seg_merge_names[SEG_N_MERGES]; /* in options and files */

typedef struct seg_segments_opts {
    int n_segments; /* at most; as many as clusters: no merge */
    seg_merge_method merge;
    uint64_t seed;       /* of samples */
    int draws;           /* new fits that measure stability; 0: it is not measured */
    const char *catalog; /* NULL: the built-in one; "none" */
    const char *schema;  /* NULL: the built-in one */
} seg_segments_opts;

/* An earlier model, whose segments are looked for; all borrowed. */
typedef struct seg_previous {
    const seg_prep *prep;
    const seg_embedding *embedding;
    const seg_kmeans *kmeans;
    const struct seg_segments *segments;
    char id[SEG_MODEL_ID];
} seg_previous;

/* What segments are made from; all borrowed. */
typedef struct seg_segments_input {
    seg_table *table;
    seg_table *extra; /* columns that are only profiled, of the same clients; may be NULL */
    const seg_prep *prep;
    const seg_matrix *matrix;     /* prepared features */
    const seg_kmeans *kmeans;     /* the clusters as they look there */
    const seg_matrix *space;      /* where they were found: the features, or their code */
    const seg_kmeans *found;      /* and what they are there */
    const seg_previous *previous; /* NULL: numbers by size, names by the catalog */
} seg_segments_input;

/* What is known before the fit: the columns, which of them are amounts, the catalog. */
typedef struct seg_guide seg_guide;

/* Collective.  The files that `opts` names are read by rank 0.  SEG_ERR_DATA with file, line and
 * key.  Of `in`, the tables and the earlier model are looked at.  *out owned by the caller
 * (seg_guide_free). */
seg_status seg_guide_load(seg_comm *comm, const seg_segments_input *in,
                          const seg_segments_opts *opts, seg_guide **out);
void seg_guide_free(seg_guide *guide); /* accepts NULL */

typedef struct seg_segment {
    char name[160];
    char description[400];    /* "" where the name is made from features */
    char recommendation[800]; /* same */
    double fit;               /* to the entry of the catalog, -1 to 1; NaN: the name is made */
    int64_t size;
    double stability; /* mean Jaccard index with its like in new fits of drawn clients; >= 0.75 is
                         stable; NaN: not measured */
    double between;   /* share of its clients that are nearly as close to another segment */
    int previous;     /* its number in the earlier model; -1: it is new */
    double overlap;   /* Jaccard index with that one */
} seg_segment;

#define SEG_TREE_NODES 15

/* A node of a decision tree: clients with column <= threshold (gaps filled, original units) go
 * left. */
typedef struct seg_tree_node {
    int column; /* -1: a leaf */
    int left, right;
    int segment; /* what most of its clients are */
    double threshold;
    int64_t clients, hits; /* over all clients; hits: those whose segment the leaf says */
} seg_tree_node;

typedef struct seg_tree {
    int n_nodes; /* parents before their children; the first is the root */
    seg_tree_node node[SEG_TREE_NODES];
    double fidelity; /* share of clients whose segment it says */
} seg_tree;

/* Segments are numbered by size, largest first. */
typedef struct seg_segments {
    int n_segments, n_clusters; /* n_segments 0: there are none */
    int n_features;             /* columns of the distances */
    int d;                      /* columns of the profile: these, then those only profiled */
    seg_merge_method merge;     /* what was done */
    int n_amounts; /* features that are amounts, which the methods without a catalog look at; 0:
                      they look at all */

    double cost;        /* sum of squared distances of prepared clients to their segment's mean */
    double least_cost;  /* the least of all merges into so many segments */
    double direct_cost; /* of as many clusters, fitted for themselves */
    seg_tree tree;

    char matched[SEG_MODEL_ID]; /* the earlier model that they are matched with; "": none */
    double match_share;         /* clients whose segment is the same in both */
    double match_rand;          /* adjusted Rand index of both */

    seg_segment *segment;    /* [n_segments]; owned */
    int *cluster_to_segment; /* [n_clusters]; owned */
    double *centers;         /* [n_segments][n_features] scaled; owned */
    double *merge_tree;      /* [n_clusters - 1][4] as scipy's linkage: two nodes, increase of the
                                cost, clients; first within segments; owned */
    char **column;           /* [d]; owned */
    /* rows: segments, then clusters; original units, gaps left out; owned (one block) */
    double *mean;   /* [n_segments + n_clusters][d] */
    double *median; /* same */
    double *z;      /* [n_segments + n_clusters][d] distance of the mean from that of all clients in
                       standard deviations, of columns with filled gaps, not capped */
    double *effect; /* [d] share of the column's variance that lies between segments */
} seg_segments;

/* Collective.  `segments` is empty on failure, and where there are more than SEG_REFINE_MAX
 * clusters (warned). */
seg_status seg_segments_fit(seg_comm *comm, const seg_kernels *kernels,
                            const seg_segments_input *in, const seg_guide *guide,
                            const seg_segments_opts *opts, seg_segments *segments);
/* Local.  Bytes that it allocates at its peak on a rank with `rows` of `total_rows` clients of d
 * columns. */
int64_t seg_segments_memory(int64_t total_rows, int64_t rows, int d, int k, int n_segments);
/* Local.  Group segments/, on the root's dimensions `segment`, `cluster` and `feature`. */
seg_status seg_segments_write(const seg_segments *segments, seg_output *out);
seg_status seg_segments_read(seg_input *in,
                             seg_segments *segments); /* empty if the file has none */
void seg_segments_release(seg_segments *segments);

/* Local.  The leaf of a client x [d] with filled gaps. */
int seg_tree_leaf(const seg_tree *tree, const double *x);
/* Local.  The `n` columns in which a segment differs most, strongest first; fewer if d is. */
int seg_segments_strongest(const seg_segments *segments, int segment, int n, int *column);
