/* A model as one SELECT in standard SQL: the steps of the method are common table expressions, one
 * on the other.  A database computes in double throughout; the program rounds prepared values to
 * the grid of the matrix first, so clients between two clusters may fall on the other side. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/memory.h"
#include "segmpi/provenance.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define LARGEST "1.7976931348623157e308"
#define STEP    "segmpi_" /* a step of the name of a table would read itself */

/* A name in double quotes, or a text in single ones; the quote itself is doubled. */
static void put_quoted(FILE *out, char quote, const char *text)
{
    putc(quote, out);
    for (; *text; text++) {
        if (*text == quote) putc(quote, out);
        putc(*text, out);
    }
    putc(quote, out);
}

/* A name that may be made of parts: schema.table. */
static void put_table(FILE *out, const char *name)
{
    char part[256];

    for (size_t n; *name; name += n + (name[n] == '.')) {
        n = strcspn(name, ".");
        (void)snprintf(part, sizeof part, "%.*s", (int)n, name);
        put_quoted(out, '"', part);
        if (name[n] == '.') putc('.', out);
    }
}

/* All digits, and never an integer: databases divide those without a fraction. */
static void put_number(FILE *out, double value)
{
    char text[40];

    (void)snprintf(text, sizeof text, "%.17g", value);
    fprintf(out, value < 0 ? "(%s%s)" : "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

/* `materialized` keeps a planner from copying a step into each of its uses. */
static void begin_step(FILE *out, const char *name, const seg_sql_opts *opts)
{
    fprintf(out, "%s AS%s (\n  SELECT ", name, opts->materialized ? " MATERIALIZED" : "");
}

static void end_step(FILE *out, const char *from, bool last)
{
    fprintf(out, "\n  FROM %s\n)%s\n", from, last ? "" : ",");
}

/* ---- preparation ---- */

static void put_cells(FILE *out, const seg_prep *prep, const seg_sql_opts *opts)
{
    begin_step(out, STEP "cells", opts);
    put_quoted(out, '"', opts->id);
    fputs(" AS client_id", out);
    for (int t = 0; t < prep->d; t++) {
        fputs(",\n    CAST(", out);
        put_quoted(out, '"', prep->names[t]);
        fprintf(out, " AS DOUBLE PRECISION) AS x%d", t);
    }
    fputs("\n  FROM ", out);
    put_table(out, opts->table);
    fputs("\n),\n", out);
}

/* NULL is between nothing, and so are NaN and infinity. */
static void put_filled(FILE *out, const seg_prep *prep, const seg_sql_opts *opts)
{
    begin_step(out, STEP "filled", opts);
    fputs("client_id", out);
    for (int t = 0; t < prep->d; t++) {
        fprintf(out, ",\n    CASE WHEN x%d BETWEEN -" LARGEST " AND " LARGEST " THEN x%d ELSE ", t,
                t);
        put_number(out, prep->fill_value[t]);
        fprintf(out, " END AS x%d", t);
    }
    end_step(out, STEP "cells", false);
}

static void put_bound(FILE *out, int t, char sign, double bound)
{
    if (isinf(bound)) return;
    fprintf(out, " WHEN x%d %c ", t, sign);
    put_number(out, bound);
    fputs(" THEN ", out);
    put_number(out, bound);
}

static void put_capped(FILE *out, const seg_prep *prep, const seg_sql_opts *opts)
{
    begin_step(out, STEP "capped", opts);
    fputs("client_id", out);
    for (int t = 0; t < prep->d; t++) {
        if (isinf(prep->lower_bound[t]) && isinf(prep->upper_bound[t])) {
            fprintf(out, ",\n    x%d", t);
            continue;
        }
        fputs(",\n    CASE", out);
        put_bound(out, t, '<', prep->lower_bound[t]);
        put_bound(out, t, '>', prep->upper_bound[t]);
        fprintf(out, " ELSE x%d END AS x%d", t, t);
    }
    end_step(out, STEP "filled", false);
}

static void put_transformed(FILE *out, int transform, int t)
{
    if (transform == SEG_TRANSFORM_LOG1P)
        fprintf(out, "CASE WHEN x%d < 0 THEN -LN(1 - x%d) ELSE LN(1 + x%d) END", t, t, t);
    else if (transform == SEG_TRANSFORM_SQRT)
        fprintf(out, "CASE WHEN x%d < 0 THEN -SQRT(-x%d) ELSE SQRT(x%d) END", t, t, t);
    else
        fprintf(out, "x%d", t);
}

static void put_prepared(FILE *out, const seg_prep *prep, const seg_sql_opts *opts)
{
    begin_step(out, STEP "prepared", opts);
    fputs("client_id", out);
    for (int t = 0; t < prep->d; t++) {
        fputs(",\n    (", out);
        put_transformed(out, prep->transform[t], t);
        fputs(" - ", out);
        put_number(out, prep->mean[t]);
        fputs(") / ", out);
        put_number(out, prep->scale[t]);
        fprintf(out, " AS z%d", t);
    }
    end_step(out, STEP "capped", false);
}

/* ---- clusters ---- */

/* Principal components, where those were clustered. */
static void put_components(FILE *out, const seg_embedding *e, const seg_sql_opts *opts)
{
    begin_step(out, STEP "components", opts);
    fputs("client_id", out);
    for (int c = 0; c < e->d_out; c++) {
        fputs(",\n    (", out);
        for (int t = 0; t < e->d_in; t++) {
            fprintf(out, t > 0 ? "\n      + (z%d - " : "(z%d - ", t);
            put_number(out, e->pca.mean[t]);
            fputs(") * ", out);
            put_number(out, e->pca.components[(int64_t)c * e->d_in + t]);
        }
        fputs(") * ", out);
        put_number(out, e->whitening[c]);
        fprintf(out, " AS c%d", c);
    }
    end_step(out, STEP "prepared", false);
}

static void put_distances(FILE *out, const seg_kmeans *kmeans, bool embedded,
                          const seg_sql_opts *opts)
{
    const char letter = embedded ? 'c' : 'z';

    begin_step(out, STEP "distances", opts);
    fputs("client_id", out);
    for (int j = 0; j < kmeans->n_clusters; j++) {
        for (int t = 0; t < kmeans->d; t++) {
            double center = kmeans->cluster_centers[(int64_t)j * kmeans->d + t];
            fprintf(out, t > 0 ? "\n      + (%c%d - " : ",\n    (%c%d - ", letter, t);
            put_number(out, center);
            fprintf(out, ") * (%c%d - ", letter, t);
            put_number(out, center);
            putc(')', out);
        }
        fprintf(out, " AS d%d", j);
    }
    end_step(out, embedded ? STEP "components" : STEP "prepared", false);
}

/* The first cluster that no later one is nearer than: the nearest, ties to the lowest number. */
static void put_nearest(FILE *out, int k, const seg_sql_opts *opts)
{
    begin_step(out, STEP "labels", opts);
    fputs("client_id", out);
    fputs(k > 1 ? ",\n    CASE" : ",\n    ", out);
    for (int j = 0; j < k - 1; j++) {
        fputs("\n      WHEN", out);
        for (int other = j + 1; other < k; other++)
            fprintf(out, "%s d%d <= d%d", other > j + 1 ? " AND" : "", j, other);
        fprintf(out, " THEN %d", j);
    }
    fprintf(out, k > 1 ? "\n      ELSE %d END AS cluster_number" : "%d AS cluster_number", k - 1);
    end_step(out, STEP "distances", true);
}

/* ---- segments ---- */

static void put_segments(FILE *out, const seg_segments *s)
{
    if (s->n_segments == 0) return;
    fputs(",\n  CASE cluster_number", out);
    for (int j = 0; j < s->n_clusters; j++)
        fprintf(out, " WHEN %d THEN %d", j, s->cluster_to_segment[j]);
    fputs(" END AS segment_number,\n  CASE cluster_number", out);
    for (int j = 0; j < s->n_clusters; j++) {
        fprintf(out, "\n    WHEN %d THEN ", j);
        put_quoted(out, '\'', s->segment[s->cluster_to_segment[j]].name);
    }
    fputs(" END AS segment_name", out);
}

static void put_all(FILE *out, const seg_model *model, const char *model_id,
                    const seg_sql_opts *opts)
{
    bool embedded = model->embedding.opts.method == SEG_EMBED_PCA;
    char id[SEG_MODEL_ID]; /* without an end of the comment */

    fprintf(out,
            "-- Clusters and segments of clients by segmpi %s, model %s.\n"
            "-- Standard SQL: names in double quotes, texts without backslash escapes.\n"
            "WITH ",
            seg_version(), seg_text_clean(model_id, id, sizeof id));
    put_cells(out, &model->prep, opts);
    put_filled(out, &model->prep, opts);
    put_capped(out, &model->prep, opts);
    put_prepared(out, &model->prep, opts);
    if (embedded) put_components(out, &model->embedding, opts);
    put_distances(out, &model->kmeans, embedded, opts);
    put_nearest(out, model->kmeans.n_clusters, opts);
    fputs("SELECT client_id AS ", out);
    put_quoted(out, '"', opts->id);
    fputs(", cluster_number", out);
    put_segments(out, &model->segments);
    fputs("\nFROM " STEP "labels;\n", out);
}

seg_status seg_report_sql(const seg_model *model, const char *model_id, const seg_sql_opts *opts,
                          char **text)
{
    size_t size;

    *text = NULL;
    if (model->embedding.opts.method == SEG_EMBED_AUTOENCODER)
        return SEG_FAIL(SEG_ERR_DATA,
                        "the model clusters the code of an autoencoder, which is no SQL; use "
                        "'segmpi score', or fit with --embed none or --embed pca");
    FILE *out = open_memstream(text, &size);
    if (!out) return SEG_FAIL(SEG_ERR_MEMORY, "out of memory while writing SQL");
    put_all(out, model, model_id, opts);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed)
        return SEG_FAIL(SEG_ERR_MEMORY, "out of memory while writing SQL");
    return SEG_OK;
}
