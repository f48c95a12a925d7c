/* What rank 0 has found in the file, to all ranks. */
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "table_internal.h"

static int64_t bytes_of(const seg_source *source)
{
    int64_t bytes = 0;

    for (int t = 0; t < source->n; t++)
        bytes += (int64_t)strlen(source->names[t]) + 1;
    return bytes;
}

/* Every rank has a block of its own, rank 0 too: there names of columns that were left out may
 * stand between the others. */
static seg_status make_room(const seg_source *source, bool root, int64_t bytes, char ***names)
{
    SEG_TRY(seg_fault("table_share_alloc", SEG_ERR_MEMORY));
    if (root) return seg_texts_duplicate(source->n, (const char *const *)source->names, names);
    return seg_alloc(source->n * (int64_t)sizeof **names + bytes, 1, names);
}

seg_status seg_source_bcast(seg_comm *comm, seg_source *source)
{
    const bool root = seg_comm_rank(comm) == 0;
    char **own = source->names, **names = NULL;
    int64_t bytes = root ? bytes_of(source) : 0;

    seg_bcast(comm, source, sizeof *source);
    source->names = own; /* and not rank 0's address */
    seg_bcast(comm, &bytes, sizeof bytes);
    seg_status status = seg_agree(comm, make_room(source, root, bytes, &names));
    if (status != SEG_OK) {
        seg_free(names);
        return status;
    }
    char *text = (char *)(names + source->n);
    seg_bcast(comm, text, bytes);
    for (int t = 0; t < source->n; t++, text += strlen(text) + 1)
        names[t] = text;
    seg_free(own);
    source->names = names;
    return SEG_OK;
}
