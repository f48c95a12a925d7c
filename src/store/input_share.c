/* One rank looks into a file and tells the others where the rows stand: they open it once and read
 * their rows, and nothing else.  Thousands of ranks that look for themselves would ask the file
 * system for the same few kilobytes in some fifty small reads each, and for all block checksums. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

#define TYPE_BYTES 256
#define END_BYTES  4096 /* of the beginning, and of the end, by which a file is known */

typedef struct told {
    int64_t bytes;
    uint64_t ends;
    bool sealed, in_place;
    char format[sizeof((seg_input *)NULL)->format];
} told;

typedef struct told_set {
    seg_shape shape;
    int64_t row_bytes, at, sums_at;
    bool has_sums;
    size_t type_bytes;
    unsigned char type[TYPE_BYTES];
} told_set;

/* The seal stands at the end, and fits one content only. */
static seg_status hash_ends(int file, const char *path, int64_t bytes, uint64_t *hash)
{
    const int64_t n = bytes < END_BYTES ? bytes : END_BYTES;
    char ends[2 * END_BYTES];

    SEG_TRY(store_read_bytes(file, ends, n, 0, path));
    SEG_TRY(store_read_bytes(file, ends + n, n, bytes - n, path));
    *hash = seg_hash(ends, (size_t)(2 * n), 0);
    return SEG_OK;
}

/* ---- rank 0 ---- */

static bool tell_set(const input_set *s, told_set *t)
{
    *t = (told_set) { s->shape, s->row_bytes, s->at, s->sums_at, s->has_sums, TYPE_BYTES, { 0 } };
    return s->at >= 0 && (!s->has_sums || s->sums_at >= 0) &&
           H5Tencode(s->file_type, t->type, &t->type_bytes) >= 0 && t->type_bytes <= TYPE_BYTES;
}

static seg_status tell(seg_input *in, int n, const char *const *paths, told *t, told_set *sets)
{
    *t = (told) { .bytes = in->bytes, .sealed = in->sealed, .in_place = true };
    memcpy(t->format, in->format, sizeof t->format);
    SEG_TRY(hash_ends(in->rows, in->path, in->bytes, &t->ends));
    for (int i = 0; i < n; i++) {
        input_set *s;
        SEG_TRY(set_find(in, paths[i], &s));
        t->in_place = tell_set(s, &sets[i]) && t->in_place;
    }
    return SEG_OK;
}

/* ---- the other ranks ---- */

static seg_status open_same(const char *path, const told *t, int *file)
{
    struct stat found;
    uint64_t ends;

    *file = open(path, O_RDONLY | O_CLOEXEC);
    if (*file < 0 || fstat(*file, &found) != 0)
        return SEG_FAIL(seg_status_of_errno(errno), "cannot open '%s': %s", path, strerror(errno));
    if (found.st_size == t->bytes) {
        SEG_TRY(hash_ends(*file, path, t->bytes, &ends));
        if (ends == t->ends) return SEG_OK;
    }
    return SEG_FAIL(SEG_ERR_CONFIG,
                    "the ranks see different files named '%s'; put it on a file system that all "
                    "nodes share",
                    path);
}

/* Takes the type over. */
static seg_status add_set(seg_input *in, const char *path, hid_t type, const told_set *t)
{
    input_set *s = &in->sets[in->n_sets];

    *s = (input_set) { .set = -1,
                       .sums = -1,
                       .file_type = type,
                       .shape = t->shape,
                       .row_bytes = t->row_bytes,
                       .has_sums = t->has_sums,
                       .at = t->at,
                       .sums_at = t->sums_at };
    in->n_sets++;
    return s->file_type >= 0 && seg_text_copy(s->path, sizeof s->path, path)
               ? SEG_OK
               : store_read_failed("understand", path, in->path);
}

/* With room for n sets.  *in is the caller's to close, also on failure. */
static seg_status make_input(const char *path, int n, int file, const told *t, seg_input **made)
{
    seg_status status = seg_alloc(1, sizeof **made, made);
    seg_input *in = *made;

    if (status != SEG_OK) {
        (void)close(file);
        return status;
    }
    seg_store_init();
    *in = (seg_input) { .file = -1,
                        .rows = file,
                        .bytes = t->bytes,
                        .sealed = t->sealed,
                        .failures = store_system_failures() };
    memcpy(in->format, t->format, sizeof in->format);
    SEG_TRY(seg_text_duplicate(path, &in->path));
    return store_grow(&in->sets, 0, n, &in->sets_room, sizeof *in->sets);
}

static hid_t decode(const told_set *set)
{
#if H5_VERSION_GE(2, 0, 0)
    return H5Tdecode2(set->type, set->type_bytes);
#else
    return H5Tdecode(set->type);
#endif
}

static seg_status listen(const char *path, int n, const char *const *paths, const told *t,
                         const told_set *sets, seg_input **in)
{
    int file = -1;

    seg_status status = open_same(path, t, &file);
    if (status != SEG_OK || !t->in_place) {
        if (file >= 0) (void)close(file);
        return status == SEG_OK ? seg_input_open(path, in) : status;
    }
    SEG_TRY(make_input(path, n, file, t, in));
    for (int i = 0; i < n; i++)
        SEG_TRY(add_set(*in, paths[i], decode(&sets[i]), &sets[i]));
    return SEG_OK;
}

seg_status seg_input_share(seg_comm *comm, const char *path, int n, const char *const *paths,
                           seg_input **in)
{
    const bool root = seg_comm_rank(comm) == 0;
    seg_status local, status = SEG_OK;
    told t = { 0 };
    told_set *sets = NULL;

    if (seg_comm_size(comm) == 1) return SEG_OK;
    local = seg_fault("store_tell", SEG_ERR_IO);
    if (local == SEG_OK) local = seg_alloc(n, sizeof *sets, &sets);
    if (local == SEG_OK && root) local = tell(*in, n, paths, &t, sets);
    SEG_TRY_OR_DONE(seg_agree(comm, local));
    seg_bcast(comm, &t, sizeof t);
    seg_bcast(comm, sets, n * (int64_t)sizeof *sets);
    local = seg_fault("store_share", SEG_ERR_IO);
    if (local == SEG_OK && !root) local = listen(path, n, paths, &t, sets, in);
    status = seg_agree(comm, local);
done:
    seg_free(sets);
    return status;
}

/* ---- what is being written ---- */

static seg_status add_array(seg_input *in, const row_array *a)
{
    told_set t = { .shape = { .type = a->type, .width = a->width, .rank = a->place.rank },
                   .row_bytes = a->row_bytes,
                   .at = a->place.at,
                   .sums_at = a->place.sums_at,
                   .has_sums = true };

    for (int i = 0; i < a->place.rank; i++)
        t.shape.dim[i] = (int64_t)a->place.dim[i];
    return add_set(in, a->path, store_type(a->type, a->width), &t);
}

seg_status input_of_rows(const seg_output *out, seg_input **in)
{
    const told t = { 0 };

    *in = NULL;
    const int file = open(out->part.temp, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return SEG_FAIL(SEG_ERR_IO, "cannot open what was written for '%s': %s", out->part.path,
                        strerror(errno));
    seg_status status = make_input(out->part.temp, out->n_rows, file, &t, in);
    for (int i = 0; i < out->n_rows && status == SEG_OK; i++)
        status = add_array(*in, &out->rows[i]);
    if (status == SEG_OK) return SEG_OK;
    seg_input_close(*in);
    *in = NULL;
    return status;
}
