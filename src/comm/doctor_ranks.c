/* The platform, judged: libraries with known defects, messages between ranks, signals.
 * Sources: open-mpi/ompi#12718 (fixed in 4.1.7 and 5.0.6); the HDF Group's list of CVEs. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <xxhash.h>

#include "segmpi/doctor.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"
#include "store_internal.h"

#define MESSAGES   200
#define SHM_FOLDER "/dev/shm"
#define SHM_LEAST  ((int64_t)4 << 20) /* bytes for each rank */

void seg_findings_add(seg_findings *findings, const char *name, seg_verdict verdict,
                      const char *value, const char *advice)
{
    if (findings->n == SEG_FINDINGS_MOST) return;

    seg_finding *f = &findings->item[findings->n++];
    f->name = name;
    f->verdict = verdict;
    (void)seg_text_copy(f->value, sizeof f->value, value);
    (void)seg_text_copy(f->advice, sizeof f->advice, advice ? advice : "");
}

int seg_findings_bad(const seg_findings *findings)
{
    int n = 0;

    for (int i = 0; i < findings->n; i++)
        n += findings->item[i].verdict == SEG_VERDICT_BAD;
    return n;
}

/* ---- libraries ---- */

/* a.b.c as a number that can be compared. */
static long version_of(long a, long b, long c)
{
    return (a * 1000 + b) * 1000 + c;
}

/* The first three numbers of a text; 0 if it has fewer. */
static long version_in(const char *text)
{
    long part[3];
    char *end;

    text += strcspn(text, "0123456789");
    for (int i = 0; i < 3; i++) {
        part[i] = strtol(text, &end, 10);
        if (end == text || (i < 2 && *end != '.')) return 0;
        text = end + 1;
    }
    return version_of(part[0], part[1], part[2]);
}

static void judge_mpi(seg_findings *findings)
{
    const char *name = seg_comm_library(), *advice = NULL;
    long version = strncmp(name, "Open MPI", 8) == 0 ? version_in(name) : 0;
    bool corrupts =
        version > 0 && (version < version_of(4, 1, 7) ||
                        (version >= version_of(5, 0, 0) && version < version_of(5, 0, 6)));
    bool set = getenv("OMPI_MCA_fcoll") && strcmp(getenv("OMPI_MCA_fcoll"), "individual") == 0;

    if (version == 0 && strncmp(name, "MPICH", 5) != 0)
        advice = "segmpi is tested with Open MPI 4.1 and MPICH 4.0 only";
    else if (corrupts)
        advice = "its collective writer can corrupt HDF5 files (open-mpi/ompi#12718); segmpi does "
                 "not use it, but other programs may: 4.1.7 and 5.0.6 are mended";
    seg_findings_add(findings, "MPI", advice ? SEG_VERDICT_NOTE : SEG_VERDICT_FINE, name, advice);
    if (corrupts && !set)
        seg_findings_add(findings, "OMPI_MCA_fcoll", SEG_VERDICT_NOTE, "not 'individual'",
                         "Open MPI 4.1's other writers can lose the error of a full disk; source "
                         "jobs/mpi-env.sh");
    if (version > 0 && getenv("SLURM_JOB_ID") && !getenv("OMPI_MCA_oob_tcp_keepalive_time"))
        seg_findings_add(findings, "keepalive", SEG_VERDICT_NOTE, "not set",
                         "a lost host is noticed after 480 s instead of 11; source "
                         "jobs/mpi-env.sh");
}

static void judge_hdf5(seg_findings *findings)
{
    const char *name = seg_store_library(), *advice = NULL;
    long version = version_in(name + strlen("HDF5 "));

    if (version < version_of(1, 14, 4))
        advice = "it can crash on files that are damaged or made to do harm; segmpi has a process "
                 "of its own try each input first";
    if (version < version_of(1, 10, 0))
        seg_findings_add(findings, "HDF5", SEG_VERDICT_BAD, name,
                         "segmpi needs HDF5 1.10 or later");
    else
        seg_findings_add(findings, "HDF5", advice ? SEG_VERDICT_NOTE : SEG_VERDICT_FINE, name,
                         advice);
}

void seg_doctor_libraries(seg_findings *findings)
{
    char text[64];
    unsigned v = XXH_versionNumber();

    judge_mpi(findings);
    judge_hdf5(findings);
    (void)snprintf(text, sizeof text, "xxHash %u.%u.%u", v / 10000, v / 100 % 100, v % 100);
    seg_findings_add(findings, "checksums",
                     XXH3_64bits("segmpi", 6) == XXH3_64bits_withSeed("segmpi", 6, 0)
                         ? SEG_VERDICT_FINE
                         : SEG_VERDICT_BAD,
                     text, NULL);
}

/* ---- ranks ---- */

static volatile sig_atomic_t caught;

static void catch_signal(int number)
{
    caught = number;
}

/* Local.  A signal that the process sends to itself arrives. */
static seg_status check_signals(void)
{
    static const struct {
        int number;
        const char *name;
    } signals[] = { { SIGUSR1, "USR1" }, { SIGUSR2, "USR2" }, { SIGTERM, "TERM" } };
    struct sigaction catching = { .sa_handler = catch_signal }, before;

    sigemptyset(&catching.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        caught = 0;
        if (sigaction(signals[i].number, &catching, &before) != 0)
            return SEG_FAIL(SEG_ERR_CONFIG, "%s cannot be caught", signals[i].name);
        (void)raise(signals[i].number);
        (void)sigaction(signals[i].number, &before, NULL);
        if (caught != signals[i].number)
            return SEG_FAIL(SEG_ERR_CONFIG,
                            "%s does not arrive: whoever starts the ranks has blocked it",
                            signals[i].name);
    }
    return SEG_OK;
}

/* Local.  Ranks of one machine talk through files in memory. */
static seg_status check_shared_memory(int size)
{
    struct statvfs space;
    char room[32];

    if (size == 1 || statvfs(SHM_FOLDER, &space) != 0) return SEG_OK;
    int64_t bytes = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    if (bytes >= SHM_LEAST * size) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "%s of room in " SHM_FOLDER " for %d ranks; give the container more "
                    "(--shm-size) or set OMPI_MCA_btl=self,tcp",
                    seg_text_bytes(bytes, room, sizeof room), size);
}

void store_conclude(seg_comm *comm, seg_findings *findings, const char *name, seg_status local,
                    seg_verdict failed, const char *value)
{
    if (seg_agree(comm, local) == SEG_OK)
        seg_findings_add(findings, name, SEG_VERDICT_FINE, value, NULL);
    else
        seg_findings_add(findings, name, failed, "failed", seg_error_get()->text);
    seg_error_clear();
}

void seg_doctor_ranks(seg_comm *comm, seg_findings *findings)
{
    int64_t sum = 0, size = seg_comm_size(comm);
    bool right = true;
    char text[80];

    double begin = seg_time_now();
    for (int i = 0; i < MESSAGES; i++) {
        sum = seg_comm_rank(comm) + i;
        seg_sum_int64(comm, &sum, 1);
        right = right && sum == size * (size - 1) / 2 + i * size;
    }
    double each = (seg_time_now() - begin) / MESSAGES;
    seg_max_double(comm, &each, 1);
    (void)snprintf(text, sizeof text, "%d rank%s", (int)size, size == 1 ? "" : "s");
    if (size > 1)
        (void)snprintf(text, sizeof text, "%d ranks, %.1f us for a sum over all", (int)size,
                       1e6 * each);
    store_conclude(comm, findings, "messages",
                   right ? SEG_OK : SEG_FAIL(SEG_ERR_CONFIG, "a sum over the ranks is wrong"),
                   SEG_VERDICT_BAD, text);
    store_conclude(comm, findings, "shared memory", check_shared_memory((int)size),
                   SEG_VERDICT_NOTE, "room enough");
    store_conclude(comm, findings, "signals", check_signals(), SEG_VERDICT_BAD,
                   "USR1, USR2 and TERM arrive");
}
