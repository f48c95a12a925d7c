/* Aligned, zeroed memory with a ledger: the size of each block stands in the 64 bytes before it. */
#define _GNU_SOURCE /* madvise */
#include "segmpi/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)1 << 21)
#define HUGE_FROM ((size_t)1 << 22) /* smaller blocks gain nothing from huge pages */

static int64_t now, peak;

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

    if (posix_memalign(&block, huge ? HUGE_PAGE : ALIGNMENT, bytes) != 0)
        return SEG_FAIL(SEG_ERR_MEMORY, "out of memory: no room for %zu more bytes, %lld in use",
                        bytes, (long long)now);
    if (huge) (void)madvise(block, bytes, MADV_HUGEPAGE); /* a wish; refusal costs speed only */
    memset(block, 0, bytes);
    memcpy(block, &bytes, sizeof bytes);
    now += (int64_t)bytes;
    if (now > peak) peak = now;

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
    now -= (int64_t)bytes;
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
