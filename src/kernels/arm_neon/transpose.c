/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles of 4x4 32-bit elements; pixels of three channels by the interleaving loads and stores. */
#include <arm_neon.h>
#include <string.h>

#include "kernels/transpose.h"

#define TILE 4
#define STRIP 16 /* columns: a cache line of each row */

static inline void full_tile(const uint32_t *src, int64_t src_stride, uint32_t *dst, int64_t dst_stride)
{
    uint32x4x2_t top = vtrnq_u32(vld1q_u32(src), vld1q_u32(src + src_stride));
    uint32x4x2_t low = vtrnq_u32(vld1q_u32(src + 2 * src_stride), vld1q_u32(src + 3 * src_stride));
    vst1q_u32(dst, vcombine_u32(vget_low_u32(top.val[0]), vget_low_u32(low.val[0])));
    vst1q_u32(dst + dst_stride, vcombine_u32(vget_low_u32(top.val[1]), vget_low_u32(low.val[1])));
    vst1q_u32(dst + 2 * dst_stride, vcombine_u32(vget_high_u32(top.val[0]), vget_high_u32(low.val[0])));
    vst1q_u32(dst + 3 * dst_stride, vcombine_u32(vget_high_u32(top.val[1]), vget_high_u32(low.val[1])));
}

static void edge_tile(const uint32_t *src, int64_t src_stride, uint32_t *dst, int64_t dst_stride, int64_t n_rows,
                      int64_t n_cols)
{
    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t c = 0; c < n_cols; c++) {
            const char *from = (const char *)src + (r * src_stride + c) * (int64_t)sizeof *src;
            memcpy(dst + c * dst_stride + r, from, sizeof *dst);
        }
    }
}

/* Whole vectors of pixels; returns how many pixels are done. */
static int64_t merge_planes(const uint32_t *src, int64_t plane_stride, uint32_t *dst, int64_t n)
{
    int64_t i = 0;
    for (; i + TILE <= n; i += TILE) {
        uint32x4x3_t pixels = { { vld1q_u32(src + i), vld1q_u32(src + plane_stride + i),
                                  vld1q_u32(src + 2 * plane_stride + i) } };
        vst3q_u32(dst + 3 * i, pixels);
    }
    return i;
}

static int64_t split_pixels(const uint32_t *src, uint32_t *dst, int64_t plane_stride, int64_t n)
{
    int64_t i = 0;
    for (; i + TILE <= n; i += TILE) {
        uint32x4x3_t pixels = vld3q_u32(src + 3 * i);
        vst1q_u32(dst + i, pixels.val[0]);
        vst1q_u32(dst + plane_stride + i, pixels.val[1]);
        vst1q_u32(dst + 2 * plane_stride + i, pixels.val[2]);
    }
    return i;
}

static void transpose_strip(const uint32_t *src, int64_t src_stride, uint32_t *dst, int64_t dst_stride, int64_t n_rows,
                            int64_t n_cols)
{
    for (int64_t r = 0; r < n_rows; r += TILE) {
        for (int64_t c = 0; c < n_cols; c += TILE) {
            const uint32_t *from = src + r * src_stride + c;
            uint32_t *to = dst + c * dst_stride + r;
            int64_t height = n_rows - r < TILE ? n_rows - r : TILE, width = n_cols - c < TILE ? n_cols - c : TILE;
            if (height == TILE && width == TILE) {
                full_tile(from, src_stride, to, dst_stride);
            } else {
                edge_tile(from, src_stride, to, dst_stride, height, width);
            }
        }
    }
}

static void transpose_x32(const void *src_data, int64_t src_stride, void *dst_data, int64_t dst_stride, int64_t n_rows,
                          int64_t n_cols)
{
    const uint32_t *src = src_data;
    uint32_t *dst = dst_data;
    if (n_rows == 3 && dst_stride == 3) {
        int64_t done = merge_planes(src, src_stride, dst, n_cols);
        edge_tile(src + done, src_stride, dst + 3 * done, dst_stride, n_rows, n_cols - done);
        return;
    }
    if (n_cols == 3 && src_stride == 3) {
        int64_t done = split_pixels(src, dst, dst_stride, n_rows);
        edge_tile(src + 3 * done, src_stride, dst + done, dst_stride, n_rows - done, n_cols);
        return;
    }
    for (int64_t c = 0; c < n_cols; c += STRIP) {
        transpose_strip(src + c, src_stride, dst + c * dst_stride, dst_stride, n_rows,
                        n_cols - c < STRIP ? n_cols - c : STRIP);
    }
}

static const pith_transpose records[] = {
    { .head = { "transpose_4x4__arm_neon", PITH_EXACT }, .functions = { NULL, NULL, transpose_x32, NULL } }
};

PITH_EXPORT_KERNEL(transpose, arm_neon, records);
