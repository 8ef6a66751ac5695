/* SPDX-License-Identifier: Apache-2.0 */
/* norm_u8 over vectors of GNU C, once per ISA: NORM_NAME is the record's name, NORM_LANES the floats of a vector;
 * NORM_ROWS: the ISA has its own `affine` and `slopes`. */
#include <string.h>

#include "kernels/norm_u8.h"

/* See dwconv_s8_body.h: adding 1.5 * 2^23 leaves a small number, rounded, in the low bits. */
#define ROUND_SHIFT 12582912.0f
#define ROUND_BITS 0x4b400000

enum { N = NORM_LANES, BLOCK = 16384 }; /* BLOCK: bytes whose squares' sum fits into 31 bits */

typedef uint8_t bytes __attribute__((vector_size(NORM_LANES)));
typedef int32_t ints __attribute__((vector_size(4 * NORM_LANES)));
typedef float floats __attribute__((vector_size(4 * NORM_LANES)));

#define LOAD_INTS(to, x, row_flip)                                                                         \
    do {                                                                                                   \
        bytes loaded;                                                                                      \
        memcpy(&loaded, (x), N);                                                                           \
        loaded ^= (row_flip);                                                                              \
        (to) = __builtin_convertvector(loaded, ints) - (row_flip);                                         \
    } while (0)

/* Of two vectors the elements where `mask` has ones, or zeros. */
#define PICK(mask, a, b) ((floats)(((mask) & (ints)(a)) | (~(mask) & (ints)(b))))

#define STORE_ROUNDED(y, value, low, high)                                                                 \
    do {                                                                                                   \
        floats clamped = PICK((value) > (low), (value), (low));                                            \
        clamped = PICK(clamped < (high), clamped, (high));                                                 \
        bytes rounded = __builtin_convertvector((ints)(clamped + ROUND_SHIFT) - ROUND_BITS, bytes);        \
        memcpy((y), &rounded, N);                                                                          \
    } while (0)

static void moments(const uint8_t *x, size_t n, uint8_t flip, int64_t *sum, int64_t *squares)
{
    *sum = *squares = 0;
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t end = first + BLOCK < n ? first + BLOCK : n, i = first;
        ints sums = { 0 }, products = { 0 }, v;
        for (; i + N <= end; i += N) {
            LOAD_INTS(v, x + i, flip);
            sums += v;
            products += v * v;
        }
        for (size_t lane = 0; lane < N; lane++) {
            *sum += sums[lane];
            *squares += products[lane];
        }
        for (; i < end; i++) {
            const int32_t value = (x[i] ^ flip) - flip;
            *sum += value;
            *squares += value * value;
        }
    }
}

#ifndef NORM_ROWS
static inline uint8_t rounded_one(float value, const pith_norm_u8_row *r)
{
    const float low = (float)r->low, high = (float)r->high;
    int32_t bits;
    value = value > low ? value : low;
    value = (value < high ? value : high) + ROUND_SHIFT;
    memcpy(&bits, &value, sizeof bits);
    return (uint8_t)(bits - ROUND_BITS);
}

static void affine(const pith_norm_u8_row *r)
{
    const floats low = (floats){ 0 } + (float)r->low, high = (floats){ 0 } + (float)r->high;
    const float mean = r->mean, factor = r->factor;
    size_t i = 0;
    for (; i + N <= r->n; i += N) {
        ints v;
        floats scale, shift;
        memcpy(&scale, r->scale + i, sizeof scale);
        memcpy(&shift, r->shift + i, sizeof shift);
        LOAD_INTS(v, r->x + i, r->flip);
        floats value = (__builtin_convertvector(v, floats) - mean) * factor * scale + shift;
        STORE_ROUNDED(r->y + i, value, low, high);
    }
    for (; i < r->n; i++) {
        const float v = (float)((r->x[i] ^ r->flip) - r->flip);
        r->y[i] = rounded_one((v - mean) * factor * r->scale[i] + r->shift[i], r);
    }
}

static void slopes(const pith_norm_u8_row *r)
{
    const floats low = (floats){ 0 } + (float)r->low, high = (floats){ 0 } + (float)r->high;
    const floats factor = (floats){ 0 } + r->factor;
    const float mean = r->mean;
    floats slope = (floats){ 0 } + r->scale[0];
    size_t i = 0;
    for (; i + N <= r->n; i += N) {
        ints v;
        if (r->step) {
            memcpy(&slope, r->scale + i, sizeof slope);
        }
        LOAD_INTS(v, r->x + i, r->flip);
        v -= r->zero;
        floats value = __builtin_convertvector(v, floats) * PICK(v < 0, slope, factor) + mean;
        STORE_ROUNDED(r->y + i, value, low, high);
    }
    for (; i < r->n; i++) {
        const int32_t v = (r->x[i] ^ r->flip) - r->flip - r->zero;
        r->y[i] = rounded_one((float)v * (v < 0 ? r->scale[r->step ? i : 0] : r->factor) + mean, r);
    }
}

#endif

static const pith_norm_u8 records[] = { { { NORM_NAME, PITH_EXACT }, moments, affine, slopes } };
