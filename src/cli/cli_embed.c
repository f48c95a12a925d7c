/* Options about the embedding that several commands share: principal components, or the code of an
 * autoencoder, in place of the columns. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/text.h"

#define HIDDEN_MOST (SEG_AE_LAYERS_MAX / 2 - 1) /* layers before the code */
#define WIDTH_MOST  65536

/* What the words say; what they leave out is that of the network that --embed names. */
static struct {
    const char *embed, *layers, *activation, *code_activation;
    seg_embed_opts opts;
    bool study;
    int n_hidden, hidden[HIDDEN_MOST], code, epochs, batch, patience;
    int function, code_function; /* seg_activation */
    double learning_rate, weight_decay, validation;
} words = { .patience = -1,
            .function = -1,
            .code_function = -1,
            .learning_rate = -1,
            .weight_decay = -1,
            .validation = -1 };

static seg_status accept_embed(const char *text)
{
    double *c = &words.opts.components;

    words.study = strcmp(text, "autoencoder:study") == 0;
    words.opts.method = SEG_EMBED_NONE;
    if (strcmp(text, "none") == 0) return SEG_OK;
    words.opts.method = SEG_EMBED_AUTOENCODER;
    if (words.study || strcmp(text, "autoencoder") == 0) return SEG_OK;
    words.opts.method = SEG_EMBED_PCA;
    if (strncmp(text, "pca:", 4) == 0 && seg_text_double(text + 4, c) && *c > 0 &&
        *c <= WIDTH_MOST && (*c < 1 || floor(*c) >= *c))
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE,
                    "--embed is none, autoencoder, autoencoder:study, or pca:C with a number of "
                    "components or a share of variance below 1");
}

static seg_status accept_layers(const char *text)
{
    char width[16];
    int64_t value;

    for (words.n_hidden = 0; *text; words.n_hidden++) {
        size_t length = strcspn(text, ",");
        bool good = length < sizeof width && words.n_hidden < HIDDEN_MOST;
        if (good) seg_text_copy(width, length + 1, text);
        if (!good || !seg_text_int64(width, &value) || value < 1 || value > WIDTH_MOST)
            return SEG_FAIL(
                SEG_ERR_USAGE,
                "--ae-layers is a list of at most %d widths from 1 to %d, such as 64,32",
                HIDDEN_MOST, WIDTH_MOST);
        words.hidden[words.n_hidden] = (int)value;
        text += length + (text[length] == ',');
    }
    return SEG_OK;
}

static seg_status find_activation(const char *option, const char *text, int *function)
{
    for (int i = 0; i < SEG_N_ACTIVATIONS; i++)
        if (strcmp(text, seg_activation_names[i]) == 0) {
            *function = i;
            return SEG_OK;
        }
    return SEG_FAIL(SEG_ERR_USAGE, "--%s is linear, relu, elu or tanh", option);
}

static seg_status accept_activation(const char *text)
{
    return find_activation("ae-activation", text, &words.function);
}

static seg_status accept_code_activation(const char *text)
{
    return find_activation("ae-code-activation", text, &words.code_function);
}

static bool is_pca(void)
{
    return words.opts.method == SEG_EMBED_PCA;
}

static bool is_autoencoder(void)
{
    return words.opts.method == SEG_EMBED_AUTOENCODER;
}

#define AUTOENCODER_ONLY .applies = is_autoencoder, .needs = "--embed autoencoder"

const cli_shared_row cli_embed_rows[] = {
    { CLI_EMBED,
      { .name = "embed",
        .argument = "METHOD",
        .choices = "none pca: autoencoder autoencoder:study",
        .fallback = "none",
        .help =
            "what is clustered: none, the prepared columns; pca:C, their first C components, or "
            "those that hold the share C of the variance; autoencoder, the code of a network "
            "17-64-32-10-32-64-17; autoencoder:study, of 17-7-500-500-2000-10-2000-500-17",
        .kind = CLI_TEXT,
        .value = &words.embed,
        .accept = accept_embed,
        .marks = CLI_RECORDED } },
    { CLI_EMBED,
      { .name = "whiten",
        .help = "components of --embed pca to variance 1; those with nearly none are left out",
        .kind = CLI_FLAG,
        .value = &words.opts.whiten,
        .marks = CLI_RECORDED,
        .applies = is_pca,
        .needs = "--embed pca:C" } },
    { CLI_EMBED,
      { .name = "ae-layers",
        .argument = "LIST",
        .help = "widths of the encoder before the code, such as 64,32; the decoder mirrors them",
        .kind = CLI_TEXT,
        .value = &words.layers,
        .accept = accept_layers,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-code",
        .argument = "N",
        .help = "width of the code (default: 10)",
        .kind = CLI_INT,
        .value = &words.code,
        .least = 1,
        .most = WIDTH_MOST,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-activation",
        .argument = "F",
        .choices = "linear relu elu tanh",
        .help = "of hidden layers: relu, elu, tanh or linear (default: elu; study: relu)",
        .kind = CLI_TEXT,
        .value = &words.activation,
        .accept = accept_activation,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-code-activation",
        .argument = "F",
        .choices = "linear relu elu tanh",
        .help = "of the code (default: linear; study: relu); the output is linear",
        .kind = CLI_TEXT,
        .value = &words.code_activation,
        .accept = accept_code_activation,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-epochs",
        .argument = "N",
        .help = "times that training sees every client, at most (default: 40; study: 25)",
        .kind = CLI_INT,
        .value = &words.epochs,
        .least = 1,
        .most = 1e6,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-batch",
        .argument = "N",
        .help = "clients of a training step (default: 128); more keep more ranks busy",
        .kind = CLI_INT,
        .value = &words.batch,
        .least = 1,
        .most = 1e6,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-learning-rate",
        .argument = "R",
        .help = "of Adam (default: 0.001)",
        .kind = CLI_NUMBER,
        .value = &words.learning_rate,
        .least = 1e-12,
        .most = 1e3,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-weight-decay",
        .argument = "R",
        .help = "decoupled, as in AdamW (default: 0)",
        .kind = CLI_NUMBER,
        .value = &words.weight_decay,
        .most = 1e3,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-validation",
        .argument = "SHARE",
        .help = "share of clients kept out of training, by which the best epoch is chosen "
                "(default: 0.1; study: 0)",
        .kind = CLI_NUMBER,
        .value = &words.validation,
        .most = 0.9,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
    { CLI_EMBED,
      { .name = "ae-patience",
        .argument = "N",
        .help = "end after so many epochs without a better one (default: 0, never)",
        .kind = CLI_INT,
        .value = &words.patience,
        .most = INT_MAX,
        .marks = CLI_RECORDED,
        AUTOENCODER_ONLY } },
};

const int cli_n_embed_rows = (int)(sizeof cli_embed_rows / sizeof *cli_embed_rows);

/* Widths of encoder, code and mirrored decoder. */
static void set_layers(seg_ae_opts *ae)
{
    int n = words.n_hidden, code = words.code > 0 ? words.code : ae->width[ae->code];

    if (n > 0) {
        ae->n_layers = 2 * (n + 1);
        ae->code = n + 1;
        for (int i = 0; i < n; i++)
            ae->width[1 + i] = ae->width[ae->n_layers - 1 - i] = words.hidden[i];
    }
    ae->width[ae->code] = code;
}

/* What was chosen becomes what is recorded. */
static void record(const seg_ae_opts *ae)
{
    words.code = ae->width[ae->code];
    words.activation = seg_activation_names[ae->activation];
    words.code_activation = seg_activation_names[ae->code_activation];
    words.epochs = ae->epochs;
    words.batch = ae->batch;
    words.patience = ae->patience;
    words.learning_rate = ae->learning_rate;
    words.weight_decay = ae->weight_decay;
    words.validation = ae->validation;
}

seg_embed_opts cli_embed_complete(uint64_t seed)
{
    seg_ae_opts *ae = &words.opts.autoencoder;

    *ae = words.study ? seg_ae_study() : seg_ae_defaults();
    set_layers(ae);
    if (words.function >= 0) ae->activation = (seg_activation)words.function;
    if (words.code_function >= 0) ae->code_activation = (seg_activation)words.code_function;
    if (words.epochs > 0) ae->epochs = words.epochs;
    if (words.batch > 0) ae->batch = words.batch;
    if (words.learning_rate > 0) ae->learning_rate = words.learning_rate;
    if (words.weight_decay >= 0) ae->weight_decay = words.weight_decay;
    if (words.validation >= 0) ae->validation = words.validation;
    if (words.patience >= 0) ae->patience = words.patience;
    ae->seed = seed;
    if (is_autoencoder()) record(ae);
    return words.opts;
}
