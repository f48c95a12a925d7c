/* segmpi report: from a model, and what came after it, to a folder for people. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "page_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

/* ---- what is told ---- */

/* Forgets that something is not there, and nothing else. */
static seg_status optional(seg_status status)
{
    if (status != SEG_ERR_DATA) return status;
    seg_error_clear();
    return SEG_OK;
}

/* An attribute of provenance or provenance/run, "" if it is not there. */
static seg_status read_text(seg_input *in, const char *name, char *text, size_t size)
{
    static const char *const groups[] = { "provenance", "provenance/run" };

    *text = '\0';
    for (int i = 0; i < 2; i++)
        if (seg_input_has_attr(in, groups[i], name))
            return optional(seg_input_attr_text(in, groups[i], name, text, size));
    return SEG_OK;
}

static seg_status read_origin(seg_input *in, page_origin *o)
{
    const struct {
        const char *name;
        char *text;
        size_t size;
    } texts[] = { { "version", o->version, sizeof o->version },
                  { "created", o->created, sizeof o->created },
                  { "input_name", o->input, sizeof o->input },
                  { "input_fingerprint", o->input_fingerprint, sizeof o->input_fingerprint },
                  { "command_line", o->command, sizeof o->command },
                  { "options", o->options, sizeof o->options } };

    SEG_TRY(optional(seg_input_attr_text(in, "", "model_id", o->model_id, sizeof o->model_id)));
    if (!seg_input_has(in, "provenance")) return SEG_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SEG_TRY(read_text(in, texts[i].name, texts[i].text, texts[i].size));
    SEG_TRY(optional(seg_input_attr_int(in, "provenance", "seed", &o->seed)));
    return optional(seg_input_attr_int(in, "provenance", "rows_read", &o->rows_read));
}

/* Columns by effect, largest first; stable. */
static seg_status sort_columns(page_data *data)
{
    const seg_segments *s = data->s;

    SEG_TRY(seg_alloc(s->d, sizeof *data->order, &data->order));
    for (int t = 0; t < s->d; t++) {
        int at = t;
        for (; at > 0 && s->effect[t] > s->effect[data->order[at - 1]]; at--)
            data->order[at] = data->order[at - 1];
        data->order[at] = t;
    }
    return SEG_OK;
}

/* ---- the command ---- */

seg_status seg_report_page(seg_input *in, const seg_page_opts *opts)
{
    seg_status status = SEG_OK;
    seg_model model = { 0 };
    page_data data = { .model = &model, .s = &model.segments };

    SEG_TRY_OR_DONE(seg_model_read(in, &model));
    SEG_TRY_OR_DONE(read_origin(in, &data.origin));
    SEG_TRY_OR_DONE(sort_columns(&data));
    SEG_TRY_OR_DONE(page_change_read(opts->compared, opts->scores, &data));
    SEG_TRY_OR_DONE(page_folder_write(&data, opts->folder, opts->force));
done:
    page_change_release(&data);
    seg_free(data.order);
    seg_model_release(&model);
    return status;
}
