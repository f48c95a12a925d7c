/* The catalog of known segments, and the dictionary of columns: INI files whose sections are
 * segments, and columns. */
#include <math.h>
#include <string.h>

#include "segment_internal.h"
#include "segmpi/ini.h"
#include "segmpi/memory.h"
#include "segmpi/text.h"

static const char *const keys[] = { "high", "low", "average", "description", "recommendation" };
#define N_KEYS 5

/* Of weights: their sums are numbers. */
#define WEIGHT_LEAST 1e-6
#define WEIGHT_MOST  1e6

typedef struct parsing {
    segment_catalog *c;
    bool strict;
    int d;
    const char *const *names;
} parsing;

/* ---- high = NAME, NAME * WEIGHT ---- */

/* Cuts blanks from both ends. */
static char *trim(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t", text[length - 1]))
        text[--length] = '\0';
    return text;
}

static seg_status split_weight(char *word, double *weight)
{
    char *star = strrchr(word, '*'), clean[80];

    *weight = 1;
    if (!star) return SEG_OK;
    char *number = trim(star + 1);
    if (!seg_text_double(number, weight) || !(*weight >= WEIGHT_LEAST && *weight <= WEIGHT_MOST))
        return SEG_FAIL(SEG_ERR_DATA, "the weight '%s' is not a number from 1e-6 to 1e6",
                        seg_text_clean(number, clean, sizeof clean));
    *star = '\0';
    (void)trim(word);
    return SEG_OK;
}

static seg_status unknown_column(const parsing *p, const char *word)
{
    const char *nearest = seg_text_nearest(word, p->d, p->names);
    char clean[100];

    seg_text_clean(word, clean, sizeof clean);
    if (nearest)
        return SEG_FAIL(SEG_ERR_DATA, "no column is named '%s'; did you mean '%s'?", clean,
                        nearest);
    return SEG_FAIL(SEG_ERR_DATA, "no column is named '%s'", clean);
}

static seg_status add_term(const parsing *p, catalog_entry *entry, catalog_direction direction,
                           char *word)
{
    catalog_term term = { .direction = direction };

    SEG_TRY(split_weight(word, &term.weight));
    while (term.column < p->d && strcmp(p->names[term.column], word) != 0)
        term.column++;
    if (term.column == p->d) {
        if (p->strict) return unknown_column(p, word);
        entry->is_known = false;
        return SEG_OK;
    }
    for (int i = 0; i < entry->n_terms; i++)
        if (entry->term[i].column == term.column)
            return SEG_FAIL(SEG_ERR_DATA, "the column '%s' stands twice", word);
    if (entry->n_terms == CATALOG_TERMS_MOST)
        return SEG_FAIL(SEG_ERR_DATA, "a segment has at most %d columns", CATALOG_TERMS_MOST);
    entry->term[entry->n_terms++] = term;
    return SEG_OK;
}

static seg_status add_terms(const parsing *p, catalog_entry *entry, catalog_direction direction,
                            const char *value)
{
    char list[512], *next = list;

    if (!seg_text_copy(list, sizeof list, value))
        return SEG_FAIL(SEG_ERR_DATA, "the list is too long; go on in a second one");
    while (next) {
        char *word = next;
        next = strchr(word, ',');
        if (next) *next++ = '\0';
        word = trim(word);
        if (*word) SEG_TRY(add_term(p, entry, direction, word));
    }
    return SEG_OK;
}

/* ---- texts and entries ---- */

static seg_status add_text(const seg_ini_line *line, char *text, size_t size)
{
    size_t used = strlen(text);

    if (used > 0 && !line->continues) return SEG_FAIL(SEG_ERR_DATA, "'%s' stands twice", line->key);
    if (used > 0 && used + 1 < size) text[used++] = ' ';
    if (!seg_text_copy(text + used, size - used, line->value))
        return SEG_FAIL(SEG_ERR_DATA, "the text has more than %zu bytes", size - 1);
    return SEG_OK;
}

/* The entry of the line's section: the last one, or a new one. */
static seg_status find_entry(segment_catalog *c, const seg_ini_line *line, catalog_entry **entry)
{
    if (*line->section == '\0')
        return SEG_FAIL(SEG_ERR_DATA, "the key stands before the first [SEGMENT]");
    *entry = &c->entry[c->n > 0 ? c->n - 1 : 0];
    if (c->n > 0 && strcmp((*entry)->name, line->section) == 0) return SEG_OK;
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->entry[i].name, line->section) == 0)
            return SEG_FAIL(SEG_ERR_DATA, "the segment '%s' stands twice", line->section);
    if (c->n == CATALOG_ENTRIES_MOST)
        return SEG_FAIL(SEG_ERR_DATA, "a catalog has at most %d segments", CATALOG_ENTRIES_MOST);
    *entry = &c->entry[c->n++];
    (*entry)->line = line->number;
    (*entry)->is_known = true;
    (void)seg_text_copy((*entry)->name, sizeof(*entry)->name, line->section);
    return SEG_OK;
}

static seg_status unknown_key(const char *key)
{
    const char *nearest = seg_text_nearest(key, N_KEYS, keys);

    if (nearest) return SEG_FAIL(SEG_ERR_DATA, "there is no such key; did you mean '%s'?", nearest);
    return SEG_FAIL(SEG_ERR_DATA,
                    "there is no such key; there are high, low, average, description and "
                    "recommendation");
}

static seg_status take_entry(const parsing *p, const seg_ini_line *line)
{
    static const catalog_direction directions[] = { CATALOG_HIGH, CATALOG_LOW, CATALOG_AVERAGE };
    catalog_entry *entry = NULL;
    int key = 0;

    SEG_TRY(find_entry(p->c, line, &entry));
    while (key < N_KEYS && strcmp(line->key, keys[key]) != 0)
        key++;
    if (key < 3) return add_terms(p, entry, directions[key], line->value);
    if (key == 3) return add_text(line, entry->description, sizeof entry->description);
    if (key == 4) return add_text(line, entry->recommendation, sizeof entry->recommendation);
    return unknown_key(line->key);
}

static seg_status take_line(void *user, const seg_ini_line *line)
{
    seg_status status = take_entry(user, line);

    if (status != SEG_OK) seg_error_while("reading '%s' of [%s]", line->key, line->section);
    return status;
}

static bool has_direction(const catalog_entry *entry)
{
    for (int i = 0; i < entry->n_terms; i++)
        if (entry->term[i].direction != CATALOG_AVERAGE) return true;
    return false;
}

static seg_status check_entries(const segment_catalog *c, const char *name)
{
    if (c->n == 0) return SEG_FAIL(SEG_ERR_DATA, "the catalog '%s' has no segment", name);
    for (int i = 0; i < c->n; i++)
        if (c->entry[i].is_known && !has_direction(&c->entry[i]))
            return SEG_FAIL(SEG_ERR_DATA,
                            "line %d of '%s': the segment '%s' has no column that is high or low",
                            c->entry[i].line, name, c->entry[i].name);
    return SEG_OK;
}

seg_status catalog_parse(const char *name, const char *text, bool strict, int d,
                         const char *const *names, segment_catalog *c)
{
    seg_status status = SEG_OK;
    parsing p = { c, strict, d, names };
    char clean[200];
    int n_known = 0;

    *c = (segment_catalog) { 0 };
    seg_text_clean(name, clean, sizeof clean);
    SEG_TRY_OR_DONE(seg_fault("catalog_alloc", SEG_ERR_MEMORY));
    SEG_TRY_OR_DONE(seg_alloc(CATALOG_ENTRIES_MOST, sizeof *c->entry, &c->entry));
    SEG_TRY_OR_DONE(seg_ini_parse(name, text, take_line, &p));
    SEG_TRY_OR_DONE(check_entries(c, clean));
    for (int i = 0; i < c->n; i++)
        if (c->entry[i].is_known) c->entry[n_known++] = c->entry[i];
    c->n = n_known;
done:
    if (status != SEG_OK) catalog_release(c);
    return status;
}

void catalog_release(segment_catalog *c)
{
    seg_free(c->entry);
    *c = (segment_catalog) { 0 };
}

/* ---- what an entry says about a profile ---- */

double catalog_fit(const catalog_entry *entry, const double *z)
{
    double sum = 0, weights = 0;

    for (int i = 0; i < entry->n_terms; i++) {
        const catalog_term *term = &entry->term[i];
        double t = tanh(z[term->column]);
        double fit = term->direction == CATALOG_AVERAGE ? 1 - fabs(t) : (int)term->direction * t;
        sum += term->weight * fit;
        weights += term->weight;
    }
    return sum / weights;
}

bool catalog_holds(const catalog_entry *entry, const double *z)
{
    double sum = 0, weights = 0;

    for (int i = 0; i < entry->n_terms; i++) {
        const catalog_term *term = &entry->term[i];
        double value = z[term->column];
        if (term->direction == CATALOG_AVERAGE) {
            if (!(fabs(value) < 1)) return false;
            continue;
        }
        if (!((int)term->direction * value > 0)) return false;
        sum += term->weight * tanh(fabs(value));
        weights += term->weight;
    }
    return sum >= CATALOG_STRENGTH_LEAST * weights;
}

/* ---- the dictionary of columns ---- */

typedef struct marking {
    int d;
    const char *const *names;
    bool *amount;
} marking;

static seg_status take_column(void *user, const seg_ini_line *line)
{
    const marking *m = user;
    bool yes = strcmp(line->value, "yes") == 0;

    if (strcmp(line->key, "amount") != 0) return SEG_OK;
    if (!yes && strcmp(line->value, "no") != 0)
        return SEG_FAIL(SEG_ERR_DATA, "'amount' of [%s] is neither yes nor no", line->section);
    for (int t = 0; t < m->d; t++)
        if (strcmp(m->names[t], line->section) == 0) m->amount[t] = yes;
    return SEG_OK;
}

seg_status catalog_amounts(const char *name, const char *text, int d, const char *const *names,
                           bool *amount)
{
    marking m = { d, names, amount };

    for (int t = 0; t < d; t++)
        amount[t] = false;
    return seg_ini_parse(name, text, take_column, &m);
}
