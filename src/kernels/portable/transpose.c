/* SPDX-License-Identifier: Apache-2.0 */
/* Strips of 16 columns, so that the lines being written stay in the first cache. */
#include <string.h>

#include "kernels/transpose.h"

#define STRIP 16

#define DEFINE_TRANSPOSE(name, type)                                                               \
    static void name(const void *src, int64_t src_stride, void *dst, int64_t dst_stride, int64_t n_rows, \
                     int64_t n_cols)                                                               \
    {                                                                                              \
        for (int64_t c0 = 0; c0 < n_cols; c0 += STRIP) {                                           \
            int64_t width = n_cols - c0 < STRIP ? n_cols - c0 : STRIP;                             \
            for (int64_t r = 0; r < n_rows; r++) {                                                 \
                const type *from = (const type *)src + r * src_stride + c0;                        \
                type *to = (type *)dst + c0 * dst_stride + r;                                      \
                for (int64_t c = 0; c < width; c++) {                                              \
                    const char *item = (const char *)from + c * (int64_t)sizeof *to;              \
                    memcpy(to + c * dst_stride, item, sizeof *to);                                 \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }

DEFINE_TRANSPOSE(transpose_x8, uint8_t)
DEFINE_TRANSPOSE(transpose_x16, uint16_t)
DEFINE_TRANSPOSE(transpose_x32, uint32_t)
DEFINE_TRANSPOSE(transpose_x64, uint64_t)

static const pith_transpose records[] = {
    { .head = { "transpose_16__portable", PITH_EXACT },
      .functions = { transpose_x8, transpose_x16, transpose_x32, transpose_x64 } }
};

PITH_EXPORT_KERNEL(transpose, portable, records);
