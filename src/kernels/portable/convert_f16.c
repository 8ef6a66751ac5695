/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/convert_f16.h"

#include <string.h>

static inline float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The exponent moves by 127 - 15. A denormal half is a fraction of 2^-14 without the leading one: it is given one,
 * which is subtracted again, so that no denormal float comes up (a run may count those as zero). */
static inline float to_f32_one(uint16_t half)
{
    const uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13, sign = (uint32_t)(half & 0x8000u) << 16;
    const uint32_t denormal = bits_of(from_bits(magnitude + 0x38800000u) - 0x1p-14f);
    const uint32_t special = (half & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0; /* infinity and NaN keep the fraction */
    const uint32_t result = half & 0x7c00u ? magnitude + 0x38000000u : denormal;
    return from_bits(sign | result | special);
}

/* Normal results: round the 13 bits that go away and move the exponent. Below: adding 1/2 lets the float adder round
 * to multiples of 2^-24, which are the denormals. */
static inline uint16_t to_f16_one(float x)
{
    const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffffu, sign = bits >> 16 & 0x8000u;
    const uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
    const uint32_t denormal = bits_of(from_bits(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t result = magnitude < 0x38800000u ? denormal : normal;
    result = magnitude >= 0x477ff000u ? 0x7c00u : result; /* from 65520 on */
    result = magnitude > 0x7f800000u ? 0x7e00u : result;
    return (uint16_t)(sign | result);
}

static void to_f32(const uint16_t *x, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = to_f32_one(x[i]);
    }
}

static void to_f16(const float *x, uint16_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = to_f16_one(x[i]);
    }
}

static const pith_convert_f16 records[] = { { { "convert_f16__portable", PITH_EXACT }, to_f32, to_f16 } };

PITH_EXPORT_KERNEL(convert_f16, portable, records);
