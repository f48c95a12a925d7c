/* Synthetic clients as CSV, written by all ranks into one file.  Slices of rows are dealt to the
 * ranks in rounds, so that in every round the text of all ranks is one run of bytes and a rank's
 * place in it is an exclusive sum. */
#include <string.h>

#include "generate_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/table.h"

#define CELL_BYTES 21 /* 19 digits, a point and a comma */
#define ROW_BYTES  (CELL_BYTES * (1 + SEG_GENERATE_COLUMNS) + 1)

/* The functions put_ write at `to` and return the end of what they wrote. */

/* Millionths as the shortest exact decimal. */
static char *put_decimal(char *to, int64_t value)
{
    int64_t part = value % SEG_GENERATE_UNIT;

    to = seg_csv_put_int(to, value / SEG_GENERATE_UNIT);
    if (part > 0) *to++ = '.';
    for (int64_t weight = SEG_GENERATE_UNIT / 10; part > 0; weight /= 10) {
        *to++ = (char)('0' + part / weight);
        part %= weight;
    }
    return to;
}

static char *put_header(char *to)
{
    to = stpcpy(to, "CUST_ID");
    for (int t = 0; t < SEG_GENERATE_COLUMNS; t++) {
        *to++ = ',';
        to = stpcpy(to, seg_generate_names[t]);
    }
    *to++ = '\n';
    return to;
}

static char *put_client(char *to, int64_t id, const int64_t *cell)
{
    to = seg_csv_put_int(to, id);
    for (int t = 0; t < SEG_GENERATE_COLUMNS; t++) {
        *to++ = ',';
        if (cell[t] != SEG_GENERATE_MISSING) to = put_decimal(to, cell[t]);
    }
    *to++ = '\n';
    return to;
}

/* The text of `count` clients from `first` on, under the header at the head of the file; returns
 * the number of bytes. */
static int64_t put_slice(char *text, const seg_generator *g, int64_t first, int64_t count)
{
    int64_t cell[SEG_GENERATE_COLUMNS];
    char *to = first == 0 ? put_header(text) : text;

    for (int64_t row = first; row < first + count; row++) {
        seg_generator_client(g, row, cell);
        to = put_client(to, row + 1, cell);
    }
    return to - text;
}

static seg_status text_alloc(char **text)
{
    SEG_TRY(seg_fault("generate_csv_alloc", SEG_ERR_MEMORY));
    return seg_alloc(SEG_SLICE_ROWS + 1, ROW_BYTES, text); /* a header is shorter than 2 rows */
}

seg_status seg_generate_csv_write(seg_comm *comm, const seg_generator *g, int64_t n,
                                  seg_csv_output *csv)
{
    const int64_t turn = SEG_SLICE_ROWS * seg_comm_size(comm);
    seg_status status = SEG_OK;
    int64_t end = 0; /* of the file so far */
    char *text = NULL;

    SEG_TRY_OR_DONE(seg_agree(comm, text_alloc(&text)));
    seg_progress_begin("writing CSV", n, "clients");
    for (int64_t start = 0; start < n; start += turn) {
        const int64_t first = start + SEG_SLICE_ROWS * seg_comm_rank(comm);
        const int64_t left = first < n ? n - first : 0;
        const int64_t bytes =
            put_slice(text, g, first, left < SEG_SLICE_ROWS ? left : SEG_SLICE_ROWS);
        int64_t before = bytes, all = bytes;

        seg_exscan_int64(comm, &before, 1);
        seg_sum_int64(comm, &all, 1);
        SEG_TRY_OR_DONE(seg_csv_output_put(comm, csv, text, bytes, end + before));
        end += all;
        seg_progress_set(start + turn < n ? start + turn : n);
    }
    seg_progress_end(NULL);
    SEG_TRY_OR_DONE(seg_csv_output_sync(comm, csv));
done:
    seg_free(text);
    return status;
}
