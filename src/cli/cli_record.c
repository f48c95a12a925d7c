/* The effective options as JSON, for the provenance of an output. */
#include <string.h>

#include "cli_internal.h"
#include "segmpi/json.h"
#include "segmpi/memory.h"
#include "segmpi/store.h"

static void add_option(seg_json *json, const cli_option *row)
{
    switch (row->kind) {
    case CLI_FLAG:
        seg_json_add_bool(json, row->name, *(const bool *)row->value);
        return;
    case CLI_AUTO:
        if (*(const int *)row->value == 0) {
            seg_json_add_text(json, row->name, "auto");
            return;
        }
        /* fall through */
    case CLI_INT:
        seg_json_add_int(json, row->name, *(const int *)row->value);
        return;
    case CLI_COUNT:
        seg_json_add_int(json, row->name, *(const int64_t *)row->value);
        return;
    case CLI_NUMBER:
        seg_json_add_double(json, row->name, *(const double *)row->value);
        return;
    case CLI_TEXT:
    case CLI_FILE:
        break;
    }

    const char *text = *(const char *const *)row->value;
    const char *slash = text && row->kind == CLI_FILE ? strrchr(text, '/') : NULL;
    if (text) seg_json_add_text(json, row->name, slash ? slash + 1 : text);
}

/* One line of JSON with the options that have all of these marks. */
static seg_status write_options(const cli_command *command, unsigned marks, char **out)
{
    const cli_option *rows[CLI_MAX_ROWS];
    seg_json *json = seg_json_object();
    int n = cli_rows_of(command, rows);

    for (int i = 0; i < n; i++)
        if ((rows[i]->marks & marks) == marks && (!rows[i]->applies || rows[i]->applies()))
            add_option(json, rows[i]);
    seg_status status = seg_json_text(json, out);
    seg_json_free(json);
    return status;
}

seg_status cli_options_record(const cli_command *command, char **out)
{
    return write_options(command, CLI_RECORDED, out);
}

seg_status cli_options_hash(const cli_command *command, uint64_t *hash)
{
    char *all = NULL;

    SEG_TRY(seg_fault("options_hash", SEG_ERR_MEMORY));
    SEG_TRY(write_options(command, 0, &all));
    *hash = seg_hash(all, strlen(all), 0);
    seg_free(all);
    return SEG_OK;
}
