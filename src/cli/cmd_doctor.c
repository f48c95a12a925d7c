/* segmpi doctor: whether this platform and a folder on it can be trusted. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli_internal.h"
#include "segmpi/doctor_files.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

static const char *folder_of(const cli_session *session)
{
    return session->n_arguments > 0 ? session->arguments[0] : ".";
}

static seg_status check(const cli_session *session)
{
    struct stat found;
    char clean[200];

    if (stat(folder_of(session), &found) == 0 && S_ISDIR(found.st_mode)) return SEG_OK;
    return SEG_FAIL(SEG_ERR_NOINPUT, "'%s' is not a folder",
                    seg_text_clean(folder_of(session), clean, sizeof clean));
}

/* segmpi itself and what it computes with. */
static void add_arithmetic(const cli_session *session, seg_findings *findings)
{
    const char *better = seg_blas_better_core();
    char text[160];

    (void)snprintf(text, sizeof text, "%s (%s)", seg_version(), seg_version_source());
    seg_findings_add(findings, "segmpi", SEG_VERDICT_FINE, text, NULL);
    seg_findings_add(findings, "SIMD level", SEG_VERDICT_FINE, session->kernels->name,
                     strcmp(session->kernels->name, "ref") == 0
                         ? "the plain one: k-means takes several times as long"
                         : NULL);
    (void)snprintf(text, sizeof text, "OPENBLAS_CORETYPE=%s would be faster", better ? better : "");
    seg_findings_add(findings, "BLAS", better ? SEG_VERDICT_NOTE : SEG_VERDICT_FINE,
                     seg_blas_library(), better ? text : NULL);
}

static seg_status run(cli_session *session)
{
    seg_findings findings = { 0 };

    add_arithmetic(session, &findings);
    seg_doctor_mpi(&findings);
    seg_doctor_files(&findings);
    seg_doctor_ranks(session->comm, &findings);
    seg_doctor_folder(session->comm, folder_of(session), &findings);
    SEG_TRY(cli_json_write(session, SEG_OK,
                           cli_wants_json(session) ? seg_report_doctor_json(&findings) : NULL));
    if (cli_shows_result(session)) seg_report_doctor(&findings);

    int64_t bad = seg_findings_bad(&findings);
    seg_max_int64(session->comm, &bad, 1);
    if (bad == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CONFIG, "%d of %d checks failed: results are not safe here", (int)bad,
                    findings.n);
}

const cli_command cli_doctor = {
    .name = "doctor",
    .summary = "checks libraries, ranks, signals and a folder for outputs",
    .synopsis = "[DIRECTORY] [OPTION...]",
    .text = "Start it as the job will be started, in the folder that it will write to, by\n"
            "mpirun or srun on the same nodes.  It writes some kilobytes and removes them.\n"
            "Exit code 0: nothing bad; 78: something is.\n",
    .examples = "mpirun -n 4 segmpi doctor\n"
                "srun --mpi=pmix segmpi doctor /scratch/segments --json doctor.json\n",
    .shared = CLI_TALK | CLI_RANKS | CLI_FORCE | CLI_JSON,
    .most_arguments = 1,
    .check = check,
    .needs_mpi = true,
    .run = run,
};
