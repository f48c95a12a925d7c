/* What a reader made of a text, as bytes that can be compared. */
#pragma once

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/csv_fixture.h"

typedef struct fuzz_text {
    char bytes[1 << 20];
    size_t length;
} fuzz_text;

static inline void fuzz_text_add(fuzz_text *text, const void *bytes, size_t length)
{
    if (length > sizeof text->bytes - text->length) length = sizeof text->bytes - text->length;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static inline void fuzz_text_client(fuzz_text *text, int d, const double *x, const char *id)
{
    for (int t = 0; t < d; t++) {
        const double value = isnan(x[t]) ? (double)NAN : x[t];
        fuzz_text_add(text, &value, sizeof value);
    }
    fuzz_text_add(text, id, strlen(id) + 1);
}

static inline bool fuzz_text_equal(const fuzz_text *a, const fuzz_text *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}
