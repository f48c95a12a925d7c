/* A model in words: what was done to the columns, the clusters, the components. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static const char *const scale_words[] = { "mean 0, standard deviation 1", "none",
                                           "median 0, interquartile range 1", "0 to 1" };

#define CELL_WIDTH       11
#define ROUNDING         1e-6 /* of the scale; the grid is 2^-20 or coarser */
#define COMPONENTS_SHOWN 12

/* The columns of each transform; nothing if none is transformed. */
static void print_transforms(const seg_prep *prep)
{
    static const char *const words[] = { "", "log(1 + x)", "square root" };
    char name[100];

    for (int f = SEG_TRANSFORM_LOG1P; f <= SEG_TRANSFORM_SQRT; f++) {
        int n = 0;
        for (int t = 0; t < prep->d; t++)
            if (prep->transform[t] == f)
                printf("%s%s", n++ == 0 ? "  transform  " : ", ",
                       seg_text_clean(prep->names[t], name, sizeof name));
        if (n > 0) printf(": %s\n", words[f]);
    }
}

static void print_preparation(const seg_prep *prep)
{
    const seg_prep_opts *opts = &prep->opts;
    char cells[32];

    report_heading("Preparation");
    printf("  gaps       %s",
           seg_text_count(report_sum(prep->d, prep->missing), cells, sizeof cells));
    if (opts->impute == SEG_IMPUTE_CONSTANT)
        printf(" missing cells filled with %g\n", opts->impute_value);
    else
        printf(" missing cells filled with the %s\n",
               opts->impute == SEG_IMPUTE_MEDIAN ? "median" : "mean");

    printf("  outliers   ");
    seg_text_count(report_sum(prep->d, prep->capped), cells, sizeof cells);
    if (opts->outliers == SEG_OUTLIER_NONE)
        printf("left as they are\n");
    else if (opts->outliers == SEG_OUTLIER_QUANTILE)
        printf("%s cells capped at the quantiles %g and %g\n", cells, opts->outlier_parameter,
               1 - opts->outlier_parameter);
    else if (opts->outliers == SEG_OUTLIER_IQR)
        printf("%s cells capped at %g interquartile ranges beyond the quartiles\n", cells,
               opts->outlier_parameter);
    else
        printf("%s cells capped at %g standard deviations\n", cells, opts->outlier_parameter);
    print_transforms(prep);
    printf("  scale      %s\n", scale_words[opts->scale]);
}

void report_embedding(const seg_embedding *e)
{
    const seg_autoencoder *ae = &e->autoencoder;

    if (e->opts.method == SEG_EMBED_NONE) return;
    report_heading("Embedding");
    if (e->opts.method == SEG_EMBED_PCA) {
        double share = 0;
        for (int c = 0; c < e->d_out; c++)
            share += e->pca.explained_variance_ratio[c];
        printf("  %d principal components with %.1f %% of the variance%s\n", e->d_out, 100 * share,
               e->opts.whiten ? ", whitened" : "");
        return;
    }
    printf("  autoencoder ");
    for (int i = 0; i <= ae->opts.n_layers; i++)
        printf("%s%d", i > 0 ? "-" : "", ae->opts.width[i]);
    printf(", the code of %d is clustered\n  epoch %d of %d is kept: mean squared error %.5f",
           e->d_out, ae->best_epoch + 1, ae->n_epochs, ae->loss[ae->best_epoch]);
    if (ae->validation_loss[ae->best_epoch] >= 0)
        printf(", %.5f on clients kept out of training", ae->validation_loss[ae->best_epoch]);
    putchar('\n');
}

static void print_clusters(const seg_kmeans *kmeans, int64_t n)
{
    char size[32];

    report_heading("Clusters");
    for (int j = 0; j < kmeans->n_clusters; j++) {
        double share = (double)kmeans->cluster_size[j] / (double)n;
        printf("  %5d %15s  %5.1f %%  ", j,
               seg_text_count(kmeans->cluster_size[j], size, sizeof size), 100 * share);
        for (int bar = 0; bar < (int)(40 * share + 0.5); bar++)
            putchar('#');
        putchar('\n');
    }
    printf("  inertia %.10g of %.10g: %.1f %% of the variance explained\n", kmeans->inertia,
           kmeans->total_inertia,
           kmeans->total_inertia > 0 ? 100 * (1 - kmeans->inertia / kmeans->total_inertia) : 0.0);
    printf(
        "  %d restart%s, %d iterations in the best%s; %d of %d rounds of center swaps lowered the "
        "cost\n",
        kmeans->n_init, kmeans->n_init == 1 ? "" : "s", kmeans->n_iter,
        kmeans->converged ? "" : " (not converged; --max-iter)", kmeans->n_swaps,
        kmeans->n_swap_rounds);
}

/* In the unit of the column; what is only the rounding of prepared values is 0. */
static double original(const seg_prep *prep, int t, double z)
{
    double value = seg_prep_original(prep, t, z);

    return fabs(value) < ROUNDING * prep->scale[t] ? 0 : value;
}

/* Features down, clusters across, as many as the terminal is wide, then the next ones. */
static void print_centers(const seg_prep *prep, int k, const double *centers)
{
    char name[256], cell[32];
    int left = 0;

    report_heading("Centers, in the units of the columns");
    for (int t = 0; t < prep->d; t++) {
        int width = report_text_width(prep->names[t]);
        if (width > left) left = width;
    }

    int across = (report_width() - 2 - left) / CELL_WIDTH;
    if (across < 1) across = 1;
    for (int first = 0; first < k; first += across) {
        int end = first + across < k ? first + across : k;
        printf("%s  %*s", first > 0 ? "\n" : "", left, "");
        for (int j = first; j < end; j++)
            printf("%*d", CELL_WIDTH, j);
        putchar('\n');
        for (int t = 0; t < prep->d; t++) {
            seg_text_clean(prep->names[t], name, sizeof name);
            int gap = left - report_text_width(name);
            printf("  %s%*s", name, gap > 0 ? gap : 0, "");
            for (int j = first; j < end; j++)
                printf("%*s", CELL_WIDTH,
                       report_number(original(prep, t, centers[(int64_t)j * prep->d + t]), cell,
                                     sizeof cell));
            putchar('\n');
        }
    }
}

static void print_components(const seg_pca *pca)
{
    int n = pca->n_components < COMPONENTS_SHOWN ? pca->n_components : COMPONENTS_SHOWN;
    const char *more = n < pca->n_components ? "  ..." : "";
    double sum = 0;

    report_heading("Principal components, per cent of the variance");
    printf("  each  ");
    for (int c = 0; c < n; c++)
        printf("%6.1f", 100 * pca->explained_variance_ratio[c]);
    printf("%s\n  so far", more);
    for (int c = 0; c < n; c++) {
        sum += pca->explained_variance_ratio[c];
        printf("%6.1f", 100 * sum);
    }
    printf("%s\n", more);
}

void seg_report_model(const seg_model *model)
{
    int k = model->kmeans.n_clusters;
    int64_t rows = model->statistics.rows > 0 ? model->statistics.rows : model->prep.n;

    report_clients(model->prep.n, rows, model->prep.d);
    printf(", %d cluster%s\n", k, REPORT_S(k));
    report_segments(&model->segments, model->prep.n);
    print_preparation(&model->prep);
    report_embedding(&model->embedding);
    print_clusters(&model->kmeans, model->prep.n);
    print_centers(&model->prep, k, seg_model_centers(model));
    print_components(&model->pca);
    if (model->elbow.sweep.n_k > 0) report_elbow_choice(&model->elbow);
}
