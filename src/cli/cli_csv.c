/* Options about CSV files that several commands share: their dialect, the ids, what is missing. */
#include <string.h>

#include "cli_internal.h"
#include "segmpi/text.h"

static struct {
    const char *delimiter, *decimal, *thousands;
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

const cli_shared_row cli_csv_rows[] = {
    { CLI_CSV,
      { .name = "id-column",
        .argument = "NAME",
        .help =
            "column that identifies clients, '' for none (default: the first one, if its values "
            "are distinct)",
        .kind = CLI_TEXT,
        .value = &opts.csv.id_column,
        .marks = CLI_RECORDED | CLI_COLUMN } },
    { CLI_CSV,
      { .name = "delimiter",
        .argument = "C",
        .choices = "comma semicolon tab blanks",
        .help = "comma, semicolon, tab, blanks or a character (default: detected)",
        .kind = CLI_TEXT,
        .value = &opts.delimiter,
        .accept = accept_delimiter,
        .marks = CLI_RECORDED } },
    { CLI_CSV,
      { .name = "decimal",
        .argument = "C",
        .choices = ". ,",
        .help = "decimal mark, . or , (default: detected)",
        .kind = CLI_TEXT,
        .value = &opts.decimal,
        .accept = accept_decimal,
        .marks = CLI_RECORDED } },
    { CLI_CSV,
      { .name = "thousands",
        .argument = "C",
        .help = "mark between groups of three digits: , . ' _ or a blank (default: none)",
        .kind = CLI_TEXT,
        .value = &opts.thousands,
        .accept = accept_thousands,
        .marks = CLI_RECORDED } },
    { CLI_CSV,
      { .name = "missing",
        .argument = "LIST",
        .help = "markers of missing cells besides empty, NA, NaN, ? and NULL",
        .kind = CLI_TEXT,
        .value = &opts.csv.missing,
        .marks = CLI_RECORDED } },
    { CLI_CSV,
      { .name = "skip-bad-rows",
        .argument = "N",
        .fallback = "0",
        .help = "leave out up to N rows that cannot be read, instead of ending at the first",
        .kind = CLI_COUNT,
        .value = &opts.csv.skip_bad_rows,
        .most = 9e18,
        .marks = CLI_RECORDED } },
    { CLI_PSEUDONYM,
      { .name = "pseudonymize",
        .argument = "KEYFILE",
        .help = "store ids as pseudonyms, HMAC-SHA-256 with the bytes of this file (mode 600, at "
                "least 16), of which only a fingerprint is stored",
        .kind = CLI_FILE,
        .value = &opts.csv.pseudonymize } },
    { CLI_CSV,
      { .name = "exclude-ids",
        .argument = "FILE",
        .help = "leave out clients who objected: their ids, one in a line, as they stand in the "
                "CSV; the "
                "first line may be the name of the column",
        .kind = CLI_FILE,
        .value = &opts.csv.exclude_ids } },
};

const int cli_n_csv_rows = (int)(sizeof cli_csv_rows / sizeof *cli_csv_rows);

const seg_csv_opts *cli_csv_complete(void)
{
    return &opts.csv;
}

/* An option that decides nothing is a misunderstanding, as are further tables. */
static seg_status check_effect(int n, const char *const *clients)
{
    const char *dataset = cli_source_of("dataset") == CLI_WORD ? "dataset" : NULL, *csv = NULL;
    char clean[200];

    for (int i = 0; i < cli_n_csv_rows; i++)
        if (cli_csv_rows[i].group == CLI_CSV && cli_source_of(cli_csv_rows[i].row.name) == CLI_WORD)
            csv = cli_csv_rows[i].row.name;
    if (!csv && !dataset && n == 1) return SEG_OK;
    const bool is_hdf5 = seg_table_is_hdf5(clients[0]);
    seg_text_clean(clients[is_hdf5 && n > 1], clean, sizeof clean);
    if (is_hdf5 && n > 1)
        return SEG_FAIL(SEG_ERR_USAGE, "'%s' is one word too many; only CSV files can be several",
                        clean);
    if (is_hdf5 && csv)
        return SEG_FAIL(SEG_ERR_USAGE,
                        "--%s is for CSV, and '%s' is HDF5 (--exclude-columns leaves out a column)",
                        csv, clean);
    if (!is_hdf5 && dataset)
        return SEG_FAIL(SEG_ERR_USAGE, "--%s is for HDF5, and '%s' is CSV", dataset, clean);
    return SEG_OK;
}

seg_status cli_csv_check(const cli_session *session)
{
    const char delimiter = opts.csv.delimiter, decimal = opts.csv.decimal;
    const char thousands = opts.csv.thousands;
    const int first = cli_clients_argument(session->command);

    SEG_TRY(check_effect(session->n_arguments - first, session->arguments + first));
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
