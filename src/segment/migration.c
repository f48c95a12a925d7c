/* Who moved: a join of two files by client id on all ranks.
 *
 * A hash deals each id to one rank and one pass.  In a pass every rank reads its rows of both files
 * slice by slice, sends each id with its segment to the rank that it belongs to, and enters what it
 * receives into a table of clients; then it counts that table and empties it.  So rows may stand in
 * any order, and a rank holds its share of one pass.  An id that stands on a mass of rows is one
 * client, and of a slice two of its rows are sent: what a rank holds and gets depends on how many
 * different ids there are, which a hash deals evenly. */
#include "segmpi/migration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/rows.h"
#include "segmpi/text.h"

#define IDS    "ids/client_id"
#define SLICE  (8 * (int64_t)SEG_BLOCK_ROWS)
#define DIGITS 20 /* of the longest int64 */

/* A client of this rank; its key stands in join.keys. */
typedef struct client {
    uint8_t rows[2]; /* of the old and the new side; 2 stands for more */
    int8_t segment[2];
} client;

typedef struct join {
    seg_comm *comm;
    const seg_labelled *side; /* [2], borrowed */
    int ranks;
    int64_t passes;
    int width; /* bytes of a key: the id as int64, or as text with zeros behind it */
    bool text;
    int width_of[2];   /* of the ids in the files, 0: numbers */
    int64_t *share;    /* [passes][ranks] rows of both sides; owned */
    int64_t *size;     /* [3][ranks] bytes to send, to receive, sent so far; owned */
    char *raw;         /* [SLICE] ids of a slice as they stand in the file; owned */
    char *key;         /* [SLICE][width]; owned */
    int8_t *label;     /* [SLICE]; owned */
    char *send;        /* [SLICE][width + 1]; owned */
    int32_t *seen;     /* [2 SLICE] row of a slice + 1, by its key; owned */
    bool *twice;       /* [SLICE] another row of the slice has the key; owned */
    char *received;    /* owned */
    int64_t room;      /* bytes of `received` */
    int64_t beyond[2]; /* rows after the second one of an id */
    int64_t n_clients, most_clients, n_slots;
    char *keys;      /* [most_clients][width]; owned */
    client *clients; /* [most_clients]; owned */
    int32_t *slot;   /* [n_slots] number of a client + 1; 0: free; owned */
} join;

static void join_release(join *j)
{
    void *owned[] = { j->share, j->size,  j->raw,      j->key,  j->label,   j->send,
                      j->seen,  j->twice, j->received, j->keys, j->clients, j->slot };

    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        seg_free(owned[i]);
}

/* ---- what the files hold ---- */

static seg_status find_ids(const seg_labelled *side, int *width)
{
    seg_shape ids, labels;
    char clean[200];

    SEG_TRY(seg_fault("migration_open", SEG_ERR_IO));
    SEG_TRY(seg_input_shape(side->in, IDS, &ids));
    SEG_TRY(seg_input_shape(side->in, side->path, &labels));
    *width = ids.type == SEG_TEXT ? ids.width : 0;
    if (ids.rank == 1 && ids.dim[0] == side->n && labels.rank == 1 && labels.dim[0] == side->n &&
        ids.type != SEG_FLOAT32 && ids.type != SEG_FLOAT64 &&
        (ids.type != SEG_TEXT || ids.width > 0))
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "'" IDS "' in '%s' is not one id for each client",
                    seg_text_clean(seg_input_path(side->in), clean, sizeof clean));
}

/* Local.  Everything that does not depend on the rows. */
static seg_status join_init(join *j, int64_t memory)
{
    int64_t rows = j->side[0].n + j->side[1].n;

    for (int s = 0; s < 2; s++) {
        SEG_TRY(find_ids(&j->side[s], &j->width_of[s]));
        j->text = j->text || j->width_of[s] > 0;
    }
    j->width = (int)sizeof(int64_t);
    for (int s = 0; s < 2 && j->text; s++) {
        int needed = j->width_of[s] > 0 ? j->width_of[s] : DIGITS;
        if (needed > j->width) j->width = needed;
    }
    int64_t bytes = j->width + (int64_t)sizeof(client) + 4 * (int64_t)sizeof *j->slot;
    j->most_clients = memory / bytes < INT32_MAX ? memory / bytes : INT32_MAX;
    int64_t of_a_pass = j->most_clients / 8 * 7 * j->ranks; /* shares are not all equal */
    j->passes = of_a_pass > 0 ? (rows + of_a_pass - 1) / of_a_pass : rows;
    if (j->passes < 1) j->passes = 1;

    SEG_TRY(seg_fault("migration_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(j->passes * j->ranks, sizeof *j->share, &j->share));
    SEG_TRY(seg_alloc(3 * j->ranks, sizeof *j->size, &j->size));
    SEG_TRY(seg_alloc(SLICE, j->text ? (size_t)j->width : sizeof(int64_t), &j->raw));
    SEG_TRY(seg_alloc(SLICE, (size_t)j->width, &j->key));
    SEG_TRY(seg_alloc(SLICE, sizeof *j->label, &j->label));
    SEG_TRY(seg_alloc(2 * SLICE, sizeof *j->seen, &j->seen));
    SEG_TRY(seg_alloc(SLICE, sizeof *j->twice, &j->twice));
    return seg_alloc(SLICE, (size_t)j->width + 1, &j->send);
}

/* Keys of `count` rows that begin at `first`. */
static seg_status read_keys(join *j, int s, int64_t first, int64_t count)
{
    const int from = j->width_of[s];
    const size_t width = (size_t)j->width;

    SEG_TRY(seg_fault("migration_read", SEG_ERR_IO));
    if (!j->text) return seg_input_read(j->side[s].in, IDS, SEG_INT64, first, count, j->key);
    SEG_TRY(
        seg_input_read(j->side[s].in, IDS, from > 0 ? SEG_TEXT : SEG_INT64, first, count, j->raw));
    memset(j->key, 0, (size_t)count * width);
    for (int64_t i = 0; i < count; i++) {
        char *key = j->key + i * j->width, digits[DIGITS + 1];
        int64_t number;
        if (from > 0) {
            memcpy(key, j->raw + i * from, (size_t)from);
            continue;
        }
        memcpy(&number, j->raw + i * (int64_t)sizeof number, sizeof number);
        (void)snprintf(digits, sizeof digits, "%" PRId64, number);
        memcpy(key, digits, strlen(digits));
    }
    return SEG_OK;
}

/* pass * ranks + rank of a key. */
static int64_t bucket_of(const join *j, const char *key)
{
    return (int64_t)(seg_hash(key, (size_t)j->width, 0) % (uint64_t)(j->passes * j->ranks));
}

/* Local.  Rows of this rank by where they belong. */
static seg_status count_share(join *j)
{
    for (int s = 0; s < 2; s++) {
        seg_rows rows = seg_rows_of(j->side[s].n, seg_comm_rank(j->comm), j->ranks);
        for (int64_t at = 0; at < rows.count; at += SLICE) {
            int64_t n = rows.count - at < SLICE ? rows.count - at : SLICE;
            SEG_TRY(read_keys(j, s, rows.first + at, n));
            for (int64_t i = 0; i < n; i++)
                j->share[bucket_of(j, j->key + i * j->width)]++;
        }
    }
    return SEG_OK;
}

/* Local.  The table for the largest share of this rank, as far as memory goes. */
static seg_status table_init(join *j)
{
    int64_t most = 0;

    for (int64_t p = 0; p < j->passes; p++) {
        int64_t share = j->share[p * j->ranks + seg_comm_rank(j->comm)];
        if (share > most) most = share;
    }
    if (most < j->most_clients) j->most_clients = most;
    for (j->n_slots = 16; j->n_slots < 2 * j->most_clients;)
        j->n_slots *= 2;
    SEG_TRY(seg_fault("migration_table", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(j->most_clients, (size_t)j->width, &j->keys));
    SEG_TRY(seg_alloc(j->most_clients, sizeof *j->clients, &j->clients));
    return seg_alloc(j->n_slots, sizeof *j->slot, &j->slot);
}

/* ---- a slice on its way ---- */

static seg_status check_labels(const join *j, int s, int n_segments, int64_t first, int64_t count)
{
    char clean[200];

    for (int64_t i = 0; i < count; i++)
        if (j->label[i] < 0 || j->label[i] >= n_segments)
            return SEG_FAIL(SEG_ERR_DATA, "row %lld of '%s' in '%s' is %d, which is no segment",
                            (long long)(first + i), j->side[s].path,
                            seg_text_clean(seg_input_path(j->side[s].in), clean, sizeof clean),
                            j->label[i]);
    return SEG_OK;
}

/* Two rows of the slice have the key of row i already. */
static bool is_beyond(join *j, int64_t i)
{
    const char *key = j->key + i * j->width;
    uint64_t at = seg_hash(key, (size_t)j->width, 1) % (2 * SLICE);

    while (j->seen[at] > 0 &&
           memcmp(j->key + (j->seen[at] - 1) * (int64_t)j->width, key, (size_t)j->width) != 0)
        at = (at + 1) % (2 * SLICE);
    if (j->seen[at] == 0) {
        j->seen[at] = (int32_t)i + 1;
        j->twice[i] = false;
        return false;
    }
    bool *twice = &j->twice[j->seen[at] - 1], beyond = *twice;
    *twice = true;
    return beyond;
}

/* The bucket of row i in this pass: a rank, or -1 if it is not sent. */
static int64_t rank_of(join *j, int s, int64_t pass, int64_t i)
{
    const int64_t rank = bucket_of(j, j->key + i * j->width) - pass * j->ranks;

    if (rank < 0 || rank >= j->ranks) return -1;
    if (!is_beyond(j, i)) return rank;
    j->beyond[s]++;
    return -1;
}

/* Local.  Puts those of `count` rows that belong to the pass into `send`, rank by rank. */
static seg_status pack(join *j, int s, int n_segments, int64_t pass, int64_t first, int64_t count)
{
    const int record = j->width + 1;
    int64_t *size = j->size, *place = j->size + 2 * j->ranks, rank[SLICE];

    memset(size, 0, (size_t)j->ranks * sizeof *size);
    if (count == 0) return SEG_OK;
    SEG_TRY(read_keys(j, s, first, count));
    SEG_TRY(seg_input_read(j->side[s].in, j->side[s].path, SEG_INT8, first, count, j->label));
    SEG_TRY(check_labels(j, s, n_segments, first, count));
    memset(j->seen, 0, 2 * SLICE * sizeof *j->seen);
    for (int64_t i = 0; i < count; i++) {
        rank[i] = rank_of(j, s, pass, i);
        if (rank[i] >= 0) size[rank[i]] += record;
    }
    place[0] = 0;
    for (int r = 1; r < j->ranks; r++)
        place[r] = place[r - 1] + size[r - 1];
    for (int64_t i = 0; i < count; i++) {
        if (rank[i] < 0) continue;
        char *to = j->send + place[rank[i]];
        memcpy(to, j->key + i * j->width, (size_t)j->width);
        to[j->width] = (char)j->label[i];
        place[rank[i]] += record;
    }
    return SEG_OK;
}

/* Local.  Room for what comes in. */
static seg_status make_room(join *j, const int64_t *sizes, int64_t *total)
{
    *total = 0;
    for (int r = 0; r < j->ranks; r++)
        *total += sizes[r];
    if (*total <= j->room) return SEG_OK;
    seg_free(j->received);
    j->received = NULL;
    j->room = 0;
    SEG_TRY(seg_fault("migration_room", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(*total, 1, &j->received));
    j->room = *total;
    return SEG_OK;
}

/* Enters a record; false if the table is full. */
static bool enter(join *j, int s, const char *record)
{
    const size_t width = (size_t)j->width;
    int64_t at = (int64_t)(seg_hash(record, width, 1) & (uint64_t)(j->n_slots - 1));

    while (j->slot[at] > 0 &&
           memcmp(j->keys + (j->slot[at] - 1) * (int64_t)j->width, record, width) != 0)
        at = (at + 1) & (j->n_slots - 1);
    if (j->slot[at] == 0) {
        if (j->n_clients == j->most_clients) return false;
        memcpy(j->keys + j->n_clients * j->width, record, width);
        j->clients[j->n_clients] = (client) { 0 };
        j->slot[at] = (int32_t)++j->n_clients;
    }
    client *c = &j->clients[j->slot[at] - 1];
    if (c->rows[s] < 2)
        c->rows[s]++;
    else
        j->beyond[s]++;
    c->segment[s] = (int8_t)record[width];
    return true;
}

/* Local. */
static seg_status enter_all(join *j, int s, int64_t bytes)
{
    SEG_TRY(seg_fault("migration_enter", SEG_ERR_IO));
    for (int64_t at = 0; at < bytes; at += j->width + 1)
        if (!enter(j, s, j->received + at))
            return SEG_FAIL(SEG_ERR_IO, "there are more ids than were counted; was a file "
                                        "changed?");
    return SEG_OK;
}

/* Collective.  All rows of one side that belong to the pass, to their ranks. */
static seg_status send_side(join *j, int s, int n_segments, int64_t pass)
{
    seg_rows rows = seg_rows_of(j->side[s].n, seg_comm_rank(j->comm), j->ranks);
    int64_t most = rows.count, total;

    seg_max_int64(j->comm, &most, 1);
    for (int64_t at = 0; at < most; at += SLICE) {
        int64_t rest = rows.count - at, n = rest < 0 ? 0 : rest < SLICE ? rest : SLICE;
        SEG_TRY(seg_agree(j->comm, pack(j, s, n_segments, pass, rows.first + at, n)));
        seg_exchange_sizes(j->comm, j->size, j->size + j->ranks);
        SEG_TRY(seg_agree(j->comm, make_room(j, j->size + j->ranks, &total)));
        seg_exchange_bytes(j->comm, j->send, j->size, j->received, j->size + j->ranks);
        SEG_TRY(seg_agree(j->comm, enter_all(j, s, total)));
        seg_progress_add(n);
    }
    return SEG_OK;
}

/* ---- the count ---- */

static void count_clients(join *j, seg_migration *m)
{
    for (int s = 0; s < 2; s++) {
        m->duplicates[s] += j->beyond[s];
        j->beyond[s] = 0;
    }
    for (int64_t i = 0; i < j->n_clients; i++) {
        const client *c = &j->clients[i];
        if (c->rows[0] > 1 || c->rows[1] > 1) {
            m->duplicates[0] += c->rows[0];
            m->duplicates[1] += c->rows[1];
        } else if (c->rows[0] == 0) {
            m->entered_by_segment[c->segment[1]]++;
        } else if (c->rows[1] == 0) {
            m->left_by_segment[c->segment[0]]++;
        } else {
            m->counts[c->segment[0] * m->n + c->segment[1]]++;
        }
    }
}

/* Collective. */
static void sum_up(seg_comm *comm, seg_migration *m)
{
    seg_sum_int64(comm, m->counts, (int64_t)m->n * (m->n + 2));
    seg_sum_int64(comm, m->duplicates, 2);
    for (int a = 0; a < m->n; a++) {
        m->entered += m->entered_by_segment[a];
        m->left += m->left_by_segment[a];
        for (int b = 0; b < m->n; b++)
            *(a == b ? &m->stayed : &m->moved) += m->counts[a * m->n + b];
    }
}

static seg_status migration_init(seg_migration *m, int n)
{
    *m = (seg_migration) { .n = n };
    SEG_TRY(seg_alloc((int64_t)n * (n + 2), sizeof *m->counts, &m->counts));
    m->entered_by_segment = m->counts + n * n;
    m->left_by_segment = m->entered_by_segment + n;
    return SEG_OK;
}

void seg_migration_release(seg_migration *m)
{
    seg_free(m->counts);
    *m = (seg_migration) { 0 };
}

/* Local. */
static seg_status start(join *j, int n, int64_t memory, seg_migration *m)
{
    SEG_TRY(migration_init(m, n));
    SEG_TRY(join_init(j, memory));
    return count_share(j);
}

seg_status seg_migration_fit(seg_comm *comm, const seg_labelled side[2], int n, int64_t memory,
                             seg_migration *m)
{
    seg_status status = SEG_OK;
    join j = { .comm = comm, .side = side, .ranks = seg_comm_size(comm) };

    SEG_TRY_OR_DONE(seg_agree(comm, start(&j, n, memory, m)));
    seg_sum_int64(comm, j.share, j.passes * j.ranks);
    SEG_TRY_OR_DONE(seg_agree(comm, table_init(&j)));
    seg_progress_begin("join", j.passes * (side[0].n + side[1].n) / j.ranks, "clients");
    for (int64_t pass = 0; pass < j.passes; pass++) {
        j.n_clients = 0;
        memset(j.slot, 0, (size_t)j.n_slots * sizeof *j.slot);
        for (int s = 0; s < 2; s++)
            SEG_TRY_OR_DONE(send_side(&j, s, n, pass));
        count_clients(&j, m);
    }
    seg_progress_end(NULL);
    sum_up(comm, m);
done:
    join_release(&j);
    if (status != SEG_OK) seg_migration_release(m);
    return status;
}
