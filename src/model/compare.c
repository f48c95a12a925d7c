/* Two scorings, or a model and a scoring, side by side. */
#include "segmpi/compare.h"

#include <math.h>
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/store.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

/* ---- one side ---- */

/* Where the labels of a side stand. */
static const char *segment_path(const seg_scored *side)
{
    return side->is_model ? "labels/segment" : "segment";
}

static seg_status check_format(seg_input *in, seg_scored *side)
{
    const char *format = seg_input_format(in);
    char clean[200];

    side->is_model = strcmp(format, "model") == 0;
    if (side->is_model || strcmp(format, "scores") == 0) return seg_input_expect(in, format);
    return SEG_FAIL(SEG_ERR_DATA,
                    "'%s' holds no scores; compare takes what 'segmpi score' writes, or a model",
                    seg_text_clean(seg_input_path(in), clean, sizeof clean));
}

static seg_status read_segments(seg_input *in, seg_scored *side)
{
    if (!seg_input_has(in, "segments/name")) return SEG_OK;
    SEG_TRY(seg_input_names(in, "segments/name", &side->n_segments, &side->segment_names));
    if (side->n_segments <= SEG_SEGMENTS_MAX) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "'%s' has %d segments, %d are the limit", seg_input_path(in),
                    side->n_segments, SEG_SEGMENTS_MAX);
}

/* Local.  All but the distances. */
static seg_status read_side(const char *path, seg_input **in, seg_scored *side)
{
    seg_shape shape;

    side->file = seg_text_base_name(path);
    SEG_TRY(seg_fault("compare_read", SEG_ERR_IO));
    SEG_TRY(seg_input_open(path, in));
    SEG_TRY(check_format(*in, side));
    SEG_TRY(seg_input_attr_text(*in, "", "model_id", side->model_id, sizeof side->model_id));
    if (seg_input_has_attr(*in, "provenance/run", "created"))
        SEG_TRY(seg_input_attr_text(*in, "provenance/run", "created", side->created,
                                    sizeof side->created));
    SEG_TRY(seg_input_shape(*in, side->is_model ? "labels/cluster" : "cluster", &shape));
    if (shape.rank != 1)
        return SEG_FAIL(SEG_ERR_DATA, "the labels in '%s' have the wrong shape", path);
    side->clients = shape.dim[0];
    if (seg_input_has_attr(*in, "ids/client_id", SEG_PSEUDONYM_ATTRIBUTE))
        SEG_TRY(seg_input_attr_text(*in, "ids/client_id", SEG_PSEUDONYM_ATTRIBUTE,
                                    side->pseudonym_key, sizeof side->pseudonym_key));
    SEG_TRY(read_segments(*in, side));
    return seg_reference_read(*in, &side->reference);
}

static void side_release(seg_scored *side)
{
    seg_free(side->segment_names);
    seg_reference_release(&side->reference);
}

/* ---- drift ---- */

/* Feature t of s by the same yardstick as that of r of the same name: its number there, or -1. */
static int same_feature(const seg_reference *r, const seg_reference *s, int t)
{
    for (int u = 0; u < r->d; u++)
        if (strcmp(r->names[u], s->names[t]) == 0) return u;
    return -1;
}

static bool same_edges(const seg_reference *r, int u, const seg_reference *s, int t)
{
    const int64_t edges = SEG_REFERENCE_BINS + 1;

    return memcmp(&r->bin_edges[u * edges], &s->bin_edges[t * edges],
                  (size_t)edges * sizeof(double)) == 0;
}

static seg_status compare_features(seg_comparison *c)
{
    const seg_reference *r = &c->side[0].reference, *s = &c->side[1].reference;

    SEG_TRY(seg_fault("compare_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(s->d, sizeof *c->feature, &c->feature));
    for (int t = 0; t < s->d; t++) {
        int u = same_feature(r, s, t);
        if (u < 0) continue;
        c->feature[c->d++] = (seg_feature_drift) {
            .name = s->names[t],
            .psi = same_edges(r, u, s, t) ? seg_reference_psi(r, u, s, t) : (seg_psi) { NAN, NAN },
        };
    }
    return SEG_OK;
}

/* By number; a segment that one side does not have has no clients there. */
static void compare_shares(seg_comparison *c)
{
    int64_t count[2][SEG_SEGMENTS_MAX] = { { 0 } };

    for (int s = 0; s < 2; s++)
        for (int j = 0; j < c->side[s].reference.n_segments; j++)
            count[s][j] = c->side[s].reference.segment_count[j];
    c->segment_share = seg_psi_of(seg_comparison_segments(c), count[0], count[1]);
}

/* ---- what the user must know ---- */

static void warn_models(const seg_comparison *c)
{
    const seg_scored *old = &c->side[0], *new = &c->side[1];
    const int n = old->n_segments < new->n_segments ? old->n_segments : new->n_segments;
    int renamed = 0;

    for (int j = 0; j < n; j++)
        renamed += strcmp(old->segment_names[j], new->segment_names[j]) != 0;
    if (strcmp(old->model_id, new->model_id) != 0)
        seg_log_warning("the labels come from two models; segments are compared by number, and "
                        "distances have two scales");
    if (renamed > 0 || old->n_segments != new->n_segments)
        seg_log_warning("segments of the same number have different names, or there are %d and %d; "
                        "--match keeps numbers when a model is fitted",
                        old->n_segments, new->n_segments);
}

static void warn_features(const seg_comparison *c)
{
    const seg_reference *r = &c->side[0].reference, *s = &c->side[1].reference;
    int other = 0, alone = r->d + s->d - 2 * c->d;

    for (int t = 0; t < c->d; t++)
        other += isnan(c->feature[t].psi.psi);
    if (r->d == 0 || s->d == 0)
        seg_log_warning("'%s' has no group 'reference', so the features are not compared; score "
                        "or fit again",
                        c->side[s->d == 0].file);
    else if (alone > 0)
        seg_log_warning("features that only one side has: %d", alone);
    if (other > 0)
        seg_log_warning("features that the two models cut at different deciles, so that they "
                        "cannot be compared: %d",
                        other);
}

/* ---- all of it ---- */

/* Collective. */
static seg_status migrate(seg_comm *comm, seg_input *const in[2], int64_t memory, seg_comparison *c)
{
    seg_labelled side[2];

    c->has_migration = true;
    for (int s = 0; s < 2; s++) {
        side[s] = (seg_labelled) { in[s], segment_path(&c->side[s]), c->side[s].clients };
        c->has_migration =
            c->has_migration && c->side[s].n_segments > 0 && seg_input_has(in[s], "ids/client_id");
    }
    if (!c->has_migration) return SEG_OK;
    if (strcmp(c->side[0].pseudonym_key, c->side[1].pseudonym_key) != 0)
        seg_log_warning("the ids are pseudonyms by different keys, or only on one side: nobody is "
                        "found again");
    return seg_migration_fit(comm, side, seg_comparison_segments(c), memory, &c->migration);
}

/* Local. */
static seg_status read_both(const char *const path[2], seg_input *in[2], seg_comparison *c)
{
    for (int s = 0; s < 2; s++)
        SEG_TRY(read_side(path[s], &in[s], &c->side[s]));
    SEG_TRY(compare_features(c));
    compare_shares(c);
    return SEG_OK;
}

/* Collective.  Ranks on different nodes may see other files under one name; all that follows takes
 * the same ones for granted. */
static seg_status check_same_files(seg_comm *comm, seg_input *const in[2], const seg_comparison *c)
{
    int64_t least[4] = { 0 }, most[4];
    seg_status local = SEG_OK;

    for (int s = 0; s < 2 && local == SEG_OK; s++) {
        char sum[64] = "";
        if (seg_input_has_attr(in[s], "", "content_checksum"))
            local = seg_input_attr_text(in[s], "", "content_checksum", sum, sizeof sum);
        least[2 * s] = c->side[s].clients;
        least[2 * s + 1] = (int64_t)(seg_hash(sum, strlen(sum), 0) >> 1);
    }
    SEG_TRY(seg_agree(comm, local));
    memcpy(most, least, sizeof most);
    seg_min_int64(comm, least, 4);
    seg_max_int64(comm, most, 4);
    if (memcmp(least, most, sizeof most) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "the ranks do not see the same files; put them on a file system "
                                  "that all nodes share");
}

seg_status seg_compare_run(seg_comm *comm, const char *const path[2], int64_t memory,
                           seg_comparison *c)
{
    seg_status status = SEG_OK;
    seg_input *in[2] = { NULL, NULL };

    *c = (seg_comparison) { 0 };
    seg_phase_begin("drift");
    SEG_TRY_OR_DONE(seg_agree(comm, read_both(path, in, c)));
    SEG_TRY_OR_DONE(check_same_files(comm, in, c));
    warn_models(c);
    warn_features(c);
    for (int s = 0; s < 2; s++)
        SEG_TRY_OR_DONE(seg_distances_read(comm, in[s],
                                           c->side[s].is_model ? "labels/distance" : "distance",
                                           c->side[s].clients, &c->side[s].distances));
    seg_phase_begin("migration");
    SEG_TRY_OR_DONE(migrate(comm, in, memory, c));
done:
    seg_phase_end();
    seg_input_close(in[0]);
    seg_input_close(in[1]);
    if (status != SEG_OK) seg_comparison_release(c);
    return status;
}

void seg_comparison_release(seg_comparison *c)
{
    side_release(&c->side[0]);
    side_release(&c->side[1]);
    seg_free(c->feature);
    seg_migration_release(&c->migration);
    *c = (seg_comparison) { 0 };
}

int seg_comparison_segments(const seg_comparison *c)
{
    int old = c->side[0].n_segments, new = c->side[1].n_segments;

    return old > new ? old : new;
}

const char *seg_comparison_name(const seg_comparison *c, int segment)
{
    return c->side[segment < c->side[1].n_segments].segment_names[segment];
}

double seg_comparison_worst(const seg_comparison *c, const char **what)
{
    double worst = c->segment_share.psi;

    *what = "segment shares";
    for (int t = 0; t < c->d; t++) {
        double psi = c->feature[t].psi.psi;
        if (isnan(psi) || psi <= worst) continue;
        worst = psi;
        *what = c->feature[t].name;
    }
    return worst;
}

bool seg_comparison_is_whole(const seg_comparison *c)
{
    if (c->d == 0 || c->d != c->side[0].reference.d || c->d != c->side[1].reference.d) return false;
    for (int t = 0; t < c->d; t++)
        if (isnan(c->feature[t].psi.psi)) return false;
    return !isnan(c->segment_share.psi);
}
