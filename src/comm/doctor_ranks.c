/* Ranks, judged: what is known to be bad about MPI, who has started the ranks and where, messages,
 * signals.  Source: open-mpi/ompi#12718 (fixed in 4.1.7 and 5.0.6). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "comm_internal.h"
#include "segmpi/doctor.h"
#include "segmpi/text.h"
#include "segmpi/timer.h"

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

void seg_doctor_conclude(seg_comm *comm, seg_findings *findings, const char *name, seg_status local,
                         seg_verdict failed, const char *value)
{
    seg_status status = seg_agree(comm, local);

    if (status == SEG_OK)
        seg_findings_add(findings, name, SEG_VERDICT_FINE, value, NULL);
    else
        seg_findings_add(findings, name, failed, "failed", seg_error_get()->text);
    seg_error_clear();
}

/* ---- the library ---- */

long seg_doctor_version(const char *text)
{
    long part[3];
    char *end;

    text += strcspn(text, "0123456789");
    for (int i = 0; i < 3; i++) {
        part[i] = strtol(text, &end, 10);
        if (end == text || (i < 2 && *end != '.')) return 0;
        text = end + 1;
    }
    return SEG_DOCTOR_VERSION(part[0], part[1], part[2]);
}

void seg_doctor_mpi(seg_findings *findings)
{
    const char *name = seg_comm_library(), *advice = NULL;
    long version = strncmp(name, "Open MPI", 8) == 0 ? seg_doctor_version(name) : 0;
    bool corrupts =
        version > 0 &&
        (version < SEG_DOCTOR_VERSION(4, 1, 7) ||
         (version >= SEG_DOCTOR_VERSION(5, 0, 0) && version < SEG_DOCTOR_VERSION(5, 0, 6)));

    if (version == 0 && strncmp(name, "MPICH", 5) != 0)
        advice = "segmpi is tested with Open MPI 4.1 and MPICH 4.0 only";
    else if (corrupts)
        advice = "its collective writer can corrupt HDF5 files (open-mpi/ompi#12718); segmpi does "
                 "not use it, but other programs may: 4.1.7 and 5.0.6 are mended";
    seg_findings_add(findings, "MPI", advice ? SEG_VERDICT_NOTE : SEG_VERDICT_FINE, name, advice);
    if (version > 0 && getenv("SLURM_JOB_ID") && !getenv("OMPI_MCA_oob_tcp_keepalive_time"))
        seg_findings_add(findings, "keepalive", SEG_VERDICT_NOTE, "not set",
                         "a lost host is noticed after 480 s instead of 11; source "
                         "jobs/mpi-env.sh");
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

/* Local.  Processes that a launcher of another kind has started do not know each other: each is a
 * whole run of its own. */
static seg_status check_launcher(int size)
{
    static const char *const names[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                         "SLURM_STEP_NUM_TASKS" };

    for (size_t i = 0; i < sizeof names / sizeof *names && size == 1; i++) {
        const char *text = getenv(names[i]);
        int64_t started;
        if (!text || !seg_text_int64(text, &started)) continue;
        if (started <= 1) return SEG_OK;
        return SEG_FAIL(SEG_ERR_CONFIG,
                        "%lld processes were started that do not know each other (%s): use srun "
                        "--mpi=pmix, or the mpirun of this MPI library",
                        (long long)started, names[i]);
    }
    return SEG_OK;
}

/* Collective.  More ranks than cores on a machine wait for each other's time slices, unless they
 * yield. */
static seg_status check_cores(seg_comm *comm)
{
    const char *yield = getenv("OMPI_MCA_mpi_yield_when_idle");
    MPI_Comm machine;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int size = 1;

    if (comm->size == 1) return SEG_OK;
    SEG_MPI(MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
    SEG_MPI(MPI_Comm_size(machine, &size));
    SEG_MPI(MPI_Comm_free(&machine));
    if (size <= cores || (yield && strcmp(yield, "1") == 0)) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "%d ranks share %ld cores: fewer ranks, or OMPI_MCA_mpi_yield_when_idle=1, "
                    "without which messages take up to a thousand times as long",
                    size, cores);
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
    seg_doctor_conclude(comm, findings, "launcher", check_launcher((int)size), SEG_VERDICT_BAD,
                        "all of its processes are ranks of this run");
    seg_doctor_conclude(comm, findings, "cores", check_cores(comm), SEG_VERDICT_NOTE,
                        "enough for the ranks, or they yield");
    seg_doctor_conclude(comm, findings, "messages",
                        right ? SEG_OK : SEG_FAIL(SEG_ERR_CONFIG, "a sum over the ranks is wrong"),
                        SEG_VERDICT_BAD, text);
    seg_doctor_conclude(comm, findings, "shared memory", check_shared_memory((int)size),
                        SEG_VERDICT_NOTE, "room enough");
    seg_doctor_conclude(comm, findings, "signals", check_signals(), SEG_VERDICT_BAD,
                        "USR1, USR2 and TERM arrive");
}
