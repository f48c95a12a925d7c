/* The table: selected columns of an HDF5 file, read by row range into doubles.  Rank 0 looks
 * into the file; reading is local. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/stop.h"
#include "segmpi/table.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"
#include "table_internal.h"

#define COLUMN_PATH 1024 /* bytes of the path of a column in a group */

struct seg_table {
    seg_input *in;
    seg_source source; /* of the file; names are cut to the selected ones */
    seg_rows rows;
    int d;
    int *column;        /* [d] number in the file */
    bool whole;         /* all columns, in the order of the file */
    double *buffer;     /* one slice as it stands in the file: whole rows, or one column; owned */
    seg_shape id;       /* of ids as they are read */
    const seg_key *key; /* of pseudonyms to be made; NULL: none; borrowed */
    char pseudonym_key[SEG_KEY_FINGERPRINT]; /* "" if ids are what they were */
    int64_t infinite;
    int weight_column; /* number in the file; -1: none */
    char *weight_name; /* in a group of columns; owned */
    int32_t *weight;   /* [SEG_SLICE_ROWS] of the rows read last; owned */
};

/* Local.  The column of weights is no feature. */
static seg_status take_weights(seg_table *table, const char *weights, bool *keep)
{
    const char *const *names = (const char *const *)table->source.names;
    int t = 0, n_kept = 0;

    if (!weights) return SEG_OK;
    while (t < table->source.n && strcmp(names[t], weights) != 0)
        t++;
    if (t == table->source.n) return seg_columns_unknown(t, names, weights);
    keep[t] = false;
    for (int other = 0; other < table->source.n; other++)
        n_kept += keep[other];
    if (n_kept == 0)
        return SEG_FAIL(SEG_ERR_USAGE, "no column is left beside the weights '%s'", weights);
    table->weight_column = t;
    if (table->source.is_group) SEG_TRY(seg_text_duplicate(weights, &table->weight_name));
    return seg_alloc(SEG_SLICE_ROWS, sizeof *table->weight, &table->weight);
}

/* Local.  The columns that were asked for, in their order. */
static seg_status match_features(seg_table *table, const seg_table_opts *opts)
{
    seg_source *source = &table->source;
    char **names = NULL;

    SEG_TRY(seg_alloc(opts->n_features, sizeof *table->column, &table->column));
    SEG_TRY(seg_columns_match(source->n, (const char *const *)source->names, opts->n_features,
                              opts->features, table->column));
    SEG_TRY(seg_texts_duplicate(opts->n_features, opts->features, &names));
    seg_free(source->names);
    source->names = names;
    table->d = opts->n_features;
    return SEG_OK;
}

/* Local.  Keeps the selected columns. */
static seg_status select_columns(seg_table *table, const seg_table_opts *opts)
{
    seg_status status = SEG_OK;
    bool *keep = NULL;
    char **names = table->source.names;
    char shown[100];
    int n = table->source.n, first, second;

    SEG_TRY_OR_DONE(seg_columns_find_twins(n, (const char *const *)names, &first, &second));
    if (first >= 0)
        SEG_TRY_OR_DONE(SEG_FAIL(SEG_ERR_DATA, "two columns are named '%s'",
                                 seg_text_clean(names[first], shown, sizeof shown)));
    table->weight_column = -1;
    if (opts->n_features > 0) return match_features(table, opts);
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *keep, &keep));
    SEG_TRY_OR_DONE(seg_alloc(n, sizeof *table->column, &table->column));
    SEG_TRY_OR_DONE(seg_columns_select(n, (const char *const *)names, opts->columns,
                                       opts->exclude_columns, keep));
    SEG_TRY_OR_DONE(take_weights(table, opts->weights, keep));
    for (int t = 0; t < n; t++)
        if (keep[t]) {
            table->column[table->d] = t;
            names[table->d++] = names[t];
        }
done:
    seg_free(keep);
    return status;
}

/* Local.  Ids as they stand in the file, or pseudonyms of them. */
static seg_status choose_ids(seg_table *table, const char *path, const seg_key *key)
{
    char clean[200];

    table->id = table->source.id;
    memcpy(table->pseudonym_key, table->source.pseudonym_key, sizeof table->pseudonym_key);
    if (!key) return SEG_OK;
    (void)seg_text_clean(path, clean, sizeof clean);
    if (!table->source.has_ids)
        return SEG_FAIL(SEG_ERR_USAGE, "there are no ids in '%s' for --pseudonymize", clean);
    if (*table->pseudonym_key)
        return SEG_FAIL(SEG_ERR_USAGE, "the ids in '%s' are pseudonyms already", clean);
    table->key = key;
    table->id.type = SEG_TEXT;
    table->id.width = SEG_PSEUDONYM;
    memcpy(table->pseudonym_key, key->fingerprint, sizeof table->pseudonym_key);
    return SEG_OK;
}

/* Local.  What rank 0 finds in the file.  *out is the caller's to free, also on failure. */
static seg_status look(const char *path, const seg_table_opts *opts, bool root, seg_table **out)
{
    SEG_TRY(seg_fault("table_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(1, sizeof **out, out));
    seg_table *table = *out;
    SEG_TRY(seg_fault("table_open", SEG_ERR_IO));
    if (!root) return SEG_OK;
    SEG_TRY(seg_input_open(path, &table->in));
    return seg_source_find(table->in, opts->dataset, &table->source);
}

/* Local.  What every rank makes of it. */
static seg_status choose(seg_table *table, const char *path, const seg_table_opts *opts)
{
    SEG_TRY(seg_fault("table_choose", SEG_ERR_MEMORY));
    SEG_TRY(select_columns(table, opts));
    table->whole = table->d == table->source.n;
    for (int t = 0; t < table->d; t++)
        table->whole = table->whole && table->column[t] == t;
    SEG_TRY(
        seg_alloc(SEG_SLICE_ROWS,
                  (size_t)(table->source.is_group ? 1 : table->source.n) * sizeof *table->buffer,
                  &table->buffer));
    SEG_TRY(choose_ids(table, path, opts->key));
    /* Who names columns knows them.  Rank 0 has the file open. */
    if (!table->in || opts->columns || opts->n_features > 0 ||
        strcmp(seg_input_format(table->in), "clients") == 0)
        return SEG_OK;
    return seg_source_warn(table->in, &table->source, table->d, table->column, table->buffer);
}

/* Of a column in a group. */
static const char *path_of(const seg_source *source, const char *name, char path[COLUMN_PATH])
{
    (void)snprintf(path, COLUMN_PATH, "%s%s%s", source->path, *source->path ? "/" : "", name);
    return path;
}

/* Local.  The datasets whose rows the table reads: [*n], owned by the caller. */
static seg_status list_sets(const seg_table *table, int *n, char ***sets)
{
    const seg_source *source = &table->source;
    const int64_t most = (int64_t)table->d + 2;

    *n = 0;
    SEG_TRY(seg_fault("table_list", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(most, sizeof **sets + COLUMN_PATH, sets));
    char *path = (char *)(*sets + most);
    for (int64_t i = 0; i < most; i++)
        (*sets)[i] = path + i * COLUMN_PATH;
    for (int t = 0; source->is_group && t < table->d; t++)
        (void)path_of(source, source->names[t], (*sets)[(*n)++]);
    if (table->weight_name) (void)path_of(source, table->weight_name, (*sets)[(*n)++]);
    if (!source->is_group) (void)seg_text_copy((*sets)[(*n)++], COLUMN_PATH, source->path);
    if (source->has_ids) (void)seg_text_copy((*sets)[(*n)++], COLUMN_PATH, SEG_IDS);
    return SEG_OK;
}

/* Collective. */
static seg_status share_rows(seg_comm *comm, const char *path, seg_table *table)
{
    char **sets = NULL;
    int n;
    seg_status status = seg_agree(comm, list_sets(table, &n, &sets));

    if (status == SEG_OK)
        status = seg_input_share(comm, path, n, (const char *const *)sets, &table->in);
    seg_free(sets);
    return status;
}

seg_status seg_table_open(seg_comm *comm, const char *path, const seg_table_opts *opts,
                          seg_table **out)
{
    seg_status status = SEG_OK;
    seg_table *table = NULL;

    *out = NULL;
    SEG_TRY_OR_DONE(seg_agree(comm, look(path, opts, seg_comm_rank(comm) == 0, &table)));
    SEG_TRY_OR_DONE(seg_source_bcast(comm, &table->source));
    SEG_TRY_OR_DONE(seg_agree(comm, choose(table, path, opts)));
    SEG_TRY_OR_DONE(share_rows(comm, path, table));
    table->rows = seg_rows_of(table->source.rows, seg_comm_rank(comm), seg_comm_size(comm));
    *out = table;
    table = NULL;
done:
    seg_table_free(table);
    return status;
}

void seg_table_free(seg_table *table)
{
    if (!table) return;
    seg_input_close(table->in);
    seg_free(table->source.names);
    seg_free(table->column);
    seg_free(table->buffer);
    seg_free(table->weight_name);
    seg_free(table->weight);
    seg_free(table);
}

const char *seg_table_path(const seg_table *table)
{
    return seg_input_path(table->in);
}

seg_rows seg_table_rows(const seg_table *table)
{
    return table->rows;
}

int seg_table_columns(const seg_table *table)
{
    return table->d;
}

const char *const *seg_table_names(const seg_table *table)
{
    return (const char *const *)table->source.names;
}

bool seg_table_has_ids(const seg_table *table)
{
    return table->source.has_ids;
}

const int32_t *seg_table_weights(const seg_table *table)
{
    return table->weight;
}

bool seg_table_id_type(const seg_table *table, seg_type *type, int *width)
{
    *type = table->id.type;
    *width = table->id.width;
    return table->source.has_ids;
}

const char *seg_table_pseudonym_key(const seg_table *table)
{
    return table->pseudonym_key;
}

/* The pseudonym of an id as it stands in the file; numbers are written out. */
static seg_status make_pseudonym(const seg_table *table, const char *id, char *pseudonym)
{
    char digits[24];
    int64_t number;

    if (table->source.id.type == SEG_TEXT) {
        const char *end = memchr(id, '\0', (size_t)table->source.id.width);
        return seg_pseudonym(table->key, id,
                             end ? (size_t)(end - id) : (size_t)table->source.id.width, pseudonym);
    }
    memcpy(&number, id, sizeof number);
    (void)snprintf(digits, sizeof digits, "%" PRId64, number);
    return seg_pseudonym(table->key, digits, strlen(digits), pseudonym);
}

static seg_status read_pseudonyms(seg_table *table, int64_t first, int64_t count, char *ids)
{
    const bool text = table->source.id.type == SEG_TEXT;
    const int64_t width = text ? table->source.id.width : (int64_t)sizeof(int64_t);
    seg_status status = SEG_OK;
    char *stored = NULL;

    SEG_TRY_OR_DONE(seg_fault("ids_pseudonyms", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(count, (size_t)width, &stored));
    SEG_TRY_OR_DONE(
        seg_input_read(table->in, SEG_IDS, text ? SEG_TEXT : SEG_INT64, first, count, stored));
    for (int64_t i = 0; i < count; i++)
        SEG_TRY_OR_DONE(make_pseudonym(table, stored + i * width, ids + i * SEG_PSEUDONYM));
done:
    seg_free(stored);
    return status;
}

seg_status seg_table_read_ids(seg_table *table, int64_t first, int64_t count, void *ids)
{
    SEG_TRY(seg_fault("ids_read", SEG_ERR_IO));
    if (table->key) return read_pseudonyms(table, table->rows.first + first, count, ids);
    return seg_input_read(table->in, SEG_IDS, table->id.type, table->rows.first + first, count,
                          ids);
}

void seg_table_ahead(seg_table *table, int64_t first, int64_t count)
{
    const seg_source *source = &table->source;
    char path[COLUMN_PATH];
    seg_type type;
    int width;

    if (count > table->rows.count - first) count = table->rows.count - first;
    first += table->rows.first;
    if (seg_table_id_type(table, &type, &width)) seg_input_ahead(table->in, SEG_IDS, first, count);
    if (!source->is_group) seg_input_ahead(table->in, source->path, first, count);
    for (int t = 0; source->is_group && t < table->d; t++)
        seg_input_ahead(table->in, path_of(source, source->names[t], path), first, count);
}

int64_t seg_table_infinite(const seg_table *table)
{
    return table->infinite;
}

static seg_status read_rows(seg_table *table, int64_t first, int64_t count, double *x)
{
    const seg_source *source = &table->source;
    SEG_TRY(seg_input_read(table->in, source->path, SEG_FLOAT64, first, count,
                           table->whole ? x : table->buffer));
    if (table->whole) return SEG_OK;
    for (int64_t i = 0; i < count; i++)
        for (int t = 0; t < table->d; t++)
            x[i * table->d + t] = table->buffer[i * source->n + table->column[t]];
    return SEG_OK;
}

static seg_status read_columns(seg_table *table, int64_t first, int64_t count, double *x)
{
    const seg_source *source = &table->source;
    char path[COLUMN_PATH];

    for (int t = 0; t < table->d; t++) {
        SEG_TRY(seg_input_read(table->in, path_of(source, source->names[t], path), SEG_FLOAT64,
                               first, count, table->buffer));
        for (int64_t i = 0; i < count; i++)
            x[i * table->d + t] = table->buffer[i];
    }
    return SEG_OK;
}

/* The weights of `count` rows from row `row` of the file on: every stride-th value. */
static seg_status convert_weights(seg_table *table, int64_t row, int64_t count, const double *value,
                                  int64_t stride)
{
    for (int64_t i = 0; i < count; i++) {
        double weight = value[i * stride];
        if (!(weight >= 0 && weight <= INT32_MAX && weight == floor(weight)))
            return SEG_FAIL(SEG_ERR_DATA,
                            "the weight of row %lld is %g, expected a whole number from 0 to %d",
                            (long long)(row + i + 1), weight, INT32_MAX);
        table->weight[i] = (int32_t)weight;
    }
    return SEG_OK;
}

/* After read_rows() the buffer still holds whole rows, as a column was left out. */
static seg_status read_weights(seg_table *table, int64_t row, int64_t count)
{
    const seg_source *source = &table->source;
    char path[COLUMN_PATH];

    if (!source->is_group)
        return convert_weights(table, row, count, table->buffer + table->weight_column, source->n);
    SEG_TRY(seg_input_read(table->in, path_of(source, table->weight_name, path), SEG_FLOAT64, row,
                           count, table->buffer));
    return convert_weights(table, row, count, table->buffer, 1);
}

seg_status seg_table_read(seg_table *table, int64_t first, int64_t count, double *x)
{
    int64_t row = table->rows.first + first;

    SEG_ASSERT(count <= SEG_SLICE_ROWS && first + count <= table->rows.count);
    SEG_TRY(seg_fault("table_read", SEG_ERR_IO));
    SEG_TRY(seg_stop_check());
    if (table->source.is_group)
        SEG_TRY(read_columns(table, row, count, x));
    else
        SEG_TRY(read_rows(table, row, count, x));
    if (table->weight) SEG_TRY(read_weights(table, row, count));
    seg_phase_add_bytes(count * table->d * (int64_t)sizeof *x);
    seg_progress_read(count);
    for (int64_t cell = 0; cell < count * table->d; cell++)
        if (!isfinite(x[cell])) {
            table->infinite += !isnan(x[cell]);
            x[cell] = NAN; /* one bit pattern for all that is missing */
        }
    return SEG_OK;
}

/* Blocks are seeded with their first row; the halves of hashes cannot overflow when added. */
void seg_table_hash(const seg_table *table, int64_t first, int64_t count, const double *x,
                    int64_t sum[2])
{
    const int d = table->d;

    for (int64_t i = 0; i < count; i += SEG_BLOCK_ROWS) {
        int64_t n = count - i < SEG_BLOCK_ROWS ? count - i : SEG_BLOCK_ROWS;
        uint64_t hash = seg_hash(&x[i * d], (size_t)(n * d) * sizeof *x,
                                 (uint64_t)(table->rows.first + first + i));
        if (table->weight)
            hash = seg_hash(&table->weight[i], (size_t)n * sizeof *table->weight, hash);
        sum[0] += (int64_t)(hash >> 32);
        sum[1] += (int64_t)(hash & UINT32_MAX);
    }
}

/* Local. */
static seg_status hash_rows(seg_table *table, int64_t sum[2])
{
    seg_status status = SEG_OK;
    double *x = NULL;
    int d = table->d;

    SEG_TRY_OR_DONE(seg_fault("fingerprint_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(SEG_SLICE_ROWS, (size_t)d * sizeof *x, &x));
    for (int64_t at = 0; at < table->rows.count; at += SEG_SLICE_ROWS) {
        int64_t rest = table->rows.count - at,
                count = rest < SEG_SLICE_ROWS ? rest : SEG_SLICE_ROWS;
        SEG_TRY_OR_DONE(seg_table_read(table, at, count, x));
        seg_table_hash(table, at, count, x, sum);
    }
done:
    seg_free(x);
    return status;
}

uint64_t seg_table_fingerprint_of(seg_comm *comm, const seg_table *table, const int64_t sum[2])
{
    int64_t content[4] = { sum[0], sum[1], table->rows.total, table->d };

    seg_sum_int64(comm, content, 2);
    return seg_hash(content, sizeof content, 0);
}

seg_status seg_table_fingerprint(seg_comm *comm, seg_table *table, uint64_t *fingerprint)
{
    int64_t sum[2] = { 0, 0 };

    SEG_TRY(seg_agree(comm, hash_rows(table, sum)));
    *fingerprint = seg_table_fingerprint_of(comm, table, sum);
    return SEG_OK;
}
