/* segmpi export: the model in the words of other systems.  No MPI. */
#include <stdlib.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/report.h"
#include "segmpi/store.h"
#include "segmpi/text.h"

static struct {
    const char *path;
    seg_sql_opts sql;
} opts;

static seg_status accept_name(const char *text)
{
    if (*text && strlen(text) < 256) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "a name in SQL has 1 to 255 bytes");
}

static const cli_option rows[] = {
    { .name = "sql",
      .argument = "FILE",
      .help = "write the model as one SELECT; - prints it",
      .kind = CLI_FILE,
      .value = &opts.path,
      .marks = CLI_REQUIRED },
    { .name = "table",
      .argument = "NAME",
      .fallback = "clients",
      .help = "the table that it reads, with its schema if need be: bank.clients",
      .kind = CLI_TEXT,
      .value = &opts.sql.table,
      .accept = accept_name },
    { .name = "id",
      .argument = "COLUMN",
      .fallback = "client_id",
      .help = "the column that identifies clients",
      .kind = CLI_TEXT,
      .value = &opts.sql.id,
      .accept = accept_name },
    { .name = "materialized",
      .help = "write the steps AS MATERIALIZED: some thirty times faster in PostgreSQL and SQLite, "
              "which otherwise copy each step into all its uses; other databases may not take it",
      .kind = CLI_FLAG,
      .value = &opts.sql.materialized },
};

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    char id[SEG_MODEL_ID], *text = NULL;
    seg_model model = { 0 };

    if (seg_error_rank() != 0) return SEG_OK; /* under a launcher */
    SEG_TRY(cli_outputs_check(session, 1, &opts.path));
    SEG_TRY_OR_DONE(seg_model_load(session->arguments[0], &model, id));
    SEG_TRY_OR_DONE(seg_report_sql(&model, id, &opts.sql, &text));
    SEG_TRY_OR_DONE(seg_text_save(text, opts.path, session->shared->force));
done:
    free(text); /* of open_memstream() */
    seg_model_release(&model);
    return status;
}

const cli_command cli_export = {
    .name = "export",
    .summary = "writes a model as SQL, to label clients inside a database",
    .synopsis = "model.h5 --sql FILE [OPTION...]",
    .text = "One SELECT prepares every row of a table as the fit did and gives its cluster,\n"
            "segment and the segment's name.  Columns are found by name; NULL is a gap.\n"
            "A model on the code of an autoencoder cannot be written.\n",
    .examples = "segmpi export model.h5 --sql segments.sql --table bank.clients --id CUST_ID\n"
                "segmpi export model.h5 --sql - --materialized\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_FORCE,
    .least_arguments = 1,
    .most_arguments = 1,
    .run = run,
};
