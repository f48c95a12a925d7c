/* Findings about the platform, and those about ranks: versions, combinations that are known to be
 * bad. */
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

/* Collective.  One more finding: fine with this value, or, where `local` has failed on a rank,
 * `failed` with its message. */
void seg_doctor_conclude(seg_comm *comm, seg_findings *findings, const char *name, seg_status local,
                         seg_verdict failed, const char *value);
/* a.b.c as a number that can be compared, and the first such one in a text; 0: there is none. */
#define SEG_DOCTOR_VERSION(a, b, c) (((a)*1000L + (b)) * 1000L + (c))
long seg_doctor_version(const char *text);

/* Local.  The version of MPI, judged. */
void seg_doctor_mpi(seg_findings *findings);
/* Collective.  Whether those that were started are ranks, can talk, have cores, and are reached by
 * signals; the same findings on all. */
void seg_doctor_ranks(seg_comm *comm, seg_findings *findings);
