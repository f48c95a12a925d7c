/* segmpi fit: clients to clusters, principal components, segments and labels in model.h5. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define SEGMENTS 4 /* where the user does not say */

static struct {
    const char *output, *init, *merge, *profile_only, *match, *elbow;
    seg_init_method method;
    int n_clusters;
    seg_segments_opts segments;
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

static seg_status accept_merge(const char *text)
{
    for (int i = 0; i < SEG_N_MERGES; i++)
        if (strcmp(text, seg_merge_names[i]) == 0) {
            opts.segments.merge = (seg_merge_method)i;
            return SEG_OK;
        }
    return SEG_FAIL(SEG_ERR_USAGE, "--merge is catalog, ward, average or kmeans");
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
      .choices = "auto",
      .fallback = "8",
      .help = "number of clusters; auto: the one that a sweep over k recommends",
      .kind = CLI_AUTO,
      .value = &opts.n_clusters,
      .least = 1,
      .most = SEG_CENTERS_MAX,
      .marks = CLI_RECORDED },
    { .name = "elbow",
      .argument = "FILE",
      .help = "keep this sweep over k (segmpi elbow) in the model; with -k auto its recommendation "
              "counts",
      .kind = CLI_FILE,
      .value = &opts.elbow,
      .marks = CLI_RECORDED | CLI_HDF5 },
    { .name = "n-segments",
      .argument = "N",
      .help =
          "segments that the clusters are merged into (default: 4, or K if that is less); K: no "
          "merge",
      .kind = CLI_INT,
      .value = &opts.segments.n_segments,
      .least = 1,
      .most = SEG_SEGMENTS_MAX,
      .marks = CLI_RECORDED },
    { .name = "merge",
      .argument = "METHOD",
      .choices = "catalog ward average kmeans",
      .fallback = "catalog",
      .help =
          "catalog: the best fit to known segments among merges that cost little; ward, average, "
          "kmeans: by amounts of money, which is what is left where no known segment fits",
      .kind = CLI_TEXT,
      .value = &opts.merge,
      .accept = accept_merge,
      .marks = CLI_RECORDED },
    { .name = "catalog",
      .argument = "FILE",
      .help = "known segments with profile, name and advice (default: four of card holders); none: "
              "names are made of features",
      .kind = CLI_FILE,
      .value = &opts.segments.catalog,
      .marks = CLI_RECORDED },
    { .name = "schema",
      .argument = "FILE",
      .help = "what the columns are, above all which are amounts (default: those of card holders)",
      .kind = CLI_FILE,
      .value = &opts.segments.schema,
      .marks = CLI_RECORDED },
    { .name = "stability",
      .argument = "N",
      .fallback = "20",
      .help = "new fits of drawn clients that measure how stable the segments are; 0: none",
      .kind = CLI_INT,
      .value = &opts.segments.draws,
      .most = 1000,
      .marks = CLI_RECORDED },
    { .name = "match",
      .argument = "FILE",
      .help = "an earlier model: segments that share most of their clients keep number and name",
      .kind = CLI_FILE,
      .value = &opts.match,
      .marks = CLI_RECORDED | CLI_HDF5 },
    { .name = "profile-only",
      .argument = "LIST",
      .help = "show these columns in the profile, but keep them out of the distances",
      .kind = CLI_TEXT,
      .value = &opts.profile_only,
      .marks = CLI_RECORDED | CLI_COLUMN },
    { .name = "init",
      .argument = "METHOD",
      .fallback = "k-means++",
      .help = "starting centers: k-means++, random, or an HDF5 file with "
              "kmeans/cluster_centers_original, such as a model",
      .kind = CLI_FILE,
      .value = &opts.init,
      .accept = accept_init,
      .marks = CLI_RECORDED | CLI_HDF5 },
};

/* Collective.  The model in memory to the model in the file. */
static seg_status write_model(cli_session *session, const seg_model *model, seg_table *table,
                              const seg_provenance *provenance)
{
    seg_output *out = NULL;

    SEG_TRY(seg_output_open(session->comm, opts.output, "model", session->shared->force, &out));
    seg_status status = seg_model_write(session->comm, model, table, provenance, out);
    seg_output_free(out);
    return status;
}

/* Local.  The model that is there already. */
static seg_status read_model(seg_model *model)
{
    SEG_TRY(seg_fault("fit_done", SEG_ERR_IO));
    return seg_model_load(opts.output, model, NULL);
}

/* Collective.  The rest of a run that was killed between its last step and its exit, or all of it.
 */
static seg_status fit_or_read(cli_session *session, seg_checkpoint *checkpoint, seg_table *table,
                              seg_table *extra, seg_fit_opts *fit, seg_model *model)
{
    session->is_done = seg_checkpoint_is_done(checkpoint);
    if (session->is_done) return seg_agree(session->comm, read_model(model));
    seg_fit_keep(checkpoint, fit);
    return seg_model_fit(session->comm, session->kernels, table, extra, fit, model);
}

/* Collective.  What an output says about its inputs. */
static seg_status describe_inputs(cli_session *session, const cli_clients *clients,
                                  seg_table *table, seg_table *extra, const seg_fit_opts *fit,
                                  seg_provenance *provenance)
{
    const char *catalog = fit->segments.catalog;
    bool is_file = catalog && strcmp(catalog, "none") != 0;
    const char *others[] = { fit->init_centers_path, fit->elbow_path, fit->match_path,
                             is_file ? catalog : NULL, fit->segments.schema };

    SEG_TRY(cli_provenance_table(session, clients, table, provenance));
    return cli_provenance_others(session, table, extra, 5, others, provenance);
}

/* Collective.  From the tables to the file, with checkpoints on the way; *json owned by the caller.
 */
static seg_status fit_and_write(cli_session *session, const cli_clients *clients, seg_table *table,
                                seg_table *extra, seg_fit_opts *fit, seg_model *model,
                                seg_json **json)
{
    seg_status status = SEG_OK, local = SEG_OK;
    seg_checkpoint *checkpoint = NULL;
    seg_provenance provenance;
    char *options = NULL;

    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    SEG_TRY_OR_DONE(describe_inputs(session, clients, table, extra, fit, &provenance));
    const seg_checkpoint_opts kept = { .path = opts.output,
                                       .run = &provenance,
                                       .resume = session->shared->resume,
                                       .force = session->shared->force };
    SEG_TRY_OR_DONE(seg_checkpoint_open(session->comm, &kept, &checkpoint));
    SEG_TRY_OR_DONE(fit_or_read(session, checkpoint, table, extra, fit, model));
    if (cli_wants_json(session)) local = seg_report_model_json(model, json);
    SEG_TRY_OR_DONE(seg_agree(session->comm, local));
    if (!session->is_done) SEG_TRY_OR_DONE(write_model(session, model, table, &provenance));
done:
    status = seg_checkpoint_close(session->comm, checkpoint, status);
    seg_checkpoint_free(checkpoint);
    seg_free(options);
    return status;
}

/* The words of the command line as options of a fit. */
static seg_fit_opts fit_opts(cli_session *session)
{
    bool given = opts.method == SEG_INIT_CENTERS;

    if (given) session->method->kmeans.n_init = 1; /* before it is recorded */
    seg_fit_opts fit = { .prep = session->method->prep,
                         .embed = session->method->embed,
                         .kmeans = session->method->kmeans,
                         .segments = opts.segments,
                         .choose_k = opts.n_clusters == 0,
                         .elbow_path = opts.elbow,
                         .match_path = opts.match,
                         .init_centers_path = given ? opts.init : NULL,
                         .memory_limit = session->method->memory_limit };
    fit.kmeans.n_clusters = opts.n_clusters;
    fit.kmeans.init = opts.method;
    fit.segments.seed = fit.kmeans.seed;
    fit.elbow.sweep =
        (seg_sweep_opts) { .k_min = 1, .k_max = session->method->k_max, .kmeans = fit.kmeans };
    return fit;
}

/* Collective.  The table of the features, and that of the columns that are only profiled, NULL
 * where there are none. */
static seg_status open_tables(cli_session *session, const cli_clients *clients, seg_table **table,
                              seg_table **extra)
{
    seg_table_opts features = clients->table;
    const seg_table_opts profiled = { .dataset = features.dataset,
                                      .columns = opts.profile_only,
                                      .weights = features.weights };
    char exclude[CLI_PATH];

    if (!opts.profile_only) return seg_table_open(session->comm, clients->path, &features, table);
    SEG_TRY(cli_columns_join(opts.profile_only, features.exclude_columns, exclude));
    features.exclude_columns = exclude;
    SEG_TRY(seg_table_open(session->comm, clients->path, &features, table));
    return seg_table_open(session->comm, clients->path, &profiled, extra);
}

/* A sweep is run, and not read. */
static seg_status check_sweep(void)
{
    bool is_run = opts.n_clusters == 0 && !opts.elbow;

    if (is_run || cli_source_of("k-max") != CLI_WORD) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "--k-max has no effect %s",
                    opts.elbow ? "beside --elbow" : "without -k auto");
}

/* Completes the default, which depends on another option. */
static seg_status check(const cli_session *session)
{
    int k = opts.n_clusters, *n = &opts.segments.n_segments;

    if (opts.method == SEG_INIT_CENTERS && session->method->embed.method != SEG_EMBED_NONE)
        return SEG_FAIL(SEG_ERR_USAGE, "--init FILE and --embed do not go together");
    if (k == 0 && opts.method == SEG_INIT_CENTERS)
        return SEG_FAIL(SEG_ERR_USAGE, "-k auto does not go with starting centers from a file");
    SEG_TRY(check_sweep());
    if (*n == 0) *n = k > 0 && k < SEGMENTS ? k : SEGMENTS;
    if (k == 0) return SEG_OK;
    if (*n > k)
        return SEG_FAIL(SEG_ERR_USAGE, "--n-segments %d is more than the %d clusters of -k", *n, k);
    return SEG_OK;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    seg_fit_opts fit = fit_opts(session);
    const char *outputs[] = { opts.output, session->shared->json };
    cli_clients clients = { 0 };
    seg_table *table = NULL, *extra = NULL;
    seg_model model = { 0 };
    seg_json *json = NULL;

    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs));
    SEG_TRY_OR_DONE(cli_clients_open(session, opts.output, &session->method->table,
                                     opts.profile_only, &clients));
    SEG_TRY_OR_DONE(open_tables(session, &clients, &table, &extra));
    SEG_TRY_OR_DONE(cli_settle(session, table, opts.output, &fit));
    seg_plan plan = seg_model_plan(table, seg_comm_size(session->comm), &fit);
    if (session->shared->dry_run) {
        if (seg_comm_rank(session->comm) == 0) seg_report_plan(&plan);
        goto done;
    }
    if (cli_source_of("n-clusters") == CLI_DEFAULT)
        seg_log_note("%d clusters (default; -k auto chooses)", opts.n_clusters);
    seg_report_scratch(plan.scratch, fit.scratch);
    SEG_TRY_OR_DONE(fit_and_write(session, &clients, table, extra, &fit, &model, &json));
    status = cli_json_write(session, SEG_OK, json);
    json = NULL;
    if (status == SEG_OK && cli_shows_result(session)) seg_report_model(&model);
done:
    seg_json_free(json);
    seg_model_release(&model);
    seg_table_free(table);
    seg_table_free(extra);
    cli_clients_release(session, &clients);
    return status;
}

const cli_command cli_fit = {
    .name = "fit",
    .summary = "prepares clients, finds clusters and named segments, writes a model",
    .synopsis = "clients.h5|CLIENTS.csv... -o model.h5 [OPTION...]",
    .text = "The same bits on any number of ranks.\n",
    .examples = "segmpi fit clients.csv -o model.h5\n"
                "mpirun -n 4 segmpi fit clients.h5 -o model.h5\n"
                "segmpi fit clients.h5 -o model.h5 -k 4 --outliers none --json figures.json\n"
                "segmpi fit clients.h5 -o model.h5 -k auto --elbow elbow.h5\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_DRY_RUN | CLI_SEED |
              CLI_RECORD_HOST | CLI_COLUMNS | CLI_PREPARE | CLI_KMEANS | CLI_EMBED | CLI_SWEEP |
              CLI_CHECKPOINT | CLI_CSV,
    .least_arguments = 1,
    .most_arguments = INT_MAX,
    .needs_mpi = true,
    .check = check,
    .run = run,
};
