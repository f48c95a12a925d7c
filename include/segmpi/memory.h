/* Memory: 64-byte aligned, sizes checked for overflow, failure reported as SEG_ERR_MEMORY.  All
 * functions are local. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "segmpi/error.h"

#define SEG_PROGRAM_BYTES 40000000 /* the program with its libraries, measured */

/* *out = zeroed memory for `count` elements of `size` bytes, 64-byte aligned, owned by the caller
 * (seg_free).  Blocks of 4 MiB and more ask for huge pages.  count may be 0: *out is then a valid
 * pointer to nothing.  On failure *out is NULL.  `out` is the address of any object pointer. */
seg_status seg_alloc(int64_t count, size_t size, void *out);

/* Accepts NULL. */
void seg_free(void *memory);

/* Counts memory that was got elsewhere; negative: given back. */
void seg_memory_count(int64_t bytes);

/* Bytes that this process holds now and held at most, of seg_alloc() and what was counted. */
int64_t seg_memory_now(void);
int64_t seg_memory_peak(void);
