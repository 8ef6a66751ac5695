/* SPDX-License-Identifier: Apache-2.0 */
/* Family s16: rows of quantised numbers of 16 bits, and of 8 where they meet: what is left to do around products of
 * bytes (gemm_s8.h), and elementwise arithmetic, which goes through float32.
 *
 *   split:    high[i] and low[i] are the bytes of x[i] ^ flip
 *   load:     to[i] = (float)(x[i] - zero)
 *   store:    y[i] = zero + round_half_even( clamp( from[i], low - zero, high - zero ) )
 *   sum:      a[i] = fma(a[i], a_scale, fma(b[i], b_scale, offset))
 *   product:  a[i] = (a[i] * b[i]) * a_scale + offset, every operation rounded; b_scale unused
 *   join:     y[m][n] = store( (float)(256 high[m][n] + low[m][n]) * scale[n] ), the sum exact; high NULL: 0
 *   floats:   y[m][n] = clamp( (float)(sums[m][n] - row_sums[m] b_zero[n]) * scale[n] + bias[n] + residual[m][n],
 *             lo, hi ), every float operation rounded; row_sums, bias, residual NULL: without these; NaN stays
 *   encode:   m = largest |x[i]|; high[i] and low[i] are the bytes of 32768 + round_half_even( x[i] * (top / m) );
 *             gives m / top. Where m < 2^-100 all are 32768 and it gives 0, where m isn't finite NaN
 *   decode:   y[i] = bias[i] + (float)(256 high[i] + low[i]) * (factor * scale[i]), the sum wrapping around in s32;
 *             bias NULL: y[i] + ...
 *   max:      y[c] = largest of taps[t][c] ^ flip over t, ^ flip
 *   add:      sums[c] += sum_t taps[t][at + c] ^ flip, in s32
 *
 * flip 0x8000 turns signed numbers into unsigned ones (x + 32768), 0 leaves unsigned ones. A NaN is clamped to low.
 * |zero| <= 65535, scale finite, 1 <= top <= 32767. PITH_EXACT: every ISA gives the same bits. */
#ifndef PITH_KERNELS_S16_H
#define PITH_KERNELS_S16_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef enum pith_s16_type { PITH_S16_U8, PITH_S16_S8, PITH_S16_U16, PITH_S16_S16 } pith_s16_type;

static inline size_t pith_s16_bytes(pith_s16_type type) { return type >= PITH_S16_U16 ? 2 : 1; }

typedef struct pith_s16_finish {
    int32_t zero, low, high; /* low, high: within the type */
    pith_s16_type type;
} pith_s16_finish;

typedef struct pith_s16_join {
    const int32_t *high, *low; /* [n_rows] rows of n_columns, `step` apart */
    size_t step;
    const float *scale;        /* n_columns */
    void *y;                   /* rows y_step elements apart */
    size_t y_step;
    int n_rows, n_columns;
    pith_s16_finish finish;
} pith_s16_join;

typedef struct pith_s16_floats {
    const int32_t *sums;       /* [n_rows][n_columns] */
    const int32_t *row_sums;   /* n_rows, or NULL */
    const int32_t *b_zero;     /* n_columns; read with row_sums */
    const float *scale, *bias; /* n_columns */
    const float *residual;     /* rows y_step elements apart, as those of y */
    float *y;
    size_t y_step;
    float lo, hi;
    int n_rows, n_columns;
} pith_s16_floats;

typedef struct pith_s16_decode {
    const int32_t *high, *low;
    const float *scale, *bias;
    float factor, *y;
    size_t n;
} pith_s16_decode;

typedef struct pith_s16_terms {
    float a_scale, b_scale, offset;
} pith_s16_terms;

typedef struct pith_s16 {
    pith_kernel head;
    void (*split)(const uint16_t *x, uint16_t flip, uint8_t *high, uint8_t *low, size_t n);
    void (*load)(const void *x, pith_s16_type type, int32_t zero, float *to, size_t n);
    void (*store)(const float *from, const pith_s16_finish *finish, void *y, size_t n);
    void (*sum)(float *a, const float *b, const pith_s16_terms *terms, size_t n);
    void (*product)(float *a, const float *b, const pith_s16_terms *terms, size_t n);
    void (*join)(const pith_s16_join *join);
    void (*floats)(const pith_s16_floats *floats);
    float (*encode)(const float *x, float top, uint8_t *high, uint8_t *low, size_t n);
    void (*decode)(const pith_s16_decode *d);
    void (*max)(const uint16_t *const *taps, size_t n_taps, uint16_t *y, size_t n, uint16_t flip);
    void (*add)(const uint16_t *const *taps, size_t n_taps, size_t at, int32_t *sums, size_t n, uint16_t flip);
} pith_s16;

static inline const pith_s16 *pithi_s16(int isa_limit) { return pithi_kernel_find("s16", isa_limit)->records; }

#endif
