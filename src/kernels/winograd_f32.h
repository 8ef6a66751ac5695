/* SPDX-License-Identifier: Apache-2.0 */
/* Family winograd_f32: the transforms around the products of a 3x3 convolution of stride 1 as F(m x m, 3x3), m = 2, 4
 * or 6 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015): (m + 2)^2 multiplications for m^2
 * outputs instead of 9 m^2. A tile is n x n input pixels, n = m + 2, and gives m x m output pixels:
 *
 *   Y = At [ (G g Gt) . (Bt d B) ] A      with . element by element, summed over input channels by gemm_f32
 *
 * The matrices are those of Cook and Toom for the points 0, +p, -p for each p of a record's `points`, and infinity,
 * in this order. With M_i(x) the product of (x - q) over all other finite points q (for infinity: over all of them):
 *
 *   Bt[i][k] = coefficient of x^k in M_i,   G[i][k] = p_i^k / M_i(p_i) (infinity: 0 0 1),
 *   At[k][i] = p_i^k (infinity: 1 in row m - 1)
 *
 * Points: {1}, {3/4, 3/2}, {1/2, 1, 2}. All are exact, and of such sets they have the least error (docs/numerics.md).
 *
 * input:  v[p * v_stride + t * n_channels + c] = (Bt d B)[p / n][p % n] for the n_tiles tiles t of one row of tiles;
 *         the first pixel of tile t is (y_first, x_first + t * m) of the image; pixels outside of it are zeros.
 * output: y of pixel (i, t * m + j), i < rows and t * m + j < columns, = clamp( (At m A)[i][j] + bias[c] + residual )
 *         with m[p * m_stride + t * m_tile_stride + c]. clamp: min(max(v, lo), hi) with NaN kept; -inf, +inf: none.
 *
 * Infinities may become NaN in their whole tile. n_channels and n_tiles are at least 1; nothing outside of the named
 * elements is read or written. Exactness: PITH_BOUNDED with k = 16 on the sum of absolute terms. */
#ifndef PITH_KERNELS_WINOGRAD_F32_H
#define PITH_KERNELS_WINOGRAD_F32_H

#include "kernels/kernel.h"

#define PITH_WINOGRAD_F32_MAX_PAIRS 3
#define PITH_WINOGRAD_F32_MAX_N (2 * PITH_WINOGRAD_F32_MAX_PAIRS + 2)

typedef struct pith_winograd_f32_input {
    const float *x; /* pixel (0, 0) of the image */
    size_t x_row_stride, x_pixel_stride;
    int in_h, in_w, y_first, x_first;
    float *v;
    size_t v_stride;
    size_t n_channels;
    int n_tiles;
} pith_winograd_f32_input;

typedef struct pith_winograd_f32_output {
    const float *m;
    size_t m_stride, m_tile_stride;
    const float *bias;     /* n_channels or NULL */
    const float *residual; /* strides of y, or NULL */
    float *y;              /* first pixel of tile 0 */
    size_t y_row_stride, y_pixel_stride;
    size_t n_channels;
    int n_tiles, rows, columns; /* rows at most m, columns at most n_tiles * m */
    float lo, hi;
} pith_winograd_f32_output;

typedef struct pith_winograd_f32 {
    pith_kernel head;
    int n_pairs; /* m = 2 n_pairs */
    float points[PITH_WINOGRAD_F32_MAX_PAIRS];
    void (*input)(const pith_winograd_f32_input *row);
    void (*output)(const pith_winograd_f32_output *row);
} pith_winograd_f32;

/* Records by n_pairs, from 1 on: n_records of them. */
static inline const pith_kernel_set *pithi_winograd_f32(int isa_limit)
{
    return pithi_kernel_find("winograd_f32", isa_limit);
}

/* Rows of G, which all filters share. */
typedef struct pith_winograd_f32_rows {
    int n;
    double g[PITH_WINOGRAD_F32_MAX_N][3];
} pith_winograd_f32_rows;

static inline pith_winograd_f32_rows pithi_winograd_f32_rows(const pith_winograd_f32 *kernel)
{
    pith_winograd_f32_rows rows = { .n = 2 * kernel->n_pairs + 2 };
    for (int i = 0; i < rows.n - 1; i++) {
        double p = i == 0 ? 0.0 : (double)kernel->points[(i - 1) / 2] * (i % 2 ? 1.0 : -1.0);
        double scale = i == 0 ? 1.0 : 2 * p * p;
        for (int q = 0; q < kernel->n_pairs; q++) {
            double other = (double)kernel->points[q];
            scale *= i > 0 && q == (i - 1) / 2 ? 1.0 : p * p - other * other;
        }
        for (int k = 0; k < 3; k++) {
            rows.g[i][k] = (k == 0 ? 1.0 : k == 1 ? p : p * p) / scale;
        }
    }
    rows.g[rows.n - 1][2] = 1.0;
    return rows;
}

/* u[i * n + j] = (G g Gt)[i][j], computed in double and rounded once. */
static inline void pithi_winograd_f32_weights(const pith_winograd_f32_rows *rows, const float g[9], float *u)
{
    for (int i = 0; i < rows->n; i++) {
        const double *row = rows->g[i];
        double half[3];
        for (int k = 0; k < 3; k++) {
            half[k] = row[0] * (double)g[k] + row[1] * (double)g[3 + k] + row[2] * (double)g[6 + k];
        }
        for (int j = 0; j < rows->n; j++) {
            u[i * rows->n + j] = (float)(half[0] * rows->g[j][0] + half[1] * rows->g[j][1] + half[2] * rows->g[j][2]);
        }
    }
}

#endif
