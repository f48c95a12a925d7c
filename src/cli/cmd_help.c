/* segmpi help: all commands, or one command with its options, from the same rows that parse them.
 */
#include <stdio.h>
#include <string.h>

#include "cli_internal.h"

#define WIDTH  79
#define INDENT 27

/* Words of `text` from column `indent` on, where the cursor is; broken at WIDTH. */
static void print_wrapped(const char *text, int indent)
{
    int at = indent;

    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > indent && at + 1 + length > WIDTH) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", length, text);
        at += length;
        text += length + (text[length] == ' ');
    }
    putchar('\n');
}

static void print_row(const cli_option *row)
{
    char left[64], help[400];
    bool value = row->argument != NULL;
    int n;

    if (row->letter)
        n = snprintf(left, sizeof left, "  -%c, --%s%s%s", row->letter, row->name, value ? "=" : "",
                     value ? row->argument : "");
    else
        n = snprintf(left, sizeof left, "      --%s%s%s", row->name, value ? "=" : "",
                     value ? row->argument : "");
    snprintf(help, sizeof help, "%s%s%s%s", row->help, row->fallback ? " (default: " : "",
             row->fallback ? row->fallback : "", row->fallback ? ")" : "");
    if (n > INDENT - 2)
        printf("%s\n%*s", left, INDENT, "");
    else
        printf("%-*s", INDENT, left);
    print_wrapped(help, INDENT);
}

void cli_help_print(const cli_command *command)
{
    const cli_option *rows[CLI_MAX_ROWS];
    int n = cli_rows_of(command, rows);
    char summary[200];

    printf("Usage: segmpi %s %s\n\n", command->name, command->synopsis);
    snprintf(summary, sizeof summary, "segmpi %s %s.", command->name, command->summary);
    print_wrapped(summary, 0);
    putchar('\n');
    for (int i = 0; i < n; i++) {
        if (i == command->n_options && i > 0) putchar('\n');
        print_row(rows[i]);
    }
    if (command->text) printf("\n%s", command->text);
    printf("\nExamples:\n");
    for (const char *line = command->examples; *line; line += strcspn(line, "\n") + 1)
        printf("  %.*s\n", (int)strcspn(line, "\n"), line);
}

const char cli_exit_codes[] =
    "0 done; 1 a gate that was asked for (--fail-on) tripped; 64 usage; 65 bad data or\n"
    "model; 66 input missing; 70 internal; 71 out of memory; 73 output exists or cannot\n"
    "be created; 74 I/O error, disk full; 75 stopped after a checkpoint, run again with\n"
    "--resume; 76 a rank stopped answering; 77 permission; 78 unsafe platform or\n"
    "configuration.\n";

const char cli_environment[] =
    "SEGMPI_OPTION, such as SEGMPI_N_CLUSTERS=6, sets an option that no word sets, and\n"
    "goes before the option file (--config).  SEGMPI_SIMD=ref|v3|v4 chooses the inner\n"
    "loops, OPENBLAS_CORETYPE those of OpenBLAS; NO_COLOR.\n";

void cli_version_print(void)
{
    printf("segmpi %s (%s)\n", seg_version(), seg_version_source());
}

static void print_commands(void)
{
    printf("segmpi %s: segmentation of bank clients at cluster scale\n\n"
           "Usage: segmpi COMMAND [OPTION...] [FILE...]\n\n",
           seg_version());
    for (int i = 0; i < cli_n_commands; i++)
        printf("  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    printf("\n"
           "'segmpi help COMMAND' lists the options of a command.\n"
           "On several ranks: mpirun -n 4 segmpi fit clients.h5 -o model.h5\n\n"
           "Exit codes:\n%s\nEnvironment:\n%s",
           cli_exit_codes, cli_environment);
}

static struct {
    bool manual, completion;
} opts;

static const cli_option rows[] = {
    { .name = "man",
      .help = "print the manual page, as roff",
      .kind = CLI_FLAG,
      .value = &opts.manual },
    { .name = "completion",
      .help = "print the completion script of bash",
      .kind = CLI_FLAG,
      .value = &opts.completion },
};

static seg_status run(cli_session *session)
{
    const cli_command *command = NULL;

    if (session->n_arguments > 0) SEG_TRY(cli_command_find(session->arguments[0], &command));
    if (opts.completion)
        cli_completion_print();
    else if (opts.manual)
        cli_manual_print(command);
    else if (command)
        cli_help_print(command);
    else
        print_commands();
    return SEG_OK;
}

const cli_command cli_help = {
    .name = "help",
    .summary = "lists all commands, or the options of one",
    .synopsis = "[COMMAND] [OPTION...]",
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .examples = "segmpi help fit\n"
                "segmpi help --man fit | man -l -\n"
                ". <(segmpi help --completion)\n",
    .most_arguments = 1,
    .run = run,
};
