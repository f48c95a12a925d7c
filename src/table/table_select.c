/* Columns by name: the lists of --columns and --exclude-columns, and names that stand twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/memory.h"
#include "segmpi/text.h"
#include "table_internal.h"

/* The next name of a comma-separated list, without blanks around it; false at the end. */
static bool next_name(const char **list, const char **name, size_t *length)
{
    if (!*list) return false;

    const char *begin = *list, *end = begin + strcspn(begin, ",");
    *list = *end == ',' ? end + 1 : NULL;
    while (begin < end && *begin == ' ')
        begin++;
    while (end > begin && end[-1] == ' ')
        end--;
    *name = begin;
    *length = (size_t)(end - begin);
    return true;
}

static seg_status unknown_name(int n, const char *const *names, const char *name, size_t length)
{
    char word[128], shown[128];

    seg_text_copy(word, length + 1 < sizeof word ? length + 1 : sizeof word, name);
    const char *nearest = seg_text_nearest(word, n, names);
    seg_text_clean(word, shown, sizeof shown);
    if (nearest)
        return SEG_FAIL(SEG_ERR_USAGE, "no column is named '%s'; did you mean '%s'?", shown,
                        nearest);
    return SEG_FAIL(SEG_ERR_USAGE, "no column is named '%s'; the columns begin with '%s'", shown,
                    n > 0 ? names[0] : "");
}

seg_status seg_columns_unknown(int n, const char *const *names, const char *name)
{
    return unknown_name(n, names, name, strlen(name));
}

/* keep[t] = value for every name of the list. */
static seg_status mark(int n, const char *const *names, const char *list, bool value, bool *keep)
{
    const char *name;
    size_t length;

    while (next_name(&list, &name, &length)) {
        int t = 0;
        while (t < n && (strncmp(names[t], name, length) != 0 || names[t][length] != '\0'))
            t++;
        if (t == n) return unknown_name(n, names, name, length);
        keep[t] = value;
    }
    return SEG_OK;
}

seg_status seg_columns_select(int n, const char *const *names, const char *columns,
                              const char *exclude, bool *keep)
{
    for (int t = 0; t < n; t++)
        keep[t] = columns == NULL;
    SEG_TRY(mark(n, names, columns, true, keep));
    SEG_TRY(mark(n, names, exclude, false, keep));
    for (int t = 0; t < n; t++)
        if (keep[t]) return SEG_OK;
    return SEG_FAIL(SEG_ERR_USAGE, "no column is left; check --columns and --exclude-columns");
}

/* By name, equal ones by place. */
static int compare_names(const void *a, const void *b)
{
    const char *const *x = *(const char *const *const *)a, *const *y =
                                                               *(const char *const *const *)b;
    const int order = strcmp(*x, *y);

    return order != 0 ? order : (x > y) - (x < y);
}

seg_status seg_columns_find_twins(int n, const char *const *names, int *first, int *second)
{
    const char *const **order;

    *first = *second = -1;
    SEG_TRY(seg_alloc(n, sizeof *order, &order));
    for (int t = 0; t < n; t++)
        order[t] = &names[t];
    qsort(order, (size_t)n, sizeof *order, compare_names);
    for (int t = 1; t < n && *first < 0; t++) {
        if (strcmp(*order[t - 1], *order[t]) != 0) continue;
        *first = (int)(order[t - 1] - names);
        *second = (int)(order[t] - names);
    }
    seg_free(order);
    return SEG_OK;
}

/* Appends "'NAME' (did you mean 'OTHER'?)" to a list, or "..." where there is no room. */
static void add_missing(const char *name, int n, const char *const *names, char *list, size_t size)
{
    const char *nearest = seg_text_nearest(name, n, names), *comma = *list ? ", " : "";
    char item[300], clean[100], other[100];
    size_t used = strlen(list);

    seg_text_clean(name, clean, sizeof clean);
    if (nearest)
        (void)snprintf(item, sizeof item, "%s'%s' (did you mean '%s'?)", comma, clean,
                       seg_text_clean(nearest, other, sizeof other));
    else
        (void)snprintf(item, sizeof item, "%s'%s'", comma, clean);
    if (used + strlen(item) + 6 < size)
        (void)seg_text_copy(list + used, size - used, item);
    else if (used < 4 || strcmp(list + used - 3, "...") != 0)
        (void)seg_text_copy(list + used, size - used, ", ...");
}

seg_status seg_columns_match(int n, const char *const *names, int n_wanted,
                             const char *const *wanted, int *column)
{
    char list[600] = "";
    int missing = 0;

    for (int t = 0; t < n_wanted; t++) {
        for (column[t] = 0; column[t] < n; column[t]++)
            if (strcmp(names[column[t]], wanted[t]) == 0) break;
        if (column[t] < n) continue;
        add_missing(wanted[t], n, names, list, sizeof list);
        missing++;
    }
    if (missing == 0) return SEG_OK;
    return SEG_FAIL(SEG_ERR_DATA, "%d of %d columns of numbers are not there: %s", missing,
                    n_wanted, list);
}
