/* A CSV file that all ranks write: complete or absent. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "segmpi/csv_output.h"

static seg_status create(const char *path, bool force, seg_csv_output *csv)
{
    SEG_TRY(seg_part_init(path, force, &csv->part));
    SEG_TRY(seg_fault("generate_csv_create", SEG_ERR_CANTCREATE));
    return csv->root ? seg_part_create(&csv->part, false) : SEG_OK;
}

static seg_status open_created(seg_csv_output *csv)
{
    SEG_TRY(seg_fault("generate_csv_open", SEG_ERR_IO));
    return csv->root ? SEG_OK : seg_part_open(&csv->part);
}

seg_status seg_csv_output_open(seg_comm *comm, const char *path, bool force, seg_csv_output *csv)
{
    *csv = (seg_csv_output) { .root = seg_comm_rank(comm) == 0 };
    SEG_TRY(seg_agree(comm, create(path, force, csv)));
    seg_bcast(comm, csv->part.temp, (int64_t)strlen(path) + SEG_PART_LETTERS);
    return seg_agree(comm, open_created(csv));
}

seg_status seg_csv_output_put(seg_comm *comm, const seg_csv_output *csv, const char *bytes,
                              int64_t size, int64_t offset)
{
    seg_status local = seg_fault("generate_csv_write", SEG_ERR_IO);

    if (local == SEG_OK) local = seg_part_write(&csv->part, bytes, size, offset);
    return seg_agree(comm, local);
}

/* Rank 0 keeps its descriptor, which holds the lock. */
static seg_status sync_own(seg_csv_output *csv)
{
    SEG_TRY(seg_fault("generate_csv_sync", SEG_ERR_IO));
    SEG_TRY(seg_part_sync(&csv->part));
    if (csv->root) return SEG_OK;
    int failed = close(csv->part.file);
    csv->part.file = -1;
    if (failed == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_IO, "cannot close '%s': %s", csv->part.path, strerror(errno));
}

seg_status seg_csv_output_sync(seg_comm *comm, seg_csv_output *csv)
{
    return seg_agree(comm, sync_own(csv));
}

/* Root alone, so that nobody can fail once the name is given. */
static seg_status give_name(seg_csv_output *csv)
{
    if (!csv->root) return SEG_OK;
    SEG_TRY(seg_fault("generate_csv_rename", SEG_ERR_IO));
    return seg_part_publish(&csv->part);
}

seg_status seg_csv_output_commit(seg_comm *comm, seg_csv_output *csv)
{
    return seg_agree(comm, give_name(csv));
}

void seg_csv_output_release(seg_csv_output *csv)
{
    seg_part_release(&csv->part);
}
