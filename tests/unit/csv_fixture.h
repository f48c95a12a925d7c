/* CSV texts through all that an import does on its ranks, rank by rank in one process, without
 * files of HDF5: for unit tests and for the fuzzer. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/table/csv_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define CSV_FIXTURE_FILES 2

typedef struct csv_fixture {
    char paths[CSV_FIXTURE_FILES][256];
    const char *path_list[CSV_FIXTURE_FILES];
    csv_file files[CSV_FIXTURE_FILES];
    csv_plan plan;
    csv_schema schema;
} csv_fixture;

/* How the ranks share the work. */
typedef struct csv_cut {
    int ranks; /* 0: one for each piece */
    int64_t piece_bytes, window_bytes, block_rows;
} csv_cut;

static const csv_cut csv_uncut = { 1, CSV_PIECE, CSV_WINDOW, SEG_BLOCK_ROWS };

/* One client: its features [d], its id and line, its number in the files. */
typedef void (*csv_take)(void *context, const double *x, const csv_record *record,
                         int64_t source_row);

/* A new file with these bytes. */
static inline void csv_fixture_file(char *path, size_t size, const char *bytes, size_t length)
{
    const char *folder = getenv("TMPDIR");
    char stem[400];
    const int used = snprintf(stem, sizeof stem, "%s/segmpi-csv-", folder ? folder : "/tmp");
    const bool fits = used < (int)sizeof stem && seg_text_template(path, size, stem);
    const int descriptor = fits ? mkstemp(path) : -1;

    if (descriptor < 0 || write(descriptor, bytes, length) != (ssize_t)length) {
        perror(path);
        abort();
    }
    close(descriptor);
}

static inline void csv_fixture_add(csv_fixture *f, const char *bytes, size_t length)
{
    const int i = f->plan.n_files++;

    csv_fixture_file(f->paths[i], sizeof f->paths[i], bytes, length);
    f->path_list[i] = f->paths[i];
}

static inline void csv_fixture_cut(csv_fixture *f, const csv_cut *cut)
{
    int64_t piece = 0;

    f->plan.piece_bytes = cut->piece_bytes;
    f->plan.window_bytes = cut->window_bytes;
    f->plan.block_rows = cut->block_rows;
    for (int i = 0; i < f->plan.n_files; i++) {
        f->files[i].piece = piece;
        piece += (f->files[i].size + cut->piece_bytes - 1) / cut->piece_bytes;
    }
}

/* What rank 0 does: decides about the columns of the files that were added. */
static inline seg_status csv_fixture_detect(csv_fixture *f, const seg_csv_opts *opts)
{
    f->plan.paths = f->path_list;
    f->plan.files = f->files;
    f->plan.schema = &f->schema;
    f->plan.skip_bad = opts->skip_bad_rows > 0;
    for (int i = 0; i < f->plan.n_files; i++)
        SEG_TRY(csv_file_measure(f->plan.paths[i], &f->files[i]));
    csv_fixture_cut(f, &csv_uncut);
    SEG_TRY(csv_missing_init(opts->missing, &f->schema.missing));
    return csv_schema_detect(&f->plan, opts, &f->schema);
}

/* The second text may be NULL. */
static inline seg_status csv_fixture_init(csv_fixture *f, const seg_csv_opts *opts,
                                          const char *text, const char *second)
{
    *f = (csv_fixture) { .plan = { .n_files = 0 } };
    csv_fixture_add(f, text, strlen(text));
    if (second) csv_fixture_add(f, second, strlen(second));
    return csv_fixture_detect(f, opts);
}

static inline void csv_fixture_release(csv_fixture *f)
{
    csv_schema_release(&f->schema);
    for (int i = 0; i < f->plan.n_files; i++)
        unlink(f->paths[i]);
}

/* Pass 2 of one rank; *row counts the clients. */
static inline seg_status csv_fixture_read_rank(const csv_fixture *f, const csv_start *start,
                                               int64_t total, csv_take take, void *context,
                                               int64_t *row)
{
    const int64_t block = f->plan.block_rows;
    const int64_t first = (start->row + block - 1) / block * block;
    int64_t end = (start->row + start->records - start->dropped + block - 1) / block * block;
    seg_status status = SEG_OK;
    csv_reader reader;
    csv_record record = { 0 };
    double *x = NULL;

    csv_reader_init(&f->plan, start, &reader);
    if (end > total) end = total;
    SEG_TRY_OR_DONE(seg_alloc(f->schema.d, sizeof *x, &x));
    for (int64_t i = start->row; i < end && first < end; i++) {
        SEG_TRY_OR_DONE(csv_reader_next(&reader, x, &record));
        if (i < first) continue;
        if (i != (*row)++) abort(); /* dense, in order, none twice */
        take(context, x, &record, reader.record - 1);
    }
done:
    seg_free(x);
    csv_reader_release(&reader);
    return status;
}

/* Both passes of all ranks, in their order; *total filled. */
static inline seg_status csv_fixture_read(csv_fixture *f, const csv_cut *cut, csv_take take,
                                          void *context, csv_total *total)
{
    seg_status status = SEG_OK;
    csv_scan *scans = NULL;
    csv_start *starts = NULL;
    int64_t row = 0;

    csv_fixture_cut(f, cut);
    const int64_t pieces = csv_plan_pieces(&f->plan);
    const int ranks = cut->ranks > 0 ? cut->ranks : (int)pieces;

    SEG_TRY_OR_DONE(seg_alloc(ranks, sizeof *scans, &scans));
    SEG_TRY_OR_DONE(seg_alloc(ranks, sizeof *starts, &starts));
    for (int64_t r = 0; r < ranks; r++)
        SEG_TRY_OR_DONE(
            csv_scan_pieces(&f->plan, pieces * r / ranks, pieces * (r + 1) / ranks, &scans[r]));
    csv_scan_resolve(ranks, scans, starts, total);
    const int64_t rows = total->records - total->dropped;
    for (int r = 0; r < ranks; r++)
        SEG_TRY_OR_DONE(csv_fixture_read_rank(f, &starts[r], rows, take, context, &row));
    if (row != rows) abort();
done:
    seg_free(scans);
    seg_free(starts);
    return status;
}

/* The first features of a client, and its id. */
typedef struct csv_client {
    double x[2];
    char id[24];
    int64_t source_row, line;
} csv_client;

/* What came out of a text. */
typedef struct csv_clients {
    const csv_schema *schema;
    csv_client all[16];
    int64_t n;
    csv_total total;
} csv_clients;

static inline void csv_take_client(void *context, const double *x, const csv_record *record,
                                   int64_t source_row)
{
    csv_clients *c = context;
    csv_client *one = &c->all[c->n];

    if (++c->n > 16) abort();
    *one = (csv_client) { .source_row = source_row, .line = record->line };
    for (int t = 0; t < 2 && t < c->schema->d; t++)
        one->x[t] = x[t];
    if (c->schema->id >= 0 && !csv_cell_copy(&record->id, one->id, sizeof one->id)) abort();
}

static inline seg_status csv_fixture_clients(csv_fixture *f, const csv_cut *cut, csv_clients *c)
{
    *c = (csv_clients) { .schema = &f->schema };
    return csv_fixture_read(f, cut, csv_take_client, c, &c->total);
}
