/* SPDX-License-Identifier: Apache-2.0 */
/* gemm_nbits in plain C: the oracle. */
#include "kernels/gemm_nbits.h"

#include <math.h>
#include <string.h>

enum { NR = 8 };

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Sign, `exponent` bits with bias `bias`, the rest mantissa; infinities only of the five-bit exponents. */
static float small_float(unsigned code, int bits, int exponent, int bias)
{
    const int mantissa = bits - 1 - exponent;
    const int e = (int)(code >> mantissa) & ((1 << exponent) - 1), m = (int)code & ((1 << mantissa) - 1);
    const float sign = code >> (bits - 1) & 1 ? -1.0f : 1.0f;
    if (exponent == 5 && e == 31) {
        return m ? NAN : sign * INFINITY;
    }
    const int whole = e ? m + (1 << mantissa) : m;
    return sign * ldexpf((float)whole, (e ? e : 1) - bias - mantissa);
}

static float value_of(const pith_gemm_nbits_tile *t, unsigned code)
{
    switch (t->format) {
    case PITH_NBITS_TABLE4:
    case PITH_NBITS_TABLE8: return t->table[code];
    case PITH_NBITS_F16: return small_float(code, 16, 5, 15);
    case PITH_NBITS_BF16: return from_bits((uint32_t)code << 16);
    case PITH_NBITS_F8E4M3: return small_float(code, 8, 4, 15);
    case PITH_NBITS_F8E5M2: return small_float(code, 8, 5, 15);
    default: return (float)((int)code - (1 << (pithi_nbits_bits(t->format) - 1)));
    }
}

/* Value j of word w in column `lane` of a panel, and its k within the word. */
static float word_value(const pith_gemm_nbits_tile *t, size_t panel, size_t w, int lane, int j, int *k_out)
{
    const int bits = pithi_nbits_bits(t->format), per = pithi_nbits_per_word(t->format);
    const uint8_t *row = (const uint8_t *)t->codes + panel * t->panel_bytes + w * pithi_nbits_row_bytes(t->format, NR);
    uint32_t word = 0;
    uint16_t half = 0;
    *k_out = per > 1 ? pithi_nbits_k(bits, j) : 0;
    if (per > 1) {
        memcpy(&word, row + 4 * lane, sizeof word);
        return value_of(t, word >> (j * bits) & ((1u << bits) - 1));
    }
    if (bits == 16) {
        memcpy(&half, row + 2 * lane, sizeof half);
        return value_of(t, half);
    }
    return value_of(t, row[lane]);
}

static float zero_at(const pith_gemm_nbits_tile *t, size_t at)
{
    if (!t->zeros) {
        return 0.0f;
    }
    return t->zeros_are_float ? ((const float *)t->zeros)[at] : (float)((const int8_t *)t->zeros)[at];
}

static float element(const pith_gemm_nbits_tile *t, int m, int n)
{
    const size_t panel = (size_t)(n / NR);
    const int lane = n % NR;
    float y = 0.0f;
    for (size_t g = 0; g < t->n_groups; g++) {
        const size_t end = (g + 1) * t->group_words, at = (panel * t->n_groups + g) * NR + (size_t)lane;
        float sum = 0.0f;
        for (size_t w = g * t->group_words; w < end && w < t->n_words; w++) {
            const int per = pithi_nbits_per_word(t->format);
            for (int j = 0, k; j < per; j++) {
                const float value = word_value(t, panel, w, lane, j, &k);
                sum += t->a_rows[m][w * (size_t)per + (size_t)k] * value;
            }
        }
        if (t->zeros) {
            sum -= zero_at(t, at) * t->sums[(size_t)m * t->sum_stride + g];
        }
        y += t->scales[at] * sum;
    }
    return y;
}

static void tile(const pith_gemm_nbits_tile *t)
{
    for (int m = 0; m < t->mr; m++) {
        for (int n = 0; n < t->n_columns; n++) {
            float y = element(t, m, n) + (t->bias ? t->bias[n] : 0.0f);
            y += t->residual ? t->residual[(size_t)m * t->residual_stride + (size_t)n] : 0.0f;
            y = y < t->lo ? t->lo : y;
            t->c[(size_t)m * t->c_stride + (size_t)n] = y > t->hi ? t->hi : y;
        }
    }
}

static void unpack(const pith_gemm_nbits_tile *t, size_t panel, size_t first, size_t last, float *y, size_t y_stride)
{
    const int per = pithi_nbits_per_word(t->format);
    for (size_t w = first; w < last; w++) {
        for (int lane = 0; lane < NR; lane++) {
            const size_t at = (panel * t->n_groups + w / t->group_words) * NR + (size_t)lane;
            for (int j = 0, k; j < per; j++) {
                const float value = word_value(t, panel, w, lane, j, &k);
                y[((w - first) * (size_t)per + (size_t)k) * y_stride + (size_t)lane] =
                    (value - zero_at(t, at)) * t->scales[at];
            }
        }
    }
}

static const pith_gemm_nbits records[] = { { { "gemm_nbits_1x8__portable", PITH_BOUNDED }, NR, tile, unpack } };

PITH_EXPORT_KERNEL(gemm_nbits, portable, records);
