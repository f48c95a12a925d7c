/* Signals and the limit of time.  Handlers only set flags, but for the last resort. */
#include "segmpi/stop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/timer.h"

#define TWICE 1.0 /* seconds in which a launcher may send the same request again */

static volatile sig_atomic_t asked_stop, asked_save; /* the signal that did */
static double first_asked;

static struct {
    double begun, saved;          /* times */
    double max_seconds, interval; /* 0, negative: none */
    bool held;
} state = { .interval = -1 };

static const struct {
    int number;
    const char *name;
} signals[] = {
    { SIGUSR1, "SIGUSR1" }, { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" }, { SIGXCPU, "SIGXCPU" }
};

/* In a handler: nothing but write() and _exit(). */
static _Noreturn void leave(void)
{
    static const char said[] = ": stopped at once, by a second signal\n";
    const char *command = seg_log_command();
    bool good = seg_error_rank() != 0 ||
                (write(STDERR_FILENO, "segmpi ", 7) == 7 &&
                 write(STDERR_FILENO, command, strlen(command)) >= 0 &&
                 write(STDERR_FILENO, said, sizeof said - 1) == (ssize_t)(sizeof said - 1));

    _exit(good ? SEG_ERR_INTERRUPTED : SEG_ERR_IO);
}

static void on_stop(int number)
{
    double now = seg_time_now();

    if (asked_stop != 0 && now - first_asked >= TWICE) leave();
    if (asked_stop != 0) return;
    first_asked = now;
    asked_stop = number;
}

static void on_save(int number)
{
    asked_save = number;
}

void seg_stop_catch(void)
{
    struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART };

    state.begun = state.saved = seg_time_now();
    (void)sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)sigaction(signals[i].number, &action, NULL);
    action.sa_handler = on_save;
    (void)sigaction(SIGUSR2, &action, NULL);
}

void seg_stop_limit(double max_seconds, double interval)
{
    state.max_seconds = max_seconds;
    state.interval = interval;
}

static bool is_over(void)
{
    return state.max_seconds > 0 && seg_time_now() - state.begun >= state.max_seconds;
}

/* For tests, in builds with faults: SEGMPI_STOP=N[:kill] sends rank 0 a signal, or kills it, when
 * it is about to ask for the n-th time. */
static void count_questions(void)
{
#ifdef SEG_FAULTS
    static int64_t n_asked;
    const char *text = getenv("SEGMPI_STOP");

    if (!text || seg_error_rank() != 0 || ++n_asked != strtoll(text, NULL, 10)) return;
    (void)raise(strstr(text, ":kill") ? SIGKILL : SIGUSR1);
#endif
}

int64_t seg_stop_asked(void)
{
    count_questions();
    bool due = seg_error_rank() == 0 && state.interval >= 0 &&
               seg_time_now() - state.saved >= state.interval;
    bool stop = asked_stop != 0 || is_over();

    if (state.held) return 0;
    return (asked_save || due ? SEG_ASKS_SAVE : 0) + (stop ? SEG_ASKS_STOP : 0);
}

void seg_stop_saving(void)
{
    asked_save = 0;
    state.saved = seg_time_now();
}

const char *seg_stop_reason(void)
{
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (asked_stop == signals[i].number) return signals[i].name;
    return is_over() ? "--max-seconds" : "another rank";
}

seg_status seg_stop_check(void)
{
    if (state.held || (asked_stop == 0 && !is_over())) return SEG_OK;
    return SEG_FAIL(SEG_ERR_INTERRUPTED, "stopped by %s; nothing was written", seg_stop_reason());
}

void seg_stop_hold(bool held)
{
    state.held = held;
}
