/* A small table of phases; the open one collects time, bytes and waiting. */
#include "segmpi/timer.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

static seg_phase phases[SEG_PHASES_MAX];
static int n_phases;
static seg_phase *open_phase;
static double opened_at;

double seg_time_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void seg_phase_begin(const char *name)
{
    seg_phase_end();
    opened_at = seg_time_now();
    for (int i = 0; i < n_phases; i++)
        if (strcmp(phases[i].name, name) == 0) open_phase = &phases[i];
    if (!open_phase && n_phases < SEG_PHASES_MAX) {
        open_phase = &phases[n_phases++];
        open_phase->name = name;
    }
}

void seg_phase_end(void)
{
    if (open_phase) open_phase->seconds += seg_time_now() - opened_at;
    open_phase = NULL;
}

void seg_phase_add_bytes(int64_t bytes)
{
    if (open_phase) open_phase->bytes += bytes;
}

void seg_phase_add_collective(double seconds)
{
    if (!open_phase) return;
    open_phase->waiting += seconds;
    open_phase->collectives++;
}

const seg_phase *seg_phase_list(int *n)
{
    *n = n_phases;
    return phases;
}
