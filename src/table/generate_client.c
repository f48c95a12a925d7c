/* One synthetic card holder.
 *
 * A client belongs to one of seven groups, the ways to use a card: one-off purchases, instalments
 * and cash advances in any combination but none.  Within a group the columns are a Gaussian copula:
 * jointly normal scores, and a curve per column that turns a score into an amount, a share of the
 * months or a count.  An amount is zero exactly where the group does not use the card that way, and
 * so are its frequency and its count. */
#include "generate_internal.h"

#include <math.h>

enum { ONEOFF = 1, INSTALMENTS = 2, CASH = 4 }; /* bits of a group's number plus 1 */

const char *const seg_generate_names[SEG_GENERATE_COLUMNS] = {
    [BALANCE] = "BALANCE",
    [BALANCE_FREQUENCY] = "BALANCE_FREQUENCY",
    [PURCHASES] = "PURCHASES",
    [ONEOFF_PURCHASES] = "ONEOFF_PURCHASES",
    [INSTALLMENTS_PURCHASES] = "INSTALLMENTS_PURCHASES",
    [CASH_ADVANCE] = "CASH_ADVANCE",
    [PURCHASES_FREQUENCY] = "PURCHASES_FREQUENCY",
    [ONEOFF_PURCHASES_FREQUENCY] = "ONEOFF_PURCHASES_FREQUENCY",
    [PURCHASES_INSTALLMENTS_FREQUENCY] = "PURCHASES_INSTALLMENTS_FREQUENCY",
    [CASH_ADVANCE_FREQUENCY] = "CASH_ADVANCE_FREQUENCY",
    [CASH_ADVANCE_TRX] = "CASH_ADVANCE_TRX",
    [PURCHASES_TRX] = "PURCHASES_TRX",
    [CREDIT_LIMIT] = "CREDIT_LIMIT",
    [PAYMENTS] = "PAYMENTS",
    [MINIMUM_PAYMENTS] = "MINIMUM_PAYMENTS",
    [PRC_FULL_PAYMENT] = "PRC_FULL_PAYMENT",
    [TENURE] = "TENURE",
};

#define UNIT         SEG_GENERATE_UNIT
#define CENT         (UNIT / 100)
#define GOLDEN_RATIO UINT64_C(0x9E3779B97F4A7C15) /* 2^64 / phi */

/* Draws of a row: each of the first gives four normal scores. */
enum { DRAW_GAP = (SEG_GENERATE_COLUMNS + 3) / 4, DRAW_OFFSET };

void seg_generator_init(seg_generator *g, uint64_t seed)
{
    double share = 0;

    g->key = (seg_random) { seed, SEG_RANDOM_GENERATE };
    g->offset = seg_random_bits(g->key, 0, DRAW_OFFSET).a;
    for (int group = 0; group < SEG_GENERATE_GROUPS; group++) {
        share += seg_generate_share[group];
        g->bound[group] = group + 1 < SEG_GENERATE_GROUPS ? (uint64_t)(share * 0x1p64) : UINT64_MAX;
        for (int t = 0; t < SEG_GENERATE_COLUMNS; t++) {
            const int16_t *row = seg_generate_loading[group][t];
            g->mean[group][t] = row[0] / 100.0;
            for (int s = 0; s < SEG_GENERATE_COLUMNS; s++)
                g->loading[group][s][t] = row[1 + s] / 100.0;
        }
    }
}

/* The group of a row, by a Weyl sequence instead of independent draws: any run of rows holds the
 * groups in their shares, so a small table is never an unlucky one. */
static int group_of(const seg_generator *g, int64_t row)
{
    const uint64_t word = g->offset + (uint64_t)row * GOLDEN_RATIO;
    int group = 0;

    while (group < SEG_GENERATE_GROUPS - 1 && word >= g->bound[group])
        group++;
    return group;
}

/* Inverse of the normal distribution function at (bits + 1/2) / 2^32, to seven digits, with a
 * logarithm in the tails only.  Source: Wichura, Applied Statistics 37 (1988), AS 241, PPND7. */
static double normal_score(uint32_t bits)
{
    const double p = (bits + 0.5) * 0x1p-32, q = p - 0.5;

    if (fabs(q) <= 0.425) {
        const double r = 0.180625 - q * q;
        return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) /
               (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0);
    }
    const double r = sqrt(-log(q < 0 ? p : 1 - p)) - 1.6;
    const double z = (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777) /
                     ((0.12021132975 * r + 0.73700164250) * r + 1.0);
    return q < 0 ? -z : z;
}

/* The curve of column t at score z: knots at -4, -3.75, ... 4, linear between and beyond. */
static double curve_at(int t, double z)
{
    const double place = (z + 4) * 4;
    int knot = place > 0 ? (int)place : 0;

    if (knot > SEG_GENERATE_KNOTS - 2) knot = SEG_GENERATE_KNOTS - 2;
    const double low = seg_generate_curve[t][knot], high = seg_generate_curve[t][knot + 1];
    return low + (place - knot) * (high - low);
}

/* value [SEG_GENERATE_COLUMNS], filled: amounts, shares of the months and counts, before rounding;
 * without meaning for PURCHASES and for what the group does not do. */
static void draw_values(const seg_generator *g, int64_t row, int group, double *value)
{
    double score[4 * DRAW_GAP], z[SEG_GENERATE_COLUMNS];

    for (int draw = 0; draw < DRAW_GAP; draw++) {
        const seg_random_pair r = seg_random_bits(g->key, row, (uint64_t)draw);
        score[4 * draw] = normal_score((uint32_t)r.a);
        score[4 * draw + 1] = normal_score((uint32_t)(r.a >> 32));
        score[4 * draw + 2] = normal_score((uint32_t)r.b);
        score[4 * draw + 3] = normal_score((uint32_t)(r.b >> 32));
    }
    for (int t = 0; t < SEG_GENERATE_COLUMNS; t++)
        z[t] = g->mean[group][t];
    for (int s = 0; s < SEG_GENERATE_COLUMNS; s++)
        for (int t = s; t < SEG_GENERATE_COLUMNS; t++)
            z[t] += g->loading[group][s][t] * score[s];
    for (int t = 0; t < SEG_GENERATE_COLUMNS; t++)
        value[t] = curve_at(t, z[t]);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* x as a multiple of `step`, at least `least`. */
static int64_t amount(double x, int64_t step, int64_t least)
{
    const double steps = x * ((double)UNIT / (double)step);

    return steps > 0 ? larger((int64_t)(steps + 0.5) * step, least) : least;
}

/* A number of events, at least `least`. */
static int64_t events(double x, int64_t least)
{
    return x > 0 ? larger((int64_t)(x + 0.5), least) : least;
}

/* The number of months that the share `x` means, from `least` to all. */
static int64_t months(double x, int64_t least, int64_t all)
{
    const int64_t m = events(x * (double)all, least);

    return m < all ? m : all;
}

/* m / all in millionths. */
static int64_t frequency(int64_t m, int64_t all)
{
    return (m * UNIT + all / 2) / all;
}

static void make_purchases(const double *value, int uses, int64_t tenure, int64_t *cell)
{
    int64_t oneoff = 0, instalments = 0; /* months */

    cell[ONEOFF_PURCHASES] = cell[INSTALLMENTS_PURCHASES] = 0;
    if (uses & ONEOFF) {
        oneoff = months(value[ONEOFF_PURCHASES_FREQUENCY], 1, tenure);
        cell[ONEOFF_PURCHASES] = amount(value[ONEOFF_PURCHASES], CENT, CENT);
    }
    if (uses & INSTALMENTS) {
        instalments = months(value[PURCHASES_INSTALLMENTS_FREQUENCY], 1, tenure);
        cell[INSTALLMENTS_PURCHASES] = amount(value[INSTALLMENTS_PURCHASES], CENT, CENT);
    }
    const int64_t least = larger(oneoff, instalments);
    const int64_t any = least > 0 ? months(value[PURCHASES_FREQUENCY], least, tenure) : 0;

    cell[PURCHASES] = cell[ONEOFF_PURCHASES] + cell[INSTALLMENTS_PURCHASES];
    cell[PURCHASES_FREQUENCY] = frequency(any, tenure);
    cell[ONEOFF_PURCHASES_FREQUENCY] = frequency(oneoff, tenure);
    cell[PURCHASES_INSTALLMENTS_FREQUENCY] = frequency(instalments, tenure);
    cell[PURCHASES_TRX] = any > 0 ? events(value[PURCHASES_TRX], any) * UNIT : 0;
}

static void make_cash(const double *value, int uses, int64_t tenure, int64_t *cell)
{
    cell[CASH_ADVANCE] = cell[CASH_ADVANCE_FREQUENCY] = cell[CASH_ADVANCE_TRX] = 0;
    if (!(uses & CASH)) return;

    const int64_t m = months(value[CASH_ADVANCE_FREQUENCY], 1, tenure);
    cell[CASH_ADVANCE] = amount(value[CASH_ADVANCE], 1, CENT);
    cell[CASH_ADVANCE_FREQUENCY] = frequency(m, tenure);
    cell[CASH_ADVANCE_TRX] = events(value[CASH_ADVANCE_TRX], m) * UNIT;
}

/* A minimum payment is missing where nothing was owed or paid.  Limits are round figures. */
static void make_account(const double *value, int64_t tenure, int64_t *cell)
{
    const bool small_limit = value[CREDIT_LIMIT] < 2000;

    cell[CREDIT_LIMIT] = amount(value[CREDIT_LIMIT], (small_limit ? 100 : 500) * UNIT, 50 * UNIT);
    cell[BALANCE] = amount(value[BALANCE], 1, 0);
    cell[BALANCE_FREQUENCY] = 0;
    if (cell[BALANCE] > 0) /* the real table counts the balances between months */
        cell[BALANCE_FREQUENCY] =
            frequency(months(value[BALANCE_FREQUENCY], 1, tenure - 1), tenure - 1);
    cell[PAYMENTS] = amount(value[PAYMENTS], 1, 0);
    cell[PRC_FULL_PAYMENT] = 0;
    if (cell[PAYMENTS] > 0)
        cell[PRC_FULL_PAYMENT] = frequency(months(value[PRC_FULL_PAYMENT], 0, tenure), tenure);
    cell[MINIMUM_PAYMENTS] = SEG_GENERATE_MISSING;
    if (cell[PAYMENTS] > 0 && cell[BALANCE] > 0)
        cell[MINIMUM_PAYMENTS] = amount(value[MINIMUM_PAYMENTS], 1, CENT);
}

void seg_generator_client(const seg_generator *g, int64_t row, int64_t cell[SEG_GENERATE_COLUMNS])
{
    const double gap_share = 1.0 / 8950;
    const int group = group_of(g, row), uses = group + 1;
    double value[SEG_GENERATE_COLUMNS];

    draw_values(g, row, group, value);
    int64_t tenure = events(value[TENURE], 6);
    if (tenure > 12) tenure = 12;

    cell[TENURE] = tenure * UNIT;
    make_purchases(value, uses, tenure, cell);
    make_cash(value, uses, tenure, cell);
    make_account(value, tenure, cell);
    if (seg_random_uniform(g->key, row, DRAW_GAP) < gap_share)
        cell[CREDIT_LIMIT] = SEG_GENERATE_MISSING;
}
