/* Text and numbers for the page.  All that comes from data is escaped in one place. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "page_internal.h"
#include "segmpi/text.h"

static void escape(FILE *out, const char *text, bool breaks)
{
    static char clean[PAGE_LONG];

    for (const char *c = seg_text_clean(text, clean, sizeof clean); *c; c++) {
        const char *entity = *c == '&'                  ? "&amp;"
                             : *c == '<'                ? "&lt;"
                             : *c == '>'                ? "&gt;"
                             : *c == '"'                ? "&quot;"
                             : *c == '\''               ? "&#39;"
                             : *c == ' ' && c[1] == '%' ? "&nbsp;" /* no line begins with % */
                                                        : NULL;
        if (entity)
            fputs(entity, out);
        else
            fputc(*c, out);
        if (breaks && *c == '_') fputs("<wbr>", out);
    }
}

void page_put(FILE *out, const char *template, ...)
{
    va_list texts;

    va_start(texts, template);
    for (const char *c = template; *c; c++)
        if (*c == '$' || *c == '@')
            escape(out, va_arg(texts, const char *), *c == '@');
        else
            fputc(*c, out);
    va_end(texts);
}

/* Three digits of a finite value. */
static double rounded(double value)
{
    double step = value == 0 ? 1 : pow(10, floor(log10(fabs(value))) - 2);

    return step >= 1 ? round(value / step) * step : value;
}

const char *page_number(double value, char *buffer, size_t size)
{
    double large = fabs(value);

    if (!isfinite(value))
        (void)snprintf(buffer, size, "-");
    else if (large >= 1e15)
        (void)snprintf(buffer, size, "%.2e", value);
    else if (large >= 999.5e6)
        (void)snprintf(buffer, size, "%.3g bn", value / 1e9);
    else if (large >= 999.5e3)
        (void)snprintf(buffer, size, "%.3g M", value / 1e6);
    else if (large >= 999.5)
        (void)seg_text_count(llround(rounded(value)), buffer, size);
    else
        (void)snprintf(buffer, size, "%.3g", value == 0 ? 0 : value);
    return buffer;
}

const char *page_signed(double value, char *buffer, size_t size)
{
    (void)snprintf(buffer, size, isfinite(value) ? "%+.1f" : "-", fabs(value) < 0.05 ? 0.0 : value);
    return buffer;
}

bool page_is_hidden(int64_t n)
{
    return n > 0 && n < PAGE_FEW;
}

bool page_is_withheld(int n, const int64_t *sizes, int i)
{
    int few = 0, next = -1; /* the smallest of the others */

    for (int g = 0; g < n; g++)
        if (page_is_hidden(sizes[g]))
            few++;
        else if (sizes[g] > 0 && (next < 0 || sizes[g] < sizes[next]))
            next = g;
    return page_is_hidden(sizes[i]) || (few == 1 && i == next);
}

bool page_segment_is_withheld(const page_data *data, int segment)
{
    int64_t sizes[SEG_SEGMENTS_MAX];

    for (int g = 0; g < data->s->n_segments; g++)
        sizes[g] = data->s->segment[g].size;
    return page_is_withheld(data->s->n_segments, sizes, segment);
}

bool page_has_few(const page_data *data)
{
    bool few = false;

    for (int j = 0; j < data->model->kmeans.n_clusters; j++)
        few = few || page_is_hidden(data->model->kmeans.cluster_size[j]);
    return few;
}

const char *page_count(int64_t n, char *buffer, size_t size)
{
    if (!page_is_hidden(n)) return seg_text_count(n, buffer, size);
    (void)snprintf(buffer, size, "<%d", PAGE_FEW);
    return buffer;
}
