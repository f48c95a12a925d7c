/* State of long work: from whoever computes to whoever keeps it. */
#include "segmpi/keep.h"

#include "segmpi/stop.h"

seg_status seg_keep(seg_comm *comm, const seg_keeper *keeper, const char *part, int n,
                    const seg_field *fields, int64_t asked)
{
    if (keeper) return keeper->keep(comm, keeper, part, n, fields, asked);
    return asked >= SEG_ASKS_STOP ? seg_agree(comm, SEG_OK) : SEG_OK;
}

seg_status seg_restore(seg_comm *comm, const seg_keeper *keeper, const char *part, int n,
                       const seg_field *fields, bool *found)
{
    *found = false;
    return keeper ? keeper->restore(comm, keeper, part, n, fields, found) : SEG_OK;
}
