/* Bounded copies, numbers for people, near misses. */
#include "segmpi/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmpi/memory.h"

bool seg_text_copy(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    size_t n = length < size ? length : size - 1;

    memcpy(to, from, n);
    to[n] = '\0';
    return n == length;
}

const char *seg_text_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool seg_text_template(char *path, size_t size, const char *stem)
{
    enum { LETTERS = 6 };
    size_t length = strlen(stem);

    if (length + LETTERS >= size) return false;
    memcpy(path, stem, length);
    memset(path + length, 'X', LETTERS);
    path[length + LETTERS] = '\0';
    return true;
}

seg_status seg_text_duplicate(const char *text, char **out)
{
    size_t size = strlen(text) + 1;

    SEG_TRY(seg_alloc((int64_t)size, 1, out));
    memcpy(*out, text, size);
    return SEG_OK;
}

seg_status seg_texts_duplicate(int n, const char *const *texts, char ***out)
{
    size_t bytes = 0;

    for (int i = 0; i < n; i++)
        bytes += strlen(texts[i]) + 1;
    SEG_TRY(seg_alloc((int64_t)(bytes + (size_t)n * sizeof **out), 1, out));

    char *text = (char *)(*out + n);
    for (int i = 0; i < n; i++) {
        size_t size = strlen(texts[i]) + 1;
        (*out)[i] = text;
        memcpy(text, texts[i], size);
        text += size;
    }
    return SEG_OK;
}

bool seg_text_int64(const char *text, int64_t *out)
{
    char *end;

    if (*text == '\0' || isspace((unsigned char)*text)) return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0') return false;
    *out = value;
    return true;
}

bool seg_text_double(const char *text, double *out)
{
    char *end;

    if (*text == '\0' || isspace((unsigned char)*text)) return false;
    double value = strtod(text, &end);
    if (*end != '\0') return false;
    *out = value;
    return true;
}

bool seg_text_size(const char *text, int64_t *out)
{
    static const char units[] = "kMGTP";
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits + strspn(text + digits, " ");
    char number[32];
    double value;

    if (digits >= sizeof number) return false;
    (void)seg_text_copy(number, digits + 1, text);
    if (!seg_text_double(number, &value)) return false;
    const char *power = *unit == 'K' ? units : *unit ? strchr(units, *unit) : NULL;
    for (const char *at = units; power && at <= power; at++)
        value *= 1000;
    unit += power != NULL;
    if (strcmp(unit, "") != 0 && strcmp(unit, "B") != 0) return false;
    if (!(value < 9e18)) return false;
    *out = (int64_t)value;
    return true;
}

/* Levenshtein distance, case ignored, of texts shorter than 64 bytes; a large number otherwise. */
static int edit_distance(const char *a, const char *b)
{
    int row[64];
    size_t n = strlen(a), m = strlen(b);

    if (n >= 64 || m >= 64) return 1000;
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            int best = diagonal + !same;
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[m];
}

const char *seg_text_nearest(const char *word, int n, const char *const *candidates)
{
    const char *nearest = NULL;
    int limit = ((int)strlen(word) + 2) / 3 + 1;

    for (int i = 0; i < n; i++) {
        int distance = edit_distance(word, candidates[i]);
        if (distance < limit) {
            limit = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

const char *seg_text_count(int64_t n, char *buffer, size_t size)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n);
    int first = digits[0] == '-';
    size_t at = 0;

    for (int i = 0; i < length && at + 2 < size; i++) {
        if (i > first && (length - i) % 3 == 0) buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}

const char *seg_text_bytes(int64_t bytes, char *buffer, size_t size)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double value = (double)bytes;
    int unit = 0;

    while (value >= 999.5 && unit < 6) {
        value /= 1000;
        unit++;
    }
    snprintf(buffer, size, unit == 0 ? "%.0f %s" : "%.3g %s", value, units[unit]);
    return buffer;
}

const char *seg_text_seconds(double seconds, char *buffer, size_t size)
{
    if (seconds < 59.95)
        snprintf(buffer, size, seconds < 9.995 ? "%.2f s" : "%.1f s", seconds);
    else if (seconds < 3599.5)
        snprintf(buffer, size, "%d min %d s", (int)(seconds + 0.5) / 60, (int)(seconds + 0.5) % 60);
    else
        snprintf(buffer, size, "%lld h %d min", (long long)(seconds + 30) / 3600,
                 (int)((long long)(seconds + 30) % 3600 / 60));
    return buffer;
}

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

/* Never longer than the text before it, so that it may be cleaned in its place. */
const char *seg_text_clean(const char *text, char *buffer, size_t size)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t used = 0;
    uint32_t code;

    while (*c) {
        int n = character(c, &code);
        bool good = n > 0 && !is_hostile(code);
        size_t bytes = good ? (size_t)n : 1;
        if (used + bytes >= size) break;
        if (good)
            memmove(buffer + used, c, bytes);
        else
            buffer[used] = '?';
        used += bytes;
        c += n > 0 ? n : 1;
    }
    buffer[used] = '\0';
    return buffer;
}
