/* Distinct values of each column, exact up to a cap: a hash table per column and rank, then the
 * union of them. */
#include <math.h>
#include <string.h>

#include "describe_internal.h"
#include "segmpi/memory.h"
#include "stats_internal.h"

#define SLOT_BITS 14
#define SLOTS     ((int64_t)1 << SLOT_BITS) /* more than SEG_DISTINCT_CAP + 1, so one stays empty */

uint64_t stats_key(double value)
{
    const uint64_t sign = (uint64_t)1 << 63;
    double plain = value + 0.0; /* -0 becomes 0 */
    uint64_t bits;

    memcpy(&bits, &plain, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

seg_status describe_distinct_init(describe_distinct *s, int d)
{
    s->d = d;
    SEG_TRY(seg_alloc(d, sizeof *s->count, &s->count));
    return seg_alloc(d * SLOTS, sizeof *s->slot, &s->slot);
}

void describe_distinct_release(describe_distinct *s)
{
    seg_free(s->count);
    seg_free(s->slot);
    *s = (describe_distinct) { 0 };
}

static void insert(describe_distinct *s, int t, uint64_t key)
{
    uint64_t *slot = &s->slot[t * SLOTS];
    uint64_t at = key * 0x9E3779B97F4A7C15 >> (64 - SLOT_BITS); /* Fibonacci hashing */

    while (slot[at] != 0 && slot[at] != key)
        at = (at + 1) % (uint64_t)SLOTS;
    if (slot[at] == key) return;
    slot[at] = key;
    s->count[t]++;
}

void describe_distinct_add(describe_distinct *s, int64_t n, const double *x, const int32_t *weight)
{
    for (int64_t i = 0; i < n; i++, x += s->d)
        for (int t = 0; t < s->d && !(weight && weight[i] == 0); t++)
            if (!isnan(x[t]) && s->count[t] <= SEG_DISTINCT_CAP) insert(s, t, stats_key(x[t]));
}

/* Local.  The keys of column t, owned by the caller. */
static seg_status list_keys(const describe_distinct *s, int t, uint64_t **keys)
{
    int64_t n = 0;

    SEG_TRY(seg_fault("describe_distinct_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(s->count[t], sizeof **keys, keys));
    for (int64_t at = 0; at < SLOTS; at++)
        if (s->slot[t * SLOTS + at] != 0) (*keys)[n++] = s->slot[t * SLOTS + at];
    return SEG_OK;
}

/* Collective.  Everyone's keys of column t into this rank's table. */
static seg_status unite(seg_comm *comm, describe_distinct *s, int t)
{
    seg_status status = SEG_OK;
    uint64_t *own = NULL, *all = NULL;
    int64_t bytes = 0;

    SEG_TRY_OR_DONE(seg_agree(comm, list_keys(s, t, &own)));
    SEG_TRY_OR_DONE(seg_gather_bytes(comm, own, s->count[t] * (int64_t)sizeof *own, &all, &bytes));
    for (int64_t j = 0; j < bytes / (int64_t)sizeof *all; j++)
        if (s->count[t] <= SEG_DISTINCT_CAP) insert(s, t, all[j]);
done:
    seg_free(own);
    seg_free(all);
    return status;
}

seg_status describe_distinct_sum(seg_comm *comm, describe_distinct *s, int64_t *distinct)
{
    for (int t = 0; t < s->d; t++)
        distinct[t] = s->count[t];
    seg_max_int64(comm, distinct, s->d);
    for (int t = 0; t < s->d; t++) {
        if (distinct[t] <= SEG_DISTINCT_CAP) { /* on every rank */
            SEG_TRY(unite(comm, s, t));
            distinct[t] = s->count[t];
        }
        if (distinct[t] > SEG_DISTINCT_CAP) distinct[t] = -1;
    }
    return SEG_OK;
}
