/* Where the time goes: named phases with seconds, bytes moved, collectives and seconds spent
 * waiting in them (--timing).  Local; one table per process.  Phases do not nest: begin ends the
 * one before. */
#pragma once

#include <stdint.h>

#define SEG_PHASES_MAX 32

typedef struct seg_phase {
    const char *name; /* borrowed */
    double seconds;
    double waiting; /* seconds inside collectives */
    int64_t bytes;  /* read or written, or read from memory */
    int64_t collectives;
} seg_phase;

double seg_time_now(void); /* monotonic, seconds */

void seg_phase_begin(const char *name);
void seg_phase_end(void);
void seg_phase_add_bytes(int64_t bytes);
void seg_phase_add_collective(double seconds);

/* All phases so far, in order of their first begin; *n filled. */
const seg_phase *seg_phase_list(int *n);
