/* Options from an option file (--config) and from SEGMPI_ variables, for those that no word sets.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_internal.h"
#include "segmpi/ini.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

/* The keys of the file that the command has. */
static struct {
    const cli_command *command;
    const cli_option *rows[CLI_MAX_ROWS];
    int n;
    char *text[CLI_MAX_ROWS]; /* owned until the process ends: values point into them */
    int line[CLI_MAX_ROWS];
    bool own[CLI_MAX_ROWS]; /* it stands in the command's section */
} file;

/* What steers the parsing itself is no key. */
static bool is_key(const cli_option *row)
{
    return strcmp(row->name, "config") != 0 && strcmp(row->name, "help") != 0;
}

static int find_row(int n, const cli_option *const *rows, const char *name)
{
    for (int i = 0; i < n; i++)
        if (is_key(rows[i]) && strcmp(rows[i]->name, name) == 0) return i;
    return -1;
}

static seg_status key_unknown(const char *key, int n, const char *const *names, const char *where)
{
    char clean[64];
    const char *nearest = seg_text_nearest(key, n, names);

    seg_text_clean(key, clean, sizeof clean);
    if (nearest)
        return SEG_FAIL(SEG_ERR_USAGE, "%s '%s', did you mean '%s'?", where, clean, nearest);
    return SEG_FAIL(SEG_ERR_USAGE, "%s '%s'", where, clean);
}

/* A key in the section of a command is one of its options. */
static seg_status check_section(const seg_ini_line *line)
{
    const cli_option *rows[CLI_MAX_ROWS];
    const char *names[CLI_MAX_ROWS];
    const cli_command *command;
    char where[64];

    SEG_TRY(cli_command_find(line->section, &command));
    int n = cli_rows_of(command, rows), n_names = 0;
    if (find_row(n, rows, line->key) >= 0) return SEG_OK;
    (void)snprintf(where, sizeof where, "%s has no option", command->name);
    for (int i = 0; i < n; i++)
        if (is_key(rows[i])) names[n_names++] = rows[i]->name;
    return key_unknown(line->key, n_names, names, where);
}

/* A key above all sections is an option of at least one command. */
static seg_status check_plain(const char *key)
{
    const cli_option *rows[CLI_MAX_ROWS];
    const char *nearest = NULL;

    for (int c = 0; c < cli_n_commands; c++) {
        int n = cli_rows_of(cli_commands[c], rows);
        if (find_row(n, rows, key) >= 0) return SEG_OK;
        for (int i = 0; i < n; i++) {
            const char *two[2] = { rows[i]->name, nearest };
            if (is_key(rows[i])) nearest = seg_text_nearest(key, nearest ? 2 : 1, two);
        }
    }
    return key_unknown(key, nearest ? 1 : 0, &nearest, "no command has an option");
}

static seg_status take_line(void *user, const seg_ini_line *line)
{
    bool own = strcmp(line->section, file.command->name) == 0;

    (void)user;
    if (line->continues) return SEG_FAIL(SEG_ERR_USAGE, "a value stands in one line");
    SEG_TRY(*line->section ? check_section(line) : check_plain(line->key));
    int i = find_row(file.n, file.rows, line->key);
    if (i < 0 || (*line->section && !own)) return SEG_OK; /* of another command */
    if (file.text[i] && file.own[i] == own)
        return SEG_FAIL(SEG_ERR_USAGE, "'%s' is set in line %d already", line->key, file.line[i]);
    if (file.text[i] && file.own[i]) return SEG_OK;
    seg_free(file.text[i]);
    file.own[i] = own;
    file.line[i] = line->number;
    return seg_text_duplicate(line->value, &file.text[i]);
}

seg_status cli_config_read(const char *path, const cli_command *command)
{
    char *text = NULL;

    file.command = command;
    file.n = cli_rows_of(command, file.rows);
    SEG_TRY(seg_ini_load(path, &text));
    seg_status status = seg_ini_parse(path, text, take_line, NULL);
    seg_free(text);
    return status;
}

const char *cli_config_value(int row, int *line)
{
    *line = file.line[row];
    return file.text[row];
}

const char *cli_variable_value(const cli_option *row, char *name, size_t size)
{
    if (!is_key(row) && strcmp(row->name, "config") != 0) return NULL;
    (void)snprintf(name, size, "SEGMPI_%s", row->name);
    for (char *at = name; *at; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}
