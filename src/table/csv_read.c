/* One record after the other, from any place in the files to the end of the last one. */
#include <stdio.h>
#include <string.h>

#include "csv_internal.h"

void csv_reader_init(const csv_plan *plan, const csv_start *start, csv_reader *reader)
{
    *reader = (csv_reader) { .plan = plan,
                             .window = CSV_WINDOW_EMPTY,
                             .file = start->file,
                             .offset = start->offset,
                             .line = start->line,
                             .record = start->record };
}

void csv_reader_release(csv_reader *reader)
{
    csv_window_release(&reader->window);
}

/* The place of the next record, in the next file with data if this one is at its end. */
static bool find_record(csv_reader *reader)
{
    const csv_plan *plan = reader->plan;

    while (reader->offset >= plan->files[reader->file].size) {
        if (reader->file + 1 == plan->n_files) return false;
        const csv_file *file = &plan->files[++reader->file];
        reader->offset = file->header + 1;
        reader->line = file->header_line + 1;
    }
    return true;
}

/* Reads more of the file until the record is whole. */
static seg_status parse(csv_reader *reader, double *row, csv_record *record, csv_verdict *verdict)
{
    const csv_plan *plan = reader->plan;
    bool extended = true;

    while (extended) {
        const csv_view view = csv_window_view(&reader->window, plan, reader->file, reader->offset);
        *verdict = csv_record_parse(plan->schema, view, row, record);
        if (*verdict != CSV_MORE) {
            reader->offset += record->next - view.at;
            return SEG_OK;
        }
        SEG_TRY(csv_window_extend(&reader->window, plan, reader->file, reader->offset, &extended));
    }
    return SEG_FAIL(SEG_ERR_DATA,
                    "line %lld begins a record of more than 16 MiB; is a quote not closed?",
                    (long long)reader->line);
}

static seg_status find_and_parse(csv_reader *reader, double *row, csv_record *record,
                                 csv_verdict *verdict)
{
    if (!find_record(reader))
        return SEG_FAIL(SEG_ERR_IO, "the data end too early; were they changed while being read?");
    return parse(reader, row, record, verdict);
}

/* The next record, good or bad. */
static seg_status step(csv_reader *reader, double *row, csv_record *record, csv_verdict *verdict)
{
    seg_status status = find_and_parse(reader, row, record, verdict);

    if (status != SEG_OK) {
        seg_error_while("reading '%s'", reader->plan->paths[reader->file]);
        return status;
    }
    record->line = reader->line;
    reader->line += record->lines;
    reader->record++;
    return SEG_OK;
}

seg_status csv_reader_next(csv_reader *reader, double *row, csv_record *record)
{
    csv_verdict verdict;
    char text[400];

    SEG_TRY(seg_fault("csv_parse", SEG_ERR_DATA));
    do
        SEG_TRY(step(reader, row, record, &verdict));
    while (verdict == CSV_BAD ? reader->plan->skip_bad
                              : csv_is_excluded(reader->plan->excluded, &record->id));
    if (verdict == CSV_GOOD) return SEG_OK;

    csv_record_complain(reader->plan->schema, record, text, sizeof text);
    seg_status status = SEG_FAIL(SEG_ERR_DATA, "%s", text);
    seg_error_while("reading '%s'", reader->plan->paths[reader->file]);
    return status;
}

/* The complaint names its file where there are several. */
seg_status csv_reader_next_bad(csv_reader *reader, double *row, char *text, size_t size)
{
    const csv_plan *plan = reader->plan;
    csv_verdict verdict;
    csv_record record;

    do
        SEG_TRY(step(reader, row, &record, &verdict));
    while (verdict != CSV_BAD);
    csv_record_complain(plan->schema, &record, text, size);
    const size_t length = strlen(text);
    if (plan->n_files > 1)
        snprintf(text + length, size - length, ", in '%s'", plan->paths[reader->file]);
    return SEG_OK;
}
