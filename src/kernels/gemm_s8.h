/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_s8: the inner block of 8-bit products and convolutions, requantised where it is made.
 *
 *   for m in 0..mr-1, n in 0..n_columns-1:
 *     sum     = bias[n] - row_sums[m] * b_zero[n] + sum_s sum_k (A[m][s][k] ^ a_flip) * B[s][k][n]
 *     C[m][n] = zero + round_half_even( clamp( (float)sum * scale[n], low - zero, high - zero ) )
 *
 * A is read as unsigned bytes through row pointers as in gemm_f32.h: element (m, s, k) is a_rows[m][segment_offsets[s]
 * + k]; a_flip 0x80 brings signed bytes to unsigned ones (a + 128). B is signed, packed in panels of nr columns; k goes
 * in groups of four neighbours for dot-product instructions, each segment filled up with zeros:
 *
 *   panel: [segment][segment_length / 4, rounded up][nr][4]       columns past the last are zero
 *
 * Tiles of one or two rows may take the whole strips of B, `strip` panels each, in another order: a strip's panels side
 * by side, four k by four k (b_in_strips). Panels behind the last whole strip stay as they are, and panels begin where
 * they would:
 *
 *   strip: [segment][segment_length / 4, rounded up][strip][nr][4]
 *
 * Whoever packs turns what is unsigned in B into signed (b - 128), and folds zero points into bias: with a' = a ^
 * a_flip, za' and b', zb' likewise, sum (a' - za')(b' - zb') = sum a'b' - za' sum b' - zb' sum a' + n za' zb'. Only
 * sum a' (the row sums) depends on the row; row_sums NULL: zb' is 0.
 *
 * Arithmetic is that of s32 with wrap-around, then of float32 without contraction: PITH_EXACT, the same bits on every
 * ISA. No instruction that saturates between is used. A NaN is clamped to low.
 * a_is_padded: up to 3 bytes behind each segment may be read (they meet zeros). Else nothing outside the named elements
 * is read. */
#ifndef PITH_KERNELS_GEMM_S8_H
#define PITH_KERNELS_GEMM_S8_H

#include <stdint.h>

#include "kernels/kernel.h"

#define PITH_GEMM_S8_STRIP_ROWS 2

typedef struct pith_gemm_s8_tile {
    const uint8_t *const *a_rows;     /* mr pointers */
    const ptrdiff_t *segment_offsets; /* n_segments */
    int n_segments;
    size_t segment_length;            /* at least 1 */
    uint8_t a_flip;                   /* 0 or 0x80 */
    bool a_is_padded;
    const int8_t *b;                  /* first panel */
    size_t b_panel_stride;            /* bytes */
    bool b_in_strips;                 /* mr is at most PITH_GEMM_S8_STRIP_ROWS, b begins a strip */
    const int8_t *b_next;             /* first panel of the next call, to be fetched early, or NULL */
    const int32_t *bias;              /* n_columns */
    const int32_t *row_sums;          /* mr, or NULL */
    const int32_t *b_zero;            /* n_columns; read with row_sums */
    const float *scale;               /* n_columns; NULL: C is int32_t and gets the sums */
    int32_t zero, low, high;
    void *c;                          /* bytes (s8 or u8) or int32_t, rows c_stride elements apart */
    size_t c_stride;
    int mr, n_columns;
    bool c_is_wide;                   /* of gemm_s16.h */
} pith_gemm_s8_tile;

/* Columns of a B that only a run knows, one segment, to be packed and summed:
 *
 *   panel p of `packed` gets columns p nr .. (p + 1) nr - 1 of b'[k][n] = b[k * k_stride + n * n_stride] ^ b_flip
 *   sums[n] = sum_k b'[k][n]
 *
 * For a product of two activations: bias[n] = n_k za' zb' - za' sums[n], b_zero[n] = zb', and where zb' isn't 0 row
 * sums of A; a' = a ^ a_flip with a_flip 0x80 for signed bytes, za' likewise, b' = b ^ b_flip with b_flip 0x80 for
 * unsigned ones, zb' = zb - 128 then. Packing is fast where k_stride or n_stride is 1. Operators find all that in
 * qlinear_matmul (ops/shared_int_matmul.c), for batches too, with b [n][k] by its attribute trans_b. */
typedef struct pith_gemm_s8_columns {
    const uint8_t *b;
    ptrdiff_t k_stride, n_stride;
    size_t n_k;
    int n_columns;
    uint8_t b_flip;
    int8_t *packed; /* pithi_gemm_s8_panel_bytes(kernel, 1, n_k) for each panel, one after the other */
    int32_t *sums;  /* n_columns */
} pith_gemm_s8_columns;

typedef struct pith_gemm_s8 {
    pith_kernel head;
    int nr;     /* panel width */
    int strip;  /* panels; 1: b_in_strips changes nothing */
    int mr_max; /* rows of the register tile */
    float cycles; /* for four k of a row by a panel, where all lies in L1: for estimates */
    void (*tile)(const pith_gemm_s8_tile *tile);
    /* sums[m] = sum_s sum_k A[m][s][k] ^ a_flip for the rows of a tile; reads what A names alone. */
    void (*row_sums)(const pith_gemm_s8_tile *tile, int32_t *sums);
    void (*pack)(const pith_gemm_s8_columns *columns);
} pith_gemm_s8;

static inline const pith_gemm_s8 *pithi_gemm_s8(int isa_limit)
{
    return pithi_kernel_find("gemm_s8", isa_limit)->records;
}

static inline size_t pithi_gemm_s8_panel_bytes(const pith_gemm_s8 *kernel, size_t n_segments, size_t segment_length)
{
    return n_segments * ((segment_length + 3) / 4) * 4 * (size_t)kernel->nr;
}

#endif
