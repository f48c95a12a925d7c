/* What came after the model: a scoring, counted by the yardstick of the training base, and the
 * document of segmpi compare. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "page_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static int by_psi(const void *a, const void *b)
{
    const page_drift_row *x = a, *y = b;

    if (x->is_share != y->is_share) return x->is_share ? -1 : 1;
    return x->psi < y->psi ? 1 : x->psi > y->psi ? -1 : strcmp(x->name, y->name);
}

/* Those without an index are left out. */
static void add_row(page_drift *drift, const char *name, seg_psi psi, bool is_share)
{
    if (!isfinite(psi.psi)) return;
    page_drift_row *row = &drift->row[drift->n++];
    *row = (page_drift_row) { .psi = psi.psi, .critical = psi.critical, .is_share = is_share };
    seg_text_copy(row->name, sizeof row->name, name);
}

static void sort_rows(page_drift *drift)
{
    qsort(drift->row, (size_t)drift->n, sizeof *drift->row, by_psi);
}

/* ---- a document of segmpi compare ---- */

static seg_psi psi_of(const seg_json *entry)
{
    return (seg_psi) { seg_json_number(seg_json_get(entry, "psi")),
                       seg_json_number(seg_json_get(entry, "critical")) };
}

static bool is_count(const seg_json *json)
{
    double n = seg_json_number(json);

    return n >= 0 && n < 1e15;
}

/* Moves are absent, or counts throughout. */
static bool are_counts(const seg_json *migration)
{
    static const char *const sums[] = { "stayed", "moved", "entered", "left" };
    int n = seg_json_length(seg_json_get(migration, "names"));
    bool good = true;

    for (int i = 0; i < 4 && migration; i++)
        good = good && is_count(seg_json_get(migration, sums[i]));
    for (int from = 0; from < n; from++) {
        const seg_json *row = seg_json_item(seg_json_get(migration, "counts"), from);
        for (int to = 0; to < n; to++)
            good = good && is_count(seg_json_item(row, to));
    }
    return good;
}

/* A side at least was labelled by the model. */
static bool is_of_model(const seg_json *compared, const char *model_id)
{
    static const char *const sides[] = { "old", "new" };
    bool found = false;

    for (int s = 0; s < 2; s++) {
        const seg_json *side = seg_json_get(compared, sides[s]);
        found = found || strcmp(seg_json_string(seg_json_get(side, "model_id")), model_id) == 0;
    }
    return found;
}

static seg_status read_comparison(const char *path, page_data *data)
{
    char clean[400];

    SEG_TRY(seg_json_read(path, &data->compared));
    if (strcmp(seg_json_string(seg_json_get(data->compared, "format")), "comparison") != 0)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' is not a document of segmpi compare --json",
                        seg_text_clean(path, clean, sizeof clean));
    if (!is_of_model(data->compared, data->origin.model_id))
        return SEG_FAIL(SEG_ERR_DATA, "'%s' compares what other models than this one, %s, labelled",
                        seg_text_clean(path, clean, sizeof clean), data->origin.model_id);
    if (!are_counts(seg_json_get(data->compared, "migration")))
        return SEG_FAIL(SEG_ERR_DATA, "'%s': what should be a number of clients is none",
                        seg_text_clean(path, clean, sizeof clean));
    const seg_json *features = seg_json_get(data->compared, "features");
    int n = seg_json_length(features);
    page_drift *drift = &data->drift;
    SEG_TRY(seg_alloc((int64_t)n + 1, sizeof *drift->row, &drift->row));
    add_row(drift, "shares of segments", psi_of(seg_json_get(data->compared, "segment_share")),
            true);
    for (int i = 0; i < n; i++) {
        const seg_json *entry = seg_json_item(features, i);
        add_row(drift, seg_json_string(seg_json_get(entry, "name")), psi_of(entry), false);
    }
    sort_rows(drift);
    for (int side = 0; side < 2; side++)
        seg_text_copy(drift->base[side], sizeof drift->base[side],
                      seg_json_string(seg_json_get(
                          seg_json_get(data->compared, side == 0 ? "old" : "new"), "file")));
    return SEG_OK;
}

/* ---- scores.h5 ---- */

static seg_status drift_of_scores(const seg_reference *scored, page_data *data)
{
    const seg_reference *base = &data->model->reference;
    page_drift *drift = &data->drift;

    if (base->d != scored->d || base->n_segments != scored->n_segments) return SEG_OK;
    SEG_TRY(seg_alloc((int64_t)base->d + 1, sizeof *drift->row, &drift->row));
    if (base->n_segments > 0)
        add_row(drift, "shares of segments",
                seg_psi_of(base->n_segments, base->segment_count, scored->segment_count), true);
    for (int t = 0; t < base->d; t++)
        add_row(drift, base->names[t], seg_reference_psi(base, t, scored, t), false);
    sort_rows(drift);
    seg_text_copy(drift->base[0], sizeof drift->base[0], "the training base");
    seg_text_copy(drift->base[1], sizeof drift->base[1], data->scores.name);
    return SEG_OK;
}

static seg_status take_scores(seg_input *in, bool with_drift, page_data *data)
{
    page_scores *scores = &data->scores;
    char id[SEG_MODEL_ID] = "";
    seg_reference reference;

    SEG_TRY(seg_input_expect(in, "scores"));
    SEG_TRY(seg_input_attr_text(in, "", "model_id", id, sizeof id));
    if (strcmp(id, data->origin.model_id) != 0)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' was scored with another model (%s, not %s)",
                        seg_input_path(in), id, data->origin.model_id);
    if (seg_input_has_attr(in, "provenance/run", "created"))
        SEG_TRY(seg_input_attr_text(in, "provenance/run", "created", scores->created,
                                    sizeof scores->created));
    SEG_TRY(seg_reference_read(in, &reference));
    seg_status status = SEG_OK;
    if (reference.n_segments == data->s->n_segments && reference.n_segments > 0) {
        scores->n = reference.n;
        status = seg_alloc(reference.n_segments, sizeof *scores->size, &scores->size);
        for (int i = 0; status == SEG_OK && i < reference.n_segments; i++)
            scores->size[i] = reference.segment_count[i];
    }
    if (status == SEG_OK && with_drift) status = drift_of_scores(&reference, data);
    seg_reference_release(&reference);
    return status;
}

static seg_status read_scores(const char *path, bool with_drift, page_data *data)
{
    const char *slash = strrchr(path, '/');
    seg_input *in = NULL;

    seg_text_copy(data->scores.name, sizeof data->scores.name, slash ? slash + 1 : path);
    SEG_TRY(seg_input_open(path, &in));
    seg_status status = take_scores(in, with_drift, data);
    seg_input_close(in);
    return status;
}

seg_status page_change_read(const char *compared, const char *scores, page_data *data)
{
    if (compared) SEG_TRY(read_comparison(compared, data));
    if (scores) SEG_TRY(read_scores(scores, !compared, data));
    return SEG_OK;
}

void page_change_release(page_data *data)
{
    seg_json_free(data->compared);
    seg_free(data->drift.row);
    seg_free(data->scores.size);
}
