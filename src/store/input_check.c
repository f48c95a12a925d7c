/* The whole file: structure, block checksums, content. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

typedef struct check {
    seg_input *in;
    int objects;
    int64_t blocks;
} check;

/* Reads all values, which compares them with their checksums. */
static seg_status check_dataset(check *c, const char *path)
{
    input_set *s;
    seg_status status = set_find(c->in, path, &s);

    if (status != SEG_OK) return status;
    if (s->sums < 0) return SEG_OK; /* the content's checksum covers it, or nothing does */
    const int64_t n = s->shape.rank > 0 ? s->shape.dim[0] : 0;
    SEG_TRY(set_verify(c->in, s, 0, n));
    c->blocks += seg_rows_blocks(n);
    return SEG_OK;
}

static seg_status check_group(check *c, const char *path, int depth);

static seg_status check_object(check *c, const char *path, int depth)
{
    char clean[200];

    seg_text_clean(path, clean, sizeof clean);
    if (c->objects++ >= STORE_MOST_OBJECTS || depth > STORE_DEPTH)
        return SEG_FAIL(SEG_ERR_DATA, "'%s' holds too many objects, or groups in a circle",
                        c->in->path);
    switch (store_find(c->in->file, path)) {
    case STORE_GROUP:
        return check_group(c, path, depth);
    case STORE_DATASET:
        return check_dataset(c, path);
    case STORE_UNKNOWN:
        return store_read_failed("read", path, c->in->path);
    case STORE_NOTHING:
    case STORE_OTHER:
        break;
    }
    return SEG_FAIL(SEG_ERR_DATA, "'%s' in '%s' is damaged, or neither a group nor a dataset",
                    clean, c->in->path);
}

/* Links that lead out of their place are not in the list, so the count tells. */
static seg_status check_links(const check *c, const char *path, int n)
{
    H5G_info_t info;
    char clean[200];

    if (H5Gget_info_by_name(c->in->file, *path ? path : "/", &info, H5P_DEFAULT) >= 0 &&
        info.nlinks == (hsize_t)n)
        return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA,
                    "group '%s' in '%s' holds soft or external links, which segmpi does not follow",
                    seg_text_clean(*path ? path : "/", clean, sizeof clean), c->in->path);
}

static seg_status check_group(check *c, const char *path, int depth)
{
    seg_status status = SEG_OK;
    char member[STORE_PATH], **names = NULL;
    int n;

    SEG_TRY(seg_input_list(c->in, path, &n, &names));
    SEG_TRY_OR_DONE(check_links(c, path, n));
    for (int i = 0; i < n; i++) {
        if (!store_join(path, names[i], member)) {
            status = SEG_FAIL(SEG_ERR_DATA, "a path in '%s' is too long", c->in->path);
            goto done;
        }
        SEG_TRY_OR_DONE(check_object(c, member, depth + 1));
    }
done:
    seg_free(names);
    return status;
}

seg_status seg_input_check(seg_input *in, int64_t *n_blocks)
{
    check c = { .in = in };

    if (*in->format) SEG_TRY(content_verify(in, in->path));
    SEG_TRY(check_group(&c, "", 0));
    if (n_blocks) *n_blocks = c.blocks;
    return SEG_OK;
}
