/* Option rows: from the words of the command line to values, by argp. */
#define _GNU_SOURCE /* argp */
#include "cli_internal.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segmpi/log.h"
#include "segmpi/text.h"

#define FIRST_KEY 256 /* keys of options without a letter: FIRST_KEY + number of the row */

static cli_shared shared;

static const cli_shared_row shared_rows[] = {
    { CLI_SEED,
      { .name = "seed",
        .argument = "S",
        .fallback = "0",
        .help = "seed of all random numbers, never the time",
        .kind = CLI_COUNT,
        .value = &shared.seed,
        .most = 9e18,
        .marks = CLI_RECORDED } },
    { CLI_FORCE,
      { .name = "force",
        .help = "replace outputs that exist",
        .kind = CLI_FLAG,
        .value = &shared.force } },
    { CLI_RECORD_HOST,
      { .name = "record-host",
        .help = "record host and user in the output",
        .kind = CLI_FLAG,
        .value = &shared.record_host } },
    { CLI_JSON,
      { .name = "json",
        .argument = "FILE",
        .help = "write the figures of the result as JSON too; - prints them instead of the summary",
        .kind = CLI_FILE,
        .value = &shared.json } },
    { CLI_DRY_RUN,
      { .name = "dry-run",
        .help = "print rows, memory per rank and size of the output; write nothing",
        .kind = CLI_FLAG,
        .value = &shared.dry_run } },
    { CLI_RANKS,
      { .name = "timing",
        .help = "end with a table of phases: seconds, bytes, collectives, share of waiting",
        .kind = CLI_FLAG,
        .value = &shared.timing } },
    { CLI_RANKS,
      { .name = "deadline",
        .argument = "SECONDS",
        .help = "give up with exit code 76 when another rank does not answer for so long; 0: wait "
                "for ever (default: SEGMPI_DEADLINE, otherwise 300)",
        .kind = CLI_NUMBER,
        .value = &shared.deadline,
        .most = 1e9,
        .marks = CLI_VARIABLE } },
    { CLI_CHECKPOINT | CLI_STOP,
      { .name = "resume",
        .help = "go on from the newest valid checkpoint of the same command, on any number of "
                "ranks; a fresh start if there is none",
        .kind = CLI_FLAG,
        .value = &shared.resume } },
    { CLI_CHECKPOINT | CLI_STOP,
      { .name = "max-seconds",
        .argument = "SECONDS",
        .fallback = "0",
        .help = "after so long, write a checkpoint and end with exit code 75; 0: no limit. "
                "SIGUSR1, TERM and INT do the same",
        .kind = CLI_NUMBER,
        .value = &shared.max_seconds,
        .most = 1e9 } },
    { CLI_CHECKPOINT,
      { .name = "checkpoint-interval",
        .argument = "SECONDS",
        .fallback = "300",
        .help = "write a checkpoint so often, beside the output; 0: whenever it can. SIGUSR2 asks "
                "for one",
        .kind = CLI_NUMBER,
        .value = &shared.checkpoint_interval,
        .most = 1e9 } },
    { CLI_TALK,
      { .name = "quiet",
        .letter = 'q',
        .help = "errors and warnings only; results go to files",
        .kind = CLI_FLAG,
        .value = &shared.quiet } },
    { CLI_TALK,
      { .name = "verbose",
        .letter = 'v',
        .help = "say more about what is done",
        .kind = CLI_FLAG,
        .value = &shared.verbose } },
    { 0,
      { .name = "config",
        .argument = "FILE",
        .help = "take options that are not given here from this INI file: OPTION = VALUE, for all "
                "commands or in a section [COMMAND]",
        .kind = CLI_FILE,
        .value = &shared.config } },
    { 0,
      { .name = "help",
        .letter = 'h',
        .help = "print this text",
        .kind = CLI_FLAG,
        .value = &shared.help } },
};

typedef struct parsing {
    const cli_option *rows[CLI_MAX_ROWS];
    cli_source source[CLI_MAX_ROWS];
    int n;
    const char **arguments;
    int n_arguments;
} parsing;

static parsing words_of_run;

/* Appends those rows of a list that the command has; the new number of rows. */
static int add_rows(const cli_command *command, int n_list, const cli_shared_row *list, int n,
                    const cli_option **rows)
{
    for (int i = 0; i < n_list; i++)
        if (list[i].group == 0 || (command->shared & list[i].group)) rows[n++] = &list[i].row;
    return n;
}

int cli_rows_of(const cli_command *command, const cli_option *rows[CLI_MAX_ROWS])
{
    int n = 0;

    for (int i = 0; i < command->n_options; i++)
        rows[n++] = &command->options[i];
    n = add_rows(command, cli_n_method_rows, cli_method_rows, n, rows);
    n = add_rows(command, cli_n_embed_rows, cli_embed_rows, n, rows);
    n = add_rows(command, cli_n_csv_rows, cli_csv_rows, n, rows);
    n = add_rows(command, sizeof shared_rows / sizeof *shared_rows, shared_rows, n, rows);
    SEG_ASSERT(n <= CLI_MAX_ROWS);
    return n;
}

/* ---- values ---- */

static seg_status set_number(const cli_option *row, const char *text)
{
    bool whole = row->kind != CLI_NUMBER, bounded = row->least < row->most;
    int64_t count = 0;
    double number = 0;
    char clean[64];

    bool good = whole ? seg_text_int64(text, &count) : seg_text_double(text, &number);
    if (whole) number = (double)count;
    if (!good || !isfinite(number))
        return SEG_FAIL(SEG_ERR_USAGE, "--%s is '%s', expected a%s number", row->name,
                        seg_text_clean(text, clean, sizeof clean), whole ? " whole" : "");
    if (bounded && !(number >= row->least && number <= row->most))
        return SEG_FAIL(SEG_ERR_USAGE, "--%s is %s, expected %.15g to %.15g", row->name, text,
                        row->least, row->most);
    if (row->kind == CLI_INT || row->kind == CLI_AUTO)
        *(int *)row->value = (int)count;
    else if (row->kind == CLI_COUNT)
        *(int64_t *)row->value = count;
    else
        *(double *)row->value = number;
    return SEG_OK;
}

/* A word of the command line has no value. */
static seg_status set_flag(const cli_option *row, const char *text)
{
    static const char *const values[] = { "true", "yes", "on", "1", "false", "no", "off", "0" };
    char clean[64];
    size_t i = 0;

    while (text && i < 8 && strcmp(text, values[i]) != 0)
        i++;
    *(bool *)row->value = i < 4;
    if (i < 8) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "'%s' is '%s', expected true or false", row->name,
                    seg_text_clean(text, clean, sizeof clean));
}

static seg_status set_value(const cli_option *row, const char *text)
{
    switch (row->kind) {
    case CLI_FLAG:
        return set_flag(row, text);
    case CLI_TEXT:
    case CLI_FILE:
        *(const char **)row->value = text;
        return row->accept ? row->accept(text) : SEG_OK;
    case CLI_AUTO:
        if (strcmp(text, "auto") != 0) return set_number(row, text);
        *(int *)row->value = 0;
        return SEG_OK;
    default:
        return set_number(row, text);
    }
}

static seg_status set_defaults(const parsing *p)
{
    for (int i = 0; i < p->n; i++)
        if (p->rows[i]->fallback) SEG_TRY(set_value(p->rows[i], p->rows[i]->fallback));
    return SEG_OK;
}

/* Variables and the option file, for options that no word sets. */
static seg_status set_variables(parsing *p)
{
    char name[80];

    for (int i = 0; i < p->n; i++) {
        const char *text = cli_variable_value(p->rows[i], name, sizeof name);
        if (!text || p->source[i] == CLI_WORD) continue;
        p->source[i] = CLI_ENVIRONMENT;
        if (p->rows[i]->marks & CLI_VARIABLE) continue;
        if (set_value(p->rows[i], text) == SEG_OK) continue;
        seg_error_while("taking it from the variable %s", name);
        return seg_error_get()->status;
    }
    return SEG_OK;
}

static seg_status set_config(parsing *p, const cli_command *command)
{
    char clean[200];
    int line;

    if (!shared.config) return SEG_OK;
    SEG_TRY(cli_config_read(shared.config, command));
    for (int i = 0; i < p->n; i++) {
        const char *text = cli_config_value(i, &line);
        if (!text || p->source[i] != CLI_DEFAULT) continue;
        p->source[i] = CLI_CONFIG;
        if (set_value(p->rows[i], text) == SEG_OK) continue;
        seg_error_while("reading line %d of '%s'", line,
                        seg_text_clean(shared.config, clean, sizeof clean));
        return seg_error_get()->status;
    }
    return SEG_OK;
}

/* ---- words that cannot be read ---- */

/* The row that a long option names: exactly, or as the only one that begins so; *n_alike rows do.
 */
static const cli_option *find_long(const parsing *p, const char *name, int *n_alike)
{
    const cli_option *found = NULL;
    size_t length = strlen(name);

    *n_alike = 0;
    for (int i = 0; i < p->n; i++) {
        if (strncmp(p->rows[i]->name, name, length) != 0) continue;
        found = p->rows[i];
        ++*n_alike;
        if (found->name[length] == '\0') {
            *n_alike = 1;
            break;
        }
    }
    return *n_alike == 1 ? found : NULL;
}

static void diagnose_long(const parsing *p, const char *word)
{
    const char *names[CLI_MAX_ROWS];
    char name[64], clean[64];
    int n_alike;

    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const cli_option *row = find_long(p, name, &n_alike);
    if (row) {
        (void)SEG_FAIL(SEG_ERR_USAGE, "option --%s %s", row->name,
                       row->argument ? "needs a value" : "takes no value");
        return;
    }
    for (int i = 0; i < p->n; i++)
        names[i] = p->rows[i]->name;
    const char *nearest = seg_text_nearest(name, p->n, names);
    seg_text_clean(name, clean, sizeof clean);
    if (n_alike > 1)
        (void)SEG_FAIL(SEG_ERR_USAGE, "option '--%s' is short for more than one", clean);
    else if (nearest)
        (void)SEG_FAIL(SEG_ERR_USAGE, "there is no option '--%s', did you mean '--%s'?", clean,
                       nearest);
    else
        (void)SEG_FAIL(SEG_ERR_USAGE, "there is no option '--%s'; 'segmpi help %s' lists all",
                       clean, seg_log_command());
}

/* The letter of a word such as -vk8 at which reading it ends: an unknown one, or one that takes the
 * rest as its value; '\0' if all are flags.  *row = that of the letter. */
static char last_letter(const parsing *p, const char *word, const cli_option **row)
{
    *row = NULL;
    for (const char *at = word + 1; *at; at++, *row = NULL) {
        for (int i = 0; i < p->n; i++)
            if (p->rows[i]->letter == *at) *row = p->rows[i];
        if (!*row || (*row)->argument) return *at;
    }
    return '\0';
}

static void diagnose_short(const parsing *p, const char *word)
{
    const cli_option *row;
    char letter[2] = { last_letter(p, word, &row), '\0' }, clean[2];

    seg_text_clean(letter, clean, sizeof clean);
    if (row)
        (void)SEG_FAIL(SEG_ERR_USAGE, "option -%s needs a value", clean);
    else
        (void)SEG_FAIL(SEG_ERR_USAGE, "there is no option '-%s'; 'segmpi help %s' lists all", clean,
                       seg_log_command());
}

/* argp has stopped at a word and does not say why.  The word is behind it, unless it is a cluster
 * of letters with more to come. */
static void diagnose(const parsing *p, const struct argp_state *state)
{
    const char *behind = state->argv[state->next - 1], *ahead = state->argv[state->next];
    const cli_option *row;

    if (seg_error_get()->status != SEG_OK) return;
    if (ahead && ahead[0] == '-' && ahead[1] != '-' && last_letter(p, ahead, &row) && !row)
        diagnose_short(p, ahead);
    else if (strncmp(behind, "--", 2) == 0)
        diagnose_long(p, behind);
    else
        diagnose_short(p, behind);
}

/* ---- argp ---- */

static error_t accept_word(int key, char *text, struct argp_state *state)
{
    parsing *p = state->input;

    if (key == ARGP_KEY_ERROR) diagnose(p, state);
    if (key == ARGP_KEY_ARG) {
        p->arguments[p->n_arguments++] = text;
        return 0;
    }
    for (int i = 0; i < p->n; i++)
        if (key == (p->rows[i]->letter ? p->rows[i]->letter : FIRST_KEY + i)) {
            p->source[i] = CLI_WORD;
            return set_value(p->rows[i], text) == SEG_OK ? 0 : EINVAL;
        }
    return ARGP_ERR_UNKNOWN;
}

cli_source cli_source_of(const char *name)
{
    const parsing *p = &words_of_run;

    for (int i = 0; i < p->n; i++)
        if (strcmp(p->rows[i]->name, name) == 0) return p->source[i];
    return CLI_DEFAULT;
}

/* The synopsis begins with the arguments. */
static seg_status argument_missing(const cli_command *command, int number)
{
    const char *name = command->synopsis;

    for (int i = 0; i < number; i++)
        name += strcspn(name, " ") + 1;
    return SEG_FAIL(SEG_ERR_USAGE, "%.*s is missing; usage: segmpi %s %s", (int)strcspn(name, " "),
                    name, command->name, command->synopsis);
}

/* An option that decides nothing is a misunderstanding, which is better known now; a file or a
 * variable may be meant for other runs too. */
static seg_status check_effect(const parsing *p)
{
    for (int i = 0; i < p->n; i++) {
        const cli_option *row = p->rows[i];
        if (p->source[i] == CLI_WORD && row->applies && !row->applies())
            return SEG_FAIL(SEG_ERR_USAGE, "--%s has no effect without %s", row->name, row->needs);
    }
    return SEG_OK;
}

static seg_status check_complete(const cli_command *command, const parsing *p)
{
    int n = p->n_arguments;

    if (n < command->least_arguments) return argument_missing(command, n);
    if (n > command->most_arguments) {
        char clean[200];
        seg_text_clean(p->arguments[command->most_arguments], clean, sizeof clean);
        return SEG_FAIL(SEG_ERR_USAGE, "'%s' is one word too many; usage: segmpi %s %s", clean,
                        command->name, command->synopsis);
    }
    for (int i = 0; i < p->n; i++)
        if ((p->rows[i]->marks & CLI_REQUIRED) && p->source[i] == CLI_DEFAULT)
            return SEG_FAIL(SEG_ERR_USAGE, "--%s is missing; usage: segmpi %s %s", p->rows[i]->name,
                            command->name, command->synopsis);
    return SEG_OK;
}

seg_status cli_parse(const cli_command *command, int n_words, char **words, cli_session *session)
{
    struct argp_option options[CLI_MAX_ROWS + 1] = { { 0 } };
    struct argp argp = { .options = options, .parser = accept_word };
    parsing *p = &words_of_run;

    *p = (parsing) { .arguments = (const char **)words };
    p->n = cli_rows_of(command, p->rows);
    for (int i = 0; i < p->n; i++)
        options[i] = (struct argp_option) {
            .name = p->rows[i]->name,
            .key = p->rows[i]->letter ? p->rows[i]->letter : FIRST_KEY + i,
            .arg = p->rows[i]->argument,
        };
    shared = (cli_shared) { .deadline = -1 };
    session->shared = &shared;
    SEG_TRY(set_defaults(p));
    /* Arguments are collected at the front of `words`, where argp has already been. */
    if (argp_parse(&argp, n_words, words, ARGP_NO_ERRS | ARGP_NO_EXIT | ARGP_NO_HELP, NULL, p) != 0)
        return SEG_FAIL(SEG_ERR_USAGE, "the command line cannot be read");
    if (!shared.help) {
        SEG_TRY(set_variables(p));
        SEG_TRY(set_config(p, command));
    }
    session->method = cli_method_complete(&shared);
    session->csv = cli_csv_complete();
    session->arguments = p->arguments;
    session->n_arguments = p->n_arguments;
    if (shared.help) return SEG_OK;
    SEG_TRY(check_complete(command, p));
    SEG_TRY(check_effect(p));
    if (command->shared & CLI_CSV) SEG_TRY(cli_csv_check(session));
    return command->check ? command->check(session) : SEG_OK;
}
