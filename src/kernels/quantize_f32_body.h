/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of family quantize_f32, which compilers vectorise for the flags of the folder that includes them.
 * QUANTIZE_ISA is the folder's name as a string. */
#include <string.h>

#include "kernels/quantize_f32.h"

/* Rounds |value| < 2^22 to the nearest even integer: adding 1.5 * 2^23 leaves it in the low bits. */
static inline int32_t round_small(float value)
{
    float shifted = value + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4b400000;
}

/* The bounds are integers, so clamping before rounding gives what clamping after it would. */
static inline int32_t quantize_one(float x, float scale, float low, float high)
{
    float value = x / scale;
    value = value > low ? value : low;
    value = value < high ? value : high;
    return round_small(value);
}

#define DEFINE_ROWS(type, suffix, low, high)                                                       \
    static void quantize_##suffix(const float *restrict x, const float *restrict scale, const type *restrict zero, \
                                  int64_t step, type *restrict y, int64_t n)                       \
    {                                                                                              \
        if (step == 0) {                                                                           \
            int32_t all = zero ? zero[0] : 0;                                                      \
            float one = scale[0];                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = (type)(quantize_one(x[i], one, (float)((low) - all), (float)((high) - all)) + all); \
            }                                                                                      \
        } else if (!zero) {                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = (type)quantize_one(x[i], scale[i], (float)(low), (float)(high));            \
            }                                                                                      \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                int32_t own = zero[i];                                                             \
                y[i] = (type)(quantize_one(x[i], scale[i], (float)((low) - own), (float)((high) - own)) + own); \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
                                                                                                   \
    static void dequantize_##suffix(const type *restrict x, const float *restrict scale, const type *restrict zero, \
                                    int64_t step, float *restrict y, int64_t n)                    \
    {                                                                                              \
        if (step == 0) {                                                                           \
            int32_t all = zero ? zero[0] : 0;                                                      \
            float one = scale[0];                                                                  \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = (float)(x[i] - all) * one;                                                  \
            }                                                                                      \
        } else if (!zero) {                                                                        \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = (float)x[i] * scale[i];                                                     \
            }                                                                                      \
        } else {                                                                                   \
            for (int64_t i = 0; i < n; i++) {                                                      \
                y[i] = (float)(x[i] - zero[i]) * scale[i];                                         \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_ROWS(int8_t, s8, -128, 127)
DEFINE_ROWS(uint8_t, u8, 0, 255)

#define DEFINE_WIDE(type, suffix, low, high)                                                       \
    static void quantize_##suffix(const float *restrict x, float scale, int32_t zero, type *restrict y, \
                                  int64_t n)                                                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[i] = (type)(quantize_one(x[i], scale, (float)((low)-zero), (float)((high)-zero)) + zero); \
        }                                                                                          \
    }

DEFINE_WIDE(int16_t, s16, -32768, 32767)
DEFINE_WIDE(uint16_t, u16, 0, 65535)

static const pith_quantize_f32 records[] = {
    { .head = { "quantize_f32__" QUANTIZE_ISA, PITH_EXACT },
      .quantize_s8 = quantize_s8, .quantize_u8 = quantize_u8,
      .quantize_s16 = quantize_s16, .quantize_u16 = quantize_u16,
      .dequantize_s8 = dequantize_s8, .dequantize_u8 = dequantize_u8 }
};
