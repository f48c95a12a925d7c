/* Being asked to stop.  Signals and a limit of time set flags of this process; work notices them
 * where ranks agree anyway: seg_agree() turns a stop into SEG_ERR_INTERRUPTED on all ranks, and an
 * iteration adds seg_stop_asked() to its all-reduce, so that all ranks save their state after the
 * same one.  All functions are local. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/error.h"

/* Catches signals from here on.  USR1, TERM, INT and XCPU ask to stop; a further one that comes a
 * second or more after the first (launchers send some twice) ends the process at once with 75. USR2
 * asks for a checkpoint. */
void seg_stop_catch(void);
/* Asks to stop once `max_seconds` have gone by since seg_stop_catch() (0: never), and rank 0 for a
 * checkpoint every `interval` seconds (0: whenever it can; negative: never, as at first). */
void seg_stop_limit(double max_seconds, double interval);

/* What this rank asks for, to be added over ranks: less than SEG_ASKS_STOP is a checkpoint. */
#define SEG_ASKS_SAVE ((int64_t)1)
#define SEG_ASKS_STOP ((int64_t)1 << 32)
int64_t seg_stop_asked(void);
/* A checkpoint is being written: the next one is due an interval from now. */
void seg_stop_saving(void);

/* SEG_ERR_INTERRUPTED with a sentence if this rank is asked to stop, otherwise SEG_OK. */
seg_status seg_stop_check(void);
/* "SIGUSR1", "--max-seconds", or "another rank". */
const char *seg_stop_reason(void);
/* While held, nothing stops: what has begun to take an output's name goes on to its end. */
void seg_stop_hold(bool held);
