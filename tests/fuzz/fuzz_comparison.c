/* Fuzz target of the document of segmpi compare, which `report --compare` reads: as it is, through
 * the sheets and the scripts for gnuplot that the page makes of it. */
#include "fuzz_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    page_data data = { .origin = { .model_id = "4a4d60cfb57465ad" } }; /* that of the seeds */

    const char *path = fuzz_file(bytes, size);
    seg_error_clear();
    seg_status status = page_change_read(path, NULL, &data);
    if (status == SEG_OK) {
        fuzz_draw(&data, &figure_drift);
        fuzz_draw(&data, &figure_migration);
    }
    page_change_release(&data);
    fuzz_expect_refusal(status);
    fuzz_file_remove(path);
    return 0;
}
