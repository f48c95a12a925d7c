/* Notes, warnings and progress for people, on stderr, from rank 0. */
#include "segmpi/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "segmpi/error.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

static const char *log_command = "";
static seg_verbosity log_verbosity = SEG_NORMAL;
static bool log_hushed;

static struct {
    const char *phase, *unit;
    int64_t total, done;
    double begun, shown;
    int depth;      /* phases that have begun and not ended: only the outermost one is shown */
    bool line_open; /* a refreshing line stands on the terminal */
} progress;

void seg_log_init(const char *command, seg_verbosity verbosity)
{
    log_command = command;
    log_verbosity = verbosity;
}

const char *seg_log_command(void)
{
    return log_command;
}

void seg_log_hush(bool hushed)
{
    log_hushed = hushed;
}

static bool speaks(seg_verbosity level)
{
    return seg_error_rank() == 0 && log_verbosity >= level && !log_hushed;
}

static void say(const char *prefix, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void say(const char *prefix, const char *format, va_list args)
{
    char line[2000];

    (void)vsnprintf(line, sizeof line, format, args);
    (void)seg_text_clean(line, line, sizeof line);
    if (progress.line_open) fputs("\r\033[K", stderr);
    progress.line_open = false;
    fprintf(stderr, "%s%s\n", prefix, line);
}

void seg_log_note(const char *format, ...)
{
    va_list args;

    if (!speaks(SEG_NORMAL)) return;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void seg_log_detail(const char *format, ...)
{
    va_list args;

    if (!speaks(SEG_VERBOSE)) return;
    va_start(args, format);
    say("", format, args);
    va_end(args);
}

void seg_log_warning(const char *format, ...)
{
    va_list args;

    if (!speaks(SEG_QUIET)) return;
    va_start(args, format);
    say("warning: ", format, args);
    va_end(args);
}

bool seg_log_colour(int stream)
{
    const char *no_colour = getenv("NO_COLOR");

    return isatty(stream) && !(no_colour && *no_colour);
}

/* "import rows: 1,024,000 of 8,950,000 clients, 11 %, 1,000,000 clients/s, 8.0 s left" */
static void show_progress(double now)
{
    char done[32], total[32], rate[32], left[32];
    double seconds = now - progress.begun;
    double per_second = seconds > 0 ? (double)progress.done / seconds : 0;

    if (progress.line_open) fputs("\r\033[K", stderr);
    fprintf(stderr, "%s: %s", progress.phase, seg_text_count(progress.done, done, sizeof done));
    if (progress.total > 0)
        fprintf(stderr, " of %s", seg_text_count(progress.total, total, sizeof total));
    fprintf(stderr, " %s", progress.unit);
    if (progress.total > 0)
        fprintf(stderr, ", %d %%", (int)(100.0 * (double)progress.done / (double)progress.total));
    if (per_second >= 1)
        fprintf(stderr, ", %s/s", seg_text_count((int64_t)per_second, rate, sizeof rate));
    if (progress.total > progress.done && per_second > 0)
        fprintf(stderr, ", %s left",
                seg_text_seconds((double)(progress.total - progress.done) / per_second, left,
                                 sizeof left));
    progress.line_open = isatty(STDERR_FILENO);
    if (!progress.line_open) fputc('\n', stderr);
    progress.shown = now;
}

void seg_progress_begin(const char *phase, int64_t total, const char *unit)
{
    if (progress.depth++ > 0) return;
    progress.phase = phase;
    progress.unit = unit;
    progress.total = total;
    progress.done = 0;
    progress.begun = progress.shown = seg_time_now();
    if (speaks(SEG_NORMAL) && !isatty(STDERR_FILENO)) fprintf(stderr, "%s ...\n", phase);
}

void seg_progress_set(int64_t done)
{
    if (progress.depth > 1) return;
    progress.done = done;
    if (!speaks(SEG_NORMAL)) return;

    double now = seg_time_now();
    if (now - progress.shown >= (isatty(STDERR_FILENO) ? 0.2 : 30.0)) show_progress(now);
}

void seg_progress_add(int64_t more)
{
    seg_progress_set(progress.done + more);
}

void seg_progress_read(int64_t rows)
{
    if (progress.depth == 1 && progress.total == SEG_ROWS_READ) seg_progress_add(rows);
}

void seg_progress_end(const char *summary)
{
    char seconds[32];

    if (--progress.depth > 0 || !speaks(SEG_NORMAL)) return;
    if (progress.line_open) fputs("\r\033[K", stderr);
    progress.line_open = false;
    fprintf(stderr, "%s: %s%s%s\n", progress.phase,
            seg_text_seconds(seg_time_now() - progress.begun, seconds, sizeof seconds),
            summary ? ", " : "", summary ? summary : "");
}
