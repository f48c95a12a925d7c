/* Inside table/: synthetic card holders.  generate_client.c makes one client from the figures of
 * generate_tables.c, generate_csv.c writes clients as text, generate_file.c makes
 * clients.h5. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
#include "segmpi/csv_output.h"
#include "segmpi/random.h"

/* The columns of the real table, in its order. */
enum {
    BALANCE,
    BALANCE_FREQUENCY,
    PURCHASES,
    ONEOFF_PURCHASES,
    INSTALLMENTS_PURCHASES,
    CASH_ADVANCE,
    PURCHASES_FREQUENCY,
    ONEOFF_PURCHASES_FREQUENCY,
    PURCHASES_INSTALLMENTS_FREQUENCY,
    CASH_ADVANCE_FREQUENCY,
    CASH_ADVANCE_TRX,
    PURCHASES_TRX,
    CREDIT_LIMIT,
    PAYMENTS,
    MINIMUM_PAYMENTS,
    PRC_FULL_PAYMENT,
    TENURE,
    SEG_GENERATE_COLUMNS
};

#define SEG_GENERATE_GROUPS 7 /* ways to use a card */
#define SEG_GENERATE_KNOTS  33

/* A cell is a whole number of millionths, so that the double in clients.h5 and the decimal in the
 * CSV are the same number. */
#define SEG_GENERATE_UNIT    INT64_C(1000000)
#define SEG_GENERATE_MISSING INT64_MIN

/* generate_tables.c */
extern const double seg_generate_share[SEG_GENERATE_GROUPS];
extern const int16_t seg_generate_loading[SEG_GENERATE_GROUPS][SEG_GENERATE_COLUMNS]
                                         [1 + SEG_GENERATE_COLUMNS];
extern const float seg_generate_curve[SEG_GENERATE_COLUMNS][SEG_GENERATE_KNOTS];

extern const char *const seg_generate_names[SEG_GENERATE_COLUMNS];

typedef struct seg_generator {
    seg_random key;
    uint64_t offset;                     /* of the sequence that picks groups */
    uint64_t bound[SEG_GENERATE_GROUPS]; /* group g: words from bound[g - 1] to below bound[g] */
    double mean[SEG_GENERATE_GROUPS][SEG_GENERATE_COLUMNS];
    /* [group][on this normal score][of this column] */
    double loading[SEG_GENERATE_GROUPS][SEG_GENERATE_COLUMNS][SEG_GENERATE_COLUMNS];
} seg_generator;

/* Local. */
void seg_generator_init(seg_generator *g, uint64_t seed);

/* Local.  The client of `row`, a function of the seed and the row alone; cell filled. */
void seg_generator_client(const seg_generator *g, int64_t row, int64_t cell[SEG_GENERATE_COLUMNS]);

/* generate_csv.c */

/* Collective.  Writes clients 0 .. n - 1 and syncs them. */
seg_status seg_generate_csv_write(seg_comm *comm, const seg_generator *g, int64_t n,
                                  seg_csv_output *csv);
