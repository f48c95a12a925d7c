/* Talk to the user: notes, warnings and progress on stderr, from rank 0 only; results go to stdout
 * elsewhere. All functions are local; on other ranks than 0 they do nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum seg_verbosity { SEG_QUIET = -1, SEG_NORMAL = 0, SEG_VERBOSE = 1 } seg_verbosity;

/* `command` (borrowed for ever) is the prefix of warnings: "segmpi import: warning: ...". */
void seg_log_init(const char *command, seg_verbosity verbosity);
const char *seg_log_command(void);

/* While hushed, notes, warnings and progress are not shown: for repetitions of a step that has told
 * already. */
void seg_log_hush(bool hushed);

/* Shown unless --quiet.  One line; no final newline in the format. */
void seg_log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Shown with --verbose only. */
void seg_log_detail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Always shown. */
void seg_log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Progress of one phase: on a terminal one refreshing line, otherwise a line at its start and end
 * and every 30 s with per cent, rate and time left.  `total` in `unit`s ("clients", "bytes",
 * "iterations"), 0 if unknown.  Cheap: may be called for every block.  A phase inside another one
 * is not shown. */
void seg_progress_begin(const char *phase, int64_t total, const char *unit);
void seg_progress_set(int64_t done);
void seg_progress_add(int64_t more);
/* Rows read from a table: the progress of a phase that began with SEG_ROWS_READ for its total. */
#define SEG_ROWS_READ (-1)
void seg_progress_read(int64_t rows);
/* `summary` is added to the closing line and may be NULL. */
void seg_progress_end(const char *summary);

/* True if text for people on that stream (1 stdout, 2 stderr) may carry colour: a terminal and no
 * NO_COLOR. */
bool seg_log_colour(int stream);
