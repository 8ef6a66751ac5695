/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_qlinear_pool.h"

#include "ops/shared_copy.h"

enum { BLOCK = 64 }; /* channels of a channels-last image that are summed side by side */

bool pithi_qlinear_is_channels_last(pith_source *source)
{
    const pith_source_attr *attr = pithi_source_attr(source, "channels_last");
    return attr && attr->i != 0;
}

/* sums[c] over the pixels of `n` channels, pixels `pixel_step` and channels `channel_step` bytes
 * apart. */
static void sum_channels(const uint8_t *x, bool is_signed, int64_t n_pixels, int64_t pixel_step,
                         int64_t channel_step, int n, int64_t sums[BLOCK])
{
    uint8_t flip = is_signed ? 0x80 : 0;
    memset(sums, 0, BLOCK * sizeof *sums);
    for (int64_t p = 0; p < n_pixels; p++) {
        for (int c = 0; c < n; c++) {
            sums[c] += x[p * pixel_step + c * channel_step] ^ flip;
        }
    }
    for (int c = 0; c < n; c++) {
        sums[c] -= is_signed ? 128 * n_pixels : 0;
    }
}

/* Units are blocks of channels of an image. */
void pithi_qlinear_global_pool(const pith_run *run, bool is_last, const pith_part *part)
{
    const pith_shape *shape = &run->inputs[0].shape;
    int64_t n_channels = shape->dims[is_last ? shape->rank - 1 : 1];
    int64_t n_pixels =
        pithi_dims_product(shape, is_last ? 1 : 2, is_last ? shape->rank - 1 : shape->rank);
    int64_t n_blocks = pithi_div_up(n_channels, BLOCK), begin = 0, end = shape->dims[0] * n_blocks,
            sums[BLOCK];
    pithi_quant_pair x, y;
    pithi_quant_unary_pairs(run, &x, &y);
    float scale = x.scale / (y.scale * (float)n_pixels);
    if (part) {
        pithi_part_range(part, end, &begin, &end);
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / n_blocks, channel = i % n_blocks * BLOCK;
        int n = (int)pithi_min_s64(n_channels - channel, BLOCK);
        const uint8_t *from = (const uint8_t *)run->inputs[0].data + image * n_channels * n_pixels;
        sum_channels(from + channel * (is_last ? 1 : n_pixels),
                     run->inputs[0].dtype == PITH_DTYPE_S8, n_pixels, is_last ? n_channels : 1,
                     is_last ? 1 : n_pixels, n, sums);
        for (int c = 0; c < n; c++) {
            float value = (float)(int32_t)(sums[c] - x.zero * n_pixels) * scale;
            pithi_tensor_set_s64(&run->outputs[0], image * n_channels + channel + c,
                                 pithi_quantize((double)value, y.zero, run->outputs[0].dtype));
        }
    }
}

void pithi_qlinear_global_pool_prepare(pith_prepare *prepare, bool is_last)
{
    const pith_shape *shape = &prepare->inputs[0].shape;
    int64_t n_units =
        shape->dims[0] * pithi_div_up(shape->dims[is_last ? shape->rank - 1 : 1], BLOCK);
    int64_t by_work = pith_shape_elements(shape) / 32768;
    prepare->use_run = true;
    prepare->max_parts =
        (int)pithi_max_s64(pithi_min_s64(pithi_min_s64(n_units, by_work), 1024), 1);
    prepare->kernel = "qlinear_mean";
}
