/* Names: from the catalog, or made of what is strongest. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

#define Z_STRONG    0.5 /* below it a feature is only slightly high or low */
#define Z_WEAK      0.1 /* below it a feature is not mentioned */
#define WORDS_LEAST 2   /* features of a name, where so many are strong */

int seg_segments_strongest(const seg_segments *segments, int segment, int n, int *column)
{
    const double *z = &segments->z[segment * segments->d];
    int found = 0;

    for (int t = 0; t < segments->d; t++) {
        int at = found < n ? found++ : n;
        for (; at > 0 && fabs(z[t]) > fabs(z[column[at - 1]]); at--)
            if (at < n) column[at] = column[at - 1];
        if (at < n) column[at] = t;
    }
    return found;
}

/* ---- made names ---- */

/* "low PURCHASES" */
static void feature_words(const seg_segments *segments, int segment, int t, char *text, size_t size)
{
    double z = segments->z[segment * segments->d + t];

    snprintf(text, size, "%s%s %s", fabs(z) < Z_STRONG ? "slightly " : "", z > 0 ? "high" : "low",
             segments->column[t]);
}

/* Adds words that fit.  The first ones, with a capital, are cut where they do not, and no part of a
 * UTF-8 character stays. */
static void append(char *name, size_t size, const char *words)
{
    size_t used = strlen(name);

    if (used > 0) {
        if (used + 2 + strlen(words) >= size) return;
        memcpy(name + used, ", ", 2);
        (void)seg_text_copy(name + used + 2, size - used - 2, words);
        return;
    }
    bool whole = seg_text_copy(name, size, words);
    for (used = size - 1; !whole && used > 0 && ((unsigned char)name[used - 1] & 0x80); used--) {
        whole = ((unsigned char)name[used - 1] & 0xc0) == 0xc0;
        name[used - 1] = '\0';
    }
    if (*name >= 'a' && *name <= 'z') *name = (char)(*name - 'a' + 'A');
}

bool segment_name_is_taken(const seg_segments *segments, int segment)
{
    const char *name = segments->segment[segment].name;

    for (int other = 0; other < segments->n_segments; other++)
        if (other != segment && strcmp(segments->segment[other].name, name) == 0) return true;
    return false;
}

/* "High CASH_ADVANCE, low PURCHASES": the strongest features, as many as tell it from the others.
 */
void segment_make_name(seg_segments *segments, int segment)
{
    enum { MOST = 4 };
    char *name = segments->segment[segment].name, words[300];
    size_t size = sizeof segments->segment[segment].name;
    const double *z = &segments->z[segment * segments->d];
    int column[MOST], n = seg_segments_strongest(segments, segment, MOST, column);

    segments->segment[segment].fit = NAN;
    segments->segment[segment].description[0] = '\0';
    segments->segment[segment].recommendation[0] = '\0';
    *name = '\0';
    for (int i = 0; i < n && fabs(z[column[i]]) >= Z_WEAK; i++) {
        bool needed = i == 0 || segment_name_is_taken(segments, segment);
        if (!needed && (i >= WORDS_LEAST || fabs(z[column[i]]) < Z_STRONG)) break;
        feature_words(segments, segment, column[i], words, sizeof words);
        append(name, size, words);
    }
    if (*name == '\0') append(name, size, "close to the average");
    for (int number = 2; segment_name_is_taken(segments, segment); number++) {
        size_t length = strcspn(name, "(");
        while (length > 0 && (name[length - 1] == ' ' || length > size - 8))
            length--;
        snprintf(name + length, size - length, " (%d)", number);
    }
}

/* ---- names of the catalog ---- */

static seg_status match_entries(const segment_catalog *c, const seg_segments *segments, int *entry)
{
    seg_status status = SEG_OK;
    int n = segments->n_segments;
    double *score = NULL, *work = NULL;

    SEG_TRY_OR_DONE(seg_fault("names_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(n, (size_t)c->n * sizeof *score, &score));
    SEG_TRY_OR_DONE(seg_alloc(assignment_size(n, c->n), sizeof *work, &work));
    for (int s = 0; s < n; s++)
        for (int e = 0; e < c->n; e++)
            score[s * c->n + e] = catalog_fit(&c->entry[e], &segments->z[s * segments->d]);
    (void)assignment_best(n, c->n, score, work, entry);
done:
    seg_free(score);
    seg_free(work);
    return status;
}

seg_status segment_names(const segment_catalog *c, seg_segments *segments)
{
    int entry[SEG_SEGMENTS_MAX];

    SEG_TRY(match_entries(c, segments, entry));
    for (int s = 0; s < segments->n_segments; s++) {
        seg_segment *segment = &segments->segment[s];
        const double *z = &segments->z[s * segments->d];
        const catalog_entry *known = entry[s] < 0 ? NULL : &c->entry[entry[s]];
        segment->fit = NAN;
        if (!known || !catalog_holds(known, z)) continue;
        segment->fit = catalog_fit(known, z);
        memcpy(segment->name, known->name, sizeof known->name);
        memcpy(segment->description, known->description, sizeof known->description);
        memcpy(segment->recommendation, known->recommendation, sizeof known->recommendation);
    }
    for (int s = 0; s < segments->n_segments; s++)
        if (isnan(segments->segment[s].fit)) segment_make_name(segments, s);
    return SEG_OK;
}
