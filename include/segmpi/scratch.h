/* A block that is larger than memory: its first part is memory, the rest is a file without a name,
 * mapped behind it, whose pages come and go while the block is passed front to back.  The file has
 * mode 0600 and is unlinked before anything is written to it, so nothing is left of it, however a
 * run ends.  All functions are local. */
#pragma once

#include <stdint.h>

#include "segmpi/error.h"

/* Where a block goes. */
typedef struct seg_place {
    int64_t held;       /* bytes of it that are memory */
    const char *folder; /* of the file for the rest, borrowed; NULL: all is memory */
} seg_place;

/* Memory that a block in a file takes beside `held`, at most: pages that are read ahead or written
 * behind. */
#define SEG_SCRATCH_WINDOWS ((int64_t)4 << 20)

/* What a block of `bytes` takes there: as many, unless a file takes less. */
static inline int64_t seg_place_memory(const seg_place *place, int64_t bytes)
{
    int64_t held = place && place->folder ? place->held + SEG_SCRATCH_WINDOWS : bytes;

    return held < bytes ? held : bytes;
}

typedef struct seg_scratch seg_scratch;

/* For a block of which memory holds less than `bytes`.
 * *memory = `bytes` bytes, all zeros, that live as long as *out, owned by the caller.
 * SEG_ERR_IO where the folder has no room, SEG_ERR_CANTCREATE where no file can be made.  A read
 * error later on ends the process with SEG_ERR_IO. */
seg_status seg_scratch_new(int64_t bytes, const seg_place *place, seg_scratch **out, void *memory);
void seg_scratch_free(seg_scratch *s); /* accepts NULL */

/* The block is filled front to back, and is so up to `end`. */
seg_status seg_scratch_fill(seg_scratch *s, int64_t end);
/* A pass front to back has come to byte `at`: what lies before it may go until the next pass. */
void seg_scratch_pass(seg_scratch *s, int64_t at);
/* Bytes from `at` on will be looked at soon, out of order. */
void seg_scratch_want(seg_scratch *s, int64_t at, int64_t bytes);
/* They were looked at: all may go. */
void seg_scratch_rest(seg_scratch *s);
