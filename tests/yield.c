/* Loaded before a program on MPICH by the launcher of the tests: a rank that waits gives its core
 * away.  MPICH 4.0 waits in a busy loop; four ranks on two cores took 19 s for a fit, now 3. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>

/* UCX calls this in each turn of the loop. */
unsigned ucp_worker_progress(void *worker);
unsigned ucp_worker_progress(void *worker)
{
    static unsigned (*progress)(void *);

    if (!progress) *(void **)&progress = dlsym(RTLD_NEXT, "ucp_worker_progress");
    unsigned n = progress(worker);
    if (n == 0) sched_yield();
    return n;
}
