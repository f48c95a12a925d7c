/* Manual pages as roff, from the rows that parse and help. */
#include <stdio.h>
#include <string.h>

#include "cli_internal.h"

/* `n` bytes of text, no line of which is taken for a request. */
static void print_text(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((i == 0 || text[i - 1] == '\n') && (text[i] == '.' || text[i] == '\'')) printf("\\&");
        if (text[i] == '\\')
            printf("\\e");
        else if (text[i] == '-')
            printf("\\-");
        else
            putchar(text[i]);
    }
}

static void print_words(const char *text)
{
    print_text(text, strlen(text));
}

/* Paragraphs are filled; a block of lines that begin with a blank stays as it is. */
static void print_paragraphs(const char *text)
{
    bool table = false;

    while (*text) {
        size_t n = strcspn(text, "\n");
        if ((*text == ' ') != table) printf(table ? ".in\n.fi\n" : ".nf\n.in 0\n");
        table = *text == ' ';
        if (n == 0)
            printf(".PP");
        else
            print_text(text, n);
        putchar('\n');
        text += n + (text[n] == '\n');
    }
    if (table) printf(".in\n.fi\n");
}

static void print_option(const cli_option *row)
{
    printf(".TP\n");
    if (row->letter) printf("\\fB\\-%c\\fR, ", row->letter);
    printf("\\fB\\-\\-");
    print_words(row->name);
    printf("\\fR");
    if (row->argument) printf("=\\fI%s\\fR", row->argument);
    putchar('\n');
    print_words(row->help);
    if (row->fallback && *row->fallback) {
        printf(" (default: ");
        print_words(row->fallback);
        putchar(')');
    }
    putchar('\n');
}

static void print_command(const cli_command *command)
{
    const cli_option *rows[CLI_MAX_ROWS];
    int n = cli_rows_of(command, rows);

    printf(".SH NAME\nsegmpi\\-%s \\- ", command->name);
    print_words(command->summary);
    printf("\n.SH SYNOPSIS\n\\fBsegmpi %s\\fR ", command->name);
    print_words(command->synopsis);
    printf("\n.SH DESCRIPTION\nsegmpi %s ", command->name);
    print_words(command->summary);
    printf(".\n");
    if (command->text) {
        printf(".PP\n");
        print_paragraphs(command->text);
    }
    printf(".SH OPTIONS\n");
    for (int i = 0; i < n; i++)
        print_option(rows[i]);
    printf(".SH EXAMPLES\n.nf\n");
    print_words(command->examples);
    printf(".fi\n.SH SEE ALSO\n\\fBsegmpi\\fR(1)\n");
}

static void print_program(void)
{
    printf(".SH NAME\nsegmpi \\- segmentation of bank clients at cluster scale\n"
           ".SH SYNOPSIS\n\\fBsegmpi\\fR COMMAND [OPTION...] [FILE...]\n.br\n"
           "\\fBmpirun \\-n\\fR N \\fBsegmpi\\fR COMMAND [OPTION...] [FILE...]\n"
           ".SH COMMANDS\n");
    for (int i = 0; i < cli_n_commands; i++) {
        printf(".TP\n\\fBsegmpi\\-%s\\fR(1)\n", cli_commands[i]->name);
        print_words(cli_commands[i]->summary);
        putchar('\n');
    }
    printf(".SH EXIT STATUS\n");
    print_paragraphs(cli_exit_codes);
    printf(".SH ENVIRONMENT\n");
    print_paragraphs(cli_environment);
}

void cli_manual_print(const cli_command *command)
{
    printf(".TH SEGMPI");
    if (command) printf("\\-");
    for (const char *at = command ? command->name : ""; *at; at++)
        putchar(*at - 'a' + 'A');
    printf(" 1 \"\" \"segmpi %s\" \"segmpi\"\n.nh\n.ad l\n", seg_version());
    if (command)
        print_command(command);
    else
        print_program();
}
