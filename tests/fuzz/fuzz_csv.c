/* Fuzz target of the CSV reader: a text is read whole, then cut into ranges, windows and blocks of
 * other sizes; the clients, their places and the message must be the same.  Where no bad rows may
 * be skipped and the text is one file, a plain reader must agree.
 *
 * Input: one byte of options, then a CSV text, or two with a 0x1c byte between them. */
#include "csv_reference.h"
#include "segmpi/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MOST 4096

/* All that comes out. */
typedef struct outcome {
    seg_status status;
    char message[sizeof((seg_error *)0)->text];
    csv_total total;
    fuzz_text clients; /* with ids */
    fuzz_text places;  /* source rows and lines */
    const csv_schema *schema;
} outcome;

static void take(void *context, const double *x, const csv_record *record, int64_t source_row)
{
    outcome *o = context;
    const int64_t place[] = { source_row, record->line, record->missing };
    char id[CSV_ID_MOST + 1] = "";

    if (o->schema->id >= 0 && !csv_cell_copy(&record->id, id, sizeof id)) abort();
    fuzz_text_client(&o->clients, o->schema->d, x, id);
    fuzz_text_add(&o->places, place, sizeof place);
}

static void read_cut(csv_fixture *f, const csv_cut *cut, outcome *o)
{
    o->clients.length = o->places.length = 0;
    o->total = (csv_total) { 0 };
    o->schema = &f->schema;
    seg_error_clear();
    o->status = csv_fixture_read(f, cut, take, o, &o->total);
    memcpy(o->message, seg_error_get()->text, sizeof o->message);
}

static void fail(const char *what, const csv_cut *cut, const outcome *a, const outcome *b)
{
    fprintf(stderr,
            "%s: pieces of %lld, windows of %lld, blocks of %lld, %d ranks\n  %d '%s'\n  "
            "%d '%s'\n",
            what, (long long)cut->piece_bytes, (long long)cut->window_bytes,
            (long long)cut->block_rows, cut->ranks, (int)a->status, a->message, (int)b->status,
            b->message);
    abort();
}

static void compare_cut(csv_fixture *f, const csv_cut *cut, const outcome *whole)
{
    static outcome o;

    read_cut(f, cut, &o);
    if (o.status != whole->status || strcmp(o.message, whole->message) != 0 ||
        !fuzz_text_equal(&o.clients, &whole->clients) ||
        !fuzz_text_equal(&o.places, &whole->places) ||
        memcmp(&o.total, &whole->total, sizeof o.total) != 0)
        fail("the cut matters", cut, whole, &o);
}

static void compare_reference(const csv_fixture *f, const char *text, const outcome *whole)
{
    static fuzz_text reference;

    if (f->schema.n > REFERENCE_CELLS) return;
    reference.length = 0;
    const bool good = reference_read(&f->schema, text + f->files[0].header + 1,
                                     text + f->files[0].size, &reference);
    if (good != (whole->status == SEG_OK))
        fail("the plain reader disagrees", &csv_uncut, whole, whole);
    if (good && !fuzz_text_equal(&reference, &whole->clients))
        fail("the plain reader has other clients", &csv_uncut, whole, whole);
}

static seg_csv_opts options_of(uint8_t byte)
{
    static const char delimiters[] = { '\t', 0, ';', CSV_BLANKS };

    return (seg_csv_opts) { .delimiter = delimiters[byte >> 5 & 3],
                            .skip_bad_rows = byte & 1 ? 1000 : 0,
                            .id_column = byte & 2    ? ""
                                         : byte & 16 ? "y"
                                                     : NULL,
                            .missing = byte & 4 ? "-9, none" : "none,-9",
                            .decimal = byte & 8 ? ',' : '\0' };
}

static void read_text(csv_fixture *f, const char *text, size_t size, bool exhaustive)
{
    static outcome whole;
    const int64_t most = (int64_t)size + 1;
    csv_cut cut = { .piece_bytes = 1 };

    read_cut(f, &csv_uncut, &whole);
    if (f->plan.n_files == 1 && !f->plan.skip_bad) compare_reference(f, text, &whole);
    /* every size of a piece in a replay; otherwise a few, which depend on the text */
    for (int64_t step = 0; cut.piece_bytes <= most;
         cut.piece_bytes += exhaustive ? 1 : 1 + step++ * 7) {
        cut.ranks = (int)(cut.piece_bytes + most) % 4;
        cut.window_bytes = 1 + (cut.piece_bytes * 5 + most) % 97;
        cut.block_rows = 1 + (cut.piece_bytes + most) % 3;
        compare_cut(f, &cut, &whole);
        if (!exhaustive && step > 5) break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    const char *text = (const char *)data + 1;
    csv_fixture f = { .plan = { .n_files = 0 } };

    if (size < 1 || size > SIZE_MOST) return 0;
    if (!begun) seg_log_init("fuzz", SEG_QUIET);
    begun = true;

    const seg_csv_opts opts = options_of(data[0]);
    const char *cut = memchr(text, 0x1c, size - 1);
    const size_t length = cut ? (size_t)(cut - text) : size - 1;
    csv_fixture_add(&f, text, length);
    if (cut) csv_fixture_add(&f, cut + 1, size - 2 - length);
    seg_error_clear();
    if (csv_fixture_detect(&f, &opts) == SEG_OK)
        read_text(&f, text, length, getenv("FUZZ_EXHAUSTIVE") != NULL);
    csv_fixture_release(&f);
    return 0;
}
