/* Clients and their segments as CSV.  They are read from what was written, in slices that are dealt
 * to the ranks in rounds, so that in every round the text of all ranks is one run of bytes. */
#include <string.h>

#include "score_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"

typedef struct writer {
    scorer *s;
    seg_input *in;
    char *text;      /* of a slice; owned */
    char *label;     /* [n_labels][label_bytes] ",number,name" of each; owned */
    int64_t *length; /* [n_labels]; owned */
    int64_t label_bytes;
    bool by_segment; /* otherwise by cluster, which has no name */
} writer;

static int64_t id_bytes(const scorer *s)
{
    const score_array *a = &s->array[SCORE_ID];

    return a->row_bytes > 0 && a->type == SEG_TEXT ? SEG_CSV_TEXT((int64_t)a->width) : SEG_CSV_INT;
}

/* Local.  The end of each line, made once. */
static seg_status make_labels(writer *w)
{
    const seg_segments *segments = &w->s->scoring->model->segments;
    const int n = w->by_segment ? segments->n_segments : w->s->scoring->model->kmeans.n_clusters;

    w->label_bytes = SEG_CSV_INT + 2;
    for (int i = 0; w->by_segment && i < n; i++) {
        const int64_t bytes =
            SEG_CSV_TEXT((int64_t)strlen(segments->segment[i].name)) + SEG_CSV_INT + 3;
        if (bytes > w->label_bytes) w->label_bytes = bytes;
    }
    SEG_TRY(seg_alloc(n, (size_t)w->label_bytes, &w->label));
    SEG_TRY(seg_alloc(n, sizeof *w->length, &w->length));
    for (int i = 0; i < n; i++) {
        char *begin = w->label + i * w->label_bytes, *to = begin;
        *to++ = ',';
        to = seg_csv_put_int(to, i);
        if (w->by_segment) {
            const char *name = segments->segment[i].name;
            *to++ = ',';
            to = seg_csv_put_text(to, name, strlen(name));
        }
        *to++ = '\n';
        w->length[i] = to - begin;
    }
    return SEG_OK;
}

/* Local. */
static seg_status writer_init(writer *w, scorer *s, const seg_output *out)
{
    *w = (writer) { .s = s, .by_segment = s->data[SCORE_SEGMENT] != NULL };
    SEG_TRY(seg_fault("score_csv", SEG_ERR_IO));
    SEG_TRY(make_labels(w));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS + 1, (size_t)(id_bytes(s) + w->label_bytes), &w->text));
    return seg_output_read(out, &w->in);
}

static void writer_release(writer *w)
{
    seg_input_close(w->in);
    seg_free(w->text);
    seg_free(w->label);
    seg_free(w->length);
}

/* Local.  Rows of the slice into the scorer's chunk; whole numbers as int64. */
static seg_status read_slice(const writer *w, int64_t first, int64_t n)
{
    const score_array *id = &w->s->array[SCORE_ID];
    const int array = w->by_segment ? SCORE_SEGMENT : SCORE_CLUSTER;
    const seg_type type = w->by_segment ? SEG_INT8 : w->s->array[SCORE_CLUSTER].type;

    SEG_TRY(seg_input_read(w->in, w->s->array[array].path, type, first, n, w->s->data[array]));
    if (id->row_bytes == 0) return SEG_OK;
    return seg_input_read(w->in, id->path, id->type == SEG_TEXT ? SEG_TEXT : SEG_INT64, first, n,
                          w->s->data[SCORE_ID]);
}

static int label_at(const writer *w, int64_t i)
{
    const char *cluster = w->s->data[SCORE_CLUSTER];

    if (w->by_segment) return w->s->data[SCORE_SEGMENT][i];
    return w->s->array[SCORE_CLUSTER].type == SEG_INT16
               ? ((const int16_t *)(const void *)cluster)[i]
               : ((const int32_t *)(const void *)cluster)[i];
}

static char *put_id(const writer *w, int64_t row, int64_t i, char *to)
{
    const score_array *a = &w->s->array[SCORE_ID];
    const char *ids = w->s->data[SCORE_ID];

    if (a->row_bytes == 0) return seg_csv_put_int(to, row + i + 1);
    if (a->type != SEG_TEXT) return seg_csv_put_int(to, ((const int64_t *)(const void *)ids)[i]);
    ids += i * a->row_bytes;
    return seg_csv_put_text(to, ids, strnlen(ids, (size_t)a->row_bytes));
}

static char *put_header(const writer *w, char *to)
{
    to = stpcpy(to, w->s->array[SCORE_ID].row_bytes > 0 ? "client_id" : "row");
    return stpcpy(to, w->by_segment ? ",segment,segment_name\n" : ",cluster\n");
}

/* Local.  The text of n rows, under the header at the head of the file; *bytes of it. */
static seg_status put_slice(writer *w, int64_t first, int64_t n, int64_t *bytes)
{
    char *to = first == 0 ? put_header(w, w->text) : w->text;

    *bytes = to - w->text;
    if (n <= 0) return SEG_OK;
    SEG_TRY(read_slice(w, first, n));
    for (int64_t i = 0; i < n; i++) {
        const int label = label_at(w, i);
        to = put_id(w, first, i, to);
        memcpy(to, w->label + label * w->label_bytes, (size_t)w->length[label]);
        to += w->length[label];
    }
    *bytes = to - w->text;
    return SEG_OK;
}

/* Collective. */
static seg_status write_rounds(seg_comm *comm, writer *w, seg_csv_output *csv)
{
    const int64_t n = seg_table_rows(w->s->scoring->table).total;
    const int64_t turn = SEG_SLICE_ROWS * seg_comm_size(comm);
    int64_t end = 0; /* of the file so far */

    for (int64_t start = 0; start == 0 || start < n; start += turn) {
        const int64_t first = start + SEG_SLICE_ROWS * seg_comm_rank(comm), left = n - first;
        int64_t bytes = 0;
        SEG_TRY(seg_agree(
            comm, put_slice(w, first, left < SEG_SLICE_ROWS ? left : SEG_SLICE_ROWS, &bytes)));
        int64_t before = bytes, all = bytes;
        seg_exscan_int64(comm, &before, 1);
        seg_sum_int64(comm, &all, 1);
        SEG_TRY(seg_csv_output_put(comm, csv, w->text, bytes, end + before));
        end += all;
    }
    return seg_csv_output_sync(comm, csv);
}

seg_status score_csv_write(seg_comm *comm, scorer *s, const seg_output *out, seg_csv_output *csv)
{
    seg_status status = SEG_OK;
    writer w = { 0 };

    SEG_TRY_OR_DONE(seg_agree(comm, writer_init(&w, s, out)));
    SEG_TRY_OR_DONE(write_rounds(comm, &w, csv));
done:
    writer_release(&w);
    return status;
}
