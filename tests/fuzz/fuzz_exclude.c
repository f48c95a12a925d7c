/* Fuzz target of the ids to exclude: a plain reader must find the same ids, or a mistake as well;
 * each of them is excluded, and no other.
 *
 * Input: one byte that names the delimiter, then the list. */
#include "csv_reference.h"
#include "fuzz_common.h"
#include "segmpi/comm.h"

#define SIZE_MOST 4096
#define HEADER    "client"

/* Ids in the order of the list, none twice. */
typedef struct id_list {
    int n;
    char id[SIZE_MOST / 2 + 1][CSV_ID_MOST + 1];
} id_list;

static bool reference_has(const id_list *list, const char *id)
{
    int i = 0;

    while (i < list->n && strcmp(list->id[i], id) != 0)
        i++;
    return i < list->n;
}

/* False at the first mistake. */
static bool reference_ids(const csv_dialect *dialect, const char *text, size_t size, id_list *list)
{
    static reference_cell cells[REFERENCE_CELLS];
    const char *at = text, *end = text + size;

    list->n = 0;
    if (size >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    for (bool first = true; at < end; first = false) {
        reference_span record = { at, at };
        for (bool open = false; record.end < end && (open || *record.end != '\n'); record.end++)
            open ^= *record.end == '"';
        at = record.end + 1;
        if (record.end > record.at && record.end[-1] == '\r') record.end--;
        if (reference_split(dialect, record, cells) != 1 || cells[0].length > CSV_ID_MOST)
            return false;
        const char *id = cells[0].text;
        if (*id == '\0' || (first && strcmp(id, HEADER) == 0) || reference_has(list, id)) continue;
        memcpy(list->id[list->n++], id, cells[0].length + 1);
    }
    return true;
}

static csv_cell cell_of(const char *id)
{
    return (csv_cell) { .text = id, .length = (int64_t)strlen(id) };
}

/* The id, and one with a letter more. */
static void check_id(const csv_excluded *excluded, const id_list *list, const char *id)
{
    char other[CSV_ID_MOST + 2];
    csv_cell cell = cell_of(id);

    if (!csv_is_excluded(excluded, &cell)) fuzz_failed("not excluded", id);
    (void)snprintf(other, sizeof other, "%sx", id);
    cell = cell_of(other);
    if (csv_is_excluded(excluded, &cell) != reference_has(list, other))
        fuzz_failed("excluded", other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = { ',', ';', '\t', CSV_BLANKS };
    static char *names[] = { HEADER, "x" };
    static seg_comm *comm;
    static id_list list;
    csv_schema schema = { .n = 2, .d = 1, .id = 0, .names = names };
    csv_excluded excluded = { 0 };

    if (size < 1 || size > SIZE_MOST) return 0;
    if (!comm && seg_comm_open(NULL, NULL, &comm) != SEG_OK) abort();
    csv_dialect_init(delimiters[data[0] % 4], '.', &schema.dialect);
    const char *path = fuzz_file(data + 1, size - 1);
    seg_error_clear();
    const seg_status status = csv_excluded_read(comm, path, &schema, &excluded);
    const bool good = reference_ids(&schema.dialect, (const char *)data + 1, size - 1, &list);
    if (good != (status == SEG_OK))
        fuzz_failed("the plain reader disagrees", seg_error_get()->text);
    fuzz_expect_refusal(status);
    if (good && excluded.n != list.n) fuzz_failed("the plain reader has other ids", "");
    for (int i = 0; i < list.n && good; i++)
        check_id(&excluded, &list, list.id[i]);
    csv_excluded_release(&excluded);
    fuzz_file_remove(path);
    return 0;
}
