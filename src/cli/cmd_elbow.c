/* segmpi elbow: which number of clusters; k-means for every k, judged by a panel of indices. */
#include <limits.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/report.h"

static struct {
    const char *output, *gap_reference;
    int k_min, n_references, n_bootstraps;
    seg_gap_kind gap_kind;
} opts;

static seg_status accept_gap_reference(const char *text)
{
    if (strcmp(text, "pca") == 0)
        opts.gap_kind = SEG_GAP_PCA;
    else if (strcmp(text, "columns") == 0)
        opts.gap_kind = SEG_GAP_COLUMNS;
    else
        return SEG_FAIL(SEG_ERR_USAGE, "--gap-reference is pca or columns");
    return SEG_OK;
}

static bool has_gap(void)
{
    return opts.n_references > 0;
}

static const cli_option rows[] = {
    { .name = "output",
      .letter = 'o',
      .argument = "FILE",
      .help = "the sweep to write: indices, sizes and centers for every k",
      .kind = CLI_FILE,
      .value = &opts.output,
      .marks = CLI_REQUIRED },
    { .name = "k-min",
      .argument = "K",
      .fallback = "1",
      .help = "smallest number of clusters that is tried",
      .kind = CLI_INT,
      .value = &opts.k_min,
      .least = 1,
      .most = 1000,
      .marks = CLI_RECORDED },
    { .name = "gap",
      .argument = "B",
      .fallback = "0",
      .help = "gap statistic with B references without clusters, on at most 10,000 clients",
      .kind = CLI_INT,
      .value = &opts.n_references,
      .most = 10000,
      .marks = CLI_RECORDED },
    { .name = "gap-reference",
      .argument = "METHOD",
      .choices = "pca columns",
      .fallback = "pca",
      .help = "references fill a box along the principal components (pca) or along the columns "
              "(columns)",
      .kind = CLI_TEXT,
      .value = &opts.gap_reference,
      .accept = accept_gap_reference,
      .marks = CLI_RECORDED,
      .applies = has_gap,
      .needs = "--gap" },
    { .name = "stability",
      .argument = "B",
      .fallback = "0",
      .help = "how much of each cluster comes back in B bootstraps, on at most 10,000 clients",
      .kind = CLI_INT,
      .value = &opts.n_bootstraps,
      .most = 10000,
      .marks = CLI_RECORDED },
};

static seg_status check(const cli_session *session)
{
    if (opts.k_min <= session->method->k_max) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "--k-max is %d, below --k-min, which is %d",
                    session->method->k_max, opts.k_min);
}

static seg_fit_opts fit_opts(const cli_session *session)
{
    const cli_method *method = session->method;

    return (seg_fit_opts) {
        .prep = method->prep,
        .embed = method->embed,
        .elbow = { .sweep = { .k_min = opts.k_min,
                              .k_max = method->k_max,
                              .kmeans = method->kmeans },
                   .n_references = opts.n_references,
                   .gap_kind = opts.gap_kind,
                   .n_bootstraps = opts.n_bootstraps },
        .sweep_alone = true,
        .memory_limit = method->memory_limit,
    };
}

/* Collective. */
static seg_status write_elbow(cli_session *session, const seg_model *model,
                              const seg_provenance *provenance)
{
    seg_output *out = NULL;

    SEG_TRY(seg_output_open(session->comm, opts.output, "elbow", session->shared->force, &out));
    seg_status status = seg_elbow_write(session->comm, model, provenance, out);
    seg_output_free(out);
    return status;
}

/* Local.  The sweep that is there already. */
static seg_status read_elbow(seg_model *model)
{
    seg_input *in = NULL;

    SEG_TRY(seg_fault("elbow_done", SEG_ERR_IO));
    SEG_TRY(seg_input_open(opts.output, &in));
    seg_status status = seg_elbow_read(in, model);
    seg_input_close(in);
    return status;
}

/* Collective.  From the table to the file, with checkpoints on the way. */
static seg_status sweep_and_write(cli_session *session, const cli_clients *clients,
                                  seg_table *table, seg_fit_opts *sweep, seg_model *model)
{
    seg_status status = SEG_OK;
    seg_checkpoint *checkpoint = NULL;
    seg_provenance provenance;
    char *options = NULL;

    SEG_TRY_OR_DONE(cli_provenance_start(session, &provenance, &options));
    SEG_TRY_OR_DONE(cli_provenance_table(session, clients, table, &provenance));
    SEG_TRY_OR_DONE(cli_provenance_others(session, table, NULL, 0, NULL, &provenance));
    const seg_checkpoint_opts kept = { .path = opts.output,
                                       .run = &provenance,
                                       .resume = session->shared->resume,
                                       .force = session->shared->force };
    SEG_TRY_OR_DONE(seg_checkpoint_open(session->comm, &kept, &checkpoint));
    session->is_done = seg_checkpoint_is_done(checkpoint);
    if (session->is_done) {
        status = seg_agree(session->comm, read_elbow(model));
        goto done;
    }
    seg_fit_keep(checkpoint, sweep);
    SEG_TRY_OR_DONE(seg_model_sweep(session->comm, session->kernels, table, sweep, model));
    SEG_TRY_OR_DONE(write_elbow(session, model, &provenance));
done:
    status = seg_checkpoint_close(session->comm, checkpoint, status);
    seg_checkpoint_free(checkpoint);
    seg_free(options);
    return status;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    seg_fit_opts sweep = fit_opts(session);
    const char *outputs[] = { opts.output, session->shared->json };
    cli_clients clients = { 0 };
    seg_table *table = NULL;
    seg_model model = { 0 };
    seg_json *json = NULL;

    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs));
    SEG_TRY_OR_DONE(
        cli_clients_open(session, opts.output, &session->method->table, NULL, &clients));
    SEG_TRY_OR_DONE(seg_table_open(session->comm, clients.path, &clients.table, &table));
    SEG_TRY_OR_DONE(cli_settle(session, table, opts.output, &sweep));
    seg_plan plan = seg_model_sweep_plan(table, seg_comm_size(session->comm), &sweep);
    if (session->shared->dry_run) {
        if (seg_comm_rank(session->comm) == 0) seg_report_plan(&plan);
        goto done;
    }
    seg_report_elbow_memory(&plan);
    seg_report_scratch(plan.scratch, sweep.scratch);
    SEG_TRY_OR_DONE(sweep_and_write(session, &clients, table, &sweep, &model));
    if (cli_wants_json(session)) json = seg_report_elbow_json(&model);
    SEG_TRY_OR_DONE(cli_json_write(session, SEG_OK, json));
    SEG_TRY_OR_DONE(
        seg_agree(session->comm, cli_shows_result(session) ? seg_report_elbow(&model) : SEG_OK));
done:
    seg_model_release(&model);
    seg_table_free(table);
    cli_clients_release(session, &clients);
    return status;
}

const cli_command cli_elbow = {
    .name = "elbow",
    .summary = "finds clusters for every k of a range and says what speaks for which",
    .synopsis = "clients.h5|CLIENTS.csv... -o elbow.h5 [OPTION...]",
    .text = "All k and all restarts advance in the same passes.  For each k:\n"
            "  inertia            squared distances to the centers; falls with every k, so\n"
            "                     the least one says nothing\n"
            "  explained          share of the variance between clusters; the same figure\n"
            "  silhouette         how much nearer clients are to their own cluster than to\n"
            "                     the next: 1 apart, 0 between two; likes few round clusters\n"
            "  Davies-Bouldin     spread against distance of the most alike clusters; low is\n"
            "                     good; tiny clusters please it\n"
            "  Calinski-Harabasz  variance between against within; high is good; likes few\n"
            "                     round clusters; says nothing across tables\n"
            "  smallest cluster   below 1 % it is probably a handful of outliers\n"
            "  agreement          adjusted Rand index of the other restarts with the best;\n"
            "                     1: all find the same clusters\n"
            "  gap (--gap)        log inertia against that of clients without clusters; the\n"
            "                     first k that the next one does not beat by its error\n"
            "  stability          (--stability) Jaccard index of the least stable cluster;\n"
            "                     from 0.75 on it is taken for stable\n"
            "The knee is the k farthest below the chord of the inertia curve.  It depends on\n"
            "the range of k, which is printed beside it.\n"
            "fit takes a sweep only with the same options of preparation and --embed.\n",
    .examples = "mpirun -n 4 segmpi elbow clients.h5 -o elbow.h5\n"
                "segmpi elbow clients.h5 -o elbow.h5 --k-max 12 --gap 20 --stability 50\n"
                "segmpi fit clients.h5 -o model.h5 -k auto --elbow elbow.h5\n",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_DRY_RUN | CLI_SEED |
              CLI_RECORD_HOST | CLI_COLUMNS | CLI_PREPARE | CLI_KMEANS | CLI_EMBED | CLI_SWEEP |
              CLI_CHECKPOINT | CLI_CSV,
    .least_arguments = 1,
    .most_arguments = INT_MAX,
    .check = check,
    .needs_mpi = true,
    .run = run,
};
