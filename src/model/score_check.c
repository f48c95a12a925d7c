/* Each client once, with its own label: hashes of clients, and of clients with their labels, are
 * added in any order when they are scored, and again when the file is read back. */
#include <string.h>

#include "score_internal.h"

/* One whole number to another, one to one, every bit of it in every bit.
 * Source: Stafford, variant 13, as in splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* What is told apart of client i: its id; whole numbers are read as such, most are of 8 bytes. */
static uint64_t client_hash(const score_array *a, const char *ids, int64_t i)
{
    uint64_t number = 0;

    if (a->type == SEG_TEXT) return seg_hash(ids + i * a->row_bytes, (size_t)a->row_bytes, 0);
    if (a->row_bytes == sizeof number)
        memcpy(&number, ids + i * (int64_t)sizeof number, sizeof number);
    else
        memcpy(&number, ids + i * a->row_bytes, (size_t)a->row_bytes);
    return mix(number + 1);
}

static uint64_t label_of(const scorer *s, char *const data[SCORE_ARRAYS], int64_t i)
{
    const char *cluster = data[SCORE_CLUSTER], *segment = data[SCORE_SEGMENT];
    const uint64_t number = s->array[SCORE_CLUSTER].type == SEG_INT16
                                ? (uint64_t)((const int16_t *)(const void *)cluster)[i]
                                : (uint64_t)((const int32_t *)(const void *)cluster)[i];

    return segment ? number << 8 | (uint8_t)segment[i] : number;
}

static void add(uint64_t hash, int64_t sum[2])
{
    sum[0] += (int64_t)(hash >> 32);
    sum[1] += (int64_t)(hash & UINT32_MAX);
}

void score_sums_add(const scorer *s, int64_t row, int64_t n, char *const data[SCORE_ARRAYS],
                    score_sums *sums)
{
    const score_array *ids = &s->array[SCORE_ID];
    score_sums more = { 0 };

    for (int64_t i = 0; i < n; i++) {
        const uint64_t hash =
            ids->row_bytes > 0 ? client_hash(ids, data[SCORE_ID], i) : mix((uint64_t)(row + i));
        add(hash, more.half);
        add(mix(hash + label_of(s, data, i) * UINT64_C(0x9e3779b97f4a7c15)), more.half + 2);
    }
    for (int i = 0; i < 4; i++)
        sums->half[i] += more.half[i];
}

/* Local.  Rows [first, end) of the table. */
static seg_status read_rows(scorer *s, seg_input *in, int64_t first, int64_t end, score_sums *sums)
{
    static const int wanted[] = { SCORE_CLUSTER, SCORE_SEGMENT, SCORE_ID };

    for (int64_t n; first < end; first += n) {
        n = end - first < SCORE_CHUNK ? end - first : SCORE_CHUNK;
        for (int i = 0; i < 3; i++) {
            const score_array *a = &s->array[wanted[i]];
            if (a->row_bytes > 0)
                SEG_TRY(seg_input_read(in, a->path, a->type, first, n, s->data[wanted[i]]));
        }
        score_sums_add(s, first, n, s->data, sums);
    }
    return SEG_OK;
}

/* Local.  The rows of the next rank. */
static seg_status read_back(const seg_comm *comm, scorer *s, const seg_output *out,
                            score_sums *sums)
{
    const int size = seg_comm_size(comm), peer = (seg_comm_rank(comm) + 1) % size;
    const seg_rows rows = seg_rows_of(seg_table_rows(s->scoring->table).total, peer, size);
    seg_input *in = NULL;

    SEG_TRY(seg_fault("score_check", SEG_ERR_IO));
    seg_status status = seg_output_read(out, &in);
    if (status == SEG_OK) status = read_rows(s, in, rows.first, rows.first + rows.count, sums);
    seg_input_close(in);
    if (status != SEG_OK) seg_error_while("reading back what was written");
    return status;
}

seg_status score_check(seg_comm *comm, scorer *s, const seg_output *out)
{
    score_sums scored = s->sums, found = { 0 };

    SEG_TRY(seg_agree(comm, read_back(comm, s, out, &found)));
    seg_sum_int64(comm, scored.half, 4);
    seg_sum_int64(comm, found.half, 4);
    if (memcmp(&scored, &found, sizeof found) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "the clients that read back, or their labels, are not those that "
                                "were scored; nothing is written");
}
