/* segmpi fit: clients to centers, principal components and labels in model.h5. */
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_internal.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static struct {
    const char *output, *init, *impute, *outliers, *scale;
    bool no_swaps, record_host;
    seg_table_opts table;
    seg_fit_opts fit;
} opts;

/* ---- texts that stand for a method, with a number behind a colon ---- */

/* True if `text` is `word`, or `word:NUMBER` where `number` is wanted. */
static bool is_word(const char *text, const char *word, double *number)
{
    size_t length = strlen(word);

    if (!number) return strcmp(text, word) == 0;
    return strncmp(text, word, length) == 0 && text[length] == ':' &&
           seg_text_double(text + length + 1, number) && isfinite(*number);
}

static seg_status accept_init(const char *text)
{
    char clean[200];

    opts.fit.kmeans.init = SEG_INIT_CENTERS;
    if (is_word(text, "k-means++", NULL)) opts.fit.kmeans.init = SEG_INIT_KMEANSPP;
    if (is_word(text, "random", NULL)) opts.fit.kmeans.init = SEG_INIT_RANDOM;
    if (opts.fit.kmeans.init == SEG_INIT_CENTERS && access(text, R_OK) != 0)
        return SEG_FAIL(SEG_ERR_NOINPUT,
                        "--init is '%s', expected k-means++, random or a file that can be read",
                        seg_text_clean(text, clean, sizeof clean));
    return SEG_OK;
}

static seg_status accept_impute(const char *text)
{
    seg_prep_opts *prep = &opts.fit.prep;

    prep->impute_value = 0;
    if (is_word(text, "median", NULL))
        prep->impute = SEG_IMPUTE_MEDIAN;
    else if (is_word(text, "mean", NULL))
        prep->impute = SEG_IMPUTE_MEAN;
    else if (is_word(text, "constant", &prep->impute_value))
        prep->impute = SEG_IMPUTE_CONSTANT;
    else
        return SEG_FAIL(SEG_ERR_USAGE, "--impute is median, mean or constant:V with a number V");
    return SEG_OK;
}

static seg_status accept_outliers(const char *text)
{
    seg_prep_opts *prep = &opts.fit.prep;
    double *number = &prep->outlier_parameter;

    *number = 0;
    if (is_word(text, "none", NULL))
        prep->outliers = SEG_OUTLIER_NONE;
    else if (is_word(text, "quantile", number) && *number > 0 && *number < 0.5)
        prep->outliers = SEG_OUTLIER_QUANTILE;
    else if (is_word(text, "iqr", number) && *number >= 0)
        prep->outliers = SEG_OUTLIER_IQR;
    else if (is_word(text, "z", number) && *number > 0)
        prep->outliers = SEG_OUTLIER_Z;
    else
        return SEG_FAIL(SEG_ERR_USAGE, "--outliers is none, quantile:P with P between 0 and 0.5, "
                                       "iqr:F with F of at least 0, or z:S with S above 0");
    return SEG_OK;
}

static seg_status accept_scale(const char *text)
{
    if (is_word(text, "standard", NULL))
        opts.fit.prep.scale = SEG_SCALE_STANDARD;
    else if (is_word(text, "none", NULL))
        opts.fit.prep.scale = SEG_SCALE_NONE;
    else
        return SEG_FAIL(SEG_ERR_USAGE, "--scale is standard or none");
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
      .value = &opts.fit.kmeans.n_clusters,
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
    { .name = "n-init",
      .argument = "N",
      .fallback = "10",
      .help = "restarts, which advance together; the best one is kept",
      .kind = CLI_INT,
      .value = &opts.fit.kmeans.n_init,
      .least = 1,
      .most = 10000,
      .marks = CLI_RECORDED },
    { .name = "max-iter",
      .argument = "N",
      .fallback = "300",
      .help = "iterations of one restart at most",
      .kind = CLI_INT,
      .value = &opts.fit.kmeans.max_iter,
      .least = 1,
      .most = INT_MAX,
      .marks = CLI_RECORDED },
    { .name = "tol",
      .argument = "T",
      .fallback = "1e-4",
      .help = "stop when centers move less, relative to the mean variance",
      .kind = CLI_NUMBER,
      .value = &opts.fit.kmeans.tol,
      .most = 1e300,
      .marks = CLI_RECORDED },
    { .name = "no-swaps",
      .help = "do not try to improve the best restart by moving single centers",
      .kind = CLI_FLAG,
      .value = &opts.no_swaps,
      .marks = CLI_RECORDED },
    { .name = "impute",
      .argument = "METHOD",
      .fallback = "median",
      .help = "fill missing cells with: median, mean, constant:V",
      .kind = CLI_TEXT,
      .value = &opts.impute,
      .accept = accept_impute,
      .marks = CLI_RECORDED },
    { .name = "outliers",
      .argument = "METHOD",
      .fallback = "quantile:0.01",
      .help = "cap extreme values: none; quantile:P at P and 1 - P; iqr:F at F interquartile "
              "ranges beyond the quartiles; z:S at S standard deviations",
      .kind = CLI_TEXT,
      .value = &opts.outliers,
      .accept = accept_outliers,
      .marks = CLI_RECORDED },
    { .name = "scale",
      .argument = "METHOD",
      .fallback = "standard",
      .help = "standard (mean 0, standard deviation 1) or none",
      .kind = CLI_TEXT,
      .value = &opts.scale,
      .accept = accept_scale,
      .marks = CLI_RECORDED },
    { .name = "columns",
      .argument = "LIST",
      .help = "use only these columns (names, comma-separated)",
      .kind = CLI_TEXT,
      .value = &opts.table.columns,
      .marks = CLI_RECORDED },
    { .name = "exclude-columns",
      .argument = "LIST",
      .help = "leave these columns out",
      .kind = CLI_TEXT,
      .value = &opts.table.exclude_columns,
      .marks = CLI_RECORDED },
    { .name = "dataset",
      .argument = "PATH",
      .help = "2-D dataset, or group with one dataset per column, in an HDF5 file that is not "
              "segmpi's own (default: found)",
      .kind = CLI_TEXT,
      .value = &opts.table.dataset,
      .marks = CLI_RECORDED },
    { .name = "record-host",
      .help = "record host and user in the model",
      .kind = CLI_FLAG,
      .value = &opts.record_host },
};

/* Local.  What the model says about its input. */
static void describe_input(const seg_table *table, seg_provenance *provenance)
{
    const char *path = seg_table_path(table), *slash = strrchr(path, '/');
    struct stat found;

    provenance->input_name = slash ? slash + 1 : path;
    provenance->input_bytes = stat(path, &found) == 0 ? found.st_size : 0;
    provenance->rows_read = provenance->rows_kept = seg_table_rows(table).total;
    provenance->record_host = opts.record_host;
}

/* Collective.  The model in memory to the model in the file. */
static seg_status write_model(cli_session *session, const seg_model *model, seg_table *table)
{
    seg_status status = SEG_OK;
    seg_provenance provenance;
    seg_output *out = NULL;
    char *options = NULL;

    SEG_TRY_OR_DONE(seg_agree(session->comm, cli_provenance_start(session, &provenance, &options)));
    describe_input(table, &provenance);
    SEG_TRY_OR_DONE(seg_table_fingerprint(session->comm, table, &provenance.input_fingerprint));
    SEG_TRY_OR_DONE(
        seg_output_open(session->comm, opts.output, "model", session->shared->force, &out));
    SEG_TRY_OR_DONE(seg_model_write(session->comm, model, table, &provenance, out));
done:
    seg_output_free(out);
    seg_free(options);
    return status;
}

static seg_status run(cli_session *session)
{
    seg_status status = SEG_OK;
    const char *outputs[] = { opts.output, session->shared->json };
    const char *inputs[] = { session->arguments[0], opts.fit.init_centers_path };
    seg_table *table = NULL;
    seg_model model = { 0 };
    seg_status local = SEG_OK;
    seg_json *json = NULL;

    opts.fit.kmeans.seed = (uint64_t)session->shared->seed;
    opts.fit.kmeans.swaps = !opts.no_swaps;
    if (opts.fit.kmeans.init == SEG_INIT_CENTERS) {
        opts.fit.init_centers_path = inputs[1] = opts.init;
        opts.fit.kmeans.n_init = 1;
    }
    SEG_TRY_OR_DONE(cli_outputs_check(session, 2, outputs, 2, inputs));
    SEG_TRY_OR_DONE(seg_table_open(session->comm, inputs[0], &opts.table, &table));
    if (session->shared->dry_run) {
        seg_fit_plan plan = seg_model_plan(table, seg_comm_size(session->comm), &opts.fit);
        if (seg_comm_rank(session->comm) == 0) seg_report_plan(&plan);
        goto done;
    }
    SEG_TRY_OR_DONE(seg_model_fit(session->comm, session->kernels, table, &opts.fit, &model));
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
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON | CLI_DRY_RUN | CLI_SEED,
    .least_arguments = 1,
    .most_arguments = 1,
    .needs_mpi = true,
    .run = run,
};
