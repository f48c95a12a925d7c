/* Each client once, with its own label: hashes of clients, and of clients with their labels, are
 * added in any order when they are scored, and again when the file is read back. */
#include <string.h>

#include "score_internal.h"

static void add(uint64_t hash, int64_t sum[2])
{
    sum[0] += (int64_t)(hash >> 32);
    sum[1] += (int64_t)(hash & UINT32_MAX);
}

void score_sums_add(const scorer *s, int64_t row, int64_t n, char *const data[SCORE_ARRAYS],
                    score_sums *sums)
{
    const bool has_ids = s->array[SCORE_ID].row_bytes > 0;
    const size_t width = has_ids ? (size_t)s->array[SCORE_ID].row_bytes : sizeof row;
    const size_t bytes = (size_t)s->array[SCORE_CLUSTER].row_bytes;

    for (int64_t i = 0; i < n; i++, row++) {
        const void *id = has_ids ? (const void *)(data[SCORE_ID] + i * (int64_t)width) : &row;
        uint64_t label = 0;
        memcpy(&label, data[SCORE_CLUSTER] + i * (int64_t)bytes, bytes);
        if (data[SCORE_SEGMENT]) label = label << 8 | (uint8_t)data[SCORE_SEGMENT][i];
        const uint64_t hash = seg_hash(id, width, 0);
        add(hash, sums->half);
        add(seg_hash(&hash, sizeof hash, label), sums->half + 2);
    }
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
static seg_status read_back(seg_comm *comm, scorer *s, const seg_output *out, score_sums *sums)
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
