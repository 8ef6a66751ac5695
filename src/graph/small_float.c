/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/small_float.h"

#include <math.h>

#define NO_NAN 0xffffu

/* sign | exponent | mantissa; a biased exponent of 0 means subnormal. */
typedef struct float_format {
    int n_mantissa, bias;
    unsigned sign;    /* its bit */
    unsigned largest; /* code of the largest finite value */
    unsigned nan;     /* code of (positive) NaN */
    unsigned beyond;  /* code of what is too large */
    bool has_one_zero; /* the code of -0 is the only NaN */
} float_format;

static const float_format formats[PITH_DTYPE_COUNT] = {
    [PITH_DTYPE_F8E4M3FN] = { 3, 7, 0x80, 0x7e, 0x7f, 0x7f, false },
    [PITH_DTYPE_F8E4M3FNUZ] = { 3, 8, 0x80, 0x7f, 0x80, 0x80, true },
    [PITH_DTYPE_F8E5M2] = { 2, 15, 0x80, 0x7b, 0x7e, 0x7c, false },
    [PITH_DTYPE_F8E5M2FNUZ] = { 2, 16, 0x80, 0x7f, 0x80, 0x80, true },
    [PITH_DTYPE_F6E2M3] = { 3, 1, 0x20, 0x1f, NO_NAN, 0x1f, false },
    [PITH_DTYPE_F6E3M2] = { 2, 3, 0x20, 0x1f, NO_NAN, 0x1f, false },
    [PITH_DTYPE_F4E2M1] = { 1, 1, 0x08, 0x07, NO_NAN, 0x07, false },
};

bool pithi_dtype_is_small_float(pith_dtype dtype)
{
    return dtype == PITH_DTYPE_F8E8M0 || (dtype > 0 && dtype < PITH_DTYPE_COUNT && formats[dtype].sign);
}

double pithi_small_float_decode(pith_dtype dtype, unsigned code)
{
    if (dtype == PITH_DTYPE_F8E8M0) {
        return code == 0xff ? (double)NAN : ldexp(1.0, (int)code - 127);
    }
    const float_format *format = &formats[dtype];
    const unsigned magnitude = code & (format->sign - 1);
    const int exponent = (int)(magnitude >> format->n_mantissa);
    const unsigned mantissa = magnitude & ((1u << format->n_mantissa) - 1);
    double value = exponent ? ldexp(mantissa + (1u << format->n_mantissa), exponent - format->bias - format->n_mantissa)
                            : ldexp(mantissa, 1 - format->bias - format->n_mantissa);
    if (magnitude > format->largest || (format->has_one_zero && code == format->nan)) {
        value = magnitude == format->beyond && format->beyond != format->nan ? (double)INFINITY : (double)NAN;
    }
    return code & format->sign ? -value : value;
}

/* Code of a magnitude, perhaps beyond the largest. */
static unsigned nearest_code(const float_format *format, double magnitude)
{
    const int lowest = 1 - format->bias; /* exponent of the smallest normal number */
    int exponent;
    if (magnitude == 0.0) {
        return 0;
    }
    if (magnitude >= 0x1p20) {
        return format->largest + 1;
    }
    frexp(magnitude, &exponent); /* magnitude = f * 2^exponent, f in [0.5, 1) */
    exponent = exponent - 1 < lowest ? lowest : exponent - 1;
    /* A normal number counts 2^n_mantissa and more steps, which raises the exponent's field by one. */
    const unsigned n_steps = (unsigned)nearbyint(ldexp(magnitude, format->n_mantissa - exponent));
    return n_steps + ((unsigned)(exponent - lowest) << format->n_mantissa);
}

unsigned pithi_small_float_encode(pith_dtype dtype, double value, bool saturate)
{
    if (dtype == PITH_DTYPE_F8E8M0) {
        return pithi_e8m0_encode(value, saturate, PITHI_ROUND_UP);
    }
    const float_format *format = &formats[dtype];
    const unsigned sign = signbit(value) ? format->sign : 0;
    unsigned code = format->nan;
    if (isnan(value)) {
        return code == NO_NAN ? format->sign : format->has_one_zero ? code : sign | code;
    }
    code = nearest_code(format, fabs(value));
    if (code > format->largest) {
        code = saturate ? format->largest : format->beyond;
    }
    return format->has_one_zero && (code == 0 || code == format->nan) ? code : sign | code;
}

unsigned pithi_e8m0_encode(double value, bool saturate, pithi_round_mode mode)
{
    int exponent = -1000;
    const double magnitude = fabs(value);
    if (isnan(value)) {
        return 0xff;
    }
    if (isinf(value)) {
        exponent = 1000;
    } else if (magnitude > 0.0) {
        const double fraction = frexp(magnitude, &exponent);
        const bool goes_up = mode == PITHI_ROUND_UP ? fraction > 0.5 : mode == PITHI_ROUND_NEAREST && fraction >= 0.75;
        exponent -= !goes_up;
    }
    if (exponent < -127 || exponent > 127) {
        return !saturate ? 0xff : exponent < 0 ? 0 : 0xfe;
    }
    return (unsigned)(exponent + 127);
}
