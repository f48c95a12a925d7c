/* Reading ahead: the kernel fetches what is read next while this process computes. */
#include <fcntl.h>

#include "store_internal.h"

void seg_input_ahead(seg_input *in, const char *path, int64_t first, int64_t count)
{
    input_set *set;
    void *handle = NULL;

    if (count <= 0) return;
    if (set_find(in, path, &set) != SEG_OK) { /* reading will say so */
        seg_error_clear();
        return;
    }
    const haddr_t offset = set->band == 0 ? H5Dget_offset(set->set) : HADDR_UNDEF;
    if (offset == HADDR_UNDEF || H5Fget_vfd_handle(in->file, H5P_DEFAULT, &handle) < 0) return;
    (void)posix_fadvise(*(const int *)handle, (off_t)offset + first * set->row_bytes,
                        count * set->row_bytes, POSIX_FADV_WILLNEED);
}
