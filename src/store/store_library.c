/* The HDF5 library: how it is set up, why it failed, and which types it may meet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "store_internal.h"

/* HDF5's error stack lives until the next call, so what it says is kept at once. */
static const char system_mark[] = "error message = '";
static char last_reason[400];
static int system_failures;
static bool lacked_memory;

static herr_t keep_first(unsigned n, const H5E_error2_t *record, void *unused)
{
    char reason[100];
    bool system;

    (void)unused;
    if (n > 0) return 0;
    lacked_memory =
        lacked_memory || record->min_num == H5E_NOSPACE || record->min_num == H5E_CANTALLOC;
    (void)seg_text_copy(last_reason, sizeof last_reason, record->desc ? record->desc : "");
    (void)store_reason(reason, sizeof reason, &system);
    if (!system) return 0;
    system_failures++;
    seg_error_doubt(reason);
    return 0;
}

static herr_t keep_reason(hid_t stack, void *unused)
{
    return H5Ewalk2(stack, H5E_WALK_UPWARD, keep_first, unused);
}

void seg_store_init(void)
{
    static bool done;

    if (done) return;
    done = true;
    /* By the environment, because it overrules the property list, and before the library looks at
     * it: outputs carry a lock of their own, which HDF5 would run into, and inputs need none. */
    (void)setenv("HDF5_USE_FILE_LOCKING", "FALSE", 1);
    (void)H5dont_atexit(); /* every file is closed by then, or better left alone */
    (void)H5open();        /* without MPI it does not ask MPI_Finalize() to end it */
    (void)H5Eset_auto2(H5E_DEFAULT, keep_reason, NULL); /* instead of printing */
    (void)H5PLset_loading_state(0);
}

const char *seg_store_library(void)
{
    static char text[40];
    unsigned major = 0, minor = 0, release = 0;

    seg_store_init();
    (void)H5get_libversion(&major, &minor, &release);
    (void)snprintf(text, sizeof text, "HDF5 %u.%u.%u", major, minor, release);
    return text;
}

uint64_t seg_hash(const void *bytes, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, size, seed);
}

/* ---- why a call failed ---- */

const char *store_reason(char *buffer, size_t size, bool *system)
{
    char *begin = strstr(last_reason, system_mark);

    if (system) *system = begin != NULL;
    if (begin) {
        begin += sizeof system_mark - 1;
        begin[strcspn(begin, "'")] = '\0';
        return seg_text_clean(begin, buffer, size);
    }
    return seg_text_clean(*last_reason ? last_reason : "the HDF5 library gives no reason", buffer,
                          size);
}

int store_system_failures(void)
{
    return system_failures;
}

bool store_lacked_memory(void)
{
    return lacked_memory;
}

seg_status store_read_failed(const char *what, const char *path, const char *file)
{
    char reason[200], clean[200];
    bool system;

    store_reason(reason, sizeof reason, &system);
    return SEG_FAIL(system ? SEG_ERR_IO : SEG_ERR_DATA, "cannot %s '%s' in '%s': %s", what,
                    seg_text_clean(path, clean, sizeof clean), file, reason);
}

seg_status store_write_failed(const char *what, const char *path, const char *file)
{
    char reason[200];

    return SEG_FAIL(SEG_ERR_IO, "cannot %s '%s' for '%s': %s", what, path, file,
                    store_reason(reason, sizeof reason, NULL));
}

/* ---- types ---- */

int64_t seg_type_size(seg_type type, int width)
{
    static const int sizes[] = { 0, 1, 1, 2, 4, 8, 8, 4, 8 };

    return type == SEG_TEXT ? width : sizes[type];
}

hid_t store_type(seg_type type, int width)
{
    hid_t text;

    switch (type) {
    case SEG_INT8:
        return H5Tcopy(H5T_STD_I8LE);
    case SEG_UINT8:
        return H5Tcopy(H5T_STD_U8LE);
    case SEG_INT16:
        return H5Tcopy(H5T_STD_I16LE);
    case SEG_INT32:
        return H5Tcopy(H5T_STD_I32LE);
    case SEG_INT64:
        return H5Tcopy(H5T_STD_I64LE);
    case SEG_UINT64:
        return H5Tcopy(H5T_STD_U64LE);
    case SEG_FLOAT32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case SEG_FLOAT64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case SEG_TEXT:
        break;
    }
    text = H5Tcopy(H5T_C_S1);
    if (H5Tset_size(text, (size_t)(width > 0 ? width : 1)) < 0 ||
        H5Tset_strpad(text, H5T_STR_NULLPAD) < 0 || H5Tset_cset(text, H5T_CSET_UTF8) < 0) {
        H5Tclose(text);
        return -1;
    }
    return text;
}

hid_t store_text_type(void)
{
    hid_t text = H5Tcopy(H5T_C_S1);

    if (H5Tset_size(text, H5T_VARIABLE) < 0 || H5Tset_cset(text, H5T_CSET_UTF8) < 0) {
        H5Tclose(text);
        return -1;
    }
    return text;
}

bool store_type_of(hid_t type, seg_type *out, int *width)
{
    /* unsigned types without a place in seg_type are read as the next wider signed one */
    const struct {
        hid_t type;
        seg_type as;
    } known[] = {
        { H5T_STD_I8LE, SEG_INT8 },      { H5T_STD_I8BE, SEG_INT8 },
        { H5T_STD_U8LE, SEG_UINT8 },     { H5T_STD_U8BE, SEG_UINT8 },
        { H5T_STD_I16LE, SEG_INT16 },    { H5T_STD_I16BE, SEG_INT16 },
        { H5T_STD_U16LE, SEG_INT32 },    { H5T_STD_U16BE, SEG_INT32 },
        { H5T_STD_I32LE, SEG_INT32 },    { H5T_STD_I32BE, SEG_INT32 },
        { H5T_STD_U32LE, SEG_INT64 },    { H5T_STD_U32BE, SEG_INT64 },
        { H5T_STD_I64LE, SEG_INT64 },    { H5T_STD_I64BE, SEG_INT64 },
        { H5T_STD_U64LE, SEG_UINT64 },   { H5T_STD_U64BE, SEG_UINT64 },
        { H5T_IEEE_F32LE, SEG_FLOAT32 }, { H5T_IEEE_F32BE, SEG_FLOAT32 },
        { H5T_IEEE_F64LE, SEG_FLOAT64 }, { H5T_IEEE_F64BE, SEG_FLOAT64 },
    };

    *width = 0;
    if (H5Tget_class(type) == H5T_STRING) {
        htri_t variable = H5Tis_variable_str(type);
        size_t size = H5Tget_size(type);
        *out = SEG_TEXT;
        if (variable == 0) *width = size <= 65536 ? (int)size : 0;
        return variable > 0 || *width > 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (H5Tequal(type, known[i].type) > 0) {
            *out = known[i].as;
            return true;
        }
    return false;
}

void store_reclaim(hid_t type, hid_t space, void *data)
{
#if H5_VERSION_GE(1, 12, 0)
    (void)H5Treclaim(type, space, H5P_DEFAULT, data);
#else
    (void)H5Dvlen_reclaim(type, space, H5P_DEFAULT, data);
#endif
}

hid_t store_open_serial(const char *path, unsigned flags)
{
    hid_t fapl, file = -1;

    seg_store_init();
    fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (fapl < 0) return -1;
    /* strong: closing the file closes whatever an error has left open in it */
    if (H5Pset_fapl_sec2(fapl) >= 0 && H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V110) >= 0)
        file = H5Fopen(path, flags, fapl);
    H5Pclose(fapl);
    return file;
}

hid_t store_object_list(hid_t class)
{
    const unsigned order = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED;
    hid_t list = H5Pcreate(class);

    if (list >= 0 && H5Pset_attr_creation_order(list, order) >= 0 &&
        H5Pset_obj_track_times(list, false) >= 0 &&
        (class == H5P_DATASET_CREATE || H5Pset_link_creation_order(list, order) >= 0))
        return list;
    if (list >= 0) H5Pclose(list);
    return -1;
}

/* ---- rows ---- */

seg_status store_grow(void *array, int64_t used, int64_t more, int64_t *room, size_t size)
{
    void *old, *larger;

    if (used + more <= *room) return SEG_OK;
    int64_t wanted = 2 * *room > used + more ? 2 * *room : used + more;
    memcpy(&old, array, sizeof old);
    SEG_TRY(seg_alloc(wanted, size, &larger));
    if (used > 0) memcpy(larger, old, (size_t)used * size);
    seg_free(old);
    memcpy(array, &larger, sizeof larger);
    *room = wanted;
    return SEG_OK;
}

seg_status store_read_bytes(int file, void *bytes, int64_t size, int64_t at, const char *path)
{
    char *to = bytes;

    while (size > 0) {
        const ssize_t n = pread(file, to, (size_t)size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return SEG_FAIL(SEG_ERR_IO, "cannot read '%s': %s", path, strerror(errno));
        if (n == 0) return SEG_FAIL(SEG_ERR_DATA, "'%s' has become shorter meanwhile", path);
        to += n;
        at += n;
        size -= n;
    }
    return SEG_OK;
}

int64_t store_piece_rows(int64_t row_bytes)
{
    int64_t blocks = STORE_SLICE / SEG_BLOCK_ROWS / (row_bytes > 0 ? row_bytes : 1);

    return SEG_BLOCK_ROWS * (blocks > 0 ? blocks : 1);
}

herr_t store_read_rows(hid_t set, hid_t type, int rank, const hsize_t *dim, int64_t first,
                       int64_t count, void *data)
{
    hsize_t start[4] = { (hsize_t)first }, size[4] = { (hsize_t)count };
    herr_t done = -1;

    for (int i = 1; i < rank; i++)
        size[i] = dim[i];
    hid_t in_file = H5Dget_space(set);
    hid_t in_memory = rank > 0 ? H5Screate_simple(rank, size, NULL) : H5Screate(H5S_SCALAR);
    if (in_file >= 0 && in_memory >= 0 &&
        (rank == 0 || H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, size, NULL) >= 0))
        done = H5Dread(set, type, in_memory, in_file, H5P_DEFAULT, data);
    if (in_file >= 0) (void)H5Sclose(in_file);
    if (in_memory >= 0) (void)H5Sclose(in_memory);
    return done;
}
