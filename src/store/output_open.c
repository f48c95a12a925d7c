/* An output from its creation to its end: open, commit (output_commit.c), free. */
#include <stdio.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* Root.  Version 2 object headers carry checksums of their own; the order of creation is what
 * netCDF-4 lists variables by; times would make equal files differ. */
static seg_status create_file(seg_output *out)
{
    hid_t fapl, fcpl;

    seg_store_init();
    fapl = H5Pcreate(H5P_FILE_ACCESS);
    fcpl = H5Pcreate(H5P_FILE_CREATE);
    if (H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V110) >= 0 &&
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_link_creation_order(fcpl, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0 &&
        H5Pset_attr_creation_order(fcpl, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0)
        out->file = H5Fcreate(out->part.temp, H5F_ACC_TRUNC, fcpl, fapl);
    if (fapl >= 0) H5Pclose(fapl);
    if (fcpl >= 0) H5Pclose(fcpl);
    return out->file >= 0 ? SEG_OK : store_write_failed("create", "temporary file", out->part.path);
}

/* Local, every rank. */
static seg_status output_new(const seg_comm *comm, const char *path, bool force, seg_output **made)
{
    SEG_TRY(seg_fault("store_alloc", SEG_ERR_MEMORY));
    SEG_TRY(seg_alloc(1, sizeof **made, made));
    seg_output *out = *made;
    out->root = seg_comm_rank(comm) == 0;
    out->file = -1;
    return seg_part_init(path, force, &out->part);
}

/* Local.  Root makes the file with what every file carries. */
static seg_status output_create(seg_output *out, const char *format)
{
    SEG_TRY(seg_fault("store_create", SEG_ERR_CANTCREATE));
    if (!out->root) return SEG_OK;
    SEG_TRY(seg_part_create(&out->part, false));
    SEG_TRY(create_file(out));
    SEG_TRY(seg_output_attr_text(out, "", "format", format));
    return seg_output_attr_text(out, "", "format_version", STORE_VERSION);
}

seg_status seg_output_open(seg_comm *comm, const char *path, const char *format, bool force,
                           seg_output **out)
{
    seg_status status = SEG_OK;
    seg_output *made = NULL;

    *out = NULL;
    SEG_TRY_OR_DONE(seg_agree(comm, output_new(comm, path, force, &made)));
    SEG_TRY_OR_DONE(seg_agree(comm, output_create(made, format)));
    seg_bcast(comm, made->part.temp, (int64_t)strlen(path) + SEG_PART_LETTERS); /* random */
    *out = made;
    made = NULL;
done:
    seg_output_free(made);
    return status;
}

seg_status output_close(seg_output *out)
{
    hid_t file = out->file;

    out->file = -1;
    if (file < 0 || H5Fclose(file) >= 0) return SEG_OK;
    return store_write_failed("close", "temporary file", out->part.path);
}

void seg_output_free(seg_output *out)
{
    if (!out) return;
    (void)output_close(out);
    rows_release(out);
    seg_part_release(&out->part);
    seg_free(out);
}
