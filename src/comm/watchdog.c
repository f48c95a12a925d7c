/* The watchdog: one thread per rank that makes no MPI calls.  It ends the process with 76 when a
 * collective lasts longer than the deadline, or when the launcher is gone.  Rank 0 speaks at once;
 * if it is the one that hangs, rank 1 speaks three seconds later; the others leave in silence. */
#include "comm_internal.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/stop.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

#define DEADLINE 300 /* seconds, where nobody says otherwise */
#define ASLEEP   1   /* seconds without a look: the process was stopped itself */

static struct {
    pthread_t thread;
    bool running;
    _Atomic int rank;
    pid_t parent;
    _Atomic double deadline; /* seconds */
    _Atomic double entered;  /* time a collective began, 0 outside */
    atomic_bool stop;
} dog = { .deadline = -1 }; /* not set */

void watchdog_enter(void)
{
    atomic_store_explicit(&dog.entered, seg_time_now(), memory_order_relaxed);
}

void watchdog_leave(void)
{
    double entered = atomic_load_explicit(&dog.entered, memory_order_relaxed);

    seg_phase_add_collective(seg_time_now() - entered);
    atomic_store_explicit(&dog.entered, 0, memory_order_relaxed);
}

void seg_watchdog_set(double seconds)
{
    atomic_store(&dog.deadline, seconds);
}

static void sleep_for(double seconds)
{
    struct timespec t = { .tv_sec = (time_t)seconds,
                          .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds)) };
    nanosleep(&t, NULL);
}

static _Noreturn void leave(const char *why, bool silent)
{
    char line[256];
    int n = snprintf(line, sizeof line, "segmpi %s: %s\n", seg_log_command(), why);

    if (silent || write(STDERR_FILENO, line, (size_t)n) == n) _exit(SEG_ERR_PEER);
    _exit(SEG_ERR_IO);
}

static _Noreturn void leave_at_deadline(double deadline)
{
    char why[160];

    snprintf(why, sizeof why,
             "a rank stopped answering: waited %.0f s for the others (--deadline changes this)",
             deadline);
    /* The launcher asks the others to stop soon after the first exit and kills them a second later,
     * so whom nobody has asked by now has to speak itself. */
    sleep_for(dog.rank == 0 ? 0 : dog.rank == 1 ? 3 : 5);
    leave(why, dog.rank > 1 || (dog.rank == 1 && seg_stop_asked() >= SEG_ASKS_STOP));
}

static void *watch(void *unused)
{
    double looked = seg_time_now(), awake = looked;

    (void)unused;
    while (!atomic_load(&dog.stop)) {
        double deadline = atomic_load(&dog.deadline), entered = atomic_load(&dog.entered);

        sleep_for(0.1);
        double now = seg_time_now();
        if (now - looked > ASLEEP) awake = now; /* others may have waited for this very process */
        looked = now;
        if (getppid() != dog.parent) leave("the launcher is gone", dog.rank > 0);
        if (deadline > 0 && entered > 0 && now - fmax(entered, awake) > deadline &&
            atomic_load(&dog.entered) == entered)
            leave_at_deadline(deadline);
    }
    return NULL;
}

seg_status watchdog_start(int rank)
{
    const char *seconds = getenv("SEGMPI_DEADLINE");
    double value;
    sigset_t all, before;

    dog.rank = rank;
    dog.parent = getppid();
    if (atomic_load(&dog.deadline) < 0)
        seg_watchdog_set(seconds && seg_text_double(seconds, &value) && value >= 0 ? value
                                                                                   : DEADLINE);

    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&dog.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0)
        return SEG_FAIL(SEG_ERR_MEMORY, "cannot start the watchdog thread: %s", strerror(code));
    dog.running = true;
    return SEG_OK;
}

void watchdog_set_rank(int rank)
{
    dog.rank = rank;
}

void watchdog_stop(void)
{
    if (!dog.running) return;
    atomic_store(&dog.stop, true);
    pthread_join(dog.thread, NULL);
    dog.running = false;
}
