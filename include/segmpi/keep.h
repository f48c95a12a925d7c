/* The state of long work, kept so that a run that is stopped can be gone on with.  Work that can be
 * kept is given a keeper: after an iteration it hands over a list of its arrays, from which a new
 * run restores them.  It does not know of files; who made the keeper (model/) does. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/store.h"

/* An array of the state; the same list serves both directions. */
typedef struct seg_field {
    const char *name;
    seg_type type; /* a number */
    int64_t n;
    void *data; /* equal on all ranks; borrowed */
} seg_field;

typedef struct seg_keeper {
    seg_status (*keep)(seg_comm *comm, const struct seg_keeper *keeper, const char *part, int n,
                       const seg_field *fields, int64_t asked);
    seg_status (*restore)(seg_comm *comm, const struct seg_keeper *keeper, const char *part, int n,
                          const seg_field *fields, bool *found);
    void *context;
    const char *stage; /* whose work: names its parts together with their own name */
} seg_keeper;

/* Collective.  Remembers the state of a part in place of the one before (n = 0: forgets it); writes
 * a checkpoint if one is `asked` for (the sum over ranks of seg_stop_asked(); 0: not now).  If a
 * stop is asked for, SEG_ERR_INTERRUPTED: what is remembered is written at the end of the run.
 * keeper NULL: nothing is remembered. */
seg_status seg_keep(seg_comm *comm, const seg_keeper *keeper, const char *part, int n,
                    const seg_field *fields, int64_t asked);
/* Collective.  Fills the fields from the checkpoint that the run goes on from; *found is false, and
 * nothing is filled, if it does not have the part or there is none.  SEG_ERR_DATA if the part's
 * arrays have other sizes. */
seg_status seg_restore(seg_comm *comm, const seg_keeper *keeper, const char *part, int n,
                       const seg_field *fields, bool *found);
