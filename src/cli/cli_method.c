/* Options about the method that several commands share: which columns, how they are prepared,
 * k-means. */
#include "cli_internal.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "segmpi/text.h"

static cli_method method;

static struct {
    const char *impute, *outliers, *scale, *memory_limit;
    bool no_swaps;
} words;

/* ---- texts that stand for a method, with a number behind a colon ---- */

/* True if `text` is `word`, or `word:NUMBER` where `number` is wanted. */
static bool is_word(const char *text, const char *word, double *number)
{
    size_t length = strlen(word);

    if (!number) return strcmp(text, word) == 0;
    return strncmp(text, word, length) == 0 && text[length] == ':' &&
           seg_text_double(text + length + 1, number) && isfinite(*number);
}

static seg_status accept_impute(const char *text)
{
    seg_prep_opts *prep = &method.prep;

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
    seg_prep_opts *prep = &method.prep;
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
    static const char *const names[] = { "standard", "none", "robust", "minmax" };

    for (int i = 0; i < 4; i++)
        if (is_word(text, names[i], NULL)) {
            method.prep.scale = (seg_scale_method)i;
            return SEG_OK;
        }
    return SEG_FAIL(SEG_ERR_USAGE, "--scale is standard, robust, minmax or none");
}

static seg_status accept_memory_limit(const char *text)
{
    if (seg_text_size(text, &method.memory_limit) && method.memory_limit > 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "--memory-limit is a size such as 500M or 4G");
}

static bool has_memory_limit(void)
{
    return method.memory_limit > 0;
}

const cli_shared_row cli_method_rows[] = {
    { CLI_SWEEP,
      { .name = "k-max",
        .argument = "K",
        .fallback = "20",
        .help = "largest number of clusters that is tried",
        .kind = CLI_INT,
        .value = &method.k_max,
        .least = 1,
        .most = 1000,
        .marks = CLI_RECORDED } },
    { CLI_SWEEP,
      { .name = "memory-limit",
        .argument = "SIZE",
        .help = "memory per rank at most (default: as much as it takes): fewer k advance together, "
                "and each pass reads clients from a file without a name",
        .kind = CLI_TEXT,
        .value = &words.memory_limit,
        .accept = accept_memory_limit } },
    { CLI_SWEEP,
      { .name = "scratch",
        .argument = "FOLDER",
        .help = "folder on a disk for that file (default: that of the output)",
        .kind = CLI_FILE,
        .value = &method.scratch,
        .applies = has_memory_limit,
        .needs = "--memory-limit" } },
    { CLI_KMEANS,
      { .name = "n-init",
        .argument = "N",
        .fallback = "10",
        .help = "restarts, which advance together; the best one is kept",
        .kind = CLI_INT,
        .value = &method.kmeans.n_init,
        .least = 1,
        .most = 10000,
        .marks = CLI_RECORDED } },
    { CLI_KMEANS,
      { .name = "max-iter",
        .argument = "N",
        .fallback = "300",
        .help = "iterations of one restart at most",
        .kind = CLI_INT,
        .value = &method.kmeans.max_iter,
        .least = 1,
        .most = INT_MAX,
        .marks = CLI_RECORDED } },
    { CLI_KMEANS,
      { .name = "tol",
        .argument = "T",
        .fallback = "1e-4",
        .help = "stop when centers move less, relative to the mean variance",
        .kind = CLI_NUMBER,
        .value = &method.kmeans.tol,
        .most = 1e300,
        .marks = CLI_RECORDED } },
    { CLI_KMEANS,
      { .name = "no-swaps",
        .help = "do not try to improve the best restart by moving single centers",
        .kind = CLI_FLAG,
        .value = &words.no_swaps,
        .marks = CLI_RECORDED } },
    { CLI_PREPARE,
      { .name = "impute",
        .argument = "METHOD",
        .choices = "median mean constant:",
        .fallback = "median",
        .help = "fill missing cells with: median, mean, constant:V",
        .kind = CLI_TEXT,
        .value = &words.impute,
        .accept = accept_impute,
        .marks = CLI_RECORDED } },
    { CLI_PREPARE,
      { .name = "outliers",
        .argument = "METHOD",
        .choices = "none quantile: iqr: z:",
        .fallback = "quantile:0.01",
        .help = "cap extreme values: none; quantile:P at P and 1 - P; iqr:F at F interquartile "
                "ranges beyond the quartiles; z:S at S standard deviations",
        .kind = CLI_TEXT,
        .value = &words.outliers,
        .accept = accept_outliers,
        .marks = CLI_RECORDED } },
    { CLI_PREPARE,
      { .name = "transform",
        .argument = "LIST",
        .choices = "none log1p sqrt",
        .fallback = "none",
        .help = "of filled and capped values, before scaling: none, log1p, sqrt, or "
                "COLUMN=METHOD,...; of negative values sign(x) f(|x|)",
        .kind = CLI_TEXT,
        .value = &method.prep.transform,
        .marks = CLI_RECORDED } },
    { CLI_PREPARE,
      { .name = "scale",
        .argument = "METHOD",
        .choices = "standard robust minmax none",
        .fallback = "standard",
        .help =
            "standard (mean 0, standard deviation 1), robust (median 0, interquartile range 1), "
            "minmax (0 to 1) or none",
        .kind = CLI_TEXT,
        .value = &words.scale,
        .accept = accept_scale,
        .marks = CLI_RECORDED } },
    { CLI_COLUMNS,
      { .name = "columns",
        .argument = "LIST",
        .help = "use only these columns (names, comma-separated)",
        .kind = CLI_TEXT,
        .value = &method.table.columns,
        .marks = CLI_RECORDED | CLI_COLUMN } },
    { CLI_COLUMNS,
      { .name = "weights",
        .argument = "COLUMN",
        .help = "how often each client counts, a whole number; 0 is labelled but not learned from",
        .kind = CLI_TEXT,
        .value = &method.table.weights,
        .marks = CLI_RECORDED | CLI_COLUMN } },
    { CLI_COLUMNS,
      { .name = "exclude-columns",
        .argument = "LIST",
        .help = "leave these columns out",
        .kind = CLI_TEXT,
        .value = &method.table.exclude_columns,
        .marks = CLI_RECORDED | CLI_COLUMN } },
    { CLI_COLUMNS | CLI_DATASET,
      { .name = "dataset",
        .argument = "PATH",
        .help = "2-D dataset, or group with one dataset per column, in an HDF5 file that is not "
                "segmpi's own (default: found)",
        .kind = CLI_TEXT,
        .value = &method.table.dataset,
        .marks = CLI_RECORDED } },
};

const int cli_n_method_rows = (int)(sizeof cli_method_rows / sizeof *cli_method_rows);

cli_method *cli_method_complete(const cli_shared *shared)
{
    method.kmeans.seed = (uint64_t)shared->seed;
    method.embed = cli_embed_complete(method.kmeans.seed);
    method.kmeans.swaps = !words.no_swaps;
    return &method;
}
