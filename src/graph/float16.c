/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/float16.h"

#include <math.h>

float pithi_f16_to_f32(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu;
    if (exponent == 0) {
        float magnitude = ldexpf((float)fraction, -24);
        return sign ? -magnitude : magnitude;
    }
    uint32_t bits = sign | fraction << 13 | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t pithi_f64_to_f16(double value)
{
    uint16_t sign = signbit(value) ? 0x8000u : 0;
    double magnitude = fabs(value);
    if (isnan(value)) {
        return sign | 0x7e00u;
    }
    if (magnitude >= 65520.0) { /* halfway between the largest half and 2^16 rounds to infinity */
        return sign | 0x7c00u;
    }
    if (magnitude < 6.103515625e-05) { /* subnormal: multiples of 2^-24; 1024 becomes the first normal */
        return (uint16_t)(sign | (uint16_t)nearbyint(ldexp(magnitude, 24)));
    }
    int exponent;
    double fraction = frexp(magnitude, &exponent);             /* in [0.5, 1) */
    uint32_t mantissa = (uint32_t)nearbyint(ldexp(fraction, 11)); /* 1024..2048 */
    return (uint16_t)(sign | ((uint32_t)(exponent + 13) * 1024u + mantissa));
}
