/* Inside report/: how numbers and headings look. */
#pragma once

#include <stddef.h>

#include "segmpi/elbow.h"
#include "segmpi/json.h"
#include "segmpi/segment.h"

/* Columns of the terminal on standard output, 100 where there is none. */
int report_width(void);
/* A line that opens a part of a report: after an empty line, bold on a terminal. */
void report_heading(const char *text);
/* Words of a text after a margin of blanks, in lines of at most 100 columns or the terminal's. */
void report_paragraph(int margin, const char *text);
/* A value with about four digits: "12,345", "4.496", "0.001234", "1.2e+300". */
const char *report_number(double value, char *buffer, size_t size);
/* Terminal columns of UTF-8 text, taking every character as one wide. */
int report_text_width(const char *text);
/* Which k each rule names, and the recommended one. */
void report_elbow_choice(const seg_elbow *elbow);
/* Segments of n clients, in words and as JSON; nothing where there are none. */
void report_segments(const seg_segments *segments, int64_t n);
void report_segments_json(seg_json *json, const seg_segments *segments, int64_t n);
