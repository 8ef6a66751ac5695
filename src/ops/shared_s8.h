/* SPDX-License-Identifier: Apache-2.0 */
/* The 8-bit engine: products and convolutions (channels-last) with constant weights, as blocks of
 * kernels/gemm_s8.h and kernels/dwconv_s8.h. Zero points are folded into one s32 constant per
 * column. */
#ifndef PITH_OPS_SHARED_S8_H
#define PITH_OPS_SHARED_S8_H

#include "kernels/dwconv_s8.h"
#include "kernels/gemm_s16.h"
#include "kernels/winograd_s8.h"
#include "ops/shared_conv.h"
#include "ops/shared_gemm.h"
#include "ops/shared_quant.h"

/* Element (group, column n, channel c, tap t) of the weights is at group * group_stride + n *
 * n_stride + c * c_stride + t * t_stride; k runs over taps, and over channels within a tap. */
typedef struct pithi_s8_source {
    const pith_tensor *weights, *zero; /* zero NULL: 0; else one, or one per column */
    const pith_tensor *bias;           /* s32, one per column, or NULL */
    int64_t n_groups, n, n_channels, n_taps;
    int64_t group_stride, n_stride, c_stride, t_stride;
    int64_t segment_length; /* k of a segment; divides n_channels * n_taps */
    int64_t n_rows;         /* the most that a tile has; 0: many */
    pith_dtype a_dtype;
    int32_t a_zero;
} pithi_s8_source;

/* How sums become bytes. */
typedef struct pithi_s8_finish {
    int32_t zero, low, high;
} pithi_s8_finish;

typedef struct pithi_s8_weights {
    const pith_gemm_s8 *kernel;
    const int8_t *packed;
    size_t panel_bytes, group_bytes;
    int32_t *bias, *b_zero; /* of all groups' columns */
    float *scale;           /* to be filled by the caller; NULL: sums are wanted */
    bool has_b_zero, in_strips; /* in_strips: columns are taken from whole strips of panels on */
    uint8_t a_flip, a_pad; /* a_pad: the byte that stands for the number 0 */
    pithi_s8_finish finish;
} pithi_s8_weights;

/* Packs (into the model's cache) and folds. `with_scale` allocates scale. */
pith_status pithi_s8_weights_make(pith_prepare *prepare, const pithi_s8_source *source,
                                  bool with_scale, pithi_s8_weights *weights_out);
/* The fields of a tile that weights know: group's columns [n0, n0 + n). */
void pithi_s8_fill_tile(const pithi_s8_weights *weights, int64_t group, int64_t n_per_group,
                        int64_t n0, int64_t n, pith_gemm_s8_tile *tile);

/* Rows of an 8-bit product (pixels, or rows of an image) to be cut, one of `n_others` such products of a step. */
typedef struct pithi_s8_extent {
    int64_t n_rows, row_pixels, unit; /* bands begin at multiples of `unit` rows */
    int64_t most_rows;                /* of a band */
    int64_t most_rows_l2;             /* the same where weights are larger than what the rows read and write */
    int64_t pixel_bytes;              /* of x and y for each pixel, each byte once */
    int64_t n_k, n, n_others;
} pithi_s8_extent;

typedef struct pithi_s8_cut {
    pithi_grid grid;
    int64_t n_rows, unit;
    int64_t band, block; /* the largest */
} pithi_s8_cut;

/* Bands of rows, or blocks of columns where weights are larger than what rows read and write, equally many for each
 * thread if there is work enough. */
pithi_s8_cut pithi_s8_cut_make(const pith_gemm_s8 *kernel, const pithi_s8_extent *extent, int n_threads);

static inline int64_t pithi_s8_cut_row(const pithi_s8_cut *cut, int64_t band)
{
    return pithi_min_s64(pithi_div_up(cut->n_rows, cut->unit) * band / cut->grid.n_bands * cut->unit, cut->n_rows);
}

/* Everything that the fast path of qlinear_conv needs is constant and channels-last: sets use_run. is_dynamic: of
 * conv_integer, where what belongs to x may be made in the run. */
pith_status pithi_s8_conv_prepare(pith_prepare *prepare, bool is_dynamic);
void pithi_s8_conv_run(const pith_run *run, const pith_part *part);
/* x of 1x1 convolutions and y of many channels may be windows, of 8 bits. */
bool pithi_s8_conv_takes_window(const pith_node *node, int index);
/* The same where x or y has 16 bits; pithi_s16_run() is its run. */
pith_status pithi_s16_conv_prepare(pith_prepare *prepare);

/* 3x3 convolutions of stride 1 by kernels/winograd_s8.h, see shared_s8_winograd.c. */
typedef struct pithi_s8_winograd {
    pithi_conv_geometry g;
    const pith_winograd_s8 *kernel;
    const pith_gemm_s16 *gemm;
    uint8_t flip, pad; /* of x */
    int64_t tiles_w, n_tiles; /* of an image */
    int64_t band, n_bands;    /* tiles of a band, bands of an image */
    int64_t block_columns, n_blocks;
    size_t v_tile, v_position, m_position; /* elements from tile to tile, from position to position */
    const int8_t *packed;
    size_t panel_bytes, u_position; /* of transformed weights */
    bool keeps_weights;             /* transformed, of a block */
    const int32_t *no_bias;         /* zeros */
    size_t scratch_v, scratch_m, scratch_u, scratch_bytes;
} pithi_s8_winograd;

/* Channels-last, with bytes between pixels. */
typedef struct pithi_s8_images {
    const uint8_t *x;
    uint8_t *y;
    int64_t x_pixel, y_pixel;
} pithi_s8_images;

/* Plans Winograd's way if it fits and the estimate (or prepare->choice) is for it, and says why; else *out stays. Of s8
 * it reads a_flip and a_pad, and folds zero points into bias, which is there. */
pith_status pithi_s8_winograd_prepare(pith_prepare *prepare, const pithi_conv_geometry *g, const pith_tensor *weights,
                                      const pith_tensor *zero, const pithi_s8_weights *s8, pithi_s8_winograd **out);
void pithi_s8_winograd_run(const pithi_s8_winograd *w, const pithi_s8_weights *s8, const pithi_s8_images *images,
                           const pith_part *part);

/* y = a b for row-major a [m][k], with m rows of c; finishes as the weights say. */
typedef struct pithi_s8_gemm {
    pithi_s8_weights weights;
    int64_t m, n, k;
    pithi_s8_cut cut;
    pith_gemm_s8_tile tile; /* of all columns, without rows */
} pithi_s8_gemm;

/* Sets use_run, max_parts and scratch; state stays the caller's. */
void pithi_s8_gemm_cut(pith_prepare *prepare, pithi_s8_gemm *gemm);
void pithi_s8_gemm_run(const pithi_s8_gemm *gemm, const uint8_t *a, void *c, const pith_part *part);

#endif
