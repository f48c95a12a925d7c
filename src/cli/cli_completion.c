/* The completion script of bash, from the rows that parse and help. */
#include <stdio.h>
#include <string.h>

#include "cli_internal.h"

/* bash cuts words at '=' and ':', so a value is completed from the last of them on. */
static const char head[] =
    "# bash completion of segmpi, made by 'segmpi help --completion'\n"
    "_segmpi() {\n"
    "    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} words=\n"
    "    COMPREPLY=()\n"
    "    if [ \"$word\" = = ]; then\n"
    "        word=\n"
    "    elif [ \"$option\" = = ]; then\n"
    "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "    fi\n";

static const char tail[] =
    "    # without words readline completes files\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
    "    case ${COMPREPLY[0]-} in *[:=]) compopt -o nospace 2>/dev/null ;; esac\n"
    "    return 0\n"
    "}\n"
    "complete -o default -F _segmpi segmpi\n";

/* A pattern for the option: -k | --n-clusters. */
static void print_pattern(const cli_option *row)
{
    printf("        ");
    if (row->letter) printf("-%c | ", row->letter);
    printf("--%s) ", row->name);
}

/* After an option with a value the value is completed, otherwise options. */
static void print_case(const cli_command *command)
{
    const cli_option *rows[CLI_MAX_ROWS];
    int n = cli_rows_of(command, rows);

    printf("    %s)\n        case $option in\n", command->name);
    for (int i = 0; i < n; i++) {
        if (!rows[i]->argument) continue;
        print_pattern(rows[i]);
        if (rows[i]->choices)
            printf("words='%s' ;;\n", rows[i]->choices);
        else
            printf("%s ;;\n", rows[i]->kind == CLI_FILE
                                  ? "return 0"
                                  : "compopt +o default 2>/dev/null; return 0");
    }
    printf("        *)\n            if [[ $word == -* ]]; then words='");
    for (int i = 0; i < n; i++)
        printf("%s--%s", i > 0 ? " " : "", rows[i]->name);
    printf("'; fi\n            ;;\n        esac\n        ;;\n");
}

static void print_names(void)
{
    for (int i = 0; i < cli_n_commands; i++)
        printf("%s%s", i > 0 ? " " : "", cli_commands[i]->name);
}

void cli_completion_print(void)
{
    printf("%s    if [ \"$COMP_CWORD\" -eq 1 ] || { [ \"${COMP_WORDS[1]}\" = help ] && [[ $word != "
           "-* ]]; "
           "}; then\n        words='",
           head);
    print_names();
    printf("'\n    else case ${COMP_WORDS[1]} in\n");
    for (int i = 0; i < cli_n_commands; i++)
        print_case(cli_commands[i]);
    printf("    esac fi\n%s", tail);
}
