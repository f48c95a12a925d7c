/* How numbers and headings look. */
#define _DEFAULT_SOURCE /* TIOCGWINSZ */
#include "report_internal.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "segmpi/log.h"
#include "segmpi/text.h"

int report_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
    return 100;
}

void report_heading(const char *text)
{
    const char *on = seg_log_colour(STDOUT_FILENO) ? "\033[1m" : "", *off = *on ? "\033[0m" : "";

    printf("\n%s%s%s\n", on, text, off);
}

void report_paragraph(int margin, const char *text)
{
    char clean[4096];
    int width = report_width() < 100 ? report_width() : 100, column = 0;

    seg_text_clean(text, clean, sizeof clean);
    for (char *word = clean, *next; *word; word = next) {
        size_t length = strcspn(word, " ");
        next = word + length + strspn(word + length, " ");
        word[length] = '\0';
        int columns = report_text_width(word);
        if (column > 0 && column + 1 + columns > width) {
            putchar('\n');
            column = 0;
        }
        printf("%*s%s", column > 0 ? 1 : margin, "", word);
        column += (column > 0 ? 1 : margin) + columns;
    }
    if (column > 0) putchar('\n');
}

const char *report_number(double value, char *buffer, size_t size)
{
    if (fabs(value) >= 999.95 && fabs(value) < 1e9)
        return seg_text_count(llround(value), buffer, size);
    snprintf(buffer, size, isnan(value) ? "-" : "%.4g", value);
    return buffer;
}

const char *report_percent(double share, char *buffer, size_t size)
{
    const double percent = 100 * share;
    const bool fine = fabs(percent) < 9.95 || (percent >= 99.5 && percent < 100);

    if (!isfinite(percent))
        (void)snprintf(buffer, size, "-");
    else if (percent > 0 && percent < 0.05)
        (void)snprintf(buffer, size, "<0.1 %%");
    else if (percent >= 99.95 && percent < 100)
        (void)snprintf(buffer, size, ">99.9 %%");
    else
        (void)snprintf(buffer, size, fine ? "%.1f %%" : "%.0f %%", percent);
    return buffer;
}

int64_t report_sum(int n, const int64_t *values)
{
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += values[i];
    return sum;
}

int report_text_width(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80; /* not a continuation byte */
    return width;
}

bool report_is_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value) continue;
        const char *encoding = strrchr(value, '.');
        return encoding &&
               (strcasecmp(encoding, ".UTF-8") == 0 || strcasecmp(encoding, ".utf8") == 0);
    }
    return false;
}

void report_clients(int64_t n, int64_t rows, int d)
{
    char clients[32], counted[32];

    printf("%s client%s", seg_text_count(n, clients, sizeof clients), REPORT_S(n));
    if (rows != n)
        printf(" (weighted: %s row%s)", seg_text_count(rows, counted, sizeof counted),
               REPORT_S(rows));
    printf(", %d feature%s", d, REPORT_S(d));
}
