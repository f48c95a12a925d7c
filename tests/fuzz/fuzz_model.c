/* Fuzz target of what is read behind HDF5: files of each format (golden/), in which values are
 * changed and objects dropped or made anew, as if by someone who can make the checksums fit.  What
 * is taken is told in words; nothing that a terminal would obey may come out, and no reading may go
 * wrong.
 *
 * Input: one byte that names a file, then changes of 5 bytes: the object (2), what is done to it,
 * and with what (2). */
#include <fcntl.h>
#include <math.h>

#include "../../src/store/store_internal.h"
#include "fuzz_page.h"
#include "segmpi/memory.h"
#include "segmpi/model.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define OBJECTS_MOST 1000
#define CHANGES_MOST 12
#define HOSTILE      "x\x1b]0;title\x07\x1b[2J\xc2\x9b\x37m\n-- <b>\xe2\x80\xae\"'"

static const char *const files[] = { "model.h5",
                                     "code.h5",
                                     "scores.h5",
                                     "elbow.h5",
                                     "describe.h5",
                                     "clients.h5",
                                     "stopped.h5.checkpoint-000001" };
#define N_FILES (int)(sizeof files / sizeof *files)

/* Paths of datasets, and "object@attribute". */
typedef struct objects {
    int n;
    char path[OBJECTS_MOST][160];
} objects;

/* ---- the files, read once ---- */

typedef struct original {
    char *bytes;
    size_t size;
    objects list;
} original;

static herr_t add_attribute(hid_t object, const char *name, const H5A_info_t *info, void *data)
{
    objects *list = data;
    char of[100] = "";

    (void)info;
    if (H5Iget_name(object, of, sizeof of) >= 0 && list->n < OBJECTS_MOST &&
        strcmp(name, STORE_CONTENT) != 0 && strcmp(name, STORE_RUN_CHECKSUM) != 0)
        (void)snprintf(list->path[list->n++], sizeof list->path[0], "%s@%s", of, name);
    return 0;
}

static herr_t add_object(hid_t file, const char *name, const H5O_info_t *info, void *data)
{
    objects *list = data;
    hid_t object = H5Oopen(file, name, H5P_DEFAULT);

    if (info->type == H5O_TYPE_DATASET && list->n < OBJECTS_MOST)
        (void)snprintf(list->path[list->n++], sizeof list->path[0], "%s", name);
    (void)H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, add_attribute, data);
    (void)H5Oclose(object);
    return 0;
}

static const original *load(int number)
{
    static original all[N_FILES];
    original *o = &all[number];
    char path[600];

    if (o->bytes) return o;
    (void)snprintf(path, sizeof path, "%s/%s",
                   getenv("FUZZ_GOLDEN") ? getenv("FUZZ_GOLDEN") : FUZZ_GOLDEN, files[number]);
    FILE *in = fopen(path, "rb");
    if (!in || !(o->bytes = malloc(1 << 20))) abort();
    o->size = fread(o->bytes, 1, 1 << 20, in);
    (void)fclose(in);
    seg_store_init();
    hid_t file = store_open_serial(path, H5F_ACC_RDONLY);
#if H5_VERSION_GE(1, 12, 0)
    const herr_t seen =
        H5Ovisit3(file, H5_INDEX_NAME, H5_ITER_INC, add_object, &o->list, H5O_INFO_BASIC);
#else
    const herr_t seen = H5Ovisit(file, H5_INDEX_NAME, H5_ITER_INC, add_object, &o->list);
#endif
    if (seen < 0) abort();
    (void)H5Fclose(file);
    return o;
}

/* ---- changes ---- */

static double hostile_number(unsigned with)
{
    static const double numbers[] = {
        0,           -1,           1,           2,      NAN,     INFINITY, -INFINITY, 1e308,
        -1e308,      5e-324,       127,         128,    255,     32767,    -32768,    65536,
        2147483647., -2147483648., 4294967296., 9.2e18, -9.3e18, 1e15,     0.5,       1e-300
    };

    return numbers[with % (sizeof numbers / sizeof *numbers)];
}

/* Values [n] of a number type in memory: one or all become another; whole ones by their bits as
 * well. */
static void change_numbers(hid_t type, int64_t n, char *values, unsigned with, bool all)
{
    const size_t size = H5Tget_size(type);
    const unsigned at = with >> 6;
    char one[8] = { 0 };
    double number = hostile_number(with & 63);

    if (H5Tget_class(type) == H5T_FLOAT)
        (void)H5Tconvert(H5T_NATIVE_DOUBLE, type, 1, memcpy(one, &number, 8), NULL, H5P_DEFAULT);
    else if (with & 32)
        memset(one, with & 1 ? 0xff : 0x7f, size);
    else {
        int64_t whole = number >= 9.2e18 || !(number > -9.2e18) ? INT64_MAX : (int64_t)number;
        memcpy(one, &whole, size);
    }
    for (int64_t i = 0; i < n; i++)
        if (all || i == at % n) memcpy(values + (size_t)i * size, one, size);
}

static void change_values(hid_t object, bool attribute, unsigned with, bool all)
{
    hid_t type = attribute ? H5Aget_type(object) : H5Dget_type(object);
    hid_t space = attribute ? H5Aget_space(object) : H5Dget_space(object);
    const int64_t n = H5Sget_simple_extent_npoints(space), size = (int64_t)H5Tget_size(type);
    const H5T_class_t class = H5Tget_class(type);
    static char values[1 << 20];

    if (n > 0 && n * size <= (int64_t)sizeof values) {
        const char *texts[4096];
        const void *changed = values;
        if (class == H5T_STRING && H5Tis_variable_str(type) > 0) {
            for (int64_t i = 0; i < n && i < 4096; i++)
                texts[i] = with & 1 ? HOSTILE : with & 2 ? "" : "nan";
            changed = texts;
        } else {
            if ((attribute ? H5Aread(object, type, values)
                           : H5Dread(object, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values)) < 0)
                memset(values, 0, sizeof values);
            if (class == H5T_INTEGER || class == H5T_FLOAT)
                change_numbers(type, n, values, with, all);
            for (int64_t i = 0; class == H5T_STRING && i < n * size; i++)
                values[i] =
                    with & 2 ? 0 : HOSTILE[(i + (with >> 8)) % ((int64_t)sizeof HOSTILE - 1)];
        }
        if (class == H5T_INTEGER || class == H5T_FLOAT || class == H5T_STRING)
            (void)(attribute ? H5Awrite(object, type, changed)
                             : H5Dwrite(object, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, changed));
    }
    (void)H5Sclose(space);
    (void)H5Tclose(type);
}

/* The dataset anew, of another shape or type, full of one value. */
static void replace(hid_t file, const char *path, unsigned with)
{
    static const hsize_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 100 };
    hsize_t dim[3] = { sizes[with & 7], sizes[with >> 3 & 7], 2 };
    const int rank = (int)(with >> 6 & 3);
    hid_t type = with >> 8 & 1   ? H5T_NATIVE_INT64
                 : with >> 8 & 2 ? H5T_NATIVE_DOUBLE
                                 : H5T_NATIVE_INT8;
    hid_t space = H5Screate_simple(rank, dim, NULL);

    if (H5Ldelete(file, path, H5P_DEFAULT) >= 0) {
        hid_t set = H5Dcreate2(file, path, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        if (set >= 0) {
            change_values(set, false, with, true);
            (void)H5Dclose(set);
        }
    }
    (void)H5Sclose(space);
}

static void change_attribute(hid_t file, char *path, const char *name, int how, unsigned with)
{
    if (how == 3)
        (void)H5Adelete_by_name(file, path, name, H5P_DEFAULT);
    else {
        /* HDF5 1.10.8 cannot write one that H5Aopen_by_name() has opened. */
        hid_t owner = H5Oopen(file, path, H5P_DEFAULT);
        hid_t attribute = H5Aopen(owner, name, H5P_DEFAULT);
        if (attribute >= 0) {
            change_values(attribute, true, with, how & 1);
            (void)H5Aclose(attribute);
        }
        (void)H5Oclose(owner);
    }
}

static void change(hid_t file, const objects *list, const uint8_t *c)
{
    char path[160];
    const unsigned with = (unsigned)(c[3] << 8 | c[4]);
    const int how = c[2] % 6;

    (void)seg_text_copy(path, sizeof path, list->path[(c[0] << 8 | c[1]) % list->n]);
    char *at = strchr(path, '@');
    if (at) {
        *at = '\0';
        change_attribute(file, path, at + 1, how, with);
    } else if (how == 3) {
        (void)H5Ldelete(file, path, H5P_DEFAULT);
    } else if (how == 4) {
        replace(file, path, with);
    } else {
        hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
        if (set >= 0) {
            change_values(set, false, with, how & 1);
            (void)H5Dclose(set);
        }
    }
}

/* ---- what is made of it ---- */

static int printed = -1;

static void begin_printing(void)
{
    char path[64];

    if (printed >= 0 || !seg_text_template(path, sizeof path, "/dev/shm/segmpi-fuzz-")) return;
    printed = mkstemp(path);
    if (printed < 0 || unlink(path) != 0 || dup2(printed, STDOUT_FILENO) < 0) abort();
}

static void end_printing(void)
{
    static char text[1 << 22];

    (void)fflush(stdout);
    const ssize_t n = pread(printed, text, sizeof text, 0);
    if (n > 0 && !fuzz_is_plain(text, (size_t)n)) {
        text[n < (ssize_t)sizeof text ? n : (ssize_t)sizeof text - 1] = '\0';
        fuzz_failed("controls on the terminal", text);
    }
    if (ftruncate(printed, 0) != 0 || lseek(STDOUT_FILENO, 0, SEEK_SET) != 0) abort();
}

static void draw_model(const seg_model *model)
{
    page_data data = { .model = model, .s = &model->segments };

    if (seg_alloc(data.s->d + 1, sizeof *data.order, &data.order) != SEG_OK) abort();
    for (int t = 0; t < data.s->d; t++)
        data.order[t] = t;
    for (int i = 0; i < figure_n_kinds; i++)
        fuzz_draw(&data, figure_kinds[i]);
    seg_free(data.order);
}

static seg_status tell_model(seg_input *in)
{
    seg_model model;
    char *sql = NULL, id[SEG_MODEL_ID] = "";
    const seg_sql_opts opts = { .table = "t", .id = "id" };
    seg_json *json = NULL;

    SEG_TRY(seg_model_read(in, &model));
    draw_model(&model);
    seg_status status = seg_input_attr_text(in, "", "model_id", id, sizeof id);
    if (status == SEG_OK) status = seg_report_model_json(&model, &json);
    if (status == SEG_OK) status = seg_report_sql(&model, id, &opts, &sql);
    free(sql);
    seg_json_free(json);
    seg_model_release(&model);
    return status;
}

static void tell(const char *path)
{
    seg_input *in = NULL;
    seg_status status = seg_input_open(path, &in);

    begin_printing();
    fuzz_expect_refusal(status);
    if (in) in->sealed = true; /* the content's checksum is believed */
    if (in) fuzz_expect_refusal(seg_report_file(in));
    if (in) fuzz_expect_refusal(seg_report_provenance(in));
    if (in && strcmp(seg_input_format(in), "model") == 0) fuzz_expect_refusal(tell_model(in));
    seg_input_close(in);
    end_printing();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 6 || size > 1 + 5 * CHANGES_MOST) return 0;
    const original *o = load(data[0] % N_FILES);
    const char *path = fuzz_file(o->bytes, o->size);
    hid_t file = store_open_serial(path, H5F_ACC_RDWR);

    seg_error_clear();
    if (file < 0) abort();
    for (size_t at = 1; at + 5 <= size; at += 5)
        change(file, &o->list, data + at);
    if (H5Fclose(file) >= 0) tell(path);
    fuzz_file_remove(path);
    return 0;
}
