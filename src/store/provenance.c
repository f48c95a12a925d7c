/* Where a file comes from. */
#include "segmpi/provenance.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "segmpi/text.h"
#include "store_internal.h"

#define GROUP "provenance"
#define MOST  32768 /* bytes of a text; attributes end at 64 KiB */

const char *seg_version(void)
{
    return SEG_VERSION;
}

const char *seg_version_source(void)
{
    return SEG_VERSION_SOURCE;
}

/* "2026-03-09T10:00:00Z"; SOURCE_DATE_EPOCH stands in for now (reproducible-builds.org). */
static void format_time(char *text, size_t size)
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    int64_t seconds;
    struct tm tm = { 0 };

    if (!epoch || !seg_text_int64(epoch, &seconds)) seconds = (int64_t)time(NULL);
    time_t when = (time_t)seconds;
    if (!gmtime_r(&when, &tm) || strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)seg_text_copy(text, size, "unknown");
}

/* A text of any length and bytes, cut between characters; NULL counts as "". */
static seg_status write_text(seg_output *out, const char *object, const char *name,
                             const char *value)
{
    static char text[MOST];

    if (!seg_text_copy(text, sizeof text, value ? value : "")) {
        size_t end = sizeof text - 4;
        while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
            end--;
        memcpy(text + end, "...", 4);
    }
    return seg_output_attr_text(out, object, name, text);
}

/* A file's bytes, hashed behind what was hashed before. */
static seg_status hash_file(const char *path, uint64_t *hash)
{
    static char bytes[65536];
    FILE *file = fopen(path, "rb");

    if (!file)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        *hash = seg_hash(bytes, n, *hash);
    seg_status status = SEG_OK;
    if (ferror(file)) status = SEG_FAIL(SEG_ERR_IO, "cannot read '%s'", path);
    (void)fclose(file);
    return status;
}

seg_status seg_provenance_add_files(seg_provenance *p, int n, const char *const *paths)
{
    SEG_TRY(seg_fault("other_inputs_read", SEG_ERR_IO));
    for (int i = 0; i < n; i++)
        if (paths[i]) SEG_TRY(hash_file(paths[i], &p->other_inputs));
    return SEG_OK;
}

static seg_status write_content(const seg_provenance *p, seg_output *out)
{
    char fingerprint[CONTENT_TEXT];

    content_text(p->input_fingerprint, fingerprint);
    SEG_TRY(write_text(out, GROUP, "version", seg_version()));
    SEG_TRY(write_text(out, GROUP, "source", seg_version_source()));
    SEG_TRY(write_text(out, GROUP, "command", p->command));
    SEG_TRY(write_text(out, GROUP, "options", p->options));
    SEG_TRY(seg_output_attr_int(out, GROUP, "seed", (int64_t)p->seed));
    SEG_TRY(write_text(out, GROUP, "input_name", p->input_name));
    SEG_TRY(seg_output_attr_int(out, GROUP, "input_bytes", p->input_bytes));
    SEG_TRY(write_text(out, GROUP, "input_fingerprint", fingerprint));
    SEG_TRY(seg_output_attr_int(out, GROUP, "rows_read", p->rows_read));
    SEG_TRY(seg_output_attr_int(out, GROUP, "rows_kept", p->rows_kept));
    return seg_output_attr_int(out, GROUP, "rows_dropped", p->rows_dropped);
}

static seg_status write_host(seg_output *out)
{
    char host[256] = "";
    const struct passwd *user = getpwuid(geteuid());

    (void)gethostname(host, sizeof host - 1);
    SEG_TRY(write_text(out, STORE_RUN, "host", host));
    return write_text(out, STORE_RUN, "user", user ? user->pw_name : "");
}

static seg_status write_run(const seg_provenance *p, seg_output *out)
{
    const char *job = getenv("SLURM_JOB_ID");
    char created[40], others[CONTENT_TEXT];

    content_text(p->other_inputs, others);
    format_time(created, sizeof created);
    SEG_TRY(write_text(out, STORE_RUN, "created", created));
    SEG_TRY(write_text(out, STORE_RUN, "command_line", p->command_line));
    SEG_TRY(write_text(out, STORE_RUN, "other_inputs", others)); /* files have their own run */
    SEG_TRY(seg_output_attr_int(out, STORE_RUN, "ranks", p->ranks));
    SEG_TRY(write_text(out, STORE_RUN, "simd", p->simd));
    SEG_TRY(write_text(out, STORE_RUN, "mpi", seg_comm_library()));
    SEG_TRY(write_text(out, STORE_RUN, "hdf5", seg_store_library()));
    if (p->blas) SEG_TRY(write_text(out, STORE_RUN, "blas", p->blas));
    if (job) SEG_TRY(write_text(out, STORE_RUN, "slurm_job_id", job));
    return p->record_host ? write_host(out) : SEG_OK;
}

seg_status seg_provenance_write(const seg_provenance *p, seg_output *out)
{
    if (!out->root) return SEG_OK;
    SEG_TRY(write_content(p, out));
    return write_run(p, out);
}
