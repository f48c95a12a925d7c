/* The option --transform: one method for all columns, or COLUMN=METHOD,... */
#include <string.h>

#include "prep_internal.h"
#include "segmpi/text.h"

static bool method_of(const char *text, size_t length, int *method)
{
    static const char *const names[] = { "none", "log1p", "sqrt" };

    for (*method = 0; *method < 3; ++*method)
        if (strlen(names[*method]) == length && strncmp(text, names[*method], length) == 0)
            return true;
    return false;
}

static seg_status no_column(const seg_prep *prep, const char *item, size_t length)
{
    char name[128], clean[128];

    seg_text_copy(name, length + 1 < sizeof name ? length + 1 : sizeof name, item);
    const char *nearest = seg_text_nearest(name, prep->d, (const char *const *)prep->names);
    seg_text_clean(name, clean, sizeof clean);
    return SEG_FAIL(SEG_ERR_USAGE, "--transform names '%s', which is no column; did you mean '%s'?",
                    clean, nearest ? nearest : prep->names[0]);
}

/* One item of the list, COLUMN=METHOD: the last = ends the name. */
static seg_status parse_item(seg_prep *prep, const char *item, size_t length)
{
    size_t name = length;
    int method;
    char clean[128];

    while (name > 0 && item[name - 1] != '=')
        name--;
    if (name == 0 || !method_of(item + name, length - name, &method)) {
        seg_text_copy(clean, length + 1 < sizeof clean ? length + 1 : sizeof clean, item);
        return SEG_FAIL(SEG_ERR_USAGE,
                        "--transform is none, log1p, sqrt, or COLUMN=METHOD,...; not '%s'",
                        seg_text_clean(clean, clean, sizeof clean));
    }
    for (int t = 0; t < prep->d; t++)
        if (strlen(prep->names[t]) == name - 1 && strncmp(prep->names[t], item, name - 1) == 0) {
            prep->transform[t] = method;
            return SEG_OK;
        }
    return no_column(prep, item, name - 1);
}

seg_status seg_prep_parse_transform(seg_prep *prep, const char *text)
{
    int method;

    if (!text) return SEG_OK;
    if (method_of(text, strlen(text), &method)) {
        for (int t = 0; t < prep->d; t++)
            prep->transform[t] = method;
        return SEG_OK;
    }
    while (*text) {
        size_t length = strcspn(text, ",");
        SEG_TRY(parse_item(prep, text, length));
        text += length + (text[length] == ',');
    }
    return SEG_OK;
}
