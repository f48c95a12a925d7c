/* Generations of checkpoints beside an output: names, which there are, and what each says it
 * belongs to. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint_internal.h"
#include "segmpi/memory.h"
#include "segmpi/part.h"
#include "segmpi/text.h"

#define SUFFIX ".checkpoint-"
#define DIGITS 6

/* ---- names ---- */

seg_status checkpoint_path(const char *output, int generation, char **path)
{
    size_t size = strlen(output) + sizeof SUFFIX + DIGITS;

    SEG_TRY(seg_fault("checkpoint_path", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc((int64_t)size, 1, path));
    (void)snprintf(*path, size, "%s" SUFFIX "%0*d", output, DIGITS, generation);
    return SEG_OK;
}

/* The number in the name of a generation of `output`, 0 if it is no such name. */
static int generation_of(const char *entry, const char *output)
{
    size_t length = strlen(output);
    const char *digits = entry + length + sizeof SUFFIX - 1;
    int64_t number;

    if (strncmp(entry, output, length) != 0 ||
        strncmp(entry + length, SUFFIX, sizeof SUFFIX - 1) != 0 || strlen(digits) != DIGITS ||
        strspn(digits, "0123456789") != DIGITS || !seg_text_int64(digits, &number))
        return 0;
    return (int)number;
}

static seg_status cannot_look(const char *output, int error_number)
{
    return SEG_FAIL(seg_status_of_errno(error_number), "cannot look for checkpoints of '%s': %s",
                    output, strerror(error_number));
}

seg_status checkpoint_below(const char *output, int below, int *generation)
{
    char folder[4096];
    const char *name = seg_text_base_name(output);
    int length = (int)(name - output);

    *generation = 0;
    SEG_TRY(seg_fault("checkpoint_find", SEG_ERR_IO));
    if (length >= (int)sizeof folder) return SEG_OK; /* no output can be made there either */
    (void)snprintf(folder, sizeof folder, "%.*s", length, output);
    DIR *entries = opendir(*folder ? folder : ".");
    if (!entries) return cannot_look(output, errno);
    errno = 0;
    for (struct dirent *e; (e = readdir(entries)) != NULL;) {
        int number = generation_of(e->d_name, name);
        if (number < below && number > *generation) *generation = number;
    }
    const int failed = errno; /* only readdir() sets it */
    (void)closedir(entries);
    return failed ? cannot_look(output, failed) : SEG_OK;
}

seg_status checkpoint_prune(const char *output, int kept)
{
    int generation = CHECKPOINT_MOST + 1;

    for (int n = 0;; n++) {
        char *path;
        SEG_TRY(checkpoint_below(output, generation, &generation));
        if (generation == 0) return SEG_OK;
        if (n < kept) continue;
        SEG_TRY(seg_fault("checkpoint_prune", SEG_ERR_IO));
        SEG_TRY(checkpoint_path(output, generation, &path));
        int failed = unlink(path) != 0 && errno != ENOENT ? errno : 0;
        seg_status status = SEG_OK;
        if (failed) status = SEG_FAIL(SEG_ERR_IO, "cannot remove '%s': %s", path, strerror(failed));
        seg_free(path);
        SEG_TRY(status);
    }
}

seg_status checkpoint_clean(const char *output, int next)
{
    char *path;

    SEG_TRY(checkpoint_path(output, next, &path));
    seg_status status = seg_part_clean(path);
    seg_free(path);
    SEG_TRY(status);
    return checkpoint_prune(output, 0);
}

/* ---- what a checkpoint belongs to ---- */

void checkpoint_header_of(const seg_provenance *run, checkpoint_header *header)
{
    *header = (checkpoint_header) { .command = run->command,
                                    .options = run->options,
                                    .version = seg_version(),
                                    .source = seg_version_source(),
                                    .blas = run->blas ? run->blas : "",
                                    .clients = run->rows_kept };
    (void)snprintf(header->data, CHECKPOINT_TEXT, "%016" PRIx64, run->input_fingerprint);
    (void)snprintf(header->others, CHECKPOINT_TEXT, "%016" PRIx64, run->other_inputs);
}

seg_status checkpoint_header_write(const checkpoint_header *header, int generation, seg_output *out)
{
    SEG_TRY(seg_output_attr_int(out, "", "generation", generation));
    SEG_TRY(seg_output_attr_text(out, "", "command", header->command));
    SEG_TRY(seg_output_attr_text(out, "", "options", header->options));
    SEG_TRY(seg_output_attr_text(out, "", "version", header->version));
    SEG_TRY(seg_output_attr_text(out, "", "source", header->source));
    SEG_TRY(seg_output_attr_text(out, "", "blas", header->blas));
    SEG_TRY(seg_output_attr_text(out, "", "input_fingerprint", header->data));
    SEG_TRY(seg_output_attr_text(out, "", "other_inputs", header->others));
    return seg_output_attr_int(out, "", "clients", header->clients);
}

/* `what` names it in the sentence. */
static seg_status compare_text(seg_input *in, const char *object, const char *name,
                               const char *wanted, const char *what)
{
    static char found[1 << 20]; /* options may name thousands of columns */

    SEG_TRY(seg_input_attr_text(in, object, name, found, sizeof found));
    if (strcmp(found, wanted) == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "it belongs to %s", what);
}

/* What a checkpoint and an output say in the same words, the one in its root, the other in its
 * provenance. */
static seg_status compare_run(const checkpoint_header *header, seg_input *in, const char *object,
                              const char *object_of_run)
{
    const struct {
        const char *object, *name, *wanted, *what;
    } texts[] = {
        { object, "command", header->command, "another command" },
        { object, "version", header->version, "another version of segmpi" },
        { object, "source", header->source, "another build of segmpi" },
        { object, "options", header->options, "a run with other options" },
        { object_of_run, "blas", header->blas,
          "another BLAS library or CPU (OPENBLAS_CORETYPE), whose last bits differ" },
        { object, "input_fingerprint", header->data, "other data" },
        { object_of_run, "other_inputs", header->others, "other input files or names of columns" },
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SEG_TRY(compare_text(in, texts[i].object, texts[i].name, texts[i].wanted, texts[i].what));
    return SEG_OK;
}

static seg_status compare(const checkpoint_header *header, int generation, seg_input *in)
{
    int64_t number, clients;

    SEG_TRY(seg_input_expect(in, CHECKPOINT_FORMAT));
    SEG_TRY(seg_input_attr_int(in, "", "generation", &number));
    if (number != generation)
        return SEG_FAIL(SEG_ERR_DATA, "it is generation %lld under the name of another",
                        (long long)number);
    SEG_TRY(compare_run(header, in, "", ""));
    SEG_TRY(seg_input_attr_int(in, "", "clients", &clients));
    if (clients != header->clients) return SEG_FAIL(SEG_ERR_DATA, "it belongs to other data");
    return SEG_OK;
}

seg_status checkpoint_header_match(const checkpoint_header *header, const char *path,
                                   int generation, seg_input **in)
{
    SEG_TRY(seg_input_open_sealed(path, in));
    seg_status status = compare(header, generation, *in);
    if (status == SEG_OK) return SEG_OK;
    seg_input_close(*in);
    *in = NULL;
    return status;
}

seg_status checkpoint_output_match(const checkpoint_header *header, const char *path)
{
    seg_status status = SEG_OK;
    seg_input *in = NULL;

    SEG_TRY_OR_DONE(seg_input_open(path, &in));
    SEG_TRY_OR_DONE(compare_run(header, in, "provenance", "provenance/run"));
    SEG_TRY_OR_DONE(seg_input_check(in, NULL));
done:
    seg_input_close(in);
    return status;
}
