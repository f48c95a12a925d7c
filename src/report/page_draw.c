/* All figures by one gnuplot: for each its files of numbers, a script that draws it again, and the
 * pictures; and the drawing as a part of the page. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page_internal.h"
#include "report_internal.h"
#include "segmpi/memory.h"

#define TAIL 32 /* bytes at the end of a picture */

const figure_kind *const figure_kinds[] = {
    &figure_centers,       &figure_plane,       &figure_loadings,  &figure_clusters,
    &figure_distributions, &figure_correlation, &figure_elbow,     &figure_indices,
    &figure_loss,          &figure_drift,       &figure_migration,
};
const int figure_n_kinds = (int)(sizeof figure_kinds / sizeof *figure_kinds);

void page_figure_release(page_figure *figure)
{
    for (int i = 0; i < FIGURE_SHEETS; i++)
        sheet_release(&figure->sheet[i]);
    sheet_release(&figure->shown);
}

/* ---- drawing ---- */

/* Draws into memory: *script [*size] owned by the caller (free), names in c->names. */
static seg_status draw(const page_data *data, const figure_kind *kind, page_canvas *c,
                       char **script, size_t *size)
{
    *script = NULL;
    c->script = open_memstream(script, size);
    if (!c->script) return SEG_FAIL(SEG_ERR_MEMORY, "out of memory while drawing");
    c->width = c->phone ? CANVAS_PHONE : CANVAS_WIDE;
    kind->draw(data, c);
    bool good = ferror(c->script) == 0;
    if (fclose(c->script) == 0 && good) return SEG_OK;
    return SEG_FAIL(SEG_ERR_MEMORY, "out of memory while drawing");
}

/* The phone's picture is for the page alone; the other one is kept in three forms. */
static void print_script(const figure_kind *kind, const page_canvas *c, const char *settings,
                         FILE *out)
{
    const char *suffix = c->phone ? "-phone" : "";
    const char *font = "noenhanced font 'sans-serif,12'";

    if (!c->phone)
        fprintf(out, "# Draws %s.svg, .png and .pdf from the numbers beside it: gnuplot %s.gp\n",
                kind->name, kind->name);
    fprintf(out,
            "reset\nset encoding utf8\nset datafile separator tab commentschars ''\n"
            "unset key\nset border 0\nset tics scale 0 textcolor rgb '#5B6673'\n"
            "set terminal svg size %d,%d dynamic background rgb 'white' %s\n"
            "set output '%s%s.svg'\n%s",
            c->width, c->height, font, kind->name, suffix, settings);
    if (!c->phone)
        fprintf(out,
                "set terminal pngcairo size %d,%d background rgb 'white' %s fontscale 2 "
                "linewidth 2 pointscale 2\nset output '%s.png'\nreplot\n"
                "set terminal pdfcairo size %.3fin,%.3fin background rgb 'white' %s "
                "fontscale 0.75 linewidth 1 pointscale 0.5\nset output '%s.pdf'\nreplot\n",
                2 * c->width, 2 * c->height, font, kind->name, c->width / 96.0, c->height / 96.0,
                font, kind->name);
    fprintf(out, "unset output\n");
}

static seg_status write_script(const page_data *data, const figure_kind *kind, const char *folder,
                               page_canvas *c)
{
    char path[4096], *settings;
    size_t size;
    page_file file;

    c->n_names = 0;
    seg_status status = draw(data, kind, c, &settings, &size);
    if (status == SEG_OK) status = page_file_open(&file);
    if (status == SEG_OK) {
        (void)snprintf(path, sizeof path, "%s/figures/%s%s.gp", folder, kind->name,
                       c->phone ? "-phone" : "");
        print_script(kind, c, settings, file.out);
        status = page_file_close(&file, SEG_OK, path);
    }
    free(settings);
    return status;
}

static seg_status write_sheets(const page_figure *figure, const char *folder)
{
    char path[4096];
    page_file file;

    for (int i = 0; i < FIGURE_SHEETS && figure->sheet_name[i]; i++) {
        (void)snprintf(path, sizeof path, "%s/figures/%s.tsv", folder, figure->sheet_name[i]);
        SEG_TRY(page_file_open(&file));
        sheet_print(&figure->sheet[i], '\t', file.out);
        SEG_TRY(page_file_close(&file, SEG_OK, path));
    }
    return SEG_OK;
}

static seg_status write_figure(const page_data *data, const figure_kind *kind, const char *folder,
                               canvas_name *names)
{
    page_figure figure = { .name = kind->name };

    kind->tell(data, &figure);
    seg_status status = write_sheets(&figure, folder);
    for (int phone = 0; phone < 2 && status == SEG_OK; phone++) {
        page_canvas c = { .phone = phone == 1, .names = names };
        status = write_script(data, kind, folder, &c);
    }
    page_figure_release(&figure);
    return status;
}

/* gnuplot does not tell of a disk that is full: a picture has its end, or is none. */
static seg_status check_picture(const char *folder, const char *name, const char *suffix,
                                const char *end)
{
    char path[4096], tail[TAIL] = "";
    const size_t length = strlen(end);
    bool whole = false;

    (void)snprintf(path, sizeof path, "%s/figures/%s%s", folder, name, suffix);
    FILE *file = fopen(path, "rb");
    if (file && fseek(file, -TAIL, SEEK_END) == 0 && fread(tail, TAIL, 1, file) == 1)
        for (size_t i = 0; i + length <= TAIL; i++)
            whole = whole || memcmp(tail + i, end, length) == 0;
    if (file) (void)fclose(file);
    if (whole) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "gnuplot has not drawn '%s%s' to its end; is the disk full?", name,
                    suffix);
}

static seg_status check_pictures(const page_data *data, const char *folder)
{
    static const char *const ends[][2] = {
        { ".svg", "</svg>" }, { "-phone.svg", "</svg>" }, { ".png", "IEND" }, { ".pdf", "%%EOF" }
    };

    for (int i = 0; i < figure_n_kinds; i++)
        for (int e = 0; e < 4 && figure_kinds[i]->applies(data); e++)
            SEG_TRY(check_picture(folder, figure_kinds[i]->name, ends[e][0], ends[e][1]));
    return SEG_OK;
}

seg_status page_draw(const page_data *data, const char *folder, bool *drawn)
{
    seg_status status = SEG_OK;
    canvas_name *names = NULL;
    char *script = NULL, talk[4096];
    size_t size;
    FILE *all = open_memstream(&script, &size);

    if (!all) return SEG_FAIL(SEG_ERR_MEMORY, "out of memory while drawing");
    (void)snprintf(talk, sizeof talk, "%s/figures/gnuplot.log", folder);
    fprintf(all, "cd ");
    canvas_quote(all, folder);
    fprintf(all, "\ncd 'figures'\n");
    SEG_TRY_OR_DONE(seg_alloc(CANVAS_NAMES, sizeof *names, &names));
    for (int i = 0; i < figure_n_kinds; i++) {
        const figure_kind *kind = figure_kinds[i];
        if (!kind->applies(data)) continue;
        SEG_TRY_OR_DONE(write_figure(data, kind, folder, names));
        fprintf(all, "load '%s.gp'\nload '%s-phone.gp'\n", kind->name, kind->name);
    }
done:
    if (fclose(all) != 0 && status == SEG_OK)
        status = SEG_FAIL(SEG_ERR_MEMORY, "out of memory while drawing");
    if (status == SEG_OK) status = report_gnuplot_run(script, size, talk, drawn);
    if (status == SEG_OK && *drawn) status = check_pictures(data, folder);
    free(script);
    seg_free(names);
    return status;
}

/* ---- as a part of the page ---- */

/* Text in a picture that was shortened gets the whole of it as a tooltip. */
static void put_line(const char *line, const page_canvas *c, FILE *out)
{
    const char *text = strstr(line, "<text>"), *end = text ? strstr(text, "</text>") : NULL;

    if (end)
        for (int i = 0; i < c->n_names; i++) {
            char escaped[800] = "", *e = escaped;
            FILE *memory = fmemopen(escaped, sizeof escaped, "w");
            if (!memory) break;
            page_put(memory, "$", c->names[i].shown);
            (void)fclose(memory);
            if (strlen(e) != (size_t)(end - text) - 6 || strncmp(text + 6, e, strlen(e)) != 0)
                continue;
            fprintf(out, "%.*s", (int)(text + 6 - line), line);
            page_put(out, "<title>$</title>", c->names[i].full);
            fputs(text + 6, out);
            return;
        }
    fputs(line, out);
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Up to the line that begins with `with`. */
static void skip_to(FILE *in, const char *with, char *line, int size)
{
    while (fgets(line, size, in))
        if (begins(line, with)) return;
}

/* What gnuplot draws on the canvas, without what a page has once or not at all: definitions of
 * points, titles of plots, groups with nothing in them. */
static void put_drawing(FILE *in, const page_canvas *c, FILE *out)
{
    char line[16384], group[400] = "";

    skip_to(in, "<g id=\"gnuplot_canvas\">", line, sizeof line);
    fputs("<g>\n", out);
    while (fgets(line, sizeof line, in) && !begins(line, "</svg>")) {
        bool is_empty = *group && strcmp(line, "</g>\n") == 0;
        if (!is_empty) fputs(group, out);
        *group = '\0';
        if (is_empty) continue;
        if (begins(line, "<defs>"))
            skip_to(in, "</defs>", line, sizeof line);
        else if (begins(line, "<g fill=\"none\"") && strlen(line) < sizeof group)
            memcpy(group, line, strlen(line) + 1);
        else if (strstr(line, "<g id="))
            fputs("<g>\n", out);
        else
            put_line(line, c, out);
    }
}

seg_status page_inline(const page_data *data, const figure_kind *kind, const char *title,
                       const char *folder, bool phone, FILE *out)
{
    seg_status status = SEG_OK;
    page_canvas c = { .phone = phone };
    char path[4096], *settings = NULL;
    size_t size;
    FILE *in = NULL;

    SEG_TRY_OR_DONE(seg_alloc(CANVAS_NAMES, sizeof *c.names, &c.names));
    SEG_TRY_OR_DONE(draw(data, kind, &c, &settings, &size));
    (void)snprintf(path, sizeof path, "%s/figures/%s%s.svg", folder, kind->name,
                   phone ? "-phone" : "");
    in = fopen(path, "r");
    if (!in) {
        status = SEG_FAIL(SEG_ERR_IO, "the drawing of '%s' is gone", kind->name);
        goto done;
    }
    fprintf(out, "<svg class=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\"", phone ? "phone" : "wide",
            c.width, c.height);
    page_put(out, " aria-label=\"$\">\n", title);
    put_drawing(in, &c, out);
    fputs("</svg>\n", out);
    if (ferror(in)) status = SEG_FAIL(SEG_ERR_IO, "cannot read the drawing of '%s'", kind->name);
done:
    if (in) (void)fclose(in);
    free(settings);
    seg_free(c.names);
    return status;
}
