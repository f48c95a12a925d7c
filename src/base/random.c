/* Random123's Philox behind one function: key (seed, purpose), counter (row, draw). */
#include "segmpi/random.h"

#include <math.h>

#include <Random123/philox.h>

/* Philox has 64 bits of key; the purpose takes the place of the upper seed half by mixing, so that
 * every 64-bit seed and purpose pair stays distinct in practice: key = seed xor (purpose spread
 * over 64 bits). */
uint64_t seg_random_word(seg_random key)
{
    return key.seed ^ (0x9E3779B97F4A7C15u * key.purpose);
}

seg_random_pair seg_random_bits(seg_random key, int64_t row, uint64_t draw)
{
    uint64_t k = seg_random_word(key);
    philox4x32_key_t philox_key = { { (uint32_t)k, (uint32_t)(k >> 32) } };
    philox4x32_ctr_t counter = { { (uint32_t)(uint64_t)row, (uint32_t)((uint64_t)row >> 32),
                                   (uint32_t)draw, (uint32_t)(draw >> 32) } };
    philox4x32_ctr_t r = philox4x32(counter, philox_key);

    return (seg_random_pair) { (uint64_t)r.v[1] << 32 | r.v[0], (uint64_t)r.v[3] << 32 | r.v[2] };
}

double seg_random_unit(uint64_t bits)
{
    return ((double)(bits >> 12) + 0.5) * 0x1p-52; /* 53 bits and a half would round to 1 */
}

double seg_random_uniform(seg_random key, int64_t row, uint64_t draw)
{
    return seg_random_unit(seg_random_bits(key, row, draw).a);
}

int64_t seg_random_of_range(seg_random key, int64_t s, int64_t size, int64_t n, uint64_t draw)
{
    const int64_t each = n / size, rest = n % size; /* s * n may be too much for 64 bits */
    int64_t low = s * each + s * rest / size, high = (s + 1) * each + (s + 1) * rest / size;
    int64_t i = low + (int64_t)(seg_random_uniform(key, s, draw) * (double)(high - low));

    return i < high ? i : high - 1;
}

double seg_random_normal(seg_random key, int64_t row, uint64_t draw)
{
    const double two_pi = 6.283185307179586;
    seg_random_pair r = seg_random_bits(key, row, draw);

    return sqrt(-2.0 * log(seg_random_unit(r.a))) * cos(two_pi * seg_random_unit(r.b));
}
