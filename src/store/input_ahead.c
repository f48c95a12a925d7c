/* Reading ahead: the kernel fetches what is read next while this process computes. */
#include <fcntl.h>

#include "store_internal.h"

void seg_input_ahead(seg_input *in, const char *path, int64_t first, int64_t count)
{
    input_set *set;

    if (count <= 0) return;
    if (set_find(in, path, &set) != SEG_OK) { /* reading will say so */
        seg_error_clear();
        return;
    }
    if (set->at < 0) return;
    (void)posix_fadvise(in->rows, set->at + first * set->row_bytes, count * set->row_bytes,
                        POSIX_FADV_WILLNEED);
}
