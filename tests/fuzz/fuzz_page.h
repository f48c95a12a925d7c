/* A figure as its sheets and its script for gnuplot, which must hold no controls. */
#pragma once

#include "../../src/report/page_internal.h"
#include "fuzz_common.h"

static inline void fuzz_print(const page_data *data, const figure_kind *kind, FILE *out)
{
    static canvas_name names[CANVAS_NAMES];
    page_figure figure = { .name = kind->name };
    page_canvas canvas = { .width = CANVAS_WIDE, .script = out, .names = names };

    if (!kind->applies(data)) return;
    kind->tell(data, &figure);
    kind->draw(data, &canvas);
    for (int i = 0; i < FIGURE_SHEETS && figure.sheet_name[i]; i++) {
        sheet_print(&figure.sheet[i], '\t', out);
        sheet_print(&figure.sheet[i], ',', out);
        sheet_html(&figure.sheet[i], out);
    }
    page_put(out, "$@", figure.title, figure.subtitle);
    page_figure_release(&figure);
}

static inline void fuzz_draw(const page_data *data, const figure_kind *kind)
{
    size_t length = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &length);

    if (!out) abort();
    fuzz_print(data, kind, out);
    if (fclose(out) != 0) abort();
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\t') text[i] = ' ';
    if (!fuzz_is_plain(text, length)) fuzz_failed("controls in the page", text);
    free(text);
}
