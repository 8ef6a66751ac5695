/* SPDX-License-Identifier: Apache-2.0 */
/* pool_u8 over blocks of channels that are one vector; once per ISA. The including file defines POOL_NAME (the record's
 * name), POOL_LANES (bytes of a vector) and POOL_MAX(a, b) for two such vectors, POOL_MAX_16 for two of 16 bytes;
 * POOL_TAIL may be a function for less than 16 channels. Vectors are those of GNU C. */
#include <string.h>

#include "kernels/pool_u8.h"

/* Larger lanes, for vectors that the ISA has no word for. */
#define MASKED_MAX(a, b) (((a) & (__typeof__(a))((a) > (b))) | ((b) & ~(__typeof__(a))((a) > (b))))

#define DEFINE_MAX(n, larger)                                                                              \
    typedef uint8_t bytes_##n __attribute__((vector_size(n)));                                             \
    static inline void max_##n(const uint8_t *const *taps, size_t n_taps, size_t at, uint8_t *y, uint8_t flip) \
    {                                                                                                      \
        bytes_##n best, next, sign = (bytes_##n){ 0 } + flip;                                              \
        memcpy(&best, taps[0] + at, (n));                                                                  \
        best ^= sign;                                                                                      \
        for (size_t t = 1; t < n_taps; t++) {                                                              \
            memcpy(&next, taps[t] + at, (n));                                                              \
            next ^= sign;                                                                                  \
            best = larger(best, next);                                                                     \
        }                                                                                                  \
        best ^= sign;                                                                                      \
        memcpy(y, &best, (n));                                                                             \
    }

#if POOL_LANES > 16
DEFINE_MAX(16, POOL_MAX_16)
#endif
#ifndef POOL_TAIL
DEFINE_MAX(1, MASKED_MAX)
DEFINE_MAX(8, MASKED_MAX)
#endif

#define DEFINE_WIDE_MAX(n) DEFINE_MAX(n, POOL_MAX)
#define WIDE_MAX(n) max_##n
#define WIDE_MAX_OF(n) WIDE_MAX(n)
DEFINE_WIDE_MAX(POOL_LANES)

enum { FULL_SUM = 256 }; /* bytes whose sum fits into 16 bits */

static inline __attribute__((always_inline)) void max_pixels(const uint8_t *const *taps, const size_t n_taps,
                                                             size_t x_step, uint8_t *y, size_t n_channels,
                                                             size_t n_pixels, uint8_t flip)
{
    for (size_t i = 0; i < n_pixels; i++, y += n_channels) {
        size_t c = 0, at = i * x_step;
        for (; c + POOL_LANES <= n_channels; c += POOL_LANES) {
            WIDE_MAX_OF(POOL_LANES)(taps, n_taps, at + c, y + c, flip);
        }
#if POOL_LANES > 16
        for (; c + 16 <= n_channels; c += 16) {
            max_16(taps, n_taps, at + c, y + c, flip);
        }
        if (c < n_channels && n_channels >= 16) { /* once more some of those before */
            max_16(taps, n_taps, at + n_channels - 16, y + n_channels - 16, flip);
            continue;
        }
#endif
#ifdef POOL_TAIL
        if (c < n_channels) {
            POOL_TAIL(taps, n_taps, at + c, y + c, flip, n_channels - c);
        }
#else
        for (; c + 8 <= n_channels; c += 8) {
            max_8(taps, n_taps, at + c, y + c, flip);
        }
        for (; c < n_channels; c++) {
            max_1(taps, n_taps, at + c, y + c, flip);
        }
#endif
    }
}

/* Loops over the taps of common windows are unrolled. */
static void max_run(const uint8_t *const *taps, size_t n_taps, size_t x_step, uint8_t *y, size_t n_channels,
                    size_t n_pixels, uint8_t flip)
{
    if (n_taps == 9) {
        max_pixels(taps, 9, x_step, y, n_channels, n_pixels, flip);
    } else if (n_taps == 4) {
        max_pixels(taps, 4, x_step, y, n_channels, n_pixels, flip);
    } else {
        max_pixels(taps, n_taps, x_step, y, n_channels, n_pixels, flip);
    }
}

/* ---- means ---------------------------------------------------------------------------------- */

/* See dwconv_s8_body.h: adding 1.5 * 2^23 leaves a small number, rounded, in the low bits. */
#define ROUND_SHIFT 12582912.0f
#define ROUND_BITS 0x4b400000

#define DEFINE_MEAN(n)                                                                                     \
    typedef uint8_t mean_bytes_##n __attribute__((vector_size(n)));                                        \
    typedef int32_t mean_ints_##n __attribute__((vector_size(4 * (n))));                                   \
    typedef float mean_floats_##n __attribute__((vector_size(4 * (n))));                                   \
    static inline void mean_##n(const uint8_t *const *taps, size_t n_taps, size_t at, uint8_t *y,          \
                                const pith_pool_u8_mean *m, int32_t base, uint8_t flip)                    \
    {                                                                                                      \
        const mean_floats_##n low = (mean_floats_##n){ 0 } + (float)m->low,                                \
                              high = (mean_floats_##n){ 0 } + (float)m->high;                              \
        mean_floats_##n sum = { 0 };                                                                       \
        for (size_t t = 0; t < n_taps; t++) {                                                              \
            mean_bytes_##n x;                                                                              \
            memcpy(&x, taps[t] + at, (n));                                                                 \
            x ^= flip;                                                                                     \
            mean_ints_##n wide = __builtin_convertvector(x, mean_ints_##n) - base;                         \
            sum += __builtin_convertvector(wide, mean_floats_##n) * m->x_scale;                            \
        }                                                                                                  \
        sum = sum / m->divisor / m->y_scale + (float)m->y_zero;                                            \
        mean_ints_##n above = sum > low;                                                                   \
        sum = (mean_floats_##n)((above & (mean_ints_##n)sum) | (~above & (mean_ints_##n)low));             \
        mean_ints_##n below = sum < high;                                                                  \
        sum = (mean_floats_##n)((below & (mean_ints_##n)sum) | (~below & (mean_ints_##n)high));            \
        mean_ints_##n rounded = (mean_ints_##n)(sum + ROUND_SHIFT) - ROUND_BITS;                           \
        mean_bytes_##n bytes = __builtin_convertvector(rounded, mean_bytes_##n);                           \
        memcpy(y, &bytes, (n));                                                                            \
    }

DEFINE_MEAN(1)
DEFINE_MEAN(8)

static void mean(const uint8_t *const *taps, size_t n_taps, uint8_t *y, size_t n_channels, const pith_pool_u8_mean *m,
                 uint8_t flip)
{
    const int32_t base = m->x_zero + flip;
    size_t c = 0;
    for (; c + 8 <= n_channels; c += 8) {
        mean_8(taps, n_taps, c, y + c, m, base, flip);
    }
    for (; c < n_channels; c++) {
        mean_1(taps, n_taps, c, y + c, m, base, flip);
    }
}

/* ---- sums ----------------------------------------------------------------------------------- */

#define DEFINE_SUMS(n)                                                                                     \
    typedef uint8_t sum_bytes_##n __attribute__((vector_size(n)));                                         \
    typedef uint16_t sum_words_##n __attribute__((vector_size(2 * (n))));                                  \
    static inline void sums_##n(const uint8_t *x, size_t n_pixels, size_t x_step, int32_t *sums, uint8_t flip) \
    {                                                                                                      \
        sum_words_##n total = { 0 };                                                                       \
        for (size_t p = 0; p < n_pixels; p++) {                                                            \
            sum_bytes_##n bytes;                                                                           \
            memcpy(&bytes, x + p * x_step, (n));                                                           \
            bytes ^= flip;                                                                                 \
            total += __builtin_convertvector(bytes, sum_words_##n);                                        \
        }                                                                                                  \
        for (size_t c = 0; c < (n); c++) {                                                                 \
            sums[c] += (int32_t)total[c] - (int32_t)n_pixels * flip;                                       \
        }                                                                                                  \
    }

#define HALF_LANES (POOL_LANES / 2)
#if POOL_LANES == 64
DEFINE_SUMS(32)
#define sums_wide sums_32
#elif POOL_LANES == 32
DEFINE_SUMS(16)
#define sums_wide sums_16
#else
#define sums_wide sums_8
#endif
DEFINE_SUMS(8)
DEFINE_SUMS(1)

static void add_sums(const uint8_t *x, size_t n_pixels, size_t x_step, int32_t *sums, size_t n_channels, uint8_t flip)
{
    for (size_t p = 0; p < n_pixels; p += FULL_SUM, x += FULL_SUM * x_step) {
        const size_t n = n_pixels - p < FULL_SUM ? n_pixels - p : FULL_SUM;
        size_t c = 0;
        for (; c + HALF_LANES <= n_channels; c += HALF_LANES) {
            sums_wide(x + c, n, x_step, sums + c, flip);
        }
        for (; c + 8 <= n_channels; c += 8) {
            sums_8(x + c, n, x_step, sums + c, flip);
        }
        for (; c < n_channels; c++) {
            sums_1(x + c, n, x_step, sums + c, flip);
        }
    }
}

static const pith_pool_u8 records[] = { { { POOL_NAME, PITH_EXACT }, max_run, mean, add_sums } };
