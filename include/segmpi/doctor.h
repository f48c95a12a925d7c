/* Findings about the platform: versions, combinations that are known to be bad, and a canary that
 * does in a folder what outputs rely on. */
#pragma once

#include "segmpi/comm.h"

typedef enum seg_verdict {
    SEG_VERDICT_FINE,
    SEG_VERDICT_NOTE, /* segmpi copes with it */
    SEG_VERDICT_BAD   /* results or outputs are not safe */
} seg_verdict;

typedef struct seg_finding {
    const char *name; /* borrowed for ever */
    seg_verdict verdict;
    char value[160];
    char advice[400]; /* "" where nothing is to be said */
} seg_finding;

#define SEG_FINDINGS_MOST 32

typedef struct seg_findings {
    int n;
    seg_finding item[SEG_FINDINGS_MOST];
} seg_findings;

/* Local.  One more; advice may be NULL. */
void seg_findings_add(seg_findings *findings, const char *name, seg_verdict verdict,
                      const char *value, const char *advice);
/* Local.  How many are bad. */
int seg_findings_bad(const seg_findings *findings);

/* Local.  Versions of the libraries, judged. */
void seg_doctor_libraries(seg_findings *findings);
/* Collective.  Whether ranks can talk and are reached by signals; the same findings on all. */
void seg_doctor_ranks(seg_comm *comm, seg_findings *findings);
/* Collective.  Writes, reads back, renames, locks, syncs and removes files in `folder`; the same
 * findings on all.  Leaves nothing behind. */
void seg_doctor_folder(seg_comm *comm, const char *folder, seg_findings *findings);
