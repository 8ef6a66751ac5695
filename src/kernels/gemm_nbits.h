/* SPDX-License-Identifier: Apache-2.0 */
/* Family gemm_nbits: float32 products with weights of few bits, which are unpacked in registers.
 *
 *   for m in 0..mr-1, n in 0..n_columns-1:
 *     part(g) = sum_{k in g} A[m][k] * value(code[k][n]) - zero[g][n] * sums[m][g]
 *     C[m][n] = clamp( bias[n] + sum_g scale[g][n] * part(g) + residual[m][n] )
 *
 * g are groups of group_words words along k, the last may be shorter. Codes lie in panels of nr columns. Formats of 2,
 * 4 and 8 bits put 16, 8 or 4 values of k into a word of 32 bits, of which a panel has nr side by side; value j of a
 * word (bits [j * bits, ...)) is that of k = 4 * (j % F) + j / F with F = 8 / bits, so that four neighbours of k are
 * one shift and one mask away from a word of bytes. The other formats have nr elements for every k:
 *
 *   panel: [n_words][nr] words of 32 bits, or [n_words][nr] elements of 16 or 8 bits (n_words is then that of k)
 *
 * value(code) is code - middle (1 << (bits - 1)) for the formats INT, table[code] for the formats TABLE (16 or 256
 * floats; INT2 and INT4 may find their values there too: table[i] = (i & mask) - middle), the number itself for floats.
 * F8E4M3 gives value / 256: the scale makes up for it. Rows of A hold n_words * (values of a word) floats. zeros are s8
 * (as code - middle) or float32 or NULL; sums are those of A over the groups, read with zeros alone.
 *
 * unpack() writes value - zero, times scale, of words [first, last) of one panel as floats: element (k, n) at
 * y[k * y_stride + n], k counted from the first word; columns of the panel beyond n_columns are written too. The
 * product is rounded twice, as dequantize_linear rounds.
 *
 * Exactness: PITH_BOUNDED with k = n_k + 3, where |value| + |zero| stands for |b|. The bits don't depend on
 * n_columns, nor on mr above 1. Nothing outside the named elements is read or written. */
#ifndef PITH_KERNELS_GEMM_NBITS_H
#define PITH_KERNELS_GEMM_NBITS_H

#include <stdint.h>

#include "kernels/kernel.h"

typedef enum pith_nbits_format {
    PITH_NBITS_INT2,
    PITH_NBITS_INT4,
    PITH_NBITS_INT8,
    PITH_NBITS_TABLE4,
    PITH_NBITS_TABLE8,
    PITH_NBITS_F16,
    PITH_NBITS_BF16,
    PITH_NBITS_F8E4M3, /* no NaN among the codes */
    PITH_NBITS_F8E5M2,
    PITH_NBITS_FORMATS
} pith_nbits_format;

typedef struct pith_gemm_nbits_tile {
    const float *const *a_rows; /* mr pointers */
    const float *sums;          /* [mr][sum_stride]; NULL without zeros */
    size_t sum_stride;
    const void *codes;          /* first panel */
    size_t panel_bytes;
    const float *scales;        /* [panel][n_groups][nr] */
    const void *zeros;          /* [panel][n_groups][nr], or NULL */
    bool zeros_are_float;
    const float *table;
    size_t n_words, group_words, n_groups;
    const float *bias, *residual;
    size_t residual_stride;
    float *c;
    size_t c_stride;
    int mr, n_columns;
    pith_nbits_format format;
    float lo, hi;
} pith_gemm_nbits_tile;

typedef struct pith_gemm_nbits {
    pith_kernel head;
    int nr;
    void (*tile)(const pith_gemm_nbits_tile *tile);
    void (*unpack)(const pith_gemm_nbits_tile *tile, size_t panel, size_t first, size_t last, float *y,
                   size_t y_stride);
} pith_gemm_nbits;

static inline const pith_gemm_nbits *pithi_gemm_nbits(int isa_limit)
{
    return pithi_kernel_find("gemm_nbits", isa_limit)->records;
}

/* Bits of a code. */
static inline int pithi_nbits_bits(pith_nbits_format format)
{
    static const int8_t bits[PITH_NBITS_FORMATS] = { 2, 4, 8, 4, 8, 16, 16, 8, 8 };
    return bits[format];
}

/* Values of k in a word. */
static inline int pithi_nbits_per_word(pith_nbits_format format)
{
    return format < PITH_NBITS_F16 ? 32 / pithi_nbits_bits(format) : 1;
}

/* k of value j of a word. */
static inline int pithi_nbits_k(int bits, int j)
{
    const int per_byte = 8 / bits;
    return 4 * (j % per_byte) + j / per_byte;
}

/* Bytes of a row of a panel. */
static inline size_t pithi_nbits_row_bytes(pith_nbits_format format, int nr)
{
    return (size_t)nr * (format < PITH_NBITS_F16 ? 4 : (size_t)pithi_nbits_bits(format) / 8);
}

#endif
