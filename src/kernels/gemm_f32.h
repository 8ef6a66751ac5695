/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_f32: the inner block of matrix products and convolutions.
 *
 *   for m in 0..mr-1, n in 0..n_columns-1:
 *     C[m][n] = clamp( start(m, n) + sum_s sum_k A[m][s][k] * B[s * segment_length + k][n] + residual[m][n] )
 *
 * A is read through row pointers: element (m, s, k) is a_rows[m][segment_offsets[s] + k]. A matrix product
 * has one segment; a convolution has one segment per kernel tap (or per kernel row where taps are
 * neighbours in channels-last memory), and a_rows[m] is the first tap of output pixel m in an input
 * that is padded already.
 *
 * B is packed in panels of `nr` columns (nr = vector length of the record):
 *
 *      panel 0            panel 1                      n_k = n_segments * segment_length rows each;
 *   +--------------+  +--------------+                 columns past n are zero
 *   | k0: nr floats|  | k0: nr floats|  ...
 *   | k1: nr floats|  | k1: nr floats|
 *
 * `b` points to the first panel of the block, `b_row_stride` (elements) steps k, `b_panel_stride` steps panels.
 * Unpacked row-major B works too: b_row_stride = ldb, b_panel_stride = nr (columns past n_columns are
 * not read: loads are masked).
 *
 * One call does any number of rows and columns (at least 1 each), in register tiles of up to mr_max rows by
 * nv_max panels: columns outside, rows inside, so that nv_max panels of B stay in cache. start is bias[n]
 * (NULL: 0), or C's old content when `accumulate`; n_segments may be 0. k runs upward in one chain of
 * multiply-adds per element (fused where the ISA has them), so the bits don't depend on how rows, columns and
 * (with accumulate) k are split over calls. clamp: min(max(v, lo), hi) with NaN kept; -inf, +inf: none.
 * Nothing outside the named elements is read or written. Exactness: PITH_BOUNDED with k = n_k + 2.
 *
 * `narrow` (NULL where max_fold is 1) does the same for a panel of at most nr / fold columns, fold 2 or 4: a vector of
 * B holds `fold` values of k for each column, so that no lanes are empty:
 *
 *   (s, k, n) at b[(s * ceil(segment_length / fold) + k / fold) * nr + n * fold + k % fold], the rest is zeros
 *
 * k can't be cut (accumulate, b_row_stride and b_panel_stride are not read). Each output is the sum of `fold` chains,
 * the same bits however rows and columns are split. Exactness as `tile`.
 *
 * `few` does the same where there are too few columns to fill a vector: lanes run along k instead. B is
 * transposed, element (k, n) is b[n * b_panel_stride + k]; k can't be cut (accumulate and b_row_stride are not
 * read). The bits don't depend on how rows and columns are split, but differ from those of `tile`. */
#ifndef PITH_KERNELS_GEMM_F32_H
#define PITH_KERNELS_GEMM_F32_H

#include <stdint.h>

#include "kernels/kernel.h"

#define PITH_GEMM_F32_MAX_MR 16

typedef struct pith_gemm_f32_tile {
    const float *const *a_rows;      /* mr pointers */
    const ptrdiff_t *segment_offsets; /* n_segments, in elements */
    int n_segments;
    size_t segment_length;           /* k per segment, at least 1 */
    const float *b;
    size_t b_row_stride, b_panel_stride;
    const float *bias;               /* n_columns or NULL */
    const float *residual;           /* [mr][n_columns], rows residual_stride apart, or NULL */
    size_t residual_stride;
    float *c;                        /* rows c_stride apart */
    size_t c_stride;
    int mr, n_columns;
    int accumulate;
    int fold; /* for `narrow` */
    float lo, hi;
} pith_gemm_f32_tile;

typedef struct pith_gemm_f32 {
    pith_kernel head;
    int nr;     /* panel width, also the vector length in floats */
    int mr_max; /* rows of the register tile, at most PITH_GEMM_F32_MAX_MR */
    int nv_max; /* panels of the register tile */
    int max_fold;
    int b_bytes; /* of an element of packed B: 4, of kernels/gemm_f16.h 2 */
    void (*tile)(const pith_gemm_f32_tile *tile);
    void (*few)(const pith_gemm_f32_tile *tile);
    void (*narrow)(const pith_gemm_f32_tile *tile);
} pith_gemm_f32;

static inline const pith_gemm_f32 *pithi_gemm_f32(int isa_limit)
{
    return pithi_kernel_find("gemm_f32", isa_limit)->records;
}

/* Element `at` of packed B. */
static inline const float *pithi_gemm_f32_at(const pith_gemm_f32 *kernel, const float *b, size_t at)
{
    return (const float *)(const void *)((const char *)b + at * (size_t)kernel->b_bytes);
}

/* How `narrow` would fold n columns; 1: they are for `tile`. Columns left over by full panels aren't worth a pass of
 * their own: measured 5 to 20 % slower than one more vector in the tile. */
static inline int pithi_gemm_f32_fold(const pith_gemm_f32 *kernel, int64_t n)
{
    int fold = kernel->max_fold;
    while (fold > 1 && n * fold > kernel->nr) {
        fold /= 2;
    }
    return fold;
}

/* Where (k, lane) of a panel lies; segments of `length` each. */
static inline size_t pithi_gemm_f32_place(const pith_gemm_f32 *kernel, int fold, size_t length, size_t k, size_t lane)
{
    size_t f = (size_t)fold, in = k % length, row = k / length * ((length + f - 1) / f) + in / f;
    return row * (size_t)kernel->nr + lane * f + in % f;
}

/* Elements of packed B [n_k][n]. */
static inline size_t pithi_gemm_f32_packed_size(const pith_gemm_f32 *kernel, size_t n_k, size_t n)
{
    size_t nr = (size_t)kernel->nr;
    return (n + nr - 1) / nr * nr * n_k;
}

/* Packs B; element (k, n) is b[k * k_stride + n * n_stride]. */
static inline void pithi_gemm_f32_pack(const pith_gemm_f32 *kernel, const float *b, size_t n_k, size_t n,
                                       ptrdiff_t k_stride, ptrdiff_t n_stride, float *packed)
{
    size_t nr = (size_t)kernel->nr;
    for (size_t n0 = 0; n0 < n; n0 += nr) {
        for (size_t k = 0; k < n_k; k++) {
            for (size_t i = 0; i < nr; i++) {
                *packed++ = n0 + i < n ? b[(ptrdiff_t)k * k_stride + (ptrdiff_t)(n0 + i) * n_stride] : 0.0f;
            }
        }
    }
}

#endif
