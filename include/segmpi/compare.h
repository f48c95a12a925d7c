/* What changed between two scorings of a client base: features and shares of segments (population
 * stability index), who moved from which segment to which, distances to the centers. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/migration.h"
#include "segmpi/pseudonym.h"
#include "segmpi/reference.h"
#include "segmpi/segment.h"

/* A scoring, or the model with the labels of its training base. */
typedef struct seg_scored {
    const char *file; /* base name; borrowed from the path */
    char created[40]; /* "" if the file does not say */
    char model_id[SEG_MODEL_ID];
    char pseudonym_key[SEG_KEY_FINGERPRINT]; /* "" where ids are no pseudonyms */
    bool is_model;
    int64_t clients;
    int n_segments;
    char **segment_names;    /* [n_segments]; owned */
    seg_reference reference; /* empty if the file has none */
    seg_distances distances;
} seg_scored;

typedef struct seg_feature_drift {
    const char *name; /* borrowed */
    seg_psi psi;      /* NaN where the two do not count by the same yardstick */
} seg_feature_drift;

typedef struct seg_comparison {
    seg_scored side[2]; /* old, new */
    int d;
    seg_feature_drift *feature; /* [d] those of the new side that the old one has; owned */
    seg_psi segment_share;      /* NaN if a side has no segments */
    bool has_migration;         /* both sides have ids and segments */
    seg_migration migration;
} seg_comparison;

/* Collective.  Paths of scores.h5; either may be a model.h5, which has no ids.  `c` is empty on
 * failure. */
seg_status seg_compare_run(seg_comm *comm, const char *const path[2], int64_t memory,
                           seg_comparison *c);
void seg_comparison_release(seg_comparison *c);
/* Local.  Segments of both sides by number: how many, and a name of each. */
int seg_comparison_segments(const seg_comparison *c);
const char *seg_comparison_name(const seg_comparison *c, int segment);
/* Local.  The largest index of all features and the segment shares, *what its name; NaN if there is
 * none. */
double seg_comparison_worst(const seg_comparison *c, const char **what);
/* Local.  Every feature of both sides and the segment shares have an index. */
bool seg_comparison_is_whole(const seg_comparison *c);
