/* Clients that share their id with another one: hashes of all ids, each sent to the rank that its
 * value belongs to, which counts those that it has already.  Where a rank's share does not fit, the
 * table is read several times, each time for another part of the values.  Equal hashes of different
 * ids are as likely as n^2 in 2^65. */
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
    int n_ranks, part, n_parts;
    int64_t chunk;      /* rows that a rank reads at once */
    char *ids;          /* [chunk] */
    uint64_t *hash;     /* [chunk] */
    uint64_t *send;     /* [chunk] those of the part, rank by rank */
    int64_t *size;      /* [3 n_ranks] bytes for each rank, from each rank, and where they stand */
    uint64_t *received; /* [room] */
    int64_t room;
    uint64_t *slot; /* [n_slots] hashes of this rank's values; 0: free */
    int64_t n_slots, n_taken, repeated;
} counting;

static void counting_release(counting *c)
{
    seg_free(c->ids);
    seg_free(c->hash);
    seg_free(c->send);
    seg_free(c->size);
    seg_free(c->received);
    seg_free(c->slot);
}

/* Local.  A rank's share of different values varies little, as hashes are random. */
static seg_status counting_init(counting *c, int64_t most)
{
    const int size = seg_comm_size(c->comm);
    seg_shape shape;

    SEG_TRY(seg_fault("ids_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_input_shape(c->in, SEG_IDS, &shape));
    const int64_t total = shape.dim[0];
    c->type = shape.type;
    c->id_size = seg_type_size(shape.type, shape.width);
    c->rows = seg_rows_of(total, seg_comm_rank(c->comm), size);
    c->n_ranks = size;
    c->n_parts = (int)(total / (most * size) + 1);
    c->n_slots = total / c->n_parts / size * 3 / 2 + SEG_BLOCK_ROWS;
    c->chunk = SHARED / size / SEG_BLOCK_ROWS * SEG_BLOCK_ROWS;
    if (c->chunk < SEG_BLOCK_ROWS) c->chunk = SEG_BLOCK_ROWS;
    if (c->chunk > SEG_SLICE_ROWS) c->chunk = SEG_SLICE_ROWS;
    SEG_TRY(seg_alloc(c->chunk, (size_t)c->id_size, &c->ids));
    SEG_TRY(seg_alloc(c->chunk, sizeof *c->hash, &c->hash));
    SEG_TRY(seg_alloc(c->chunk, sizeof *c->send, &c->send));
    SEG_TRY(seg_alloc(3 * (int64_t)size, sizeof *c->size, &c->size));
    return seg_alloc(c->n_slots, sizeof *c->slot, &c->slot);
}

/* The rank that counts a hash in this part; outside of 0..n_ranks - 1 in other parts. */
static int64_t owner(const counting *c, uint64_t hash)
{
    const uint64_t n = (uint64_t)c->n_ranks * (uint64_t)c->n_parts;

    return (int64_t)((hash >> 32) * n >> 32) - (int64_t)c->part * c->n_ranks;
}

/* Local.  Hashes of `count` rows, those of the part by their ranks into `send`. */
static seg_status pack(counting *c, int64_t first, int64_t count)
{
    int64_t *size = c->size, *place = c->size + 2 * (int64_t)c->n_ranks;

    memset(size, 0, (size_t)c->n_ranks * sizeof *size);
    if (count <= 0) return SEG_OK;
    SEG_TRY(seg_fault("ids_compare", SEG_ERR_IO));
    SEG_TRY(seg_input_read(c->in, SEG_IDS, c->type, c->rows.first + first, count, c->ids));
    for (int64_t i = 0; i < count; i++) {
        c->hash[i] = seg_hash(c->ids + i * c->id_size, (size_t)c->id_size, 0);
        int64_t rank = owner(c, c->hash[i]);
        if (rank >= 0 && rank < c->n_ranks) size[rank] += (int64_t)sizeof *c->hash;
    }
    place[0] = 0;
    for (int r = 1; r < c->n_ranks; r++)
        place[r] = place[r - 1] + size[r - 1] / (int64_t)sizeof *c->hash;
    for (int64_t i = 0; i < count; i++) {
        int64_t rank = owner(c, c->hash[i]);
        if (rank >= 0 && rank < c->n_ranks) c->send[place[rank]++] = c->hash[i];
    }
    return SEG_OK;
}

/* Local.  Room for the `n` hashes that come in. */
static seg_status make_room(counting *c, int64_t *n)
{
    *n = 0;
    for (int r = 0; r < c->n_ranks; r++)
        *n += c->size[c->n_ranks + r] / (int64_t)sizeof *c->received;
    if (*n <= c->room) return SEG_OK;
    seg_free(c->received);
    c->received = NULL;
    c->room = 0;
    SEG_TRY(seg_fault("ids_room", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(*n, sizeof *c->received, &c->received));
    c->room = *n;
    return SEG_OK;
}

/* Enters a hash, or counts it as repeated.  One slot stays free, where the search ends: shares that
 * random hashes cannot have would be counted too low. */
static void enter(counting *c, uint64_t hash)
{
    const uint64_t value = hash == 0 ? 1 : hash;
    int64_t at = (int64_t)((value & UINT32_MAX) * (uint64_t)c->n_slots >> 32);

    while (c->slot[at] != 0 && c->slot[at] != value)
        at = at + 1 < c->n_slots ? at + 1 : 0;
    if (c->slot[at] == value)
        c->repeated++;
    else if (c->n_taken < c->n_slots - 1) {
        c->slot[at] = value;
        c->n_taken++;
    }
}

/* Collective.  The next rows of all ranks. */
static seg_status share_rows(counting *c, int64_t first)
{
    const int64_t rest = c->rows.count - first;
    int64_t n, *from = c->size + c->n_ranks;

    SEG_TRY(seg_agree(c->comm, pack(c, first, rest < c->chunk ? rest : c->chunk)));
    seg_exchange_sizes(c->comm, c->size, from);
    SEG_TRY(seg_agree(c->comm, make_room(c, &n)));
    seg_exchange_bytes(c->comm, c->send, c->size, c->received, from);
    for (int64_t i = 0; i < n; i++)
        enter(c, c->received[i]);
    return SEG_OK;
}

/* Collective. */
static seg_status count_all(counting *c)
{
    int64_t most = c->rows.count;

    seg_max_int64(c->comm, &most, 1);
    seg_progress_begin("comparing ids", c->n_parts * most, "clients per rank");
    for (c->part = 0; c->part < c->n_parts; c->part++) {
        memset(c->slot, 0, (size_t)c->n_slots * sizeof *c->slot);
        c->n_taken = 0;
        for (int64_t first = 0; first < most; first += c->chunk) {
            SEG_TRY(share_rows(c, first));
            seg_progress_set(c->part * most + first);
        }
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
