/* CSV -> clients.h5 on all ranks: head, pass 1, pass 2. */
#include <stdio.h>
#include <string.h>

#include "csv_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/pseudonym.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

#define ROUND_BYTES  ((int64_t)2 << 20) /* of features, parsed and written at once */
#define ROUND_BLOCKS 64
#define ROUNDS       32                 /* between two agreements */
#define IDS_MOST     ((int64_t)4 << 20) /* that a rank compares at once */
#define BAD_SHOWN    5                  /* bad rows that are listed */
#define BAD_BYTES    400                /* of one complaint */

/* Everything that one import holds. */
typedef struct importer {
    seg_comm *comm;
    const seg_csv_opts *opts;
    csv_plan plan;
    csv_schema schema;
    csv_excluded excluded;
    seg_key key;       /* of pseudonyms */
    csv_start *starts; /* [ranks], owned */
    csv_total total;
    uint64_t fingerprint;
    int64_t bytes;

    /* pass 2 */
    csv_reader reader;
    int64_t first, end;  /* rows of this rank */
    int64_t round_rows;  /* rows that are parsed and written at once */
    bool id_texts;       /* ids are texts of total.id_width bytes */
    void *features;      /* of a round [rows][d], owned: double, or float with --float32 */
    double *row;         /* [d], owned */
    char *ids;           /* [rows], owned: int64_t or texts */
    int64_t *source_row; /* [rows], owned */
    int64_t missing;
    int64_t repeated;  /* ids */
    int64_t not_found; /* ids to exclude */
} importer;

static void import_release(importer *m)
{
    csv_reader_release(&m->reader);
    csv_schema_release(&m->schema);
    csv_excluded_release(&m->excluded);
    seg_key_forget(&m->key);
    seg_free(m->plan.files);
    seg_free(m->starts);
    seg_free(m->features);
    seg_free(m->row);
    seg_free(m->ids);
    seg_free(m->source_row);
}

/* ---- the head ---- */

/* Delimiters that cannot be told from numbers or quotes. */
static seg_status check_options(const seg_csv_opts *opts)
{
    const char c = opts->delimiter, decimal = opts->decimal;

    if (c != '\0' && strchr("\"\n\r.+-0123456789eE", c))
        return SEG_FAIL(SEG_ERR_USAGE, "the delimiter must not be part of a number, a quote or a "
                                       "line end");
    if (decimal != '\0' && decimal != '.' && decimal != ',')
        return SEG_FAIL(SEG_ERR_USAGE, "the decimal mark must be '.' or ','");
    if (c != '\0' && c == decimal)
        return SEG_FAIL(SEG_ERR_USAGE, "delimiter and decimal mark are both '%c'", c);
    return SEG_OK;
}

static seg_status import_init(importer *m)
{
    SEG_TRY(check_options(m->opts));
    SEG_TRY(seg_fault("csv_alloc", SEG_ERR_MEMORY));
    SEG_TRY(csv_missing_init(m->opts->missing, &m->schema.missing));
    SEG_TRY(seg_alloc(m->opts->n_paths, sizeof *m->plan.files, &m->plan.files));
    return seg_alloc(seg_comm_size(m->comm), sizeof *m->starts, &m->starts);
}

/* Rank 0: sizes, dialect, columns, headers. */
static seg_status read_heads(importer *m)
{
    csv_plan *plan = &m->plan;
    int64_t piece = 0;

    for (int i = 0; i < plan->n_files; i++) {
        csv_file *file = &plan->files[i];
        SEG_TRY(csv_file_measure(plan->paths[i], file));
        file->piece = piece;
        piece += (file->size + plan->piece_bytes - 1) / plan->piece_bytes;
    }
    return csv_schema_detect(plan, m->opts, &m->schema);
}

static seg_status share_heads(importer *m)
{
    const bool root = seg_comm_rank(m->comm) == 0;

    SEG_TRY(seg_agree(m->comm, root ? read_heads(m) : SEG_OK));
    SEG_TRY(csv_schema_bcast(m->comm, &m->schema));
    seg_bcast(m->comm, m->plan.files, m->plan.n_files * (int64_t)sizeof *m->plan.files);
    for (int i = 0; i < m->plan.n_files; i++)
        m->bytes += m->plan.files[i].disk_size;
    return SEG_OK;
}

/* ---- pass 1 ---- */

static seg_status gather_scans(importer *m, csv_scan *mine)
{
    const int ranks = seg_comm_size(m->comm);
    int64_t hash[2] = { mine->hash_low, mine->hash_high };
    seg_status status = SEG_OK;
    csv_scan *all = NULL;

    SEG_TRY_OR_DONE(seg_agree(m->comm, seg_alloc(ranks, sizeof *all, &all)));
    seg_gather_int64(m->comm, (const int64_t *)mine, CSV_SCAN_VALUES, (int64_t *)all);
    csv_scan_resolve(ranks, all, m->starts, &m->total);
    seg_sum_int64(m->comm, hash, 2);
    m->fingerprint = (uint64_t)hash[0] + ((uint64_t)hash[1] << 32);
done:
    seg_free(all);
    return status;
}

static seg_status count_rows(importer *m)
{
    const int64_t pieces = csv_plan_pieces(&m->plan), ranks = seg_comm_size(m->comm);
    const int64_t first = pieces * seg_comm_rank(m->comm) / ranks;
    const int64_t end = pieces * (seg_comm_rank(m->comm) + 1) / ranks;
    csv_scan scan;

    seg_phase_begin("counting rows");
    seg_phase_add_bytes((end - first) * m->plan.piece_bytes);
    seg_progress_begin("counting rows", (end - first) * m->plan.piece_bytes, "bytes");
    SEG_TRY(seg_agree(m->comm, csv_scan_pieces(&m->plan, first, end, &scan)));
    SEG_TRY(gather_scans(m, &scan));
    seg_progress_end(NULL);
    return SEG_OK;
}

/* ---- bad rows ---- */

/* This rank's share of the complaints about the first bad rows of all. */
static seg_status complain(importer *m, char *text, int64_t *size)
{
    const csv_start *mine = &m->starts[seg_comm_rank(m->comm)];
    seg_status status = SEG_OK;
    int64_t shown = 0;
    char line[BAD_BYTES] = "";
    csv_reader reader;

    *size = 0;
    SEG_TRY(seg_fault("csv_bad_rows", SEG_ERR_IO));
    for (int r = 0; r < seg_comm_rank(m->comm); r++)
        shown += m->starts[r].dropped - m->starts[r].excluded;
    csv_reader_init(&m->plan, mine, &reader);
    for (int64_t i = 0;
         i < mine->dropped - mine->excluded && shown + i < BAD_SHOWN && status == SEG_OK; i++) {
        status = csv_reader_next_bad(&reader, m->row, line, sizeof line);
        if (status != SEG_OK) break;
        memcpy(text + *size, line, sizeof line);
        *size += (int64_t)sizeof line;
    }
    csv_reader_release(&reader);
    return status;
}

/* All ranks have the same complaints, so they decide alike. */
static seg_status judge_bad_rows(importer *m, const char *lines, int64_t size)
{
    const long long bad = (long long)(m->total.dropped - m->total.excluded),
                    most = (long long)m->opts->skip_bad_rows;

    if (bad > most)
        return SEG_FAIL(SEG_ERR_DATA, "%lld bad row%s, --skip-bad-rows allows %lld; the first: %s",
                        bad, bad == 1 ? "" : "s", most, lines);
    seg_log_warning("left out %lld bad row%s:", bad, bad == 1 ? "" : "s");
    for (int64_t at = 0; at < size; at += BAD_BYTES)
        seg_log_warning("  %s", lines + at);
    return SEG_OK;
}

static seg_status report_bad_rows(importer *m)
{
    char mine[BAD_SHOWN * BAD_BYTES], *all = NULL;
    seg_status status = SEG_OK;
    int64_t size = 0, total = 0;

    if (m->total.dropped == m->total.excluded) return SEG_OK;
    SEG_TRY(seg_agree(m->comm, complain(m, mine, &size)));
    SEG_TRY_OR_DONE(seg_gather_bytes(m->comm, mine, size, &all, &total));
    SEG_TRY_OR_DONE(judge_bad_rows(m, all, total));
done:
    seg_free(all);
    return status;
}

/* ---- pass 2 ---- */

/* Blocks belong to the rank in whose range they begin. */
static int64_t next_block(const csv_plan *plan, int64_t row)
{
    return (row + plan->block_rows - 1) / plan->block_rows * plan->block_rows;
}

static void deal_rows(importer *m)
{
    const csv_start *mine = &m->starts[seg_comm_rank(m->comm)];
    const int64_t rows = m->total.records - m->total.dropped;
    const int64_t block_bytes = m->plan.block_rows * m->schema.d * (int64_t)sizeof(double);
    int64_t blocks = ROUND_BYTES / block_bytes;

    m->first = next_block(&m->plan, mine->row);
    m->end = next_block(&m->plan, mine->row + mine->records - mine->dropped);
    if (m->first > rows) m->first = rows;
    if (m->end > rows) m->end = rows;
    if (blocks > ROUND_BLOCKS) blocks = ROUND_BLOCKS;
    m->round_rows = (blocks > 1 ? blocks : 1) * m->plan.block_rows;
    m->id_texts = m->total.id_texts > 0;
    if (m->opts->pseudonymize) {
        m->id_texts = true;
        m->total.id_width = SEG_PSEUDONYM;
    }
}

static seg_status round_init(importer *m)
{
    const size_t id = m->id_texts ? (size_t)m->total.id_width : sizeof(int64_t);
    const size_t cell = m->opts->float32 ? sizeof(float) : sizeof(double);
    const int64_t mine = m->end - m->first, rows = mine < m->round_rows ? mine : m->round_rows;

    SEG_TRY(seg_fault("csv_round_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(rows * m->schema.d, cell, &m->features));
    SEG_TRY(seg_alloc(rows + 1, id, &m->ids));
    return seg_alloc(rows, sizeof *m->source_row, &m->source_row);
}

static seg_status declare(importer *m, const seg_provenance *provenance, seg_output *out)
{
    const csv_schema *schema = &m->schema;
    const seg_type type = m->opts->float32 ? SEG_FLOAT32 : SEG_FLOAT64;
    seg_status status = SEG_OK;
    const char **texts = NULL; /* names of the features, then their originals */

    SEG_TRY_OR_DONE(seg_alloc(2 * schema->d, sizeof *texts, &texts));
    for (int t = 0; t < schema->n; t++) {
        if (schema->target[t] < 0) continue;
        texts[schema->target[t]] = schema->names[t];
        texts[schema->d + schema->target[t]] = schema->originals[t];
    }
    SEG_TRY_OR_DONE(seg_output_dim(out, "client", m->total.records - m->total.dropped));
    SEG_TRY_OR_DONE(seg_output_names(out, "feature", schema->d, texts));
    SEG_TRY_OR_DONE(seg_output_texts(out, "feature_original", "feature", texts + schema->d));
    SEG_TRY_OR_DONE(seg_output_rows(out, "features", type, 0, "client,feature"));
    if (schema->id >= 0 && m->id_texts)
        SEG_TRY_OR_DONE(
            seg_output_rows(out, "ids/client_id", SEG_TEXT, (int)m->total.id_width, "client"));
    else if (schema->id >= 0)
        SEG_TRY_OR_DONE(seg_output_rows(out, "ids/client_id", SEG_INT64, 0, "client"));
    if (m->opts->pseudonymize)
        SEG_TRY_OR_DONE(seg_output_attr_text(out, "ids/client_id", SEG_PSEUDONYM_ATTRIBUTE,
                                             m->key.fingerprint));
    SEG_TRY_OR_DONE(seg_output_rows(out, "ids/source_row", SEG_INT64, 0, "client"));
    SEG_TRY_OR_DONE(seg_provenance_write(provenance, out));
done:
    seg_free(texts);
    return status;
}

static seg_status store_id(importer *m, const csv_cell *id, int64_t i)
{
    const int64_t width = m->id_texts ? m->total.id_width : (int64_t)sizeof(int64_t);
    char *to = m->ids + i * width, text[CSV_ID_MOST + 1];
    int64_t value = 0;
    bool same;

    memset(to, 0, (size_t)width);
    if (m->opts->pseudonymize) {
        if (!csv_cell_copy(id, text, sizeof text))
            return SEG_FAIL(SEG_ERR_IO, "an id is not what it was");
        return seg_pseudonym(&m->key, text, strlen(text), to);
    }
    if (m->id_texts) {
        same = csv_cell_copy(id, to, width + 1); /* the NUL falls on an id that is still to come */
    } else {
        same = csv_integer(id->text, id->length, &value);
        memcpy(to, &value, sizeof value);
    }
    if (same) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "an id is not what it was; were the data changed meanwhile?");
}

static seg_status parse_rows(importer *m, int64_t count)
{
    const int d = m->schema.d;
    csv_record record;

    for (int64_t i = 0; i < count; i++) {
        double *x = m->opts->float32 ? m->row : (double *)m->features + i * d;
        SEG_TRY(csv_reader_next(&m->reader, x, &record));
        if (m->opts->float32)
            for (int t = 0; t < d; t++)
                ((float *)m->features)[i * d + t] = (float)x[t];
        if (m->schema.id >= 0) SEG_TRY(store_id(m, &record.id, i));
        m->source_row[i] = m->reader.record - 1;
        m->missing += record.missing;
    }
    return SEG_OK;
}

/* Rows from the range's first record to the first block belong to the rank before. */
static seg_status skip_rows(importer *m)
{
    csv_record record;
    int64_t rows = m->first - m->starts[seg_comm_rank(m->comm)].row;

    if (m->first == m->end) return SEG_OK;
    while (rows-- > 0)
        SEG_TRY(csv_reader_next(&m->reader, m->row, &record));
    return SEG_OK;
}

static seg_status write_round(importer *m, int64_t first, int64_t count, seg_output *out)
{
    SEG_TRY(parse_rows(m, count));
    SEG_TRY(seg_output_write(out, "features", first, count, m->features));
    if (m->schema.id >= 0) SEG_TRY(seg_output_write(out, "ids/client_id", first, count, m->ids));
    return seg_output_write(out, "ids/source_row", first, count, m->source_row);
}

/* Rows [first, end) or as many of them as this rank has. */
static seg_status write_rounds(importer *m, int64_t first, int64_t end, seg_output *out)
{
    if (end > m->end) end = m->end;
    for (; first < end; first += m->round_rows) {
        const int64_t left = end - first;
        SEG_TRY(write_round(m, first, left < m->round_rows ? left : m->round_rows, out));
    }
    return SEG_OK;
}

/* All ranks agree as often as the one with the most rows, so that an error on one ends all soon;
 * but not in each round, or all of them would always write at the same time. */
static seg_status write_rows(importer *m, seg_output *out)
{
    const int64_t rows = m->total.records - m->total.dropped, step = ROUNDS * m->round_rows;
    int64_t most = m->end - m->first;

    seg_phase_begin("reading rows");
    seg_phase_add_bytes(m->bytes / seg_comm_size(m->comm));
    seg_progress_begin("reading rows", rows, "clients");
    seg_max_int64(m->comm, &most, 1);
    csv_reader_init(&m->plan, &m->starts[seg_comm_rank(m->comm)], &m->reader);
    SEG_TRY(seg_agree(m->comm, skip_rows(m)));
    for (int64_t done = 0; done < most; done += step) {
        const int64_t first = m->first + done;
        SEG_TRY(seg_agree(m->comm, write_rounds(m, first, first + step, out)));
        seg_progress_set((int64_t)((double)rows * (double)(done + step) / (double)most));
    }
    seg_progress_set(rows);
    seg_progress_end(NULL);
    seg_phase_end();
    seg_sum_int64(m->comm, &m->missing, 1);
    return SEG_OK;
}

/* ---- ids ---- */

/* Clients that share an id are told here, where it can still be mended. */
static seg_status compare_ids(importer *m, seg_output *out)
{
    seg_input *in = NULL;
    char n[32];

    if (m->schema.id < 0) return SEG_OK;
    seg_phase_begin("syncing");
    SEG_TRY(seg_output_end_rows(m->comm, out, SEG_OK));
    seg_status status = seg_agree(m->comm, seg_output_read(out, &in));
    if (status == SEG_OK) status = seg_ids_repeated(m->comm, in, IDS_MOST, &m->repeated);
    seg_input_close(in);
    if (status == SEG_OK && m->repeated > 0)
        seg_log_warning("%s client%s the id of an earlier one",
                        seg_text_count(m->repeated, n, sizeof n),
                        m->repeated == 1 ? " has" : "s have");
    return status;
}

/* ---- the whole ---- */

/* "a.csv, b.csv", or as many as fit. */
static void join_names(const seg_csv_opts *opts, char *to, size_t size)
{
    size_t used = 0;

    for (int i = 0; i < opts->n_paths && used + 1 < size; i++) {
        int n = snprintf(to + used, size - used, "%s%s", i > 0 ? ", " : "",
                         seg_text_base_name(opts->paths[i]));
        used += n > 0 ? (size_t)n : 0;
    }
    if (used >= size) memcpy(to + size - 4, "...", 4);
}

static void fill_provenance(const importer *m, const char *input_name, seg_provenance *provenance)
{
    provenance->input_name = input_name;
    provenance->input_bytes = m->bytes;
    provenance->input_fingerprint = m->fingerprint;
    provenance->rows_read = m->total.records;
    provenance->rows_kept = m->total.records - m->total.dropped;
    provenance->rows_dropped = m->total.dropped;
}

/* The key of pseudonyms and the clients who objected. */
static seg_status read_private(importer *m)
{
    const seg_csv_opts *opts = m->opts;

    if (m->schema.id < 0 && (opts->pseudonymize || opts->exclude_ids))
        return SEG_FAIL(SEG_ERR_USAGE, "there is no column of ids for --%s; --id-column names one",
                        opts->pseudonymize ? "pseudonymize" : "exclude-ids");
    if (opts->pseudonymize) SEG_TRY(seg_key_read(m->comm, opts->pseudonymize, &m->key));
    if (!opts->exclude_ids) return SEG_OK;
    m->plan.excluded = &m->excluded;
    return csv_excluded_read(m->comm, opts->exclude_ids, &m->schema, &m->excluded);
}

static seg_status import_files(importer *m, seg_provenance *provenance, seg_output *out)
{
    char names[1000];

    SEG_TRY(read_private(m));
    SEG_TRY(count_rows(m));
    SEG_TRY(seg_agree(m->comm, seg_alloc(m->schema.d, sizeof *m->row, &m->row)));
    SEG_TRY(report_bad_rows(m));
    m->not_found =
        csv_excluded_missed(m->comm, &m->excluded, m->starts[seg_comm_rank(m->comm)].kinds);
    if (m->total.records == m->total.dropped)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has no good data rows", m->plan.paths[0]);
    deal_rows(m);
    SEG_TRY(seg_agree(m->comm, round_init(m)));

    join_names(m->opts, names, sizeof names);
    fill_provenance(m, names, provenance);
    seg_status local = declare(m, provenance, out);
    provenance->input_name = seg_text_base_name(m->plan.paths[0]); /* `names` ends here */
    SEG_TRY(seg_output_start_rows(m->comm, out, local));
    return write_rows(m, out);
}

seg_status seg_csv_import(seg_comm *comm, const seg_csv_opts *opts, seg_provenance *provenance,
                          seg_output *out, seg_csv_summary *summary)
{
    importer m = { .comm = comm, .opts = opts, .reader = { .window = CSV_WINDOW_EMPTY } };
    seg_status status = SEG_OK;

    m.plan = (csv_plan) { .n_files = opts->n_paths,
                          .paths = opts->paths,
                          .schema = &m.schema,
                          .piece_bytes = CSV_PIECE,
                          .window_bytes = CSV_WINDOW,
                          .block_rows = SEG_BLOCK_ROWS,
                          .skip_bad = opts->skip_bad_rows > 0 };
    SEG_TRY_OR_DONE(seg_agree(comm, import_init(&m)));
    SEG_TRY_OR_DONE(share_heads(&m));
    double seconds = seg_time_now();
    SEG_TRY_OR_DONE(import_files(&m, provenance, out));
    seconds = seg_time_now() - seconds;
    seg_max_double(comm, &seconds, 1);
    SEG_TRY_OR_DONE(compare_ids(&m, out));
    seg_phase_begin("checking and syncing");
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, SEG_OK));
    seg_phase_end();
    *summary = (seg_csv_summary) { .rows = m.total.records - m.total.dropped,
                                   .bad_rows = m.total.dropped - m.total.excluded,
                                   .excluded_rows = m.total.excluded,
                                   .excluded_not_found = m.not_found,
                                   .missing_cells = m.missing,
                                   .repeated_ids = m.repeated,
                                   .d = m.schema.d,
                                   .bytes = m.bytes,
                                   .parse_seconds = seconds };
done:
    import_release(&m);
    return status;
}
