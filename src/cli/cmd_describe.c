/* segmpi describe: what a table looks like, before anything is learned from it. */
#include <limits.h>

#include "cli_internal.h"
#include "segmpi/describe.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static struct {
    const char *output;
    int64_t spearman_rows;
} opts;

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "write all figures to this HDF5 file; 'segmpi inspect' prints and draws it",
      .kind = CLI_FILE,
      .value = &opts.output },
    { .name = "spearman-rows",
      .argument = "N",
      .fallback = "1000000",
      .help = "clients in Spearman's correlation at most, a sample by row number where there are "
              "more; 0: leave it out",
      .kind = CLI_COUNT,
      .value = &opts.spearman_rows,
      .most = 1e9,
      .marks = CLI_RECORDED },
};

/* Collective. */
static seg_status write_file(cli_session *session, const cli_clients *clients, seg_table *table,
                             const seg_describe *d)
{
    seg_status status = SEG_OK, local = SEG_OK;
    seg_provenance provenance;
    seg_output *out = NULL;
    char *options = NULL;

    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    SEG_TRY_OR_DONE(cli_provenance_table(session, clients, table, &provenance));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "describe", session->shared->force, &out));
    local = seg_output_names(out, "feature", d->d, (const char *const *)d->names);
    if (local == SEG_OK) local = seg_describe_write(d, "", out);
    if (local == SEG_OK) local = seg_provenance_write(&provenance, out);
    SEG_TRY_OR_DONE(seg_output_commit(session->comm, out, local));
done:
    seg_output_free(out);
    seg_free(options);
    return status;
}

static void warn_infinite(const seg_describe *d)
{
    char count[32];

    if (d->infinite > 0)
        seg_log_warning("infinite cells are taken as missing: %s",
                        seg_text_count(d->infinite, count, sizeof count));
}

static void print_plan(const cli_session *session, const seg_table *table,
                       const seg_describe_opts *describe)
{
    int64_t n = seg_table_rows(table).total;
    int d = seg_table_columns(table);
    seg_plan plan = {
        .n = n,
        .d = d,
        .memory =
            SEG_PROGRAM_BYTES + seg_describe_memory(n, seg_comm_size(session->comm), d, describe),
        .output_bytes = seg_describe_bytes(d),
    };

    if (seg_comm_rank(session->comm) == 0) seg_report_plan(&plan);
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, session->shared->json };
    const seg_describe_opts describe = { .full = true,
                                         .spearman_rows = opts.spearman_rows,
                                         .seed = (uint64_t)session->shared->seed };
    cli_clients clients = { 0 };
    seg_table *table = NULL;
    seg_describe d = { 0 };

    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs));
    SEG_TRY_OR_DONE(
        cli_clients_open(session, opts.output, &session->method->table, NULL, &clients));
    SEG_TRY_OR_DONE(seg_table_open(session->comm, clients.path, &clients.table, &table));
    if (session->shared->dry_run) {
        print_plan(session, table, &describe);
        goto done;
    }
    SEG_TRY_OR_DONE(seg_describe_run(session->comm, table, &describe, &d));
    warn_infinite(&d);
    if (opts.output) SEG_TRY_OR_DONE(write_file(session, &clients, table, &d));
    SEG_TRY_OR_DONE(cli_json_write(session, SEG_OK,
                                   cli_wants_json(session) ? seg_report_describe_json(&d) : NULL));
    if (cli_shows_result(session)) seg_report_describe(&d);
done:
    seg_describe_release(&d);
    seg_table_free(table);
    cli_clients_release(session, &clients);
    return status;
}

const cli_command cli_describe = {
    .name = "describe",
    .summary = "looks at a table: distributions, outliers, gaps, correlations",
    .synopsis = "clients.h5|CLIENTS.csv... [-o describe.h5] [OPTION...]",
    .text = "Every figure is exact and the same bits on any number of ranks.  Missing cells\n"
            "are skipped, infinite ones count as missing; correlations are over the clients\n"
            "who have both columns.  Only Spearman's correlation of more than N clients\n"
            "rests on a sample, and says so.\n",
    .examples = "mpirun -n 4 segmpi describe clients.h5\n"
                "segmpi describe clients.h5 -o describe.h5 --json describe.json\n"
                "segmpi inspect --plot describe.h5\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_DRY_RUN | CLI_SEED |
              CLI_RECORD_HOST | CLI_COLUMNS | CLI_CSV,
    .least_arguments = 1,
    .most_arguments = INT_MAX,
    .needs_mpi = true,
    .run = run,
};
