/* segmpi report: a model as a page, figures and a model card.  No MPI. */
#include <stdio.h>

#include "cli_internal.h"
#include "segmpi/report.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

static struct {
    const char *output, *scores, *compared;
} opts;

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FOLDER",
      .help = "the folder to write",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "scores",
      .argument = "FILE",
      .help = "show how clients who were scored with the model differ from its training base",
      .kind = CLI_FILE,
      .value = &opts.scores,
      .marks = CLI_HDF5 },
    { .name = "compare",
      .argument = "FILE",
      .help = "show drift and migration from this document (segmpi compare --json)",
      .kind = CLI_FILE,
      .value = &opts.compared },
};

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;
    const seg_page_opts page = { .folder = opts.output,
                                 .scores = opts.scores,
                                 .compared = opts.compared,
                                 .force = session->shared->force };
    char clean[4096];

    if (seg_error_rank() != 0) return SEG_OK; /* under a launcher */
    SEG_TRY_OR_DONE(seg_input_open(session->arguments[0], &in));
    SEG_TRY_OR_DONE(seg_report_page(in, &page));
    if (cli_shows_result(session))
        printf("%s/report.html\n", seg_text_clean(opts.output, clean, sizeof clean));
done:
    seg_input_close(in);
    return status;
}

const cli_command cli_report = {
    .name = "report",
    .summary = "writes a page, figures and a model card about a model",
    .synopsis = "MODEL -o FOLDER [OPTION...]",
    .text = "report.html opens anywhere, offline; figures/ holds its pictures as SVG, PNG\n"
            "and PDF with their numbers and scripts.  Groups of fewer than 10 clients are\n"
            "not shown.\n",
    .examples = "segmpi report model.h5 -o report\n"
                "segmpi report model.h5 -o report --scores scores.h5 --force\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_FORCE,
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
