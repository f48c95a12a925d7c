/* An elbow: k-means for every k of a range, a panel of quality indices for each, and the choice of
 * one k.  Files: elbow.h5, or group elbow/ of a model. */
#pragma once

#include "segmpi/prep.h"
#include "segmpi/provenance.h"
#include "segmpi/quality.h"
#include "segmpi/sweep.h"

typedef enum seg_gap_kind {
    SEG_GAP_PCA,    /* references from a box along the principal components */
    SEG_GAP_COLUMNS /* from a box along the columns */
} seg_gap_kind;

/* Gap statistic and stability look at up to this many clients, drawn by row number. */
#define SEG_ELBOW_SAMPLE 10000

typedef struct seg_elbow_opts {
    seg_sweep_opts sweep;
    int n_references; /* 0: no gap statistic */
    seg_gap_kind gap_kind;
    int n_bootstraps; /* 0: no stability */
} seg_elbow_opts;

/* Why a k is recommended. */
typedef enum seg_choice_reason {
    SEG_CHOICE_ALIKE,      /* there are no clusters to find */
    SEG_CHOICE_ONLY,       /* the range holds no other k */
    SEG_CHOICE_SILHOUETTE, /* the clusters of this k are apart */
    SEG_CHOICE_KNEE,       /* none are; the cost curve bends here most */
    SEG_CHOICE_HIGHEST     /* none are, and the curve has no knee: the highest silhouette */
} seg_choice_reason;

/* Values of k; 0 where a rule names none. */
typedef struct seg_elbow_choice {
    int recommended;
    seg_choice_reason reason;
    int knee_from, knee, knee_to; /* the k farthest below the chord of the cost curve, and the range
                                     of k that the chord spans */
    int silhouette;               /* highest */
    int davies_bouldin;           /* lowest */
    int calinski_harabasz;        /* highest */
    int gap;                      /* Tibshirani's rule */
    int stable;                   /* the largest k all of whose clusters are stable */
} seg_elbow_choice;

/* A silhouette from which on clusters count as apart, unless one of them is smaller than the share;
 * a Jaccard index from which on a cluster counts as stable. */
#define SEG_CHOICE_APART  0.5
#define SEG_CHOICE_SHARE  0.01
#define SEG_CHOICE_STABLE 0.75

/* Figures of one k. */
typedef enum seg_index {
    SEG_INDEX_INERTIA,
    SEG_INDEX_VARIANCE_EXPLAINED,
    SEG_INDEX_SILHOUETTE, /* over all pairs of clients, or of a stratified sample */
    SEG_INDEX_SILHOUETTE_SIMPLIFIED,
    SEG_INDEX_DAVIES_BOULDIN,
    SEG_INDEX_CALINSKI_HARABASZ,
    SEG_INDEX_SMALLEST_SHARE,
    SEG_INDEX_RESTART_AGREEMENT,
    SEG_INDEX_GAP,
    SEG_INDEX_GAP_ERROR,
    SEG_INDEX_LEAST_STABILITY, /* of the least stable cluster */
    SEG_N_INDICES
} seg_index;

/* Their names in files, and what they are. */
extern const char *const seg_index_names[SEG_N_INDICES];
extern const char *const seg_index_long_names[SEG_N_INDICES];

typedef struct seg_elbow {
    int k_min, k_max;
    int64_t n;                    /* clients */
    seg_sweep sweep;              /* [n_k] */
    double *index[SEG_N_INDICES]; /* [n_k] each, one block; NaN where not defined or not asked for;
                                     owned */
    int64_t *silhouette_clients;  /* [n_k] looked at: n, or a stratified sample of them; owned */
    int n_references;             /* of the gap statistic; 0: there is none */
    seg_gap_kind gap_kind;
    int n_bootstraps;  /* of the stability; 0: there is none */
    double *stability; /* [n_k][k_max] mean Jaccard index of each cluster; NaN beyond the last one
                          found; owned; NULL without bootstraps */
    seg_elbow_choice choice;
} seg_elbow;

/* Collective.  SEG_ERR_DATA if k_max is larger than the number of clients.  `elbow` is empty on
 * failure. */
seg_status seg_elbow_run(seg_comm *comm, const seg_kernels *kernels, const seg_matrix *m,
                         const seg_elbow_opts *opts, seg_elbow *elbow);
void seg_elbow_release(seg_elbow *elbow); /* accepts an empty one */
/* Local.  True if this index (seg_index) was asked for. */
bool seg_elbow_has(const seg_elbow *elbow, int index);

/* Local.  The choice from the figures of an elbow. */
seg_elbow_choice seg_elbow_choose(const seg_elbow *elbow);

/* Local.  The arrays of an elbow into group `group` ("" is the root) of a file that has the
 * dimension `feature`, or `code` where a code of the features was swept: `prep` is then NULL. */
seg_status seg_elbow_write_group(const seg_elbow *elbow, const seg_prep *prep, const char *group,
                                 seg_output *out);
/* Local.  `elbow` is empty on failure. */
seg_status seg_elbow_read_group(seg_input *in, const char *group, seg_elbow *elbow);
