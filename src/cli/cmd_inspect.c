/* segmpi inspect: prints a file for people, or checks it.  No MPI. */
#include <stdio.h>

#include "cli_internal.h"
#include "segmpi/columns.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

static struct {
    bool check, columns, provenance, plot;
} opts;

static const cli_option rows[] = {
    { .name = "check",
      .help = "read the whole file and compare all checksums",
      .kind = CLI_FLAG,
      .value = &opts.check },
    { .name = "columns",
      .help = "print the names of the columns, one in a line",
      .kind = CLI_FLAG,
      .value = &opts.columns },
    { .name = "provenance",
      .help = "print all that the file says about where it comes from",
      .kind = CLI_FLAG,
      .value = &opts.provenance },
    { .name = "plot",
      .help = "draw a description or an elbow in the terminal, by gnuplot",
      .kind = CLI_FLAG,
      .value = &opts.plot },
};

static seg_status check(seg_input *in)
{
    int64_t n_blocks;

    SEG_TRY(seg_input_check(in, &n_blocks));
    seg_report_check(in, n_blocks);
    return SEG_OK;
}

/* Names that would not be one line are cleaned. */
static seg_status print_columns(seg_input *in)
{
    char **names = NULL, clean[300];
    int n;

    SEG_TRY(seg_table_list(in, NULL, &n, &names));
    for (int t = 0; t < n; t++)
        puts(seg_text_clean(names[t], clean, sizeof clean));
    seg_free(names);
    return SEG_OK;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;

    SEG_TRY_OR_DONE(seg_input_open(session->arguments[0], &in));
    if (opts.check) SEG_TRY_OR_DONE(check(in));
    if (opts.columns) SEG_TRY_OR_DONE(print_columns(in));
    if (opts.provenance) SEG_TRY_OR_DONE(seg_report_provenance(in));
    if (opts.plot) SEG_TRY_OR_DONE(seg_report_plot(in));
    if (!opts.check && !opts.columns && !opts.provenance && !opts.plot)
        SEG_TRY_OR_DONE(seg_report_file(in));
done:
    seg_input_close(in);
    return status;
}

const cli_command cli_inspect = {
    .name = "inspect",
    .summary = "prints a table, a model or any HDF5 file for people, or checks it",
    .synopsis = "FILE [OPTION...]",
    .examples = "segmpi inspect model.h5\n"
                "segmpi inspect --check clients.h5\n"
                "segmpi inspect --plot elbow.h5\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
