/* SPDX-License-Identifier: Apache-2.0 */
/* Family winograd_s8: the transforms around the products of a 3x3 convolution of stride 1 of bytes as F(4 x 4, 3 x 3)
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015), in integers and exact: 36
 * multiplications of 16 bits for 16 outputs instead of 144 of 8. A tile is 6 x 6 input pixels:
 *
 *   576 Y = At [ (G g Gt) . (Bt d B) ] A      with . element by element, summed over input channels by gemm_s16
 *
 * The points are 0, +-1, +-2 and infinity, in this order. G is 24 times that of Cook and Toom but for its last row, of
 * which the other half is in At, so that all numbers are whole: |Bt d B| <= 100 * 128 and |G g Gt| <= 144 * 128, both
 * of 16 bits. Sums wrap around in 32 bits: of 576 Y = 9 * 64 Y these know Y modulo 2^26 (9 is odd: it has an inverse
 * modulo 2^32). The caller sees to it that -2^25 <= Y < 2^25 for all d: sum |g| <= PITH_WINOGRAD_S8_MAX_SUM. Then Y is
 * the sum of a direct convolution, bit for bit. PITH_EXACT.
 *
 * input:  v[p * v_stride + t * v_tile_stride + c] = (Bt d B)[p / 6][p % 6] for the tiles t of one row of tiles, d being
 *         the bytes ^ flip as signed ones; the first pixel of tile t is (y_first, x_first + 4 t) of the image; a pixel
 *         outside of it is `pad`. Behind the channels, up to the next multiple of PITH_WINOGRAD_S8_CHANNELS, may be
 *         written; these are what a product with a_is_padded reads there.
 * weights: u[(6 i + j) * u_stride + l] = (G g Gt)[PITH_WINOGRAD_S8_ROW(pair, i)][j], i < 2, for n filters l, a multiple
 *         of PITH_WINOGRAD_S8_CHANNELS; tap k of one is g[(l / 32 * 9 + k) * 32 + l % 32]. Pairs of rows, 0 to 2, have
 *         sums in common. Transformed weights have 8 times the bytes: making them anew in each run takes less time than
 *         reading them from memory.
 * output: y of pixel (i, 4 t + j), i < rows and 4 t + j < columns, is a byte of gemm_s8.h whose sum is bias[c] +
 *         Y[i][j] of m[p * m_stride + t * m_tile_stride + c]; m may be read up to the next multiple of 16 channels. */
#ifndef PITH_KERNELS_WINOGRAD_S8_H
#define PITH_KERNELS_WINOGRAD_S8_H

#include <stdint.h>

#include "kernels/kernel.h"

#define PITH_WINOGRAD_S8_CHANNELS  32
#define PITH_WINOGRAD_S8_ROW(pair, i) ((pair) == 0 ? 5 * (i) : 2 * (pair) - 1 + (i)) /* 0 5, 1 2, 3 4 */
#define PITH_WINOGRAD_S8_MAX_SUM   ((1 << 18) - 1)
#define PITH_WINOGRAD_S8_INVERSE_9 0x38e38e39u

typedef struct pith_winograd_s8_input {
    const uint8_t *x; /* pixel (0, 0) of the image */
    size_t x_row_stride, x_pixel_stride;
    int in_h, in_w, y_first, x_first;
    uint8_t flip, pad;
    int16_t *v;
    size_t v_stride, v_tile_stride;
    size_t n_channels;
    int n_tiles;
} pith_winograd_s8_input;

typedef struct pith_winograd_s8_weights {
    const int8_t *g;
    int pair;
    size_t n;
    int16_t *u;
    size_t u_stride;
} pith_winograd_s8_weights;

typedef struct pith_winograd_s8_output {
    const int32_t *m;
    size_t m_stride, m_tile_stride;
    const int32_t *bias;
    const float *scale;
    int32_t zero, low, high;
    uint8_t *y; /* first pixel of tile 0 */
    size_t y_row_stride, y_pixel_stride;
    size_t n_channels;
    int n_tiles, rows, columns; /* rows at most 4, columns at most 4 n_tiles */
} pith_winograd_s8_output;

typedef struct pith_winograd_s8 {
    pith_kernel head;
    /* For estimates: of a tile by 32 channels, of all rows of 32 filters, of a tile by 16 channels. */
    float input_cycles, weights_cycles, output_cycles;
    void (*input)(const pith_winograd_s8_input *row);
    void (*weights)(const pith_winograd_s8_weights *pair);
    void (*output)(const pith_winograd_s8_output *row);
} pith_winograd_s8;

static inline const pith_winograd_s8 *pithi_winograd_s8(int isa_limit)
{
    return pithi_kernel_find("winograd_s8", isa_limit)->records;
}

#endif
