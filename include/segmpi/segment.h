/* From clusters to meaning: k clusters are merged into a few segments, which are profiled, named
 * and explained.  A stage, but for _apply: a client's segment is cluster_to_segment of its cluster.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/kmeans.h"
#include "segmpi/matrix.h"
#include "segmpi/prep.h"
#include "segmpi/store.h"
#include "segmpi/table.h"

#define SEG_SEGMENTS_MAX 127 /* a label fits int8 */
#define SEG_REFINE_MAX   256 /* clusters that can be merged */

typedef enum seg_merge_method {
    SEG_MERGE_CATALOG, /* the best fit to the catalog among merges of nearly the least cost */
    SEG_MERGE_WARD,    /* by size, on amounts with damped tails; so are the next two */
    SEG_MERGE_AVERAGE, /* average linkage */
    SEG_MERGE_KMEANS   /* least sum of squares */
} seg_merge_method;

typedef struct seg_segments_opts {
    int n_segments; /* at most; as many as clusters: no merge */
    seg_merge_method merge;
    const char *catalog; /* NULL: the built-in one; "none" */
    const char *schema;  /* NULL: the built-in one */
} seg_segments_opts;

/* What segments are made from; all borrowed. */
typedef struct seg_segments_input {
    seg_table *table;
    seg_table *extra; /* columns that are only profiled, of the same clients; may be NULL */
    const seg_prep *prep;
    const seg_matrix *matrix;
    const seg_kmeans *kmeans;
} seg_segments_input;

/* What is known before the fit: the columns, which of them are amounts, the catalog. */
typedef struct seg_guide seg_guide;

/* Collective.  The files that `opts` names are read by rank 0.  SEG_ERR_DATA with file, line and
 * key. Of `in`, only the tables are looked at.  *out owned by the caller (seg_guide_free). */
seg_status seg_guide_load(seg_comm *comm, const seg_segments_input *in,
                          const seg_segments_opts *opts, seg_guide **out);
void seg_guide_free(seg_guide *guide); /* accepts NULL */

typedef struct seg_segment {
    char name[160];
    char description[400];    /* "" where the name is made from features */
    char recommendation[800]; /* same */
    double fit;               /* to the entry of the catalog, -1 to 1; NaN: the name is made */
    int64_t size;
} seg_segment;

/* Segments are numbered by size, largest first. */
typedef struct seg_segments {
    int n_segments, n_clusters; /* n_segments 0: there are none */
    int n_features;             /* columns of the distances */
    int d;                      /* columns of the profile: these, then those only profiled */
    seg_merge_method merge;     /* what was done */
    int n_amounts; /* features that are amounts, which the methods without a catalog look at; 0:
                      they look at all */

    double cost;       /* sum of squared distances of prepared clients to their segment's mean */
    double least_cost; /* the least of all merges into so many segments */

    seg_segment *segment;    /* [n_segments]; owned */
    int *cluster_to_segment; /* [n_clusters]; owned */
    double *centers;         /* [n_segments][n_features] scaled; owned */
    double *merge_tree;      /* [n_clusters - 1][4] as scipy's linkage: two nodes, increase of the
                                cost, clients; first within segments; owned */
    char **column;           /* [d]; owned */
    /* rows: segments, then clusters; original units, gaps left out; owned (one block) */
    double *mean;   /* [n_segments + n_clusters][d] */
    double *z;      /* [n_segments + n_clusters][d] distance of the mean from that of all clients in
                       standard deviations, of columns with filled gaps, not capped */
    double *effect; /* [d] share of the column's variance that lies between segments */
} seg_segments;

/* Collective.  `segments` is empty on failure, and where there are more than SEG_REFINE_MAX
 * clusters (warned). */
seg_status seg_segments_fit(seg_comm *comm, const seg_kernels *kernels,
                            const seg_segments_input *in, const seg_guide *guide,
                            const seg_segments_opts *opts, seg_segments *segments);
/* Local.  Group segments/, on the root's dimensions `segment`, `cluster` and `feature`. */
seg_status seg_segments_write(const seg_segments *segments, seg_output *out);
seg_status seg_segments_read(seg_input *in,
                             seg_segments *segments); /* empty if the file has none */
void seg_segments_release(seg_segments *segments);

/* Local.  The `n` columns in which a segment differs most, strongest first; fewer if d is. */
int seg_segments_strongest(const seg_segments *segments, int segment, int n, int *column);
