/* Inside table/: synthetic card holders.  generate_client.c makes one client from the figures of
 * generate_tables.c, generate_csv.c writes clients as text to the file of generate_output.c,
 * generate_file.c makes clients.h5. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segmpi/comm.h"
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
#define SEG_GENERATE_PATH   4096 /* bytes of a path, final NUL included */

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

/* A CSV file that is complete or absent: a temporary file beside the target until its commit. */
typedef struct seg_generate_csv {
    const char *path; /* borrowed until the release */
    bool root;        /* this rank creates, locks and names it */
    bool force;
    bool named;                        /* by this rank */
    int file;                          /* -1: closed */
    char temporary[SEG_GENERATE_PATH]; /* .NAME.part */
} seg_generate_csv;

/* generate_output.c */

/* Collective.  SEG_ERR_CANTCREATE if `path` exists, unless `force`. */
seg_status seg_generate_csv_open(seg_comm *comm, const char *path, bool force,
                                 seg_generate_csv *csv);
/* Local. */
seg_status seg_generate_csv_put(const seg_generate_csv *csv, const char *bytes, int64_t size,
                                int64_t offset);
seg_status seg_generate_csv_sync(seg_generate_csv *csv);
/* Collective.  Gives the file its name. */
seg_status seg_generate_csv_commit(seg_comm *comm, seg_generate_csv *csv);
/* Local.  Takes the name back, if no older file had it; for when clients.h5 fails after all. */
void seg_generate_csv_withdraw(const seg_generate_csv *csv);
/* Local.  Removes what was not committed. */
void seg_generate_csv_release(seg_generate_csv *csv);

/* generate_csv.c */

/* Collective.  Writes clients 0 .. n - 1 and syncs them. */
seg_status seg_generate_csv_write(seg_comm *comm, const seg_generator *g, int64_t n,
                                  seg_generate_csv *csv);
