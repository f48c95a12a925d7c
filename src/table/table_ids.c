/* Clients that share their id with another one: hashes of all ids, dealt to the ranks by their
 * value, sorted and compared.  Where a rank's share does not fit, the table is read several times,
 * each time for another part of the values.  Equal hashes of different ids are as likely as n^2 in
 * 2^65. */
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/table.h"
#include "segmpi/timer.h"
#include "table_internal.h"

#define SHARED ((int64_t)1 << 20) /* hashes that all ranks together pass on at once */

typedef struct counting {
    seg_comm *comm;
    seg_input *in;
    seg_type type;
    seg_rows rows;
    int64_t id_size; /* bytes */
    uint64_t part, n_parts;
    int64_t chunk;   /* rows that a rank reads at once */
    char *ids;       /* [chunk] */
    uint64_t *mine;  /* [chunk] hashes of this rank's rows */
    uint64_t *owned; /* [room] hashes of this rank's values, of all rows */
    int64_t n, room;
    int64_t repeated;
} counting;

static void counting_release(counting *c)
{
    seg_free(c->ids);
    seg_free(c->mine);
    seg_free(c->owned);
}

/* Local.  A rank's share of n values varies little, as hashes are random; equal ids may make it
 * large until they are dropped. */
static seg_status counting_init(counting *c, int64_t most)
{
    int size = seg_comm_size(c->comm);
    seg_shape shape;

    SEG_TRY(seg_fault("ids_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_input_shape(c->in, SEG_IDS, &shape));
    const int64_t total = shape.dim[0];
    c->type = shape.type;
    c->id_size = seg_type_size(shape.type, shape.width);
    c->rows = seg_rows_of(total, seg_comm_rank(c->comm), size);
    c->n_parts = (uint64_t)(total / (most * size) + 1);
    c->room = 2 * (total / (int64_t)c->n_parts / size) + SEG_BLOCK_ROWS;
    c->chunk = SHARED / size / SEG_BLOCK_ROWS * SEG_BLOCK_ROWS;
    if (c->chunk < SEG_BLOCK_ROWS) c->chunk = SEG_BLOCK_ROWS;
    if (c->chunk > SEG_SLICE_ROWS) c->chunk = SEG_SLICE_ROWS;
    SEG_TRY(seg_alloc(c->chunk, (size_t)c->id_size, &c->ids));
    SEG_TRY(seg_alloc(c->chunk, sizeof *c->mine, &c->mine));
    return seg_alloc(c->room, sizeof *c->owned, &c->owned);
}

/* In place, by one bit after the other. */
static void sort_hashes(uint64_t *a, int64_t n, int bit)
{
    int64_t low = 0, high = n;

    if (n < 2 || bit < 0) return;
    while (low < high) {
        uint64_t value = a[low];
        if ((value >> bit & 1) == 0) {
            low++;
            continue;
        }
        a[low] = a[--high];
        a[high] = value;
    }
    sort_hashes(a, low, bit - 1);
    sort_hashes(a + low, n - low, bit - 1);
}

/* Counts and drops values that stand there already. */
static void drop_repeated(counting *c)
{
    int64_t kept = 0;

    sort_hashes(c->owned, c->n, 63);
    for (int64_t i = 0; i < c->n; i++)
        if (i == 0 || c->owned[i] != c->owned[kept - 1]) c->owned[kept++] = c->owned[i];
    c->repeated += c->n - kept;
    c->n = kept;
}

static void take_owned(counting *c, int64_t n, const uint64_t *hashes)
{
    uint64_t size = (uint64_t)seg_comm_size(c->comm), rank = (uint64_t)seg_comm_rank(c->comm);

    for (int64_t i = 0; i < n; i++) {
        if (hashes[i] / c->n_parts % size != rank) continue;
        if (c->n == c->room) drop_repeated(c);
        if (c->n < c->room) c->owned[c->n++] = hashes[i];
    }
}

/* Local.  Hashes of the part's ids among `count` rows; *n of them. */
static seg_status hash_rows(counting *c, int64_t first, int64_t count, int64_t *n)
{
    *n = 0;
    SEG_TRY(seg_fault("ids_compare", SEG_ERR_IO));
    SEG_TRY(seg_input_read(c->in, SEG_IDS, c->type, c->rows.first + first, count, c->ids));
    for (int64_t i = 0; i < count; i++) {
        uint64_t hash = seg_hash(c->ids + i * c->id_size, (size_t)c->id_size, 0);
        if (hash % c->n_parts == c->part) c->mine[(*n)++] = hash;
    }
    return SEG_OK;
}

/* Collective.  The next rows of all ranks. */
static seg_status share_rows(counting *c, int64_t first)
{
    int64_t rest = c->rows.count - first, n = 0, bytes;
    seg_status local = SEG_OK;
    uint64_t *all;

    if (rest > 0) local = hash_rows(c, first, rest < c->chunk ? rest : c->chunk, &n);
    SEG_TRY(seg_agree(c->comm, local));
    SEG_TRY(seg_gather_bytes(c->comm, c->mine, n * (int64_t)sizeof *c->mine, &all, &bytes));
    take_owned(c, bytes / (int64_t)sizeof *all, all);
    seg_free(all);
    return SEG_OK;
}

/* Collective. */
static seg_status count_all(counting *c)
{
    int64_t most = c->rows.count, parts = (int64_t)c->n_parts;

    seg_max_int64(c->comm, &most, 1);
    seg_progress_begin("comparing ids", parts * most, "clients per rank");
    for (c->part = 0; c->part < c->n_parts; c->part++) {
        c->n = 0;
        for (int64_t first = 0; first < most; first += c->chunk) {
            SEG_TRY(share_rows(c, first));
            seg_progress_set((int64_t)c->part * most + first);
        }
        drop_repeated(c);
    }
    seg_progress_end(NULL);
    seg_sum_int64(c->comm, &c->repeated, 1);
    return SEG_OK;
}

seg_status seg_ids_repeated(seg_comm *comm, seg_input *in, int64_t most, int64_t *repeated)
{
    counting c = { .comm = comm, .in = in };
    seg_status status = SEG_OK;

    *repeated = 0;
    seg_phase_begin("comparing ids");
    SEG_TRY_OR_DONE(seg_agree(comm, counting_init(&c, most)));
    SEG_TRY_OR_DONE(count_all(&c));
    *repeated = c.repeated;
done:
    seg_phase_end();
    counting_release(&c);
    return status;
}
