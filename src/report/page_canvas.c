/* What all figures share: colours, texts that fit, margins, the key of the segments.  Places are
 * in px from the left and top; gnuplot takes them as shares of the picture. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "page_internal.h"
#include "report_internal.h"
#include "segmpi/text.h"

#define COLOURS 12
#define INK     "#2B3440"

/* Okabe and Ito's first, the rest apart from them; shapes tell where colours do not. */
static const char *const colours[COLOURS] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                              "#E69F00", "#56B4E9", "#7A5195", "#8C6D31",
                                              "#4D4D4D", "#B2182B", "#66A61E", "#1B9E9E" };
static const char *const darks[COLOURS] = { "#00619A", "#B04C00", "#007A58", "#A64B80",
                                            "#8F6200", "#1F78A8", "#6A4583", "#75591F",
                                            "#404040", "#9A1020", "#4A7A12", "#137575" };
static const int shapes[COLOURS] = { 7, 5, 9, 13, 11, 15, 6, 4, 8, 12, 10, 14 };

const char *canvas_colour(int segment)
{
    return colours[segment % COLOURS];
}

const char *canvas_dark(int segment)
{
    return darks[segment % COLOURS];
}

int canvas_shape(int segment)
{
    return shapes[segment % COLOURS];
}

/* On the safe side for the fonts that are likely. */
double canvas_text_width(const char *text, double size)
{
    double width = 0;

    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if ((*c & 0xc0) == 0x80) continue;
        if (*c >= 0xe0)
            width += 1.05;
        else if (strchr("il.,:;|! '()", *c))
            width += 0.36;
        else
            width += (*c >= 'A' && *c <= 'Z') || *c == 'm' || *c == 'w' ? 0.72 : 0.62;
    }
    return width * size;
}

/* Bytes of the first n characters. */
static size_t bytes_of(const char *text, int n)
{
    size_t bytes = 0;

    while (text[bytes] && n-- > 0)
        do
            bytes++;
        while (((unsigned char)text[bytes] & 0xc0) == 0x80);
    return bytes;
}

/* The first and the last characters of a text of n, `kept` of them, apart by an ellipsis. */
static void cut_middle(const char *text, int n, int kept, char *buffer, size_t size)
{
    int head = (kept + 1) / 2;

    (void)snprintf(buffer, size, "%.*s\xe2\x80\xa6%s", (int)bytes_of(text, head), text,
                   text + bytes_of(text, n - (kept - head)));
}

static int characters(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

const char *page_short(const char *text, page_name name)
{
    char clean[400];
    int n = characters(seg_text_clean(text, clean, sizeof clean));

    if (n <= PAGE_NAME)
        seg_text_copy(name, sizeof(page_name), clean);
    else
        cut_middle(clean, n, PAGE_NAME - 1, name, sizeof(page_name));
    return name;
}

const char *canvas_fit(page_canvas *c, const char *text, double size, double width, char *buffer,
                       size_t buffer_size)
{
    char clean[200];
    int n = characters(seg_text_clean(text, clean, sizeof clean));

    (void)snprintf(buffer, buffer_size, "%s", clean);
    if (canvas_text_width(clean, size) <= width) return buffer;
    /* The ends of names tell them apart as often as their beginnings. */
    for (int kept = n - 1; kept >= 2; kept--) {
        cut_middle(clean, n, kept, buffer, buffer_size);
        if (canvas_text_width(buffer, size) <= width) break;
    }
    if (c->n_names < CANVAS_NAMES) {
        canvas_name *name = &c->names[c->n_names++];
        seg_text_copy(name->shown, sizeof name->shown, buffer);
        seg_text_copy(name->full, sizeof name->full, clean);
    }
    return buffer;
}

void canvas_quote(FILE *script, const char *text)
{
    char clean[1000];

    report_gnuplot_text(script, seg_text_clean(text, clean, sizeof clean));
}

void canvas_margins(page_canvas *c, int left, int right, int top, int bottom)
{
    c->left = left;
    c->right = right;
    c->top = top;
    c->bottom = bottom;
    fprintf(c->script,
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set tmargin at screen %.5f\nset bmargin at screen %.5f\n",
            (double)left / c->width, 1 - (double)right / c->width, 1 - (double)top / c->height,
            (double)bottom / c->height);
}

void canvas_text(page_canvas *c, double x, double y, const char *align, double size,
                 const char *colour, const char *text)
{
    fprintf(c->script, "set label ");
    canvas_quote(c->script, text);
    fprintf(c->script, " at screen %.5f,%.5f %s font ',%g' textcolor rgb '%s' front\n",
            x / c->width, 1 - y / c->height, align, size, colour);
}

void canvas_plain(page_canvas *c)
{
    canvas_margins(c, 0, 0, 0, 0);
    fprintf(c->script, "unset border\nunset tics\nset xrange [0:%d]\nset yrange [%d:0]\n", c->width,
            c->height);
}

/* As many in a row as fit. */
int canvas_key(page_canvas *c, const page_data *data, bool draw)
{
    const double size = c->phone ? 11 : 12, line = size + 8;
    double x = 6, y = line / 2 + 2;
    char name[200];
    int n_names = c->n_names;

    for (int i = 0; i < data->s->n_segments; i++) {
        canvas_fit(c, data->s->segment[i].name, size, c->phone ? 290 : 330, name, sizeof name);
        double width = 18 + canvas_text_width(name, size) + 14;
        if (x > 6 && x + width > c->width) {
            x = 6;
            y += line;
        }
        if (draw) {
            fprintf(c->script,
                    "set label '' at screen %.5f,%.5f point pointtype %d pointsize 1 "
                    "linecolor rgb '%s' front\n",
                    (x + 6) / c->width, 1 - y / c->height, canvas_shape(i), canvas_colour(i));
            canvas_text(c, x + 16, y, "left", size, canvas_dark(i), name);
        }
        x += width;
    }
    if (!draw) c->n_names = n_names;
    return (int)(y + line / 2 + 4);
}

void canvas_line(page_canvas *c, double x1, double y1, double x2, double y2, const char *style)
{
    fprintf(c->script, "set arrow from %.6g,%.6g to %.6g,%.6g nohead %s\n", x1, y1, x2, y2, style);
}

void canvas_palette(page_canvas *c, double most)
{
    fprintf(c->script,
            "unset colorbox\nset cbrange [%g:%g]\n"
            "set palette defined (-1 '#1F6FA8', -0.5 '#8DBBDB', 0 '#F4F5F7', 0.5 '#F2B98C', "
            "1 '#C65A11')\n",
            -most, most);
}

int figure_names_width(int n, const int *order, char *const *names, double size, int most)
{
    double width = 30;

    for (int i = 0; i < n; i++)
        width = fmax(width, canvas_text_width(names[order ? order[i] : i], size));
    return width < most ? (int)width : most;
}

void figure_row_names(page_canvas *c, int n, const int *order, char *const *names, double height,
                      double size)
{
    char name[200];

    for (int i = 0; i < n; i++) {
        canvas_fit(c, names[order ? order[i] : i], size, c->left - 12, name, sizeof name);
        canvas_text(c, c->left - 8, c->top + (i + 0.5) * height, "right", size, INK, name);
    }
}
