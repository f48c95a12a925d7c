/* Which columns are numbers and which one is the id: rank 0 decides from the head of the files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "table_internal.h"

#define HEADER_BYTES  ((int64_t)64 << 10) /* read of a file that adds nothing to the sample */
#define FLOAT32_LIMIT 0x1.ffffffp127      /* rounds to infinity */

/* Cells of a column that are no numbers, but look as if they were meant so. */
typedef struct lookalikes {
    int64_t n, line; /* how many; where the first stands */
    char mark;       /* the thousands mark that makes a number of the first one; 0: none */
} lookalikes;

/* What the first records of the files hold. */
typedef struct sample {
    const csv_plan *plan;
    const seg_csv_opts *opts;
    csv_schema *schema;
    csv_window window;
    csv_cell *cells;          /* [n], owned */
    int64_t *filled, *number; /* [n], owned: cells that are not missing; those that are numbers */
    lookalikes *alike;        /* [n], owned */
    uint64_t *hashes;         /* [CSV_SAMPLE], owned: of the cells of the first column */
    int64_t records;
    int64_t empty;      /* cells of the first column */
    bool first_is_code; /* the first column has held texts and integers only */
} sample;

void csv_schema_release(csv_schema *schema)
{
    csv_missing_release(&schema->missing);
    seg_free(schema->target);
    seg_free(schema->names);
    *schema = (csv_schema) { 0 };
}

/* ---- names ---- */

static seg_status refuse_foreign(const char *path, const char *bytes, int64_t length)
{
    static const struct {
        const char *begin, *what;
    } foreign[] = { { "\xff\xfe", "is UTF-16 text; save it as UTF-8" },
                    { "\xfe\xff", "is UTF-16 text; save it as UTF-8" },
                    { "\x1f\x8b", "is compressed; unpack it first" },
                    { "\x28\xb5\x2f\xfd", "is compressed; unpack it first" },
                    { "PK\x03\x04", "is a spreadsheet or an archive; save it as CSV" },
                    { "PAR1", "is Parquet; bring it as CSV, by pandas for example" },
                    { "\x89HDF", "is an HDF5 file, which needs no import" } };

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        const size_t n = strlen(foreign[i].begin);
        if ((size_t)length >= n && memcmp(bytes, foreign[i].begin, n) == 0)
            return SEG_FAIL(SEG_ERR_DATA, "'%s' %s", path, foreign[i].what);
    }
    if (memchr(bytes, '\r', (size_t)length) && !memchr(bytes, '\n', (size_t)length))
        return SEG_FAIL(SEG_ERR_DATA,
                        "'%s' ends its lines with carriage returns only; convert it to line feeds",
                        path);
    return SEG_OK;
}

static seg_status refuse_header(const csv_record *record, const char *path)
{
    return SEG_FAIL(SEG_ERR_DATA, "line %lld: name %d of the header of '%s' %s",
                    (long long)record->flaw_lines + 1, record->flaw_column + 1, path,
                    record->flaw == CSV_NUL_BYTE     ? "holds a NUL byte"
                    : record->flaw == CSV_OPEN_QUOTE ? "opens a quote that is never closed"
                                                     : "has a quote inside");
}

/* The header's record: its number of cells and, of the first `most`, their places. */
static seg_status read_header(sample *s, int file, int64_t offset, int most, int *n,
                              csv_record *record)
{
    const char *path = s->plan->paths[file];
    bool extended = true;

    while (extended) {
        const csv_view view = csv_window_view(&s->window, s->plan, file, offset);
        csv_verdict verdict =
            csv_record_cells(&s->schema->dialect, view, most, s->cells, n, record);
        if (verdict == CSV_GOOD) return SEG_OK;
        if (verdict == CSV_BAD) return refuse_header(record, path);
        SEG_TRY(csv_window_extend(&s->window, s->plan, file, offset, &extended));
    }
    return SEG_FAIL(SEG_ERR_DATA, "the header of '%s' is longer than 16 MiB", path);
}

/* The bytes of a header cell as they stand; *at moves behind the delimiter after it. */
static csv_cell original_of(const csv_dialect *dialect, const csv_cell *cell, const char **at)
{
    const char *begin = *at, *end = cell->text + cell->length;

    if (dialect->delimiter == CSV_BLANKS) begin = cell->text - cell->quoted;
    if (cell->quoted) end = strchr(end, '"') + 1;
    while (!dialect->stops[(unsigned char)*end])
        end++;
    *at = end + 1;
    if (*end == '\n' && end > begin && end[-1] == '\r') end--;
    return (csv_cell) { .text = begin, .length = end - begin };
}

/* One block: pointers to names and originals, then their texts. */
static seg_status copy_names(csv_schema *schema, const csv_cell *cells, const char *begin,
                             int64_t length)
{
    const int n = schema->n;
    const char *at = begin;

    /* names and originals are parts of the header, each with a NUL more */
    const int64_t room = 2 * (length + n);
    SEG_TRY(seg_alloc(2 * n * (int64_t)sizeof(char *) + room, 1, &schema->names));
    schema->originals = schema->names + n;
    char *text = (char *)(schema->names + 2 * n);
    for (int t = 0; t < n; t++) {
        schema->names[t] = text;
        (void)csv_cell_copy(&cells[t], text, cells[t].length + 1);
        text += strlen(text) + 1;
    }
    for (int t = 0; t < n; t++) {
        const csv_cell original = original_of(&schema->dialect, &cells[t], &at);
        schema->originals[t] = text;
        (void)csv_cell_copy(&original, text, original.length + 1);
        text += original.length + 1;
    }
    return SEG_OK;
}

static seg_status check_name(const char *name, int t)
{
    if (name[0] == '\0')
        return SEG_FAIL(SEG_ERR_DATA, "line 1: column %d has no name; %s", t + 1,
                        t == 0 ? "give it one, or leave it out (pandas: to_csv(index=False))"
                               : "give it one");
    if (!csv_text_is_utf8(name, (int64_t)strlen(name)))
        return SEG_FAIL(SEG_ERR_DATA,
                        "line 1: the name of column %d is not UTF-8; convert the file", t + 1);
    return SEG_OK;
}

const char *csv_name_shown(const csv_schema *schema, int column, char *buffer, size_t size)
{
    char name[100];

    if (schema->nameless)
        (void)snprintf(buffer, size, "column %d", column + 1);
    else
        (void)snprintf(buffer, size, "'%s'",
                       seg_text_clean(schema->names[column], name, sizeof name));
    return buffer;
}

static seg_status check_names(csv_schema *schema)
{
    const char *const *names = (const char *const *)schema->names;
    int numbers = 0, first, second;
    char shown[110];
    double value;

    for (int t = 0; t < schema->n; t++) {
        SEG_TRY(check_name(names[t], t));
        numbers +=
            csv_dialect_number(&schema->dialect, names[t], (int64_t)strlen(names[t]), &value);
    }
    if (numbers == schema->n)
        return SEG_FAIL(SEG_ERR_DATA, "line 1 holds numbers, expected column names");
    schema->nameless = 2 * numbers > schema->n;
    if (schema->nameless)
        seg_log_warning("%d of %d names in line 1 are numbers: is the line of names missing?",
                        numbers, schema->n);
    SEG_TRY(seg_columns_find_twins(schema->n, names, &first, &second));
    if (first >= 0)
        return SEG_FAIL(SEG_ERR_DATA, "line 1: columns %d and %d are both named %s", first + 1,
                        second + 1, csv_name_shown(schema, first, shown, sizeof shown));
    return SEG_OK;
}

/* What another file calls its columns is not shown: where its line of names is missing these are
 * the cells of a client. */
static seg_status same_header(sample *s, int file, int n)
{
    char expected[110];

    if (n != s->schema->n)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has %d columns, but '%s' has %d", s->plan->paths[file],
                        n, s->plan->paths[0], s->schema->n);
    for (int t = 0; t < n; t++) {
        const csv_cell *cell = &s->cells[t];
        char *copy;

        SEG_TRY(seg_alloc(cell->length + 1, 1, &copy));
        (void)csv_cell_copy(cell, copy, cell->length + 1);
        const bool same = strcmp(copy, s->schema->names[t]) == 0;
        seg_free(copy);
        if (!same)
            return SEG_FAIL(SEG_ERR_DATA, "column %d of '%s' is not named %s as in '%s'", t + 1,
                            s->plan->paths[file],
                            csv_name_shown(s->schema, t, expected, sizeof expected),
                            s->plan->paths[0]);
    }
    return SEG_OK;
}

/* ---- the sample ---- */

static void judge_first(sample *s, const csv_cell *cell)
{
    double value;
    int64_t integer;
    csv_record record = { 0 };
    const bool number = csv_cell_judge(s->schema, cell, &value, &record) == CSV_GOOD;

    s->hashes[s->records] = seg_hash(cell->text, (size_t)cell->length, 0);
    s->empty += cell->length == 0;
    if (number && !csv_integer(cell->text, cell->length, &integer) &&
        memchr(cell->text, s->schema->dialect.decimal, (size_t)cell->length))
        s->first_is_code = false;
}

static void judge_cells(sample *s, int64_t line)
{
    for (int t = 0; t < s->schema->n; t++) {
        csv_record record = { 0 };
        double value;
        const bool number = csv_cell_judge(s->schema, &s->cells[t], &value, &record) == CSV_GOOD;
        s->number[t] += number && record.missing == 0;
        s->filled[t] += record.missing == 0;
        if (number || !csv_looks_numeric(&s->cells[t]) || s->alike[t].n++ > 0) continue;
        s->alike[t].line = line;
        s->alike[t].mark =
            csv_dialect_mark(&s->schema->dialect, s->cells[t].text, s->cells[t].length);
    }
    judge_first(s, &s->cells[0]);
    s->records++;
}

/* Records of a file from `offset` on, until the sample is full; those with mistakes are left to
 * pass 2. */
static seg_status sample_records(sample *s, int file, int64_t offset, int64_t line)
{
    csv_record record = { 0 };
    bool extended = true;

    while (extended && offset < s->plan->files[file].size && s->records < CSV_SAMPLE) {
        const csv_view view = csv_window_view(&s->window, s->plan, file, offset);
        int n = 0;
        csv_verdict verdict =
            csv_record_cells(&s->schema->dialect, view, s->schema->n, s->cells, &n, &record);
        if (verdict == CSV_MORE) {
            SEG_TRY(csv_window_extend(&s->window, s->plan, file, offset, &extended));
            continue;
        }
        if (verdict == CSV_GOOD && n == s->schema->n) judge_cells(s, line);
        offset += record.next - view.at;
        line += record.lines;
    }
    return SEG_OK;
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* An id is strictly distinct; a column that nearly is may be one with mistakes in it. */
static bool first_is_distinct(sample *s)
{
    int64_t wrong = s->empty;
    char name[110];

    qsort(s->hashes, (size_t)s->records, sizeof *s->hashes, compare_hashes);
    for (int64_t i = 1; i < s->records; i++)
        wrong += s->hashes[i] == s->hashes[i - 1];
    if (wrong > 0 && 10 * wrong < s->records)
        seg_log_warning("%s is a column like the others and not the id, as %lld of the first %lld "
                        "rows repeat one or have none; --id-column or --exclude-columns decides",
                        csv_name_shown(s->schema, 0, name, sizeof name), (long long)wrong,
                        (long long)s->records);
    return wrong == 0;
}

/* ---- columns ---- */

static seg_status find_id(const csv_schema *schema, const char *name, int *id)
{
    const char *const *names = (const char *const *)schema->names;

    for (*id = 0; *id < schema->n; ++*id)
        if (strcmp(names[*id], name) == 0) return SEG_OK;
    return seg_columns_unknown(schema->n, names, name);
}

/* The id that was asked for, or the first column if it looks like one and is no wanted feature. */
static seg_status choose_id(sample *s, const bool *keep)
{
    csv_schema *schema = s->schema;
    const seg_csv_opts *opts = s->opts;

    schema->id = -1;
    if (opts->id_column && opts->id_column[0] == '\0') return SEG_OK;
    if (opts->id_column) return find_id(schema, opts->id_column, &schema->id);
    if (schema->n == 1 || s->records == 0 || !s->first_is_code) return SEG_OK;
    if (opts->columns || opts->n_features > 0 ? keep[0] : !keep[0]) return SEG_OK;
    if (first_is_distinct(s)) schema->id = 0;
    return SEG_OK;
}

/* Values are not shown: they may be of a person. */
static void warn_of_number(const sample *s, int t)
{
    const lookalikes *alike = &s->alike[t];
    char name[110], remedy[70];

    if (2 * (s->number[t] + alike->n) <= s->filled[t]) return;
    seg_log_warning("%s is left out as text, though most of its cells look like numbers, first "
                    "line %lld, column %d; %s%s",
                    csv_name_shown(s->schema, t, name, sizeof name), (long long)alike->line, t + 1,
                    csv_mark_remedy(alike->mark, remedy, sizeof remedy),
                    alike->mark ? "" : "; signs such as % have to go");
}

/* A column is text if most of what it holds is no number; a few mistakes in numbers are not to
 * make a column disappear.  Columns that the user names are numbers. */
static void choose_features(sample *s, const bool *keep)
{
    csv_schema *schema = s->schema;
    const bool named = s->opts->columns || s->opts->n_features > 0;
    char list[600] = "", name[110];
    int texts = 0;

    schema->d = 0;
    for (int t = 0; t < schema->n; t++) {
        const bool text = 2 * s->number[t] < s->filled[t] && !named;
        schema->target[t] = CSV_SKIPPED;
        if (t == schema->id) {
            schema->target[t] = CSV_ID;
        } else if (keep[t] && !text) {
            schema->target[t] = schema->d++;
        } else if (keep[t]) {
            warn_of_number(s, t);
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", texts++ ? ", " : "",
                     csv_name_shown(schema, t, name, sizeof name));
        }
    }
    if (texts > 0)
        seg_log_note("left out %d text column%s: %s", texts, texts == 1 ? "" : "s", list);
    if (schema->id >= 0 && !s->opts->id_column)
        seg_log_note("clients are identified by %s",
                     csv_name_shown(schema, schema->id, name, sizeof name));
}

/* keep [n], all false, filled. */
static seg_status select_columns(const sample *s, bool *keep)
{
    const char *const *names = (const char *const *)s->schema->names;
    const seg_csv_opts *opts = s->opts;
    int *column = NULL;

    if (opts->n_features == 0)
        return seg_columns_select(s->schema->n, names, opts->columns, opts->exclude_columns, keep);
    SEG_TRY(seg_alloc(opts->n_features, sizeof *column, &column));
    seg_status status =
        seg_columns_match(s->schema->n, names, opts->n_features, opts->features, column);
    for (int t = 0; t < opts->n_features && status == SEG_OK; t++)
        keep[column[t]] = true;
    seg_free(column);
    return status;
}

static seg_status choose_columns(sample *s)
{
    csv_schema *schema = s->schema;
    seg_status status = SEG_OK;
    bool *keep = NULL;

    SEG_TRY_OR_DONE(seg_alloc(schema->n, sizeof *keep, &keep));
    SEG_TRY_OR_DONE(seg_alloc(schema->n, sizeof *schema->target, &schema->target));
    status = select_columns(s, keep);
    if (status == SEG_OK) status = choose_id(s, keep);
    if (status != SEG_OK && schema->nameless) { /* which suggests a name */
        seg_error_clear();
        status = SEG_FAIL(SEG_ERR_DATA, "line 1 does not name the columns that are asked for, but "
                                        "holds numbers; is the line of names missing?");
    }
    if (status != SEG_OK) goto done;
    choose_features(s, keep);
    if (schema->d == 0)
        status = SEG_FAIL(SEG_ERR_DATA, "'%s' has no numeric columns%s", s->plan->paths[0],
                          schema->n == 1 ? ", but one of text; is the delimiter right?" : "");
done:
    seg_free(keep);
    return status;
}

/* ---- the head of all files ---- */

/* The first file decides about dialect, number and names of the columns. */
static seg_status read_first_header(sample *s, int64_t offset, csv_record *record)
{
    csv_schema *schema = s->schema;
    const csv_view view = csv_window_view(&s->window, s->plan, 0, offset);

    csv_dialect_detect(view, s->opts, &schema->dialect);
    SEG_TRY(read_header(s, 0, offset, 0, &schema->n, record));
    if (schema->n > SEG_COLUMNS_MOST)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has %d columns, %d are the limit", s->plan->paths[0],
                        schema->n, SEG_COLUMNS_MOST);
    SEG_TRY(seg_alloc(schema->n, sizeof *s->cells, &s->cells));
    SEG_TRY(seg_alloc(schema->n, sizeof *s->filled, &s->filled));
    SEG_TRY(seg_alloc(schema->n, sizeof *s->number, &s->number));
    SEG_TRY(seg_alloc(schema->n, sizeof *s->alike, &s->alike));
    SEG_TRY(seg_alloc(CSV_SAMPLE, sizeof *s->hashes, &s->hashes));
    SEG_TRY(read_header(s, 0, offset, schema->n, &schema->n, record));
    const char *begin = csv_window_view(&s->window, s->plan, 0, offset).at;
    SEG_TRY(copy_names(schema, s->cells, begin, record->next - begin));
    return check_names(schema);
}

static seg_status read_head(sample *s, int index)
{
    const char *path = s->plan->paths[index];
    csv_file *file = &s->plan->files[index];
    csv_record record = { 0 };
    int n = 0;

    SEG_TRY(csv_window_read(&s->window, s->plan, index, 0,
                            s->records < CSV_SAMPLE ? s->plan->window_bytes : HEADER_BYTES));
    const csv_window *window = &s->window;
    SEG_TRY(refuse_foreign(path, window->bytes, window->length));
    const bool mark = window->length >= 3 && memcmp(window->bytes, "\xef\xbb\xbf", 3) == 0;
    const int64_t offset = mark ? 3 : 0;
    if (file->size == offset)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' has no data rows: it is empty", path);

    if (index == 0) {
        SEG_TRY(read_first_header(s, offset, &record));
    } else {
        SEG_TRY(read_header(s, index, offset, s->schema->n, &n, &record));
        SEG_TRY(same_header(s, index, n));
    }
    const int64_t next = window->base + (record.next - window->bytes);
    file->header = next < file->size ? next - 1 : file->size;
    file->header_line = record.lines;
    return sample_records(s, index, next, record.lines + 1);
}

static bool has_data(const csv_plan *plan)
{
    for (int i = 0; i < plan->n_files; i++)
        if (plan->files[i].header < plan->files[i].size) return true;
    return false;
}

seg_status csv_schema_detect(const csv_plan *plan, const seg_csv_opts *opts, csv_schema *schema)
{
    sample s = { .plan = plan,
                 .opts = opts,
                 .schema = schema,
                 .window = CSV_WINDOW_EMPTY,
                 .first_is_code = true };
    seg_status status = SEG_OK;

    schema->limit = opts->float32 ? FLOAT32_LIMIT : INFINITY;
    for (int i = 0; i < plan->n_files; i++) {
        status = seg_fault("csv_head", SEG_ERR_DATA);
        if (status == SEG_OK) status = read_head(&s, i);
        if (status != SEG_OK) seg_error_while("reading the head of '%s'", plan->paths[i]);
        if (status != SEG_OK) goto done;
    }
    if (!has_data(plan))
        SEG_TRY_OR_DONE(SEG_FAIL(SEG_ERR_DATA, "'%s' has no data rows", plan->paths[0]));
    csv_dialect_note(&schema->dialect);
    SEG_TRY_OR_DONE(choose_columns(&s));
done:
    csv_window_release(&s.window);
    seg_free(s.cells);
    seg_free(s.filled);
    seg_free(s.number);
    seg_free(s.alike);
    seg_free(s.hashes);
    return status;
}
