/* The table of commands. */
#include "cli_internal.h"

#include <string.h>

#include "segmpi/text.h"

const cli_command *const cli_commands[] = { &cli_import, &cli_generate, &cli_describe, &cli_elbow,
                                            &cli_fit,    &cli_score,    &cli_compare,  &cli_report,
                                            &cli_export, &cli_inspect,  &cli_doctor,   &cli_help };
const int cli_n_commands = (int)(sizeof cli_commands / sizeof *cli_commands);

seg_status cli_command_find(const char *name, const cli_command **out)
{
    const char *names[sizeof cli_commands / sizeof *cli_commands];
    char clean[64];

    for (int i = 0; i < cli_n_commands; i++) {
        *out = cli_commands[i];
        names[i] = cli_commands[i]->name;
        if (strcmp(name, names[i]) == 0) return SEG_OK;
    }
    *out = NULL;
    const char *nearest = seg_text_nearest(name, cli_n_commands, names);
    seg_text_clean(name, clean, sizeof clean);
    if (nearest)
        return SEG_FAIL(SEG_ERR_USAGE, "there is no command '%s', did you mean '%s'?", clean,
                        nearest);
    return SEG_FAIL(SEG_ERR_USAGE, "there is no command '%s'; 'segmpi help' lists all", clean);
}
