/* Text and numbers for the page.  All that comes from data is escaped in one place. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "page_internal.h"
#include "segmpi/text.h"

/* The character at `c` and its bytes; 0 bytes if it is not UTF-8. */
static int character(const unsigned char *c, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    int n = *c < 0x80 ? 1 : (*c & 0xe0) == 0xc0 ? 2 : (*c & 0xf0) == 0xe0 ? 3 : 4;

    if (n == 4 && (*c & 0xf8) != 0xf0) return 0;
    *code = n == 1 ? *c : *c & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (c[i] & 0x3fu);
    }
    bool is_surrogate = *code >= 0xd800 && *code < 0xe000;
    return *code < least[n] || is_surrogate || *code > 0x10ffff ? 0 : n;
}

/* Controls, and marks that turn the direction of the text around them. */
static bool is_hostile(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

const char *page_clean(const char *text, char *buffer, size_t size)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t used = 0;
    uint32_t code;

    while (*c && used + 5 <= size) {
        int n = character(c, &code);
        if (n == 0 || is_hostile(code))
            buffer[used++] = '?';
        else
            for (int i = 0; i < n; i++)
                buffer[used++] = (char)c[i];
        c += n > 0 ? n : 1;
    }
    buffer[used] = '\0';
    return buffer;
}

static void escape(FILE *out, const char *text, bool breaks)
{
    char clean[4096];

    for (const char *c = page_clean(text, clean, sizeof clean); *c; c++) {
        const char *entity = *c == '&'    ? "&amp;"
                             : *c == '<'  ? "&lt;"
                             : *c == '>'  ? "&gt;"
                             : *c == '"'  ? "&quot;"
                             : *c == '\'' ? "&#39;"
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

const char *page_percent(double share, char *buffer, size_t size)
{
    double percent = 100 * share;

    if (!isfinite(percent))
        (void)snprintf(buffer, size, "-");
    else
        (void)snprintf(buffer, size, fabs(percent) < 9.95 ? "%.1f %%" : "%.0f %%", percent);
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
