/* segmpi import: CSV files to clients.h5. */
#include <limits.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/table.h"

static struct {
    const char *output, *columns, *exclude_columns;
    bool float32;
} opts;

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "the table to write",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "columns",
      .argument = "LIST",
      .help = "keep only these columns (names, comma-separated)",
      .kind = CLI_TEXT,
      .value = &opts.columns,
      .marks = CLI_RECORDED | CLI_COLUMN },
    { .name = "exclude-columns",
      .argument = "LIST",
      .help = "leave these columns out",
      .kind = CLI_TEXT,
      .value = &opts.exclude_columns,
      .marks = CLI_RECORDED | CLI_COLUMN },
    { .name = "float32",
      .help = "store values in single precision: half the size",
      .kind = CLI_FLAG,
      .value = &opts.float32,
      .marks = CLI_RECORDED },
};

static seg_json *summary_json(const seg_csv_summary *summary)
{
    seg_json *json = seg_json_object();

    seg_json_add_int(json, "n_clients", summary->rows);
    seg_json_add_int(json, "n_features", summary->d);
    seg_json_add_int(json, "missing_cells", summary->missing_cells);
    seg_json_add_int(json, "bad_rows", summary->bad_rows);
    seg_json_add_int(json, "excluded_rows", summary->excluded_rows);
    seg_json_add_int(json, "excluded_ids_not_found", summary->excluded_not_found);
    seg_json_add_int(json, "repeated_ids", summary->repeated_ids);
    seg_json_add_int(json, "csv_bytes", summary->bytes);
    seg_json_add_double(json, "parse_seconds", summary->parse_seconds);
    return json;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, session->shared->json };
    seg_csv_opts csv = *session->csv;
    seg_provenance provenance;
    seg_csv_summary summary = { 0 };
    seg_output *out = NULL;
    char *options = NULL;

    csv.n_paths = session->n_arguments;
    csv.paths = session->arguments;
    csv.columns = opts.columns;
    csv.exclude_columns = opts.exclude_columns;
    csv.float32 = opts.float32;
    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs));
    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "clients", session->shared->force, &out));
    SEG_TRY_OR_DONE(seg_csv_import(session->comm, &csv, &provenance, out, &summary));
    SEG_TRY_OR_DONE(
        cli_json_write(session, SEG_OK, cli_wants_json(session) ? summary_json(&summary) : NULL));
    if (cli_shows_result(session)) seg_report_import(opts.output, &summary);
done:
    seg_output_free(out);
    seg_free(options);
    return status;
}

const cli_command cli_import = {
    .name = "import",
    .summary = "reads CSV files in parallel and writes a table of clients",
    .synopsis = "CLIENTS.csv... -o clients.h5 [OPTION...]",
    .text = "Several files with the same header make one table.  Text columns are left out\n"
            "with a notice; client ids are kept apart from the features.\n",
    .examples = "mpirun -n 4 segmpi import clients.csv -o clients.h5\n"
                "segmpi import a.csv b.csv -o clients.h5 --delimiter semicolon --decimal ,\n"
                "segmpi import clients.csv -o clients.h5 --pseudonymize key.bin\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_CSV | CLI_PSEUDONYM,
    .least_arguments = 1,
    .most_arguments = INT_MAX,
    .needs_mpi = true,
    .run = run,
};
