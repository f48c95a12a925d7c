/* Injected faults, for tests: SEGMPI_FAULT=site[:rank=R][:kind=fail|kill|hang].  Compiled in with
 * SEG_FAULTS. */
#include "segmpi/comm.h"

#ifdef SEG_FAULTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/text.h"

static struct {
    bool read;
    char site[64];
    int rank; /* -1: every rank */
    char kind[8];
} wanted;

static void read_wanted(void)
{
    const char *text = getenv("SEGMPI_FAULT");

    wanted.read = true;
    wanted.rank = -1;
    if (!text) return;
    snprintf(wanted.site, sizeof wanted.site, "%.*s", (int)strcspn(text, ":"), text);
    const char *rank = strstr(text, ":rank="), *kind = strstr(text, ":kind=");
    if (rank) wanted.rank = (int)strtol(rank + 6, NULL, 10);
    snprintf(wanted.kind, sizeof wanted.kind, "%s", kind ? kind + 6 : "fail");
}

seg_status seg_fault(const char *site, seg_status status)
{
    if (!wanted.read) read_wanted();
    if (strcmp(site, wanted.site) != 0) return SEG_OK;
    if (wanted.rank >= 0 && wanted.rank != seg_error_rank()) return SEG_OK;
    if (strcmp(wanted.kind, "kill") == 0) raise(SIGKILL);
    while (strcmp(wanted.kind, "hang") == 0)
        pause();
    return SEG_FAIL(status, "injected fault at '%s'", site);
}
#else
typedef int fault_is_empty; /* ISO C wants a declaration */
#endif
