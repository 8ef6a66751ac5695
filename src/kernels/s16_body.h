/* SPDX-License-Identifier: Apache-2.0 */
/* s16 in plain C, once per ISA: compilers vectorise the loops. Included with S16_NAME, the record's name. */
#include <math.h>
#include <string.h>

#include "kernels/s16.h"

#define S16_INLINE static inline __attribute__((always_inline))

/* Adding 1.5 * 2^23 rounds |value| < 2^22 to the nearest even integer, which the low bits then hold. */
S16_INLINE int32_t round_small(float value)
{
    float shifted = value + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

/* The limits are integers, so that clamping may come before rounding. */
S16_INLINE int32_t finish_one(float value, float low, float high, int32_t zero)
{
    value = value > low ? value : low;
    value = value < high ? value : high;
    return round_small(value) + zero;
}

static void split(const uint16_t *restrict x, uint16_t flip, uint8_t *restrict high, uint8_t *restrict low, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t value = x[i] ^ flip;
        high[i] = (uint8_t)(value >> 8);
        low[i] = (uint8_t)value;
    }
}

#define LOAD(type)                                                                                                     \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        to[i] = (float)((int32_t)((const type *)x)[i] - zero);                                                         \
    }

static void load(const void *restrict x, pith_s16_type type, int32_t zero, float *restrict to, size_t n)
{
    switch (type) {
    case PITH_S16_U8: LOAD(uint8_t) break;
    case PITH_S16_S8: LOAD(int8_t) break;
    case PITH_S16_U16: LOAD(uint16_t) break;
    case PITH_S16_S16: LOAD(int16_t) break;
    }
}

#define STORE(type)                                                                                                    \
    for (size_t i = 0; i < n; i++) {                                                                                   \
        ((type *)y)[i] = (type)finish_one(from[i], low, high, zero);                                                   \
    }

static bool is_byte(pith_s16_type type) { return type == PITH_S16_U8 || type == PITH_S16_S8; }

static void store(const float *restrict from, const pith_s16_finish *f, void *restrict y, size_t n)
{
    const int32_t zero = f->zero;
    const float low = (float)(f->low - zero), high = (float)(f->high - zero);
    if (is_byte(f->type)) {
        STORE(uint8_t)
    } else {
        STORE(uint16_t)
    }
}

static void sum(float *restrict a, const float *restrict b, const pith_s16_terms *t, size_t n)
{
    const float a_scale = t->a_scale, b_scale = t->b_scale, offset = t->offset;
    for (size_t i = 0; i < n; i++) {
        a[i] = fmaf(a[i], a_scale, fmaf(b[i], b_scale, offset));
    }
}

static void product(float *restrict a, const float *restrict b, const pith_s16_terms *t, size_t n)
{
    const float scale = t->a_scale, offset = t->offset;
    for (size_t i = 0; i < n; i++) {
        a[i] = a[i] * b[i] * scale + offset;
    }
}

/* Integers of 40 bits are exact in double, so that their sum is rounded once, to float32. */
#define JOIN(type, sum_at)                                                                                             \
    for (int m = 0; m < j->n_rows; m++) {                                                                              \
        const int32_t *restrict h = j->high ? j->high + (size_t)m * j->step : NULL;                                    \
        const int32_t *restrict l = j->low + (size_t)m * j->step;                                                      \
        type *restrict y = (type *)j->y + (size_t)m * j->y_step;                                                       \
        (void)h;                                                                                                       \
        for (int i = 0; i < n; i++) {                                                                                  \
            y[i] = (type)finish_one((float)(sum_at)*scale[i], low, high, zero);                                        \
        }                                                                                                              \
    }
#define BOTH (256.0 * (double)h[i] + (double)l[i])

static void join(const pith_s16_join *j)
{
    const int32_t zero = j->finish.zero;
    const float low = (float)(j->finish.low - zero), high = (float)(j->finish.high - zero);
    const float *restrict scale = j->scale;
    const int n = j->n_columns;
    if (is_byte(j->finish.type)) {
        if (j->high) {
            JOIN(uint8_t, BOTH)
        } else {
            JOIN(uint8_t, l[i])
        }
    } else if (j->high) {
        JOIN(uint16_t, BOTH)
    } else {
        JOIN(uint16_t, l[i])
    }
}

/* The flags are known when compiling. Comparisons that are false for a NaN keep it. */
S16_INLINE void floats_row(const pith_s16_floats *f, const int m, const bool has_zero, const bool has_bias,
                           const bool has_residual)
{
    const int32_t *restrict zero = f->b_zero;
    const uint32_t row_sum = has_zero ? (uint32_t)f->row_sums[m] : 0;
    const float lo = f->lo, hi = f->hi, *restrict scale = f->scale, *restrict bias = f->bias;
    const int32_t *restrict sums = f->sums + (size_t)m * (size_t)f->n_columns;
    const size_t start = (size_t)m * f->y_step;
    const float *restrict residual = has_residual ? f->residual + start : NULL;
    float *restrict y = f->y + start;
    for (int i = 0; i < f->n_columns; i++) {
        const int32_t sum = has_zero ? (int32_t)((uint32_t)sums[i] - row_sum * (uint32_t)zero[i]) : sums[i];
        float value = (float)sum * scale[i];
        value = has_bias ? value + bias[i] : value;
        value = has_residual ? value + residual[i] : value;
        value = lo > value ? lo : value;
        y[i] = hi < value ? hi : value;
    }
}

static void floats(const pith_s16_floats *f)
{
    const int flags = (f->row_sums ? 4 : 0) + (f->bias ? 2 : 0) + (f->residual ? 1 : 0);
    for (int m = 0; m < f->n_rows; m++) {
        switch (flags) {
        case 0: floats_row(f, m, false, false, false); break;
        case 1: floats_row(f, m, false, false, true); break;
        case 2: floats_row(f, m, false, true, false); break;
        case 3: floats_row(f, m, false, true, true); break;
        case 4: floats_row(f, m, true, false, false); break;
        case 5: floats_row(f, m, true, false, true); break;
        case 6: floats_row(f, m, true, true, false); break;
        default: floats_row(f, m, true, true, true); break;
        }
    }
}

/* The bits of magnitudes rise with them, infinity and NaN come last. */
static float largest(const float *restrict x, size_t n)
{
    int32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= 0x7fffffff;
        most = bits > most ? bits : most;
    }
    float value;
    memcpy(&value, &most, sizeof value);
    return value;
}

static float encode(const float *restrict x, float top, uint8_t *restrict high, uint8_t *restrict low, size_t n)
{
    const float m = largest(x, n);
    if (!(m >= 0x1p-100f && m < INFINITY)) {
        memset(high, 0x80, n);
        memset(low, 0, n);
        return m < 0x1p-100f ? 0.0f : NAN;
    }
    const float factor = top / m;
    for (size_t i = 0; i < n; i++) {
        const int32_t value = round_small(x[i] * factor) + 32768;
        high[i] = (uint8_t)(value >> 8);
        low[i] = (uint8_t)value;
    }
    return m / top;
}

static void decode(const pith_s16_decode *d)
{
    const int32_t *restrict high = d->high, *restrict low = d->low;
    const float *restrict scale = d->scale, *restrict bias = d->bias, factor = d->factor;
    float *restrict y = d->y;
    if (bias) {
        for (size_t i = 0; i < d->n; i++) {
            y[i] = bias[i] + (float)(int32_t)(256u * (uint32_t)high[i] + (uint32_t)low[i]) * (factor * scale[i]);
        }
    } else {
        for (size_t i = 0; i < d->n; i++) {
            y[i] += (float)(int32_t)(256u * (uint32_t)high[i] + (uint32_t)low[i]) * (factor * scale[i]);
        }
    }
}

enum { TAP_BLOCK = 32 }; /* channels at a time: a constant trip count */

S16_INLINE void max_block(const uint16_t *const *taps, size_t n_taps, size_t c, uint16_t *restrict y, size_t n,
                          uint16_t flip)
{
    uint16_t best[TAP_BLOCK];
    memset(best, 0, sizeof best);
    for (size_t t = 0; t < n_taps; t++) {
        const uint16_t *restrict x = taps[t] + c;
        for (size_t i = 0; i < n; i++) {
            const uint16_t value = x[i] ^ flip;
            best[i] = value > best[i] ? value : best[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        y[c + i] = best[i] ^ flip;
    }
}

static void max(const uint16_t *const *taps, size_t n_taps, uint16_t *y, size_t n, uint16_t flip)
{
    size_t c = 0;
    for (; c + TAP_BLOCK <= n; c += TAP_BLOCK) {
        max_block(taps, n_taps, c, y, TAP_BLOCK, flip);
    }
    if (c < n) {
        max_block(taps, n_taps, c, y, n - c, flip);
    }
}

static void add(const uint16_t *const *taps, size_t n_taps, size_t at, int32_t *restrict sums, size_t n, uint16_t flip)
{
    for (size_t t = 0; t < n_taps; t++) {
        const uint16_t *restrict x = taps[t] + at;
        for (size_t i = 0; i < n; i++) {
            sums[i] += (int32_t)(uint16_t)(x[i] ^ flip);
        }
    }
}

static const pith_s16 records[] = {
    { { S16_NAME, PITH_EXACT }, split, load, store, sum, product, join, floats, encode, decode, max, add }
};
