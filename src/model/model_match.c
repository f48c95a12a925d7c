/* An earlier model, whose segments a new one is compared with. */
#include "segmpi/model.h"
#include "segmpi/text.h"

seg_status seg_model_open_previous(const char *path, seg_model *model, char id[SEG_MODEL_ID])
{
    seg_status status = SEG_OK;
    char clean[200];

    *model = (seg_model) { 0 };
    SEG_TRY_OR_DONE(seg_fault("previous_read", SEG_ERR_IO));
    SEG_TRY_OR_DONE(seg_model_load(path, model, id));
    if (model->segments.n_segments == 0)
        status = SEG_FAIL(SEG_ERR_DATA, "the model has no segments");
done:
    if (status != SEG_OK) {
        seg_error_while("reading the model to match, '%s'",
                        seg_text_clean(path, clean, sizeof clean));
        seg_model_release(model);
    }
    return status;
}
