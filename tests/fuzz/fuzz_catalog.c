/* Fuzz target of catalogs of segments and dictionaries of columns.
 *
 * Input: one byte of options, then the text. */
#include <math.h>

#include "../../src/segment/segment_internal.h"
#include "fuzz_common.h"
#include "segmpi/ini.h"
#include "segmpi/memory.h"

#define D 5

static const char *const names[D] = { "BALANCE", "PURCHASES", "CREDIT LIMIT", "cash", "*" };

/* What every entry of a catalog that was taken is like. */
static void check_entry(const catalog_entry *entry)
{
    const double z[D] = { 0.5, -0.3, 2, -1, 0 };

    if (*entry->name == '\0' || entry->n_terms > CATALOG_TERMS_MOST)
        fuzz_failed("no entry", entry->name);
    for (int i = 0; i < entry->n_terms && entry->is_known; i++) {
        const catalog_term *term = &entry->term[i];
        if (term->column < 0 || term->column >= D || abs((int)term->direction) > 1 ||
            !(term->weight > 0) || !isfinite(term->weight))
            fuzz_failed("no term", entry->name);
    }
    if (!entry->is_known) return;
    const double fit = catalog_fit(entry, z);
    if (!(fabs(fit) <= 1 + 1e-9)) fuzz_failed("no fit", entry->name);
    (void)catalog_holds(entry, z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    segment_catalog c = { 0 };
    bool amount[D];
    char *text;

    if (size < 1) return 0;
    const char *path = fuzz_file(data + 1, size - 1);
    seg_error_clear();
    seg_status status = seg_ini_load(path, &text);
    if (status == SEG_OK) {
        status = data[0] & 1 ? catalog_amounts("x.ini", text, D, names, amount)
                             : catalog_parse("x.ini", text, data[0] & 2, D, names, &c);
        for (int i = 0; i < c.n && status == SEG_OK; i++)
            check_entry(&c.entry[i]);
        catalog_release(&c);
        seg_free(text);
    }
    fuzz_expect_refusal(status);
    fuzz_file_remove(path);
    return 0;
}
