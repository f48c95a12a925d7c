/* segmpi import: CSV files to clients.h5. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/table.h"

static struct {
    const char *output, *delimiter, *decimal, *thousands;
    seg_csv_opts csv;
} opts;

static seg_status accept_delimiter(const char *text)
{
    static const struct {
        const char *name;
        char character;
    } names[] = { { "comma", ',' }, { "semicolon", ';' }, { "tab", '\t' }, { "blanks", ' ' } };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].name) == 0) {
            opts.csv.delimiter = names[i].character;
            return SEG_OK;
        }
    if (strlen(text) != 1 || strchr("\"\r\n", text[0]))
        return SEG_FAIL(SEG_ERR_USAGE,
                        "--delimiter is one character, or comma, semicolon, tab or blanks");
    opts.csv.delimiter = text[0];
    return SEG_OK;
}

static seg_status accept_decimal(const char *text)
{
    if (strcmp(text, ".") != 0 && strcmp(text, ",") != 0)
        return SEG_FAIL(SEG_ERR_USAGE, "--decimal is . or ,");
    opts.csv.decimal = text[0];
    return SEG_OK;
}

static seg_status accept_thousands(const char *text)
{
    if (strlen(text) != 1 || !strchr(",. '_", text[0]))
        return SEG_FAIL(SEG_ERR_USAGE, "--thousands is , . ' _ or a blank");
    opts.csv.thousands = text[0];
    return SEG_OK;
}

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "the table to write",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "id-column",
      .argument = "NAME",
      .help = "column that identifies clients, '' for none (default: the first one, if its values "
              "are distinct)",
      .kind = CLI_TEXT,
      .value = &opts.csv.id_column,
      .marks = CLI_RECORDED },
    { .name = "columns",
      .argument = "LIST",
      .help = "keep only these columns (names, comma-separated)",
      .kind = CLI_TEXT,
      .value = &opts.csv.columns,
      .marks = CLI_RECORDED },
    { .name = "exclude-columns",
      .argument = "LIST",
      .help = "leave these columns out",
      .kind = CLI_TEXT,
      .value = &opts.csv.exclude_columns,
      .marks = CLI_RECORDED },
    { .name = "delimiter",
      .argument = "C",
      .help = "comma, semicolon, tab, blanks or a character (default: detected)",
      .kind = CLI_TEXT,
      .value = &opts.delimiter,
      .accept = accept_delimiter,
      .marks = CLI_RECORDED },
    { .name = "decimal",
      .argument = "C",
      .help = "decimal mark, . or , (default: detected)",
      .kind = CLI_TEXT,
      .value = &opts.decimal,
      .accept = accept_decimal,
      .marks = CLI_RECORDED },
    { .name = "thousands",
      .argument = "C",
      .help = "mark between groups of three digits: , . ' _ or a blank (default: none)",
      .kind = CLI_TEXT,
      .value = &opts.thousands,
      .accept = accept_thousands,
      .marks = CLI_RECORDED },
    { .name = "missing",
      .argument = "LIST",
      .help = "markers of missing cells besides empty, NA, NaN, ? and NULL",
      .kind = CLI_TEXT,
      .value = &opts.csv.missing,
      .marks = CLI_RECORDED },
    { .name = "skip-bad-rows",
      .argument = "N",
      .fallback = "0",
      .help = "leave out up to N rows that cannot be read, instead of ending at the first",
      .kind = CLI_COUNT,
      .value = &opts.csv.skip_bad_rows,
      .most = 9e18,
      .marks = CLI_RECORDED },
    { .name = "float32",
      .help = "store values in single precision: half the size",
      .kind = CLI_FLAG,
      .value = &opts.csv.float32,
      .marks = CLI_RECORDED },
};

static seg_json *summary_json(const seg_csv_summary *summary)
{
    seg_json *json = seg_json_object();

    seg_json_add_int(json, "n_clients", summary->rows);
    seg_json_add_int(json, "n_features", summary->d);
    seg_json_add_int(json, "missing_cells", summary->missing_cells);
    seg_json_add_int(json, "bad_rows", summary->bad_rows);
    seg_json_add_int(json, "csv_bytes", summary->bytes);
    seg_json_add_double(json, "parse_seconds", summary->parse_seconds);
    return json;
}

static seg_status check(const cli_session *session)
{
    const char delimiter = opts.csv.delimiter, decimal = opts.csv.decimal;
    const char thousands = opts.csv.thousands;

    (void)session;
    if (delimiter && delimiter == decimal)
        return SEG_FAIL(SEG_ERR_USAGE, "--delimiter and --decimal are the same character");
    if (thousands && thousands == delimiter)
        return SEG_FAIL(SEG_ERR_USAGE, "--delimiter and --thousands are the same character");
    if (thousands && thousands == decimal)
        return SEG_FAIL(SEG_ERR_USAGE, "--decimal and --thousands are the same character");
    if (thousands == '.' && delimiter == ',')
        return SEG_FAIL(SEG_ERR_USAGE,
                        "--thousands . makes the comma the decimal mark, but it is the delimiter");
    return SEG_OK;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, session->shared->json };
    seg_provenance provenance;
    seg_csv_summary summary = { 0 };
    seg_output *out = NULL;
    char *options = NULL;

    opts.csv.n_paths = session->n_arguments;
    opts.csv.paths = session->arguments;
    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs, opts.csv.n_paths, opts.csv.paths));
    SEG_TRY_OR_DONE(seg_agree(session->comm, cli_provenance_start(session, &provenance, &options)));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "clients", session->shared->force, &out));
    SEG_TRY_OR_DONE(seg_csv_import(session->comm, &opts.csv, &provenance, out, &summary));
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
            "with a notice; client ids are kept apart from the features.\n\n"
            "  mpirun -n 4 segmpi import clients.csv -o clients.h5\n"
            "  segmpi import a.csv b.csv -o clients.h5 --delimiter semicolon --decimal ,\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON,
    .least_arguments = 1,
    .most_arguments = INT_MAX,
    .check = check,
    .needs_mpi = true,
    .run = run,
};
