/* The completion script of bash, from the rows that parse and help. */
#include <stdio.h>
#include <string.h>

#include "cli_internal.h"

/* Columns stand in the header of a CSV file; segmpi knows those of an HDF5 file.  Of a list the
 * last name is completed.  A launcher's line is completed from the word segmpi on. */
static const char columns[] =
    "# bash completion of segmpi, made by 'segmpi help --completion'\n"
    "_segmpi_columns() {\n"
    "    local file names= prefix=\n"
    "    for file in \"${COMP_WORDS[@]:2}\"; do\n"
    "        [ -f \"$file\" ] || continue\n"
    "        case $file in\n"
    "        *.h5 | *.hdf5 | *.nc) names=$(\"${COMP_WORDS[0]}\" inspect --columns \"$file\" "
    "2>/dev/null) ;;\n"
    "        *) names=$(head -n 1 -- \"$file\" | tr -d '\"\\r' | tr ',;\\t' '\\n\\n\\n') ;;\n"
    "        esac\n"
    "        [ -z \"$names\" ] || break\n"
    "    done\n"
    "    case $word in *,*) prefix=${word%,*}, ;; esac\n"
    "    mapfile -t COMPREPLY < <(printf '%s\\n' \"$names\" |\n"
    "        awk -v word=\"${word#\"$prefix\"}\" -v prefix=\"$prefix\" 'index($0, word) == 1 { "
    "print "
    "prefix $0 }')\n"
    "    compopt +o default -o nospace 2>/dev/null\n"
    "}\n";

static const char launched[] =
    "_segmpi_launched() {\n"
    "    local i\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        if [ \"${COMP_WORDS[i]##*/}\" = segmpi ]; then\n"
    "            COMP_WORDS=(\"${COMP_WORDS[@]:i}\")\n"
    "            COMP_CWORD=$((COMP_CWORD - i))\n"
    "            _segmpi\n"
    "            return\n"
    "        fi\n"
    "    done\n"
    "}\n"
    "for _segmpi_launcher in mpirun mpiexec srun; do\n"
    "    complete -p \"$_segmpi_launcher\" >/dev/null 2>&1 ||\n"
    "        complete -o default -F _segmpi_launched \"$_segmpi_launcher\"\n"
    "done\n"
    "unset _segmpi_launcher\n";

/* bash cuts words at '=' and ':', so a value is completed from the last of them on. */
static const char head[] =
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
        else if (rows[i]->marks & CLI_COLUMN)
            printf("_segmpi_columns; return 0 ;;\n");
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
    printf(
        "%s%s    if [ \"$COMP_CWORD\" -eq 1 ] || { [ \"${COMP_WORDS[1]}\" = help ] && [[ $word != "
        "-* ]]; "
        "}; then\n        words='",
        columns, head);
    print_names();
    printf("'\n    else case ${COMP_WORDS[1]} in\n");
    for (int i = 0; i < cli_n_commands; i++)
        print_case(cli_commands[i]);
    printf("    esac fi\n%s%s", tail, launched);
}
