/* segmpi generate: synthetic card holders. */
#include <math.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/table.h"
#include "segmpi/text.h"

static struct {
    const char *output, *csv;
    int64_t n;
} opts;

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "the table to write",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "csv",
      .argument = "FILE",
      .help = "write the same clients as CSV too",
      .kind = CLI_FILE,
      .value = &opts.csv },
};

static seg_status check(const cli_session *session)
{
    const char *text = session->arguments[0];
    char clean[64];
    double number;

    if (!seg_text_int64(text, &opts.n)) {
        bool whole = seg_text_double(text, &number) && number >= 1 && number < 1e18 &&
                     floor(number) >= number;
        seg_text_clean(text, clean, sizeof clean);
        if (whole)
            return SEG_FAIL(SEG_ERR_USAGE,
                            "the number of clients is '%s', expected digits only: %.0f", clean,
                            number);
        return SEG_FAIL(SEG_ERR_USAGE, "the number of clients is '%s', expected a whole number",
                        clean);
    }
    if (opts.n > 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "the number of clients is %s, expected at least 1", text);
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, opts.csv };
    seg_provenance provenance;
    seg_output *out = NULL;
    char *options = NULL;

    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs));
    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "clients", session->shared->force, &out));
    SEG_TRY_OR_DONE(seg_generate(session->comm, opts.n, provenance.seed, &provenance, out, opts.csv,
                                 session->shared->force));
    if (cli_shows_result(session)) seg_report_generate(opts.output, opts.csv, opts.n);
done:
    seg_output_free(out);
    seg_free(options);
    return status;
}

const cli_command cli_generate = {
    .name = "generate",
    .summary = "makes a table of synthetic card holders, any number, in parallel",
    .synopsis = "N -o clients.h5 [OPTION...]",
    .text = "The same clients for any number of ranks.\n",
    .examples = "mpirun -n 4 segmpi generate 1000000 -o clients.h5\n"
                "segmpi generate 200000 -o clients.h5 --csv clients.csv --seed 7\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_SEED,
    .least_arguments = 1,
    .most_arguments = 1,
    .check = check,
    .needs_mpi = true,
    .run = run,
};
