/* Injected faults, for tests: SEGMPI_FAULT=site[:rank=R][:kind=fail|kill|hang|stop].  Compiled in
 * with SEG_FAULTS. */
#include "segmpi/comm.h"

#ifdef SEG_FAULTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/text.h"

/* Read at every site, so that a test can change it; presets without faults do not have it. */
typedef struct wish {
    char site[64], kind[8];
    int rank; /* -1: every rank */
} wish;

static wish read_wish(void)
{
    const char *text = getenv("SEGMPI_FAULT");
    wish w = { .rank = -1 };

    if (!text) return w;
    snprintf(w.site, sizeof w.site, "%.*s", (int)strcspn(text, ":"), text);
    const char *rank = strstr(text, ":rank="), *kind = strstr(text, ":kind=");
    if (rank) w.rank = (int)strtol(rank + 6, NULL, 10);
    snprintf(w.kind, sizeof w.kind, "%s", kind ? kind + 6 : "fail");
    return w;
}

seg_status seg_fault(const char *site, seg_status status)
{
    const wish w = read_wish();

    if (strcmp(site, w.site) != 0) return SEG_OK;
    if (w.rank >= 0 && w.rank != seg_error_rank()) return SEG_OK;
    if (strcmp(w.kind, "kill") == 0) raise(SIGKILL);
    while (strcmp(w.kind, "hang") == 0)
        pause();
    if (strcmp(w.kind, "stop") == 0) return raise(SIGUSR1) == 0 ? SEG_OK : status;
    return SEG_FAIL(status, "injected fault at '%s'", site);
}
#else
typedef int fault_is_empty; /* ISO C wants a declaration */
#endif
