/* Inside report/: how numbers, headings and tables look. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "segmpi/elbow.h"
#include "segmpi/embedding.h"
#include "segmpi/error.h"
#include "segmpi/json.h"
#include "segmpi/segment.h"

/* Columns of the terminal on standard output, 100 where there is none. */
int report_width(void);
/* A line that opens a part of a report: after an empty line, bold on a terminal. */
void report_heading(const char *text);
/* A value with about four digits: "12,345", "4.496", "0.001234", "1.2e+300", "-" if there is none.
 */
const char *report_number(double value, char *buffer, size_t size);
/* "9.5 %", "70 %", "99.7 %", "<0.1 %": never all or nothing where it is not. */
const char *report_percent(double share, char *buffer, size_t size);
int64_t report_sum(int n, const int64_t *values);
/* The ending of a noun behind a number. */
#define REPORT_S(n) ((n) == 1 ? "" : "s")
/* "12,000 clients, 17 features", and how many rows stand for them where weights make it differ;
 * no line feed. */
void report_clients(int64_t n, int64_t rows, int d);
/* Terminal columns of UTF-8 text, taking every character as one wide. */
int report_text_width(const char *text);
/* Words of a text after a margin of blanks, in lines of at most 100 columns or the terminal's. */
void report_paragraph(int margin, const char *text);
/* True where the terminal's encoding is UTF-8, by the environment. */
bool report_is_utf8(void);
/* What is clustered instead of the features, in words and as JSON; nothing where there is no
 * embedding. */
void report_embedding(const seg_embedding *e);
void report_embedding_json(seg_json *json, const seg_embedding *e);
/* All figures of a sweep. */
seg_json *report_sweep_json(const seg_elbow *elbow);
/* Which k each rule names, and the recommended one. */
void report_elbow_choice(const seg_elbow *elbow);
#define REPORT_STRONGEST 3    /* features shown of a segment */
#define REPORT_Z_SHOWN   0.05 /* below it only the first one is */
#define REPORT_DOUBTS    3
/* What makes segment i of n clients hard to act on, in sentences; their number. */
int report_doubts(const seg_segments *s, int i, int64_t n, const char *doubts[REPORT_DOUBTS]);
/* A condition of a rule: "PURCHASES > 4500". */
typedef struct report_condition {
    int column;
    bool above; /* the threshold; otherwise at most it */
    double threshold;
} report_condition;
/* Calls `take` for each leaf of the tree that holds clients, with the conditions that lead there.
 */
typedef void report_take_leaf(void *user, int node, int n, const report_condition *path);
void report_leaves(const seg_segments *s, report_take_leaf *take, void *user);
/* Segments of n clients, in words and as JSON; nothing where there are none. */
void report_segments(const seg_segments *segments, int64_t n);
void report_segments_json(seg_json *json, const seg_segments *segments, int64_t n);

/* A file of scores: clients per segment, and what is missing. */
seg_status report_scores(seg_input *in);

/* ---- tables ---- */

#define REPORT_CELL    128 /* bytes */
#define REPORT_COLUMNS 16

typedef struct report_table {
    int n, n_columns;
    const char *const *name;  /* [n] */
    const char *const *title; /* [n_columns] */
    const void *from;
    void (*cell)(const void *from, int row, int column, char text[REPORT_CELL]);
} report_table;

void report_table_print(const report_table *table);
/* Columns that the longest of n names takes, at most `most`. */
int report_name_width(int n, const char *const *names, int most);
/* A name in exactly `width` columns, safe for a terminal: padded, or shortened in its middle. */
void report_name(const char *text, int width, char *buffer, size_t size);

/* ---- gnuplot ---- */

/* Prints the heading and feeds a script to gnuplot, which draws on standard output.
 * SEG_ERR_CONFIG, naming the package, if it is not installed; nothing is printed then. */
seg_status report_gnuplot(const char *heading, const char *script, size_t size);
/* A text as a string expression.  Single quotes, where gnuplot interprets nothing; a quote itself
 * stands apart, as gnuplot 5.4 takes a doubled one at the beginning for an empty string, and goes
 * on to execute the rest. */
void report_gnuplot_text(FILE *script, const char *text);
/* A script that draws into files; false, and nothing done, where gnuplot cannot be started.  What
 * it says on the way goes to the file `talk` for that time. */
seg_status report_gnuplot_run(const char *script, size_t size, const char *talk, bool *is_there);
