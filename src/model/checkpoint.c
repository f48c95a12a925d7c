/* Checkpoints of a run.  Rank 0 remembers the state of every part that was handed over, and writes
 * all of it as one file when that is due; a run that goes on takes each part from the file when the
 * work on it begins. */
#include <stdio.h>
#include <string.h>

#include "checkpoint_internal.h"
#include "segmpi/log.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/stop.h"
#include "segmpi/text.h"

#define FIELDS_MAX 16
#define STAGES     3
#define PART_NAME  48

/* A part as it was handed over last. */
typedef struct kept_part {
    char name[PART_NAME]; /* stage/part */
    int n;
    seg_field field[FIELDS_MAX]; /* their data is in `bytes` */
    char *bytes;                 /* owned */
    struct kept_part *next;      /* owned */
} kept_part;

struct seg_checkpoint {
    char *output;
    bool root;
    checkpoint_header header; /* texts borrowed from the run */
    int generation;           /* the last that was read or written; 0: none */
    kept_part *parts;         /* root */
    bool is_new;              /* something was kept that is not in a file */
    bool is_done;             /* the output is there */
    bool has_file;            /* there is a file that this run can be gone on from */
    bool stopping;            /* at the end of the run, asked to stop */
    seg_input *in;            /* root: the checkpoint that the run goes on from */
    seg_keeper keeper[STAGES];
};

/* ---- parts in memory: root ---- */

static int64_t bytes_of(const seg_field *field)
{
    return field->n * seg_type_size(field->type, 0);
}

/* Each field on a boundary of 8 bytes. */
static int64_t room_of(const seg_field *field)
{
    return (bytes_of(field) + 7) / 8 * 8;
}

/* The part of that name, with room for the fields; new ones go to the end, in the order of work. */
static seg_status make_part(seg_checkpoint *c, const char *name, int n, const seg_field *fields,
                            kept_part **made)
{
    kept_part **at = &c->parts;
    int64_t size = 0;

    SEG_TRY(seg_fault("checkpoint_alloc", SEG_ERR_MEMORY));
    SEG_ASSERT(n <= FIELDS_MAX && strlen(name) < PART_NAME);
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at) {
        SEG_TRY(seg_alloc(1, sizeof **at, at));
        (void)seg_text_copy((*at)->name, PART_NAME, name);
    }
    kept_part *part = *made = *at;
    part->n = 0;
    seg_free(part->bytes);
    for (int i = 0; i < n; i++)
        size += room_of(&fields[i]);
    SEG_TRY(seg_alloc(size, 1, &part->bytes));
    part->n = n;
    size = 0;
    for (int i = 0; i < n; i++) {
        part->field[i] = fields[i];
        part->field[i].data = part->bytes + size;
        size += room_of(&fields[i]);
    }
    return SEG_OK;
}

static seg_status remember(seg_checkpoint *c, const char *name, int n, const seg_field *fields)
{
    kept_part *part;

    SEG_TRY(make_part(c, name, n, fields, &part));
    for (int i = 0; i < n; i++)
        memcpy(part->field[i].data, fields[i].data, (size_t)bytes_of(&fields[i]));
    return SEG_OK;
}

/* ---- parts in files: root ---- */

static seg_status write_part(const kept_part *part, seg_output *out)
{
    char path[2 * PART_NAME], dim[2 * PART_NAME];

    for (int i = 0; i < part->n; i++) {
        const seg_field *field = &part->field[i];
        (void)snprintf(path, sizeof path, "%s/%s_length", part->name, field->name);
        SEG_TRY(seg_output_dim(out, path, field->n));
        (void)snprintf(dim, sizeof dim, "%s_length", field->name);
        (void)snprintf(path, sizeof path, "%s/%s", part->name, field->name);
        SEG_TRY(seg_output_array(out, path, field->type, dim, field->data));
    }
    return SEG_OK;
}

static seg_status write_all(const seg_checkpoint *c, int generation, seg_output *out)
{
    if (!c->root) return SEG_OK;
    SEG_TRY(checkpoint_header_write(&c->header, generation, out));
    for (const kept_part *part = c->parts; part; part = part->next)
        SEG_TRY(write_part(part, out));
    return SEG_OK;
}

/* Takes the part into memory too, so that the next file has it. */
static seg_status read_part(seg_checkpoint *c, const char *name, int n, const seg_field *fields,
                            bool *found)
{
    char path[2 * PART_NAME];
    kept_part *part;

    SEG_TRY(seg_fault("checkpoint_restore", SEG_ERR_MEMORY));
    *found = c->in && seg_input_is_group(c->in, name);
    if (!*found) return SEG_OK;
    SEG_TRY(make_part(c, name, n, fields, &part));
    for (int i = 0; i < n; i++) {
        const seg_field *field = &part->field[i];
        (void)snprintf(path, sizeof path, "%s/%s", name, field->name);
        SEG_TRY(seg_input_array(c->in, path, field->type, field->n, 0, field->data));
        memcpy(fields[i].data, field->data, (size_t)bytes_of(field));
    }
    return SEG_OK;
}

/* Collective.  All that is remembered, as the next generation. */
static seg_status write_generation(seg_comm *comm, seg_checkpoint *c)
{
    seg_status status = SEG_OK, local = SEG_OK;
    seg_output *out = NULL;
    char *path = NULL;
    int generation = c->generation + 1;

    seg_stop_saving(); /* a request from here on is for the next one */
    SEG_TRY_OR_DONE(seg_agree(comm, checkpoint_path(c->output, generation, &path)));
    SEG_TRY_OR_DONE(seg_output_open(comm, path, CHECKPOINT_FORMAT, false, &out));
    SEG_TRY_OR_DONE(seg_output_commit(comm, out, write_all(c, generation, out)));
    seg_stop_hold(c->stopping); /* a commit holds stops, but here the run goes on */
    c->generation = generation;
    c->is_new = false;
    c->has_file = true;
    seg_log_detail("checkpoint '%s'", path);
    if (c->root) local = checkpoint_prune(c->output, CHECKPOINT_KEPT);
    status = seg_agree(comm, local);
done:
    if (status != SEG_OK && status != SEG_ERR_INTERRUPTED)
        seg_error_while("writing checkpoint %d of '%s'", generation, c->output);
    seg_output_free(out);
    seg_free(path);
    return status;
}

/* ---- the keeper ---- */

static const char *full_name(const seg_keeper *keeper, const char *part, char name[PART_NAME])
{
    (void)snprintf(name, PART_NAME, "%s/%s", keeper->stage, part);
    return name;
}

static seg_status keep(seg_comm *comm, const seg_keeper *keeper, const char *part, int n,
                       const seg_field *fields, int64_t asked)
{
    seg_checkpoint *c = keeper->context;
    char name[PART_NAME];
    seg_status local = SEG_OK;

    if (c->root) local = remember(c, full_name(keeper, part, name), n, fields);
    c->is_new = true;
    SEG_TRY(seg_agree(comm, local)); /* leaves with what is new if a stop is asked for */
    return asked ? write_generation(comm, c) : SEG_OK;
}

static seg_status restore(seg_comm *comm, const seg_keeper *keeper, const char *part, int n,
                          const seg_field *fields, bool *found)
{
    seg_checkpoint *c = keeper->context;
    char name[PART_NAME];
    seg_status local = SEG_OK;

    if (c->root) local = read_part(c, full_name(keeper, part, name), n, fields, found);
    SEG_TRY(seg_agree(comm, local));
    seg_bcast(comm, found, sizeof *found);
    for (int i = 0; i < n && *found; i++)
        seg_bcast(comm, fields[i].data, bytes_of(&fields[i]));
    return SEG_OK;
}

bool seg_checkpoint_is_done(const seg_checkpoint *checkpoint)
{
    return checkpoint->is_done;
}

const seg_keeper *seg_checkpoint_keeper(seg_checkpoint *checkpoint, seg_kept_stage stage)
{
    static const char *const names[STAGES] = { "autoencoder", "sweep", "kmeans" };

    checkpoint->keeper[stage] = (seg_keeper) {
        .keep = keep, .restore = restore, .context = checkpoint, .stage = names[stage]
    };
    return &checkpoint->keeper[stage];
}

void seg_fit_keep(seg_checkpoint *checkpoint, seg_fit_opts *opts)
{
    opts->embed.autoencoder.keeper = seg_checkpoint_keeper(checkpoint, SEG_KEPT_AUTOENCODER);
    opts->elbow.sweep.kmeans.keeper = seg_checkpoint_keeper(checkpoint, SEG_KEPT_SWEEP);
    opts->kmeans.keeper = seg_checkpoint_keeper(checkpoint, SEG_KEPT_KMEANS);
}

/* ---- a run from its beginning to its end ---- */

/* Why a generation is not used; forgets the failure. */
static void tell_refusal(const char *path, char *reason, size_t size)
{
    (void)seg_text_copy(reason, size, seg_error_get()->text);
    seg_error_clear();
    seg_log_warning("checkpoint '%s' is not used: %s", path, reason);
}

/* What the system could not do says nothing about a file. */
static bool is_refusal(seg_status status)
{
    return status != SEG_OK && status != SEG_ERR_IO && status != SEG_ERR_MEMORY;
}

/* Root.  Opens c->in if the generation fits; otherwise says why not. */
static seg_status try_generation(seg_checkpoint *c, int generation, char *reason, size_t size)
{
    char *path;

    SEG_TRY(checkpoint_path(c->output, generation, &path));
    seg_status status = checkpoint_header_match(&c->header, path, generation, &c->in);
    if (status == SEG_OK) seg_log_note("going on from checkpoint '%s'", path);
    if (is_refusal(status)) {
        tell_refusal(path, reason, size);
        status = SEG_OK;
    }
    seg_free(path);
    return status;
}

/* Root.  The newest generation that fits; c->generation becomes the highest number there is, so
 * that no name is used again. */
static seg_status find_newest(seg_checkpoint *c, bool resume)
{
    int generation, n_refused = 0;
    char reason[400] = "", newest[400] = "";

    SEG_TRY(checkpoint_below(c->output, CHECKPOINT_MOST + 1, &generation));
    c->generation = generation;
    if (!resume && generation > 0)
        seg_log_note("a fresh start; --resume would go on from a checkpoint of '%s'", c->output);
    if (resume && generation == 0)
        seg_log_note("a fresh start: there is no checkpoint of '%s'", c->output);
    while (resume && generation > 0 && !c->in) {
        SEG_TRY(try_generation(c, generation, n_refused++ == 0 ? newest : reason, sizeof reason));
        if (!c->in) SEG_TRY(checkpoint_below(c->output, generation, &generation));
    }
    if (c->in || n_refused == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA,
                    "no checkpoint of '%s' can be gone on from; the newest: %s; leave --resume out "
                    "to start afresh",
                    c->output, newest);
}

/* Root.  Is the output there, as this run would write it? */
static seg_status look_for_output(seg_checkpoint *c, const seg_checkpoint_opts *opts)
{
    char reason[400];

    SEG_TRY(seg_fault("checkpoint_output", SEG_ERR_IO));
    if (!opts->resume) return SEG_OK;
    const seg_status status = checkpoint_output_match(&c->header, opts->path);
    c->is_done = status == SEG_OK;
    if (c->is_done) {
        seg_log_note("'%s' is there, whole, from a run like this: nothing to do", opts->path);
        return SEG_OK;
    }
    if (!is_refusal(status)) return status;
    (void)seg_text_copy(reason, sizeof reason, seg_error_get()->text);
    seg_error_clear();
    if (status == SEG_ERR_NOINPUT || opts->force) return SEG_OK;
    return SEG_FAIL(SEG_ERR_CANTCREATE,
                    "'%s' exists, and not from a run like this: %s; --force "
                    "replaces it",
                    opts->path, reason);
}

/* Local. */
static seg_status checkpoint_new(const seg_comm *comm, const seg_checkpoint_opts *opts,
                                 seg_checkpoint **made)
{
    SEG_TRY(seg_alloc(1, sizeof **made, made));
    seg_checkpoint *c = *made;
    c->root = seg_comm_rank(comm) == 0;
    SEG_TRY(seg_text_duplicate(opts->path, &c->output));
    if (!c->root) return SEG_OK;
    checkpoint_header_of(opts->run, &c->header);
    SEG_TRY(look_for_output(c, opts));
    if (c->is_done) return checkpoint_below(c->output, CHECKPOINT_MOST + 1, &c->generation);
    return find_newest(c, opts->resume);
}

seg_status seg_checkpoint_open(seg_comm *comm, const seg_checkpoint_opts *opts,
                               seg_checkpoint **out)
{
    seg_checkpoint *made = NULL;
    seg_status status = seg_agree(comm, checkpoint_new(comm, opts, &made));

    *out = NULL;
    if (status != SEG_OK) {
        seg_checkpoint_free(made);
        return status;
    }
    seg_bcast(comm, &made->is_done, sizeof made->is_done);
    made->has_file = made->in != NULL;
    seg_bcast(comm, &made->has_file, sizeof made->has_file);
    seg_bcast(comm, &made->generation, sizeof made->generation);
    *out = made;
    return SEG_OK;
}

void seg_checkpoint_free(seg_checkpoint *checkpoint)
{
    if (!checkpoint) return;
    for (kept_part *part = checkpoint->parts, *next; part; part = next) {
        next = part->next;
        seg_free(part->bytes);
        seg_free(part);
    }
    seg_input_close(checkpoint->in);
    seg_free(checkpoint->output);
    seg_free(checkpoint);
}

/* Collective.  The run was asked to stop. */
static seg_status stop(seg_comm *comm, seg_checkpoint *c)
{
    char reason[32];

    (void)seg_text_copy(reason, sizeof reason, seg_stop_reason());
    seg_error_clear();
    c->stopping = true;
    seg_stop_hold(true);
    if (c->is_new) SEG_TRY(write_generation(comm, c));
    if (!c->has_file)
        return SEG_FAIL(SEG_ERR_INTERRUPTED,
                        "stopped by %s before there was anything to keep; run it again", reason);
    return SEG_FAIL(SEG_ERR_INTERRUPTED,
                    "stopped by %s; the same command with --resume goes on from the checkpoint of "
                    "'%s'",
                    reason, c->output);
}

seg_status seg_checkpoint_close(seg_comm *comm, seg_checkpoint *checkpoint, seg_status status)
{
    seg_status local = SEG_OK;

    if (!checkpoint) return status;
    if (status == SEG_ERR_INTERRUPTED) return stop(comm, checkpoint);
    if (status != SEG_OK) return status;
    if (checkpoint->root) local = checkpoint_clean(checkpoint->output, checkpoint->generation + 1);
    return seg_agree(comm, local);
}
