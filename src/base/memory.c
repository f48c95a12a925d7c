/* Aligned, zeroed memory with a ledger: the size of each block stands in the 64 bytes before it. */
#define _GNU_SOURCE /* madvise */
#include "segmpi/memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)1 << 21)
#define HUGE_FROM ((size_t)1 << 22) /* smaller blocks gain nothing from huge pages */

static int64_t now, peak;

#ifdef SEG_FAULTS
static int64_t calls;

static void tell_calls(void)
{
    (void)fprintf(stderr, "%lld allocations\n", (long long)calls);
}

/* For tests: SEGMPI_ALLOC=N[+][:rank=R]: allocation N of that rank fails, or all from it on; with 0
 * their number is told at the end. */
static bool is_to_fail(void)
{
    const char *text = getenv("SEGMPI_ALLOC");

    if (!text) return false;
    char *end;
    const int64_t wanted = strtoll(text, &end, 10);
    const char *rank = strstr(end, ":rank=");
    if (++calls == 1 && wanted == 0) (void)atexit(tell_calls);
    if (wanted == 0 || (rank && strtol(rank + 6, NULL, 10) != seg_error_rank())) return false;
    return *end == '+' ? calls >= wanted : calls == wanted;
}
#else
static bool is_to_fail(void)
{
    return false;
}
#endif

void seg_memory_count(int64_t bytes)
{
    now += bytes;
    if (now > peak) peak = now;
}

seg_status seg_alloc(int64_t count, size_t size, void *out)
{
    const void *nothing = NULL;
    memcpy(out, &nothing, sizeof nothing);
    if (count < 0 || (size > 0 && (uint64_t)count > (SIZE_MAX / 2) / size))
        return SEG_FAIL(SEG_ERR_MEMORY, "a block of %lld elements of %zu bytes is too large",
                        (long long)count, size);

    size_t bytes = ALIGNMENT + (((size_t)count * size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
    bool huge = bytes >= HUGE_FROM;
    void *block = NULL;

    if (is_to_fail() || posix_memalign(&block, huge ? HUGE_PAGE : ALIGNMENT, bytes) != 0)
        return SEG_FAIL(SEG_ERR_MEMORY, "out of memory: no room for %zu more bytes, %lld in use",
                        bytes, (long long)now);
    if (huge) (void)madvise(block, bytes, MADV_HUGEPAGE); /* a wish; refusal costs speed only */
    memset(block, 0, bytes);
    memcpy(block, &bytes, sizeof bytes);
    seg_memory_count((int64_t)bytes);

    void *memory = (char *)block + ALIGNMENT;
    memcpy(out, &memory, sizeof memory);
    return SEG_OK;
}

void seg_free(void *memory)
{
    if (!memory) return;

    char *block = (char *)memory - ALIGNMENT;
    size_t bytes;

    memcpy(&bytes, block, sizeof bytes);
    seg_memory_count(-(int64_t)bytes);
    free(block);
}

int64_t seg_memory_now(void)
{
    return now;
}

int64_t seg_memory_peak(void)
{
    return peak;
}
