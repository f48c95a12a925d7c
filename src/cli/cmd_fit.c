/* segmpi fit: clients to centers, principal components and labels in model.h5. */
#include <string.h>
#include <unistd.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static struct {
    const char *output, *init;
    seg_init_method method;
    int n_clusters;
} opts;

static seg_status accept_init(const char *text)
{
    char clean[200];

    opts.method = SEG_INIT_CENTERS;
    if (strcmp(text, "k-means++") == 0) opts.method = SEG_INIT_KMEANSPP;
    if (strcmp(text, "random") == 0) opts.method = SEG_INIT_RANDOM;
    if (opts.method == SEG_INIT_CENTERS && access(text, R_OK) != 0)
        return SEG_FAIL(SEG_ERR_NOINPUT,
                        "--init is '%s', expected k-means++, random or a file that can be read",
                        seg_text_clean(text, clean, sizeof clean));
    return SEG_OK;
}

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "the model to write",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "n-clusters",
      .letter = 'k',
      .argument = "K",
      .fallback = "8",
      .help = "number of clusters",
      .kind = CLI_INT,
      .value = &opts.n_clusters,
      .least = 1,
      .most = SEG_CENTERS_MAX,
      .marks = CLI_RECORDED },
    { .name = "init",
      .argument = "METHOD",
      .fallback = "k-means++",
      .help = "starting centers: k-means++, random, or an HDF5 file with "
              "kmeans/cluster_centers_original, such as a model",
      .kind = CLI_FILE,
      .value = &opts.init,
      .accept = accept_init,
      .marks = CLI_RECORDED },
};

/* Collective.  The model in memory to the model in the file. */
static seg_status write_model(cli_session *session, const seg_model *model, seg_table *table)
{
    seg_status status = SEG_OK;
    seg_provenance provenance;
    seg_output *out = NULL;
    char *options = NULL;

    SEG_TRY_OR_DONE(seg_agree(session->comm, cli_provenance_start(session, &provenance, &options)));
    SEG_TRY_OR_DONE(cli_provenance_table(session, table, &provenance));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "model", session->shared->force, &out));
    SEG_TRY_OR_DONE(seg_model_write(session->comm, model, table, &provenance, out));
done:
    seg_output_free(out);
    seg_free(options);
    return status;
}

/* The words of the command line as options of a fit. */
static seg_fit_opts fit_opts(cli_session *session)
{
    bool given = opts.method == SEG_INIT_CENTERS;

    if (given) session->method->kmeans.n_init = 1; /* before it is recorded */
    seg_fit_opts fit = { .prep = session->method->prep,
                         .kmeans = session->method->kmeans,
                         .init_centers_path = given ? opts.init : NULL };
    fit.kmeans.n_clusters = opts.n_clusters;
    fit.kmeans.init = opts.method;
    return fit;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, session->shared->json };
    const seg_fit_opts fit = fit_opts(session);
    const char *inputs[] = { session->arguments[0], fit.init_centers_path };
    seg_table *table = NULL;
    seg_model model = { 0 };
    seg_status local = SEG_OK;
    seg_json *json = NULL;

    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs, 2, inputs));
    SEG_TRY_OR_DONE(seg_table_open(session->comm, inputs[0], &session->method->table, &table));
    if (session->shared->dry_run) {
        seg_fit_plan plan = seg_model_plan(table, seg_comm_size(session->comm), &fit);
        if (seg_comm_rank(session->comm) == 0) seg_report_plan(&plan);
        goto done;
    }
    SEG_TRY_OR_DONE(seg_model_fit(session->comm, session->kernels, table, &fit, &model));
    SEG_TRY_OR_DONE(write_model(session, &model, table));
    if (cli_wants_json(session)) local = seg_report_model_json(&model, &json);
    SEG_TRY_OR_DONE(cli_json_write(session, local, json));
    SEG_TRY_OR_DONE(
        seg_agree(session->comm, cli_shows_result(session) ? seg_report_model(&model) : SEG_OK));
done:
    seg_model_release(&model);
    seg_table_free(table);
    return status;
}

const cli_command cli_fit = {
    .name = "fit",
    .summary = "prepares clients, finds clusters and principal components, writes a model",
    .synopsis = "clients.h5 -o model.h5 [OPTION...]",
    .text = "The same bits on any number of ranks.\n\n"
            "  mpirun -n 4 segmpi fit clients.h5 -o model.h5\n"
            "  segmpi fit clients.h5 -o model.h5 -k 4 --outliers none --json figures.json\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_DRY_RUN | CLI_SEED |
              CLI_RECORD_HOST | CLI_COLUMNS | CLI_PREPARE | CLI_KMEANS,
    .least_arguments = 1,
    .most_arguments = 1,
    .needs_mpi = true,
    .run = run,
};
