/* segmpi score: clients to labels, with the model of an earlier fit. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/score.h"
#include "segmpi/text.h"

static struct {
    const char *output, *csv;
    int components;
    bool allow_drift;
} opts;

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "the scores to write",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "csv",
      .argument = "FILE",
      .help = "write ids with number and name of the segment as CSV too",
      .kind = CLI_FILE,
      .value = &opts.csv },
    { .name = "components",
      .argument = "C",
      .fallback = "0",
      .help = "write the coordinates of each client on the first C principal components too",
      .kind = CLI_INT,
      .value = &opts.components,
      .most = 10000,
      .marks = CLI_RECORDED },
    { .name = "allow-drift",
      .help = "score columns that look as if they were in another unit than the training base",
      .kind = CLI_FLAG,
      .value = &opts.allow_drift,
      .marks = CLI_RECORDED },
};

/* What one run holds. */
typedef struct job {
    cli_session *session;
    seg_model model;
    char model_id[SEG_MODEL_ID];
    seg_output *out;
    cli_clients clients;
    char partial[4096]; /* what is kept of a run that is asked to stop */
    char identity[17];  /* hash of what they depend on */
    seg_key key;        /* of pseudonyms */
    seg_table *table;
} job;

/* Collective.  The model on every rank, and the same one. */
static seg_status open_model(job *j)
{
    seg_comm *comm = j->session->comm;

    SEG_TRY(
        seg_agree(comm, seg_score_model_open(j->session->arguments[0], &j->model, j->model_id)));
    int64_t least = (int64_t)(seg_hash(j->model_id, strlen(j->model_id), 0) >> 1), most = least;
    seg_min_int64(comm, &least, 1);
    seg_max_int64(comm, &most, 1);
    if (least != most)
        return SEG_FAIL(SEG_ERR_CONFIG,
                        "the ranks see different models named '%s'; put it on a file system that "
                        "all nodes share",
                        j->session->arguments[0]);
    if (opts.components > j->model.pca.n_components)
        return SEG_FAIL(SEG_ERR_USAGE, "--components is %d, the model has %d", opts.components,
                        j->model.pca.n_components);
    return SEG_OK;
}

/* ---- clients ---- */

/* Collective.  Pseudonyms of the ids of a table; those of CSV are made by its import. */
static seg_status read_key(job *j)
{
    const char *path = j->session->csv->pseudonymize;

    if (j->clients.is_csv || !path) return SEG_OK;
    SEG_TRY(seg_key_read(j->session->comm, path, &j->key));
    j->clients.table.key = &j->key;
    return SEG_OK;
}

/* Collective. */
static seg_status open_clients(job *j)
{
    const seg_table_opts wanted = { .dataset = j->session->method->table.dataset,
                                    .n_features = j->model.prep.d,
                                    .features = (const char *const *)j->model.prep.names };

    SEG_TRY(cli_clients_open(j->session, opts.output, &wanted, NULL, &j->clients));
    SEG_TRY(read_key(j));
    seg_status status =
        seg_table_open(j->session->comm, j->clients.path, &j->clients.table, &j->table);
    if (status != SEG_OK) seg_error_while("matching the clients with the model");
    return status;
}

/* ---- the run ---- */

/* Appends size and time of a file, which tell when it has changed. */
static void add_file(const char *path, char *text, size_t size)
{
    const size_t length = strlen(text);
    struct stat found;

    if (!path || stat(path, &found) != 0) return;
    (void)snprintf(text + length, size - length, " %lld bytes %lld.%09ld", (long long)found.st_size,
                   (long long)found.st_mtim.tv_sec, found.st_mtim.tv_nsec);
}

/* Local.  What the numbers depend on: program, BLAS, options, inputs and the key of pseudonyms, as
 * a hash. */
static seg_status make_identity(job *j, const seg_provenance *run)
{
    const cli_session *session = j->session;
    const char *blas = run->blas ? run->blas : "";
    const size_t length =
        strlen(seg_version()) + strlen(seg_version_source()) + strlen(blas) + strlen(run->options);
    const int64_t room = (int64_t)length + 80 * ((int64_t)session->n_arguments + 3);
    char *text = NULL;

    if ((size_t)snprintf(j->partial, sizeof j->partial, "%s.partial", opts.output) >=
        sizeof j->partial)
        return SEG_FAIL(SEG_ERR_CANTCREATE, "the name of the output is too long");
    SEG_TRY(seg_alloc(room, 1, &text));
    (void)snprintf(text, (size_t)room, "%s %s %s %s %s", seg_version(), seg_version_source(), blas,
                   run->options, seg_table_pseudonym_key(j->table));
    for (int i = 1; i < session->n_arguments; i++)
        add_file(session->arguments[i], text, (size_t)room);
    add_file(session->csv->exclude_ids, text, (size_t)room);
    (void)snprintf(j->identity, sizeof j->identity, "%016" PRIx64, seg_hash(text, strlen(text), 0));
    seg_free(text);
    return SEG_OK;
}

static seg_scoring scoring_of(const job *j)
{
    return (seg_scoring) { .model = &j->model,
                           .model_id = j->model_id,
                           .table = j->table,
                           .components = opts.components,
                           .csv_path = opts.csv,
                           .force = j->session->shared->force,
                           .partial_path = j->partial,
                           .identity = j->identity,
                           .resume = j->session->shared->resume,
                           .allow_drift = opts.allow_drift };
}

static seg_status score(job *j, seg_score_summary *summary)
{
    cli_session *session = j->session;
    seg_status status = SEG_OK;
    seg_provenance provenance;
    char *options = NULL;

    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    SEG_TRY_OR_DONE(seg_agree(session->comm, make_identity(j, &provenance)));
    cli_provenance_input(session->arguments[1], &provenance);
    const seg_scoring scoring = scoring_of(j);
    SEG_TRY_OR_DONE(
        seg_score_run(session->comm, session->kernels, &scoring, &provenance, j->out, summary));
done:
    seg_free(options);
    return status;
}

static void print_plan(const job *j)
{
    const seg_scoring scoring = scoring_of(j);
    const seg_plan plan = seg_score_plan(&scoring);

    if (seg_comm_rank(j->session->comm) == 0) seg_report_plan(&plan);
}

/* Collective.  Everything is released before the imported table goes. */
static void job_release(job *j)
{
    seg_table_free(j->table);
    seg_output_free(j->out);
    cli_clients_release(j->session, &j->clients);
    seg_model_release(&j->model);
    seg_key_forget(&j->key);
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, session->shared->json, opts.csv };
    seg_score_summary summary = { 0 };
    job j = { .session = session };

    SEG_TRY_OR_DONE(cli_outputs_check(session, 3, outputs));
    SEG_TRY_OR_DONE(open_model(&j));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "scores", session->shared->force, &j.out));
    SEG_TRY_OR_DONE(open_clients(&j));
    if (session->shared->dry_run) {
        print_plan(&j);
        goto done;
    }
    SEG_TRY_OR_DONE(score(&j, &summary));
    SEG_TRY_OR_DONE(
        cli_json_write(session, SEG_OK,
                       cli_wants_json(session) ? seg_report_score_json(&j.model, &summary) : NULL));
    if (cli_shows_result(session)) seg_report_score(opts.output, opts.csv, &j.model, &summary);
done:
    job_release(&j);
    seg_score_summary_release(&summary);
    return status;
}

const cli_command cli_score = {
    .name = "score",
    .summary = "labels clients with a model",
    .synopsis = "model.h5 clients.h5|CLIENTS.csv... -o scores.h5 [OPTION...]",
    .text = "Nothing is learned: for the clients that the model was made from these are the\n"
            "labels of the fit.  Columns are matched by name; others are ignored.  Memory\n"
            "does not grow with the number of clients.\n",
    .examples = "mpirun -n 4 segmpi score model.h5 clients.h5 -o scores.h5\n"
                "segmpi score model.h5 march.csv -o scores.h5 --csv segments.csv\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_DRY_RUN | CLI_RECORD_HOST |
              CLI_DATASET | CLI_CSV | CLI_PSEUDONYM | CLI_STOP,
    .least_arguments = 2,
    .most_arguments = INT_MAX,
    .needs_mpi = true,
    .run = run,
};
