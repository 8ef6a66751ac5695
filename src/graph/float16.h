/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE 754 binary16 and bfloat16, round to nearest even. */
#ifndef PITH_GRAPH_FLOAT16_H
#define PITH_GRAPH_FLOAT16_H

#include <stdint.h>
#include <string.h>

float pithi_f16_to_f32(uint16_t half);
uint16_t pithi_f64_to_f16(double value);

static inline float pithi_bf16_to_f32(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t pithi_f32_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u); /* quiet NaN */
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* In one rounding: the first one is to odd (Boldo and Melquiond 2008). */
static inline uint16_t pithi_f64_to_bf16(double value)
{
    float nearest = (float)value;
    uint32_t bits;
    memcpy(&bits, &nearest, sizeof bits);
    if ((double)nearest != value && value == value) {
        const double size = value < 0 ? -value : value, nearest_size = value < 0 ? -(double)nearest : (double)nearest;
        bits = (bits - (nearest_size > size)) | 1u;
        memcpy(&nearest, &bits, sizeof bits);
    }
    return pithi_f32_to_bf16(nearest);
}

#endif
