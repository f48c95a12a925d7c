/* Stable identity: all clients are put into the segments of an earlier model as well; segments that
 * share most of their clients are the same, and keep number and name. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"
#include "segmpi/stats.h"
#include "segmpi/text.h"

typedef struct matching {
    const seg_segments_input *in;
    const seg_segments *segments;
    const seg_previous *old;
    int d;            /* of the old model */
    int *column;      /* [d] of the table */
    double *x;        /* one slice as it stands in the table */
    double *z;        /* [SEG_SLICE_ROWS][d] */
    double *code;     /* [SEG_BLOCK_ROWS][columns of the old clusters] */
    float *work;      /* of the embedding; NULL: there is none */
    int64_t *overlap; /* [n_segments of this model][of the old one] */
} matching;

seg_status segment_match_columns(const seg_table *table, const seg_prep *prep, int *column)
{
    int width = seg_table_columns(table);
    char clean[100];

    for (int t = 0; t < prep->d; t++) {
        int at = 0;
        while (at < width && strcmp(seg_table_names(table)[at], prep->names[t]) != 0)
            at++;
        if (at == width)
            return SEG_FAIL(SEG_ERR_DATA,
                            "the model to match has a feature '%s', which the table does not have",
                            seg_text_clean(prep->names[t], clean, sizeof clean));
        if (column) column[t] = at;
    }
    return SEG_OK;
}

static seg_status matching_init(matching *m, int n_segments)
{
    int width = seg_table_columns(m->in->table);

    SEG_TRY(seg_fault("match_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(m->d, sizeof *m->column, &m->column));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)width * sizeof *m->x, &m->x));
    SEG_TRY(seg_alloc(SEG_SLICE_ROWS, (size_t)m->d * sizeof *m->z, &m->z));
    SEG_TRY(seg_alloc(n_segments, (size_t)m->old->segments->n_segments * sizeof *m->overlap,
                      &m->overlap));
    SEG_TRY(seg_alloc(SEG_BLOCK_ROWS, (size_t)m->old->kmeans->d * sizeof *m->code, &m->code));
    if (m->old->embedding->opts.method != SEG_EMBED_NONE)
        SEG_TRY(seg_embedding_workspace(m->old->embedding, &m->work));
    return segment_match_columns(m->in->table, m->old->prep, m->column);
}

static void matching_release(matching *m)
{
    seg_free(m->column);
    seg_free(m->x);
    seg_free(m->z);
    seg_free(m->code);
    seg_free(m->work);
    seg_free(m->overlap);
}

/* Segment of a client x [columns that were clustered] in the old model. */
static int old_segment(const matching *m, const double *x)
{
    const seg_kmeans *kmeans = m->old->kmeans;
    double best = INFINITY;
    int label = 0, d = kmeans->d;

    for (int j = 0; j < kmeans->n_clusters; j++) {
        double d2 = 0;
        for (int t = 0; t < d; t++) {
            double diff = x[t] - kmeans->cluster_centers[j * d + t];
            d2 += diff * diff;
        }
        if (d2 < best) {
            best = d2;
            label = j;
        }
    }
    return m->old->segments->cluster_to_segment[label];
}

/* n clients z [n][d] from local row `at` on, at most a block. */
static void count_block(const matching *m, int64_t at, int64_t n, const double *z)
{
    const int *segment = m->segments->cluster_to_segment;
    const double *x = m->work ? m->code : z;

    if (m->work) seg_embedding_rows(m->old->embedding, n, z, m->work, m->code, NULL);
    for (int64_t i = 0; i < n; i++) {
        int old = old_segment(m, &x[i * m->old->kmeans->d]);
        m->overlap[segment[m->in->kmeans->label[at + i]] * m->old->segments->n_segments + old] +=
            seg_matrix_weight(m->in->matrix, at + i);
    }
}

/* Local: this rank's rows. */
static seg_status count_overlap(const matching *m)
{
    seg_table *table = m->in->table;
    int64_t rows = seg_table_rows(table).count;
    int width = seg_table_columns(table);

    SEG_TRY(seg_fault("match_rows", SEG_ERR_IO));
    for (int64_t at = 0; at < rows; at += SEG_SLICE_ROWS) {
        int64_t n = rows - at < SEG_SLICE_ROWS ? rows - at : SEG_SLICE_ROWS;
        SEG_TRY(seg_table_read(table, at, n, m->x));
        for (int64_t i = 0; i < n; i++)
            for (int t = 0; t < m->d; t++)
                m->z[i * m->d + t] = m->x[i * width + m->column[t]];
        seg_prep_apply_rows(m->old->prep, n, m->z);
        for (int64_t i = 0; i < n; i += SEG_BLOCK_ROWS)
            count_block(m, at + i, n - i < SEG_BLOCK_ROWS ? n - i : SEG_BLOCK_ROWS,
                        &m->z[i * m->d]);
    }
    return SEG_OK;
}

/* Which old segment each new one is, -1: none, with Jaccard's index; work [assignment_size()]. */
static void pair_up(const matching *m, seg_segments *s, double *score, double *work)
{
    int n = s->n_segments, n_old = m->old->segments->n_segments, to[SEG_SEGMENTS_MAX];
    int64_t old_size[SEG_SEGMENTS_MAX] = { 0 }, stayed = 0, all = 0;

    for (int i = 0; i < n; i++)
        for (int j = 0; j < n_old; j++) {
            old_size[j] += m->overlap[i * n_old + j];
            all += m->overlap[i * n_old + j];
        }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n_old; j++) {
            int64_t common = m->overlap[i * n_old + j];
            int64_t either = s->segment[i].size + old_size[j] - common;
            score[i * n_old + j] = (double)common / (double)either;
        }
    (void)assignment_best(n, n_old, score, work, to);
    for (int i = 0; i < n; i++) {
        bool same = to[i] >= 0 && score[i * n_old + to[i]] >= MATCH_LEAST;
        s->segment[i].previous = same ? to[i] : -1;
        s->segment[i].overlap = to[i] >= 0 ? score[i * n_old + to[i]] : 0;
        if (same) stayed += m->overlap[i * n_old + to[i]];
    }
    s->match_share = (double)stayed / (double)all;
    s->match_rand = seg_adjusted_rand(n, n_old, m->overlap);
}

/* A segment that is an old one has its number, where there are so many; the others have those left,
 * by size. */
static void renumber(seg_segments *s)
{
    int number[SEG_SEGMENTS_MAX], n = s->n_segments, next = 0;
    bool taken[SEG_SEGMENTS_MAX] = { false };
    seg_segment before[SEG_SEGMENTS_MAX];

    memcpy(before, s->segment, (size_t)n * sizeof *before);
    for (int i = 0; i < n; i++)
        if (before[i].previous >= 0 && before[i].previous < n) taken[before[i].previous] = true;
    for (int i = 0; i < n; i++) {
        number[i] = before[i].previous;
        if (number[i] >= 0 && number[i] < n) continue;
        while (taken[next])
            next++;
        number[i] = next++;
    }
    for (int i = 0; i < n; i++)
        s->segment[number[i]] = before[i];
    for (int j = 0; j < s->n_clusters; j++)
        s->cluster_to_segment[j] = number[s->cluster_to_segment[j]];
}

/* Local. */
static seg_status match(const matching *m, seg_segments *s)
{
    seg_status status = SEG_OK;
    int n = s->n_segments, n_old = m->old->segments->n_segments;
    double *score = NULL, *work = NULL;

    SEG_TRY_OR_DONE(seg_alloc(n, (size_t)n_old * sizeof *score, &score));
    SEG_TRY_OR_DONE(seg_alloc(assignment_size(n, n_old), sizeof *work, &work));
    pair_up(m, s, score, work);
    renumber(s);
done:
    seg_free(score);
    seg_free(work);
    return status;
}

seg_status segment_match(seg_comm *comm, const seg_segments_input *in, seg_segments *segments)
{
    seg_status status = SEG_OK;
    matching m = {
        .in = in, .segments = segments, .old = in->previous, .d = in->previous->prep->d
    };

    SEG_TRY_OR_DONE(seg_agree(comm, matching_init(&m, segments->n_segments)));
    SEG_TRY_OR_DONE(seg_agree(comm, count_overlap(&m)));
    seg_sum_int64(comm, m.overlap, (int64_t)segments->n_segments * m.old->segments->n_segments);
    SEG_TRY_OR_DONE(seg_agree(comm, match(&m, segments)));
    memcpy(segments->matched, m.old->id, sizeof segments->matched);
done:
    matching_release(&m);
    return status;
}

void segment_keep_names(const seg_segments *old, seg_segments *segments)
{
    for (int i = 0; i < segments->n_segments; i++) {
        seg_segment *segment = &segments->segment[i];
        if (segment->previous < 0) continue;
        const seg_segment *before = &old->segment[segment->previous];
        if (strcmp(segment->name, before->name) != 0) segment->fit = NAN;
        memcpy(segment->name, before->name, sizeof before->name);
        memcpy(segment->description, before->description, sizeof before->description);
        memcpy(segment->recommendation, before->recommendation, sizeof before->recommendation);
    }
    for (int i = 0; i < segments->n_segments; i++)
        if (segments->segment[i].previous < 0 && segment_name_is_taken(segments, i))
            segment_make_name(segments, i);
}
