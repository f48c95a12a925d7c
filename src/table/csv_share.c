/* What rank 0 found in the head of the files, to all ranks. */
#include <string.h>

#include "csv_internal.h"
#include "segmpi/memory.h"

/* The part of a schema without pointers. */
typedef struct fixed {
    csv_dialect dialect;
    int n, d, id;
    bool nameless;
    double limit;
    int64_t text; /* bytes of names and originals */
} fixed;

static int64_t text_bytes(const csv_schema *schema)
{
    const char *last = schema->originals[schema->n - 1];

    return last + strlen(last) + 1 - schema->names[0];
}

static seg_status make_room(const fixed *f, csv_schema *schema)
{
    SEG_TRY(seg_fault("csv_share_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(f->n, sizeof *schema->target, &schema->target));
    return seg_alloc(2 * f->n * (int64_t)sizeof(char *) + f->text, 1, &schema->names);
}

seg_status csv_schema_bcast(seg_comm *comm, csv_schema *schema)
{
    const bool root = seg_comm_rank(comm) == 0;
    fixed f = { 0 };

    if (root) {
        f = (fixed) { schema->dialect,  schema->n,     schema->d, schema->id,
                      schema->nameless, schema->limit, 0 };
        f.text = text_bytes(schema);
    }
    seg_bcast(comm, &f, sizeof f);
    SEG_TRY(seg_agree(comm, root ? SEG_OK : make_room(&f, schema)));
    schema->dialect = f.dialect;
    schema->n = f.n;
    schema->d = f.d;
    schema->id = f.id;
    schema->nameless = f.nameless;
    schema->limit = f.limit;
    seg_bcast(comm, schema->target, f.n * (int64_t)sizeof *schema->target);
    char *text = (char *)(schema->names + 2 * f.n);
    seg_bcast(comm, text, f.text);
    for (int t = 0; t < 2 * f.n; t++, text += strlen(text) + 1)
        schema->names[t] = text; /* the originals follow the names */
    schema->originals = schema->names + f.n;
    return SEG_OK;
}
