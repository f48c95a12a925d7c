/* A file for people: a table or a model in words, anything else as a listing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report_internal.h"
#include "segmpi/memory.h"
#include "segmpi/report.h"
#include "segmpi/text.h"

#define LONGEST ((size_t)1 << 20) /* bytes of a text */
#define DEPTH   16 /* groups below groups at most; a file may link them in a circle */

typedef char line_text[256];

/* ---- attributes ---- */

/* "  name  value", whatever the type is. */
static seg_status print_attribute(seg_input *in, const char *object, const char *name)
{
    static char text[LONGEST]; /* options may name thousands of columns */
    int64_t whole;
    double number;

    printf("  %-20s ", seg_text_clean(name, text, sizeof text));
    seg_status status = seg_input_attr_text(in, object, name, text, sizeof text);
    if (status != SEG_OK && status != SEG_ERR_DATA) return status;
    if (status == SEG_OK)
        printf("%s\n", seg_text_clean(text, text, sizeof text));
    else if (seg_error_clear(), seg_input_attr_int(in, object, name, &whole) == SEG_OK)
        printf("%" PRId64 "\n", whole);
    else if (seg_error_clear(), seg_input_attr_double(in, object, name, &number) == SEG_OK)
        printf("%.15g\n", number);
    else {
        seg_error_clear();
        printf("(not a text or a number)\n");
    }
    return SEG_OK;
}

static seg_status print_attributes(seg_input *in, const char *object)
{
    char **names = NULL;
    int n = 0;

    SEG_TRY(seg_input_attr_list(in, object, &n, &names));
    seg_status status = SEG_OK;
    for (int i = 0; i < n && status == SEG_OK; i++)
        status = print_attribute(in, object, names[i]);
    seg_free(names);
    return status;
}

seg_status seg_report_provenance(seg_input *in)
{
    if (!seg_input_has(in, "provenance"))
        return SEG_FAIL(SEG_ERR_DATA, "'%s' does not say where it comes from", seg_input_path(in));
    SEG_TRY(print_attributes(in, "provenance"));
    if (!seg_input_has(in, "provenance/run")) return SEG_OK;
    report_heading("The run");
    return print_attributes(in, "provenance/run");
}

/* ---- any file ---- */

static const char *type_name(seg_type type)
{
    static const char *const names[] = { "",      "int8",   "uint8",   "int16",   "int32",
                                         "int64", "uint64", "float32", "float64", "text" };

    return names[type];
}

static void print_dataset(seg_input *in, const char *path)
{
    seg_shape shape;
    line_text clean;

    printf("  %-36s ", seg_text_clean(path, clean, sizeof clean));
    if (seg_input_shape(in, path, &shape) != SEG_OK) {
        seg_error_clear();
        printf("(of a type that segmpi does not read)\n");
        return;
    }
    printf("%-8s", type_name(shape.type));
    for (int i = 0; i < shape.rank; i++)
        printf("%s%" PRId64, i == 0 ? " " : " x ", shape.dim[i]);
    putchar('\n');
}

static seg_status print_group(seg_input *in, const char *group, int depth)
{
    seg_status status = SEG_OK;
    char **names = NULL;
    char path[1024];
    int n = 0;

    SEG_TRY(seg_input_list(in, group, &n, &names));
    for (int i = 0; i < n; i++) {
        int length = snprintf(path, sizeof path, "%s%s%s", group, *group ? "/" : "", names[i]);
        if (length >= (int)sizeof path) continue;
        if (!seg_input_is_group(in, path))
            print_dataset(in, path);
        else if (depth < DEPTH)
            SEG_TRY_OR_DONE(print_group(in, path, depth + 1));
    }
done:
    seg_free(names);
    return status;
}

/* ---- segmpi's own files ---- */

static seg_status print_table(seg_input *in)
{
    seg_shape features, ids;
    char **names = NULL;
    line_text clean;
    int d = 0;

    SEG_TRY(seg_input_expect(in, "clients"));
    SEG_TRY(seg_input_shape(in, "features", &features));
    SEG_TRY(seg_input_names(in, "feature", &d, &names));
    report_clients(features.dim[0], features.dim[0], d);
    printf(" (%s)", type_name(features.type));
    if (seg_input_has(in, "ids/client_id") && seg_input_shape(in, "ids/client_id", &ids) == SEG_OK)
        printf(", ids (%s)", type_name(ids.type));
    putchar('\n');
    report_heading("Features");
    for (int t = 0; t < d; t++)
        printf("  %s\n", seg_text_clean(names[t], clean, sizeof clean));
    seg_free(names);
    return SEG_OK;
}

static seg_status print_model(seg_input *in)
{
    seg_model model;

    SEG_TRY(seg_model_read(in, &model));
    seg_report_model(&model);
    seg_model_release(&model);
    return SEG_OK;
}

static seg_status print_describe(seg_input *in)
{
    seg_describe d;

    SEG_TRY(seg_input_expect(in, "describe"));
    SEG_TRY(seg_describe_read(in, "", &d));
    if (d.full) seg_report_describe(&d);
    seg_describe_release(&d);
    return SEG_OK;
}

static seg_status print_elbow(seg_input *in)
{
    seg_model model;

    SEG_TRY(seg_elbow_read(in, &model));
    seg_status status = seg_report_elbow(&model);
    seg_model_release(&model);
    return status;
}

/* Where it comes from, in short. */
static seg_status print_origin(seg_input *in)
{
    static const char *const names[] = { "version", "created", "input_name", "options" };

    report_heading("Origin");
    if (seg_input_has_attr(in, "", "model_id")) SEG_TRY(print_attribute(in, "", "model_id"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *group =
            seg_input_has_attr(in, "provenance", names[i]) ? "provenance" : "provenance/run";
        if (seg_input_has_attr(in, group, names[i])) SEG_TRY(print_attribute(in, group, names[i]));
    }
    return SEG_OK;
}

seg_status seg_report_file(seg_input *in)
{
    const char *format = seg_input_format(in);
    line_text clean;

    if (strcmp(format, "model") == 0)
        SEG_TRY(print_model(in));
    else if (strcmp(format, "elbow") == 0)
        SEG_TRY(print_elbow(in));
    else if (strcmp(format, "clients") == 0)
        SEG_TRY(print_table(in));
    else if (strcmp(format, "describe") == 0)
        SEG_TRY(print_describe(in));
    else if (strcmp(format, "scores") == 0)
        SEG_TRY(report_scores(in));
    else {
        printf("HDF5 file%s%s\n", *format ? ", format " : "",
               seg_text_clean(format, clean, sizeof clean));
        SEG_TRY(print_group(in, "", 0));
    }
    return seg_input_has(in, "provenance") ? print_origin(in) : SEG_OK;
}
