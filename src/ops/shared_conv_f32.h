/* SPDX-License-Identifier: Apache-2.0 */
/* The float32 convolution engine: what shared_conv_plan.c decides and shared_conv_run.c does.
 *
 * Images are channels-last inside the engine; channels-first operands are transposed into shared memory
 * before and after (phases ARRANGE and RESTORE), and weights that aren't constant are packed in ARRANGE.
 *
 * A convolution is one variant; a transposed one has stride[0] * stride[1] * stride[2] variants: output
 * pixels of equal position modulo the stride see the same taps at the same distances, which is an ordinary
 * convolution of stride 1 with output pixels `step` apart. So no sums overlap, and any output pixel is
 * computed by one part alone.
 *
 * A band is a run of output pixels of one variant, image and group. Where a tap may lie outside of the image
 * (and for narrow groups) the band's input is first copied into scratch, with zeros around. */
#ifndef PITH_OPS_SHARED_CONV_F32_H
#define PITH_OPS_SHARED_CONV_F32_H

#include "kernels/conv_planar_f32.h"
#include "kernels/dwconv_f32.h"
#include "kernels/transpose.h"
#include "kernels/winograd_f32.h"
#include "ops/shared_conv.h"
#include "ops/shared_gemm.h"

/* One dimension of a variant: output o = out_first + i * out_step for i in 0..n_out-1 sees input pixels
 * in_first + i * in_step + offset[t] with kernel index k[t], offsets rising from 0. */
typedef struct pithi_conv_axis {
    int64_t out_first, out_step, n_out;
    int64_t in_first, in_step;
    int64_t span; /* last offset + 1; 0 without taps */
    int n_taps;
    int64_t *offset, *k;
} pithi_conv_axis;

typedef struct pithi_conv_variant {
    const pithi_conv_axis *axis[3];
    int64_t n_taps;
    size_t packed_offset;    /* elements, of group 0 */
    size_t packed_per_group; /* elements: floats, or halves for kernels/gemm_f16.h */
    bool gathers;
    int64_t gathered[3];     /* pixels of a full gathered band: depth, rows, columns */
    int n_segments;
    size_t segment_length;
    ptrdiff_t *segment_offsets;
    pithi_grid grid;         /* of pixels by outputs; gathering: of whole rows of one depth */
    int64_t bands_per_image;
    int64_t first_grain, n_grains;
} pithi_conv_variant;

/* Bands of tile rows by blocks of output columns, see shared_conv_winograd.c. */
typedef struct pithi_conv_winograd {
    const pith_winograd_f32 *kernel; /* NULL: not used */
    int64_t tiles_h, tiles_w, band_rows, n_bands, block_columns, n_blocks;
    int64_t v_stride, m_stride;      /* floats between positions */
} pithi_conv_winograd;

typedef enum pithi_conv_phase { PITHI_CONV_ARRANGE, PITHI_CONV_MAIN, PITHI_CONV_RESTORE } pithi_conv_phase;

#define PITHI_DEPTHWISE_UNIT 16

typedef struct pithi_conv_f32 {
    pithi_conv_geometry g;
    const pith_gemm_f32 *gemm;
    const pith_dwconv_f32 *depthwise; /* not NULL: one grain is rows by channels of an image */
    const pith_conv_planar_f32 *planar; /* not NULL: one grain is rows of an image */
    pithi_conv_winograd winograd;
    pith_transpose_fn *transpose;
    pithi_finish finish;
    pithi_conv_variant *variants;
    int n_variants;
    const float *packed;              /* NULL: in shared memory */
    size_t packed_floats;             /* elements */
    bool is_channels_first, has_residual;
    bool has_few_outputs;             /* of a group: products by gemm->few, weights [output][tap][channel] */
    int fold;                         /* of a group's only panel, see kernels/gemm_f32.h */
    int64_t x_pixel, y_pixel, residual_pixel; /* elements between pixels: more than the channels of windows */
    int64_t merged;                   /* columns of a transposed kernel that became output channels; 1: none */
    int64_t y_run, y_step;            /* so many outputs are neighbours in y, the next ones lie y_step further on */
    const float *merged_bias;
    size_t shared_x, shared_y, shared_residual, shared_packed; /* bytes */
    pithi_conv_phase phases[3];
    int n_phases;
    int64_t n_grains;
    int64_t row_bands;                /* depthwise and planar */
    int64_t depthwise_blocks;         /* of PITHI_DEPTHWISE_UNIT channels */
    size_t scratch_rows;              /* bytes in scratch in front of the gathered band: row pointers */
} pithi_conv_f32;

/* Rearranges weights [M, C / group, taps] (transposed: [C, M / group, taps]) for the kernels; items are
 * panels, or channels of a depthwise convolution. */
int64_t pithi_conv_f32_pack_items(const pithi_conv_f32 *conv);
void pithi_conv_f32_pack(const pithi_conv_f32 *conv, const float *w, float *packed, int64_t begin, int64_t end);

/* Operands of the main phase, channels-last and packed. */
typedef struct pithi_conv_operands {
    const float *x, *packed, *bias, *residual;
    float *y;
} pithi_conv_operands;

/* What follows on row `row` (of all images) of y. */
void pithi_conv_finish_row(const pithi_conv_f32 *conv, const pithi_conv_operands *o, int64_t row, int64_t channel,
                           int64_t n_channels);

/* False where a direct sum is faster or Winograd's scheme doesn't apply; conv is untouched then. */
/* Plans Winograd's way if it fits and the estimate (or prepare->choice) is for it; says why, and what else there is. */
pith_status pithi_conv_winograd_plan(pith_prepare *prepare, pithi_conv_f32 *conv, bool *is_used);
size_t pithi_conv_winograd_scratch_bytes(const pithi_conv_f32 *conv);
/* Items are panels. */
void pithi_conv_winograd_pack(const pithi_conv_f32 *conv, const float *w, float *packed, int64_t begin, int64_t end);
void pithi_conv_winograd_run(const pithi_conv_f32 *conv, const pithi_conv_operands *o, const pith_part *part);

/* First layers on planes, see kernels/conv_planar_f32.h. Items are panels. */
void pithi_conv_planar_plan(const pith_prepare *prepare, pithi_conv_f32 *conv);
void pithi_conv_planar_pack(const pithi_conv_f32 *conv, const float *w, float *packed, int64_t begin, int64_t end);
void pithi_conv_planar_run(const pithi_conv_f32 *conv, const pithi_conv_operands *o, const pith_part *part);

#endif
