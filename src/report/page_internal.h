/* Inside report/: the page for people who look rather than read.
 *
 * model -> sheets of numbers -> files, tables of the page, and figures that gnuplot draws from the
 * files.  Whatever comes from data reaches HTML through page_put() alone, gnuplot through
 * canvas_quote() alone, and files of cells through sheet_*() alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "segmpi/json.h"
#include "segmpi/model.h"

#define PAGE_FEW  10 /* smaller groups of clients are not shown */
#define PAGE_TEXT 400
#define PAGE_LONG 65536 /* bytes of a text that may name thousands of columns */

/* ---- what is told ---- */

typedef struct page_origin {
    char model_id[SEG_MODEL_ID], version[100], created[40], input[400], input_fingerprint[40];
    char command[PAGE_LONG], options[PAGE_LONG];
    int64_t seed, rows_read;
} page_origin;

/* Of a later scoring: counts by segment. */
typedef struct page_scores {
    int64_t n;
    int64_t *size; /* [n_segments]; owned; NULL: none was given */
    char name[200], created[40];
} page_scores;

/* How far features have moved, those that moved most first; the shares of segments before all. */
typedef struct page_drift_row {
    char name[160];
    double psi, critical;
    bool is_share;
} page_drift_row;

typedef struct page_drift {
    int n;               /* 0: nothing to compare with */
    page_drift_row *row; /* owned */
    char base[2][200];   /* from where to where */
} page_drift;

typedef struct page_data {
    const seg_model *model;
    const seg_segments *s; /* of the model */
    page_origin origin;
    page_scores scores;
    page_drift drift;
    seg_json *compared; /* of segmpi compare; owned; NULL: none was given */
    int *order;         /* [s->d] columns, those that lie between segments most first; owned */
} page_data;

/* A document of segmpi compare and a scoring, NULL where there is none, into `data`; released by
 * the caller, also after a failure.  SEG_ERR_DATA if they are not of this model. */
seg_status page_change_read(const char *compared, const char *scores, page_data *data);
void page_change_release(page_data *data);

/* ---- HTML ---- */

/* Each $ of the template is the next text (const char *), escaped; so is each @, where a line may
 * break behind an underscore (not in attributes). */
void page_put(FILE *out, const char *template, ...);
/* A number with three digits ("12,300", "0.0123", "1.25 M", "-" if there is none). */
const char *page_number(double value, char *buffer, size_t size);
const char *page_signed(double value, char *buffer, size_t size);
/* A count, or "<10" for a small group. */
const char *page_count(int64_t n, char *buffer, size_t size);
bool page_is_hidden(int64_t n);
/* The size of group i of n is not told: it is small, or the total less the others would tell the
 * only small one. */
bool page_is_withheld(int n, const int64_t *sizes, int i);
bool page_segment_is_withheld(const page_data *data,
                              int segment); /* by their clients in training */
/* A cluster is small: then no cluster's size is told, as segments are sums of them. */
bool page_has_few(const page_data *data);
#define PAGE_WITHHELD "not shown"

/* A name in at most PAGE_NAME characters, for a sentence; returns `name`. */
#define PAGE_NAME 48
typedef char page_name[4 * PAGE_NAME + 4];
const char *page_short(const char *text, page_name name);
#define PAGE_SHORT(text) page_short((text), (page_name) { 0 })

/* ---- sheets: cells row by row, the first column a text ---- */

typedef struct page_sheet {
    char *bytes; /* of texts; owned */
    size_t used, size;
    struct page_cell *cell; /* owned */
    int n_cells, room, n_columns;
    bool failed; /* out of memory: nothing is written of it, and the file fails */
} page_sheet;

void sheet_title(page_sheet *sheet, const char *title); /* of the next column, before all cells */
void sheet_text(page_sheet *sheet, const char *text);
void sheet_number(page_sheet *sheet, double value);
void sheet_count(page_sheet *sheet, int64_t n); /* "<10" in place of a small group */
void sheet_size(page_sheet *sheet, int64_t n, bool is_withheld);
void sheet_whole(page_sheet *sheet, int64_t n);
/* A figure of n clients, which is not shown if they are few. */
void sheet_of_few(page_sheet *sheet, double value, int64_t n);
void sheet_share(page_sheet *sheet, double share, int64_t n); /* same, shown in per cent */
void sheet_release(page_sheet *sheet);
/* Cells apart by `separator`, a tab or a comma; a text that a spreadsheet would take for a formula
 * begins with an apostrophe. */
void sheet_print(const page_sheet *sheet, char separator, FILE *out);
void sheet_html(const page_sheet *sheet, FILE *out);

/* ---- figures ---- */

#define CANVAS_WIDE   760 /* px */
#define CANVAS_PHONE  340
#define CANVAS_NAMES  400
#define FIGURE_SHEETS 3

/* A name that was shortened, as it stands in the picture. */
typedef struct canvas_name {
    char shown[120], full[200];
} canvas_name;

/* One picture while it is drawn. */
typedef struct page_canvas {
    bool phone;
    int width, height; /* px; the height is set by who draws, first */
    int left, right, top, bottom;
    FILE *script;       /* settings, then one plot command */
    canvas_name *names; /* [CANVAS_NAMES] */
    int n_names;
} page_canvas;

typedef struct page_figure {
    const char *name; /* of its files */
    char title[PAGE_TEXT], subtitle[PAGE_TEXT];
    const char *sheet_name[FIGURE_SHEETS];
    page_sheet sheet[FIGURE_SHEETS];
    page_sheet shown; /* under the picture; empty: the first sheet is */
} page_figure;

/* What can be drawn. */
typedef struct figure_kind {
    const char *name, *section;
    bool (*applies)(const page_data *data);
    void (*tell)(const page_data *data, page_figure *figure); /* texts and sheets */
    void (*draw)(const page_data *data, page_canvas *canvas);
} figure_kind;

extern const figure_kind *const figure_kinds[]; /* in the order of the page */
extern const int figure_n_kinds;
extern const figure_kind figure_centers, figure_plane, figure_loadings, figure_clusters,
    figure_distributions, figure_correlation, figure_elbow, figure_indices, figure_loss,
    figure_drift, figure_migration;

void page_figure_release(page_figure *figure);

/* Colours and shapes of segments. */
const char *canvas_colour(int segment);
const char *canvas_dark(int segment); /* for text */
int canvas_shape(int segment);        /* gnuplot's number */

double canvas_text_width(const char *text, double size);
/* Text cut in its middle to at most `width` px; the whole of it becomes a tooltip. */
const char *canvas_fit(page_canvas *c, const char *text, double size, double width, char *buffer,
                       size_t buffer_size);
/* A text as a string of gnuplot. */
void canvas_quote(FILE *script, const char *text);
/* The plot lies inside these margins (px), which also become members of `c`. */
void canvas_margins(page_canvas *c, int left, int right, int top, int bottom);
/* Text at px from the left and top; align: left, center, right. */
void canvas_text(page_canvas *c, double x, double y, const char *align, double size,
                 const char *colour, const char *text);
/* The picture is a plane of px, y downwards. */
void canvas_plain(page_canvas *c);
/* Shapes and names of the segments from the top on; returns the height that they take. */
int canvas_key(page_canvas *c, const page_data *data, bool draw);
/* A line; coordinates of gnuplot. */
void canvas_line(page_canvas *c, double x1, double y1, double x2, double y2, const char *style);
void canvas_palette(page_canvas *c, double most);

/* Columns that are drawn at most; files hold all. */
#define FIGURE_ROWS 60
/* Names of columns left of rows of `height` px that begin at c->top. */
void figure_row_names(page_canvas *c, int n, const int *order, char *const *names, double height,
                      double size);
/* Width for the longest of n names in px, at most `most`. */
int figure_names_width(int n, const int *order, char *const *names, double size, int most);

/* ---- the folder ---- */

/* The folder, complete or not there. */
seg_status page_folder_write(const page_data *data, const char *folder, bool force);
/* A file, written in memory until it is closed under its name. */
typedef struct page_file {
    FILE *out;
    char *text;
    size_t size;
} page_file;
seg_status page_file_open(page_file *file);
/* `status` says whether what was written is worth it, as does what has been told of a failure; in
 * any case the memory is freed. */
seg_status page_file_close(page_file *file, seg_status status, const char *path);
/* Draws all figures that apply with one gnuplot; false if it is not installed (nothing is drawn).
 */
seg_status page_draw(const page_data *data, const char *folder, bool *drawn);
/* The drawing of a figure for `phone` or not, as part of a page; nothing if there is none. */
seg_status page_inline(const page_data *data, const figure_kind *kind, const char *title,
                       const char *folder, bool phone, FILE *out);
extern const char page_style[]; /* report.css */
/* The whole page. */
seg_status page_write(const page_data *data, const char *folder, bool drawn, FILE *out);
void page_model_card(const page_data *data, FILE *out); /* section of the page */
void card_markdown(const page_data *data, FILE *out);
seg_json *card_json(const page_data *data);
void page_profiles(const page_data *data, page_sheet *sheet); /* segments and clusters, long */
