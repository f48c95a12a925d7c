/* What is known before the clients are looked at: the columns, which of them are amounts, and the
 * catalog of segments. */
#include <string.h>

#include "segment_internal.h"
#include "segmpi/ini.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

/* Collective.  A text file that rank 0 reads, or the built-in text; owned by the caller. */
static seg_status load(seg_comm *comm, const char *path, const char *builtin, char **text)
{
    seg_status local = SEG_OK;
    int64_t size = 0;
    char *own = NULL;

    *text = NULL;
    if (!path) return seg_agree(comm, seg_text_duplicate(builtin, text));
    if (seg_comm_rank(comm) == 0) {
        local = seg_fault("guide_read", SEG_ERR_IO);
        if (local == SEG_OK) local = seg_ini_load(path, &own);
        size = local == SEG_OK ? (int64_t)strlen(own) + 1 : 0;
    }
    seg_status status = seg_agree(comm, local);
    if (status == SEG_OK) status = seg_gather_bytes(comm, own, size, text, &size);
    seg_free(own);
    return status;
}

/* Local.  The names of both tables' columns. */
static seg_status copy_columns(const seg_segments_input *in, seg_guide *guide)
{
    int d = seg_table_columns(in->table), extra = in->extra ? seg_table_columns(in->extra) : 0;

    SEG_TRY(seg_fault("guide_columns_alloc", SEG_ERR_MEMORY));
    if (in->previous) SEG_TRY(segment_match_columns(in->table, in->previous->prep, NULL));
    guide->n_features = d;
    guide->d = d + extra;
    SEG_TRY(seg_alloc(guide->d, sizeof *guide->amount, &guide->amount));
    SEG_TRY(seg_alloc(guide->d, sizeof *guide->name, &guide->name));
    for (int t = 0; t < guide->d; t++)
        guide->name[t] = t < d ? seg_table_names(in->table)[t] : seg_table_names(in->extra)[t - d];
    return SEG_OK;
}

/* Local. */
static seg_status parse(const seg_segments_opts *opts, const char *catalog, const char *schema,
                        seg_guide *guide)
{
    bool own = opts->catalog != NULL;

    if (catalog)
        SEG_TRY(catalog_parse(own ? opts->catalog : "built-in catalog", catalog, own, guide->d,
                              guide->name, &guide->catalog));
    SEG_TRY(catalog_amounts(opts->schema ? opts->schema : "built-in schema", schema,
                            guide->n_features, guide->name, guide->amount));
    for (int t = 0; t < guide->n_features; t++)
        guide->n_amounts += guide->amount[t];
    return SEG_OK;
}

seg_status seg_guide_load(seg_comm *comm, const seg_segments_input *in,
                          const seg_segments_opts *opts, seg_guide **out)
{
    seg_status status = SEG_OK;
    bool wanted = !opts->catalog || strcmp(opts->catalog, "none") != 0;
    char *catalog = NULL, *schema = NULL;
    seg_guide *guide = NULL;

    *out = NULL;
    SEG_TRY_OR_DONE(seg_agree(comm, seg_alloc(1, sizeof *guide, &guide)));
    SEG_TRY_OR_DONE(seg_agree(comm, copy_columns(in, guide)));
    if (wanted) SEG_TRY_OR_DONE(load(comm, opts->catalog, segment_builtin_catalog, &catalog));
    SEG_TRY_OR_DONE(load(comm, opts->schema, segment_builtin_schema, &schema));
    SEG_TRY_OR_DONE(seg_agree(comm, parse(opts, catalog, schema, guide)));
    *out = guide;
    guide = NULL;
done:
    seg_free(catalog);
    seg_free(schema);
    seg_guide_free(guide);
    return status;
}

void seg_guide_free(seg_guide *guide)
{
    if (!guide) return;
    catalog_release(&guide->catalog);
    seg_free(guide->amount);
    seg_free(guide->name);
    seg_free(guide);
}
