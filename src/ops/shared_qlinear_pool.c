/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/shared_qlinear_pool.h"

#include "kernels/pool_u8.h"
#include "kernels/quantize_f32.h"
#include "kernels/s16.h"
#include "ops/shared_copy.h"

enum { BLOCK = 64 }; /* channels of a unit of work */

pith_status pithi_qlinear_pool_to_source(pith_ctx *ctx, const pith_node *node, pith_source *source)
{
    (void)ctx;
    (void)node;
    (void)source;
    return PITH_OK;
}

bool pithi_qlinear_is_channels_last(pith_source *source)
{
    const pith_source_attr *attr = pithi_source_attr(source, "channels_last");
    return attr && attr->i != 0;
}

/* Channels-last, few channels without gaps: several pixels side by side are as good as one with more channels. */
static void sum_narrow(const pith_pool_u8 *kernel, const uint8_t *x, int64_t n_pixels, int64_t n, int32_t *sums,
                       uint8_t flip)
{
    int64_t n_side = BLOCK / n, n_rows = n_pixels / n_side, rest = n_pixels - n_rows * n_side;
    int32_t all[BLOCK] = { 0 };
    kernel->sums(x, (size_t)n_rows, (size_t)(n_side * n), all, (size_t)(n_side * n), flip);
    for (int64_t i = 0; i < n_side * n; i++) {
        sums[i % n] += all[i];
    }
    kernel->sums(x + n_rows * n_side * n, (size_t)rest, (size_t)n, sums, (size_t)n, flip);
}

/* sums[c] over the pixels at x of `n` channels, of which an image has n_channels; kernel NULL: as it is defined. */
static void sum_last(const pith_pool_u8 *kernel, const uint8_t *x, int64_t n_pixels, int64_t n_channels, int64_t n,
                     int32_t *sums, uint8_t flip)
{
    for (int64_t i = 0; !kernel && i < n_pixels * n; i++) {
        sums[i % n] += (x[i / n * n_channels + i % n] ^ flip) - flip;
    }
    if (kernel && n == n_channels && n <= BLOCK / 2) {
        sum_narrow(kernel, x, n_pixels, n, sums, flip);
    } else if (kernel) {
        kernel->sums(x, (size_t)n_pixels, (size_t)n_channels, sums, (size_t)n, flip);
    }
}

/* sums[c] over n_pixels of 16 bits, `step` elements apart. */
static void sum_words(const pith_s16 *kernel, const uint16_t *x, int64_t n_pixels, int64_t step, int64_t n,
                      int32_t *sums, uint16_t flip)
{
    enum { TAPS = 64 };
    const uint16_t *taps[TAPS];
    for (int64_t i = 0, count; i < n_pixels; i += count) {
        count = pithi_min_s64(n_pixels - i, TAPS);
        for (int64_t t = 0; t < count; t++) {
            taps[t] = x + (i + t) * step;
        }
        kernel->add(taps, (size_t)count, 0, sums, (size_t)n, flip);
    }
}

typedef struct wide_block {
    int64_t image, channel, n, zero;
} wide_block;

/* Sums of n channels of 16-bit numbers from `channel`, less their zero points; kernel NULL: as they are defined. */
static void sum_wide(const pith_run *run, const pith_s16 *kernel, bool is_last, const wide_block *block, float *sums)
{
    const int64_t image = block->image, channel = block->channel, n = block->n, zero = block->zero;
    const pith_shape *shape = &run->inputs[0].shape;
    const int64_t n_channels = shape->dims[is_last ? shape->rank - 1 : 1];
    const int64_t n_pixels = pith_shape_elements(shape) / (shape->dims[0] * n_channels);
    const uint16_t flip = run->inputs[0].dtype == PITH_DTYPE_S16 ? 0x8000 : 0;
    const uint16_t *x = (const uint16_t *)run->inputs[0].data + image * n_channels * n_pixels;
    for (int64_t c = 0; c < n && !(kernel && is_last); c++) {
        int64_t sum = 0;
        for (int64_t i = 0; i < n_pixels; i++) {
            sum += (uint16_t)(x[is_last ? i * n_channels + channel + c : (channel + c) * n_pixels + i] ^ flip);
        }
        sums[c] = (float)(sum - (zero + flip) * n_pixels);
    }
    if (kernel && is_last) {
        int32_t exact[BLOCK];
        for (int64_t c = 0; c < n; c++) {
            exact[c] = (int32_t)(-(zero + flip) * n_pixels);
        }
        sum_words(kernel, x + channel, n_pixels, n_channels, n, exact, flip);
        for (int64_t c = 0; c < n; c++) {
            sums[c] = (float)exact[c];
        }
    }
}

typedef struct mean_kernels {
    const pith_s16 *words;
    const pith_pool_u8 *pool;
    const pith_quantize_f32 *quantize;
} mean_kernels;

/* round(value) + zero, saturated: the kernels' quotient by 1 is exact. */
static void finish(const mean_kernels *kernels, const float *values, int32_t zero, pith_tensor *y, int64_t at,
                   int64_t n)
{
    const float one = 1.0f;
    if (pithi_is_16bit(y->dtype)) {
        kernels = NULL;
    }
    for (int64_t i = 0; i < n && !kernels; i++) {
        pithi_tensor_set_s64(y, at + i, pithi_quantize((double)values[i], zero, y->dtype));
    }
    if (kernels && y->dtype == PITH_DTYPE_S8) {
        kernels->quantize->quantize_s8(values, &one, &(int8_t){ (int8_t)zero }, 0, (int8_t *)y->data + at, n);
    } else if (kernels) {
        kernels->quantize->quantize_u8(values, &one, &(uint8_t){ (uint8_t)zero }, 0, (uint8_t *)y->data + at, n);
    }
}

/* Units are blocks of channels of an image. */
void pithi_qlinear_global_pool(const pith_run *run, bool is_last, const pith_part *part)
{
    const mean_kernels *kernels = part ? run->state : NULL;
    const pith_pool_u8 *pool = kernels ? kernels->pool : NULL;
    const uint8_t flip = run->inputs[0].dtype == PITH_DTYPE_S8 ? 0x80 : 0;
    const pith_shape *shape = &run->inputs[0].shape;
    int64_t n_channels = shape->dims[is_last ? shape->rank - 1 : 1];
    int64_t n_pixels = pithi_dims_product(shape, is_last ? 1 : 2, is_last ? shape->rank - 1 : shape->rank);
    int64_t n_blocks = pithi_div_up(n_channels, BLOCK), begin = 0, end = shape->dims[0] * n_blocks;
    pithi_quant_pair x, y;
    pithi_quant_unary_pairs(run, &x, &y);
    float scale = x.scale / (y.scale * (float)n_pixels);
    if (part) {
        pithi_part_range(part, end, &begin, &end);
    }
    for (int64_t i = begin; i < end; i++) {
        int64_t image = i / n_blocks, channel = i % n_blocks * BLOCK, n = pithi_min_s64(n_channels - channel, BLOCK);
        float values[BLOCK];
        if (pithi_is_16bit(run->inputs[0].dtype)) {
            const wide_block block = { image, channel, n, x.zero };
            sum_wide(run, kernels ? kernels->words : NULL, is_last, &block, values);
            for (int64_t c = 0; c < n; c++) {
                values[c] *= scale;
            }
            finish(kernels, values, y.zero, &run->outputs[0], image * n_channels + channel, n);
            continue;
        }
        const uint8_t *image_x = (const uint8_t *)run->inputs[0].data + image * n_channels * n_pixels;
        int32_t sums[BLOCK] = { 0 };
        if (is_last) {
            sum_last(pool, image_x + channel, n_pixels, n_channels, n, sums, flip);
        }
        for (int64_t c = 0; c < n && !is_last; c++) { /* each channel is an image of one channel */
            sum_last(pool, image_x + (channel + c) * n_pixels, n_pixels, 1, 1, &sums[c], flip);
        }
        for (int64_t c = 0; c < n; c++) {
            values[c] = (float)(int32_t)((int64_t)sums[c] - x.zero * n_pixels) * scale;
        }
        finish(kernels, values, y.zero, &run->outputs[0], image * n_channels + channel, n);
    }
}

pith_status pithi_qlinear_global_pool_prepare(pith_prepare *prepare, bool is_last)
{
    const pith_shape *shape = &prepare->inputs[0].shape;
    int64_t n_units = shape->dims[0] * pithi_div_up(shape->dims[is_last ? shape->rank - 1 : 1], BLOCK);
    int64_t by_work = pith_shape_elements(shape) / 262144;
    void *block = NULL;
    PITH_TRY(pithi_arena_alloc(prepare->arena, sizeof(mean_kernels), &block));
    mean_kernels *kernels = block;
    *kernels = (mean_kernels){ pithi_s16(prepare->isa_limit), pithi_pool_u8(prepare->isa_limit),
                               pithi_quantize_f32(prepare->isa_limit) };
    const int64_t n_pixels = pithi_dims_product(shape, is_last ? 1 : 2, is_last ? shape->rank - 1 : shape->rank);
    prepare->use_run = pithi_is_16bit(prepare->inputs[0].dtype) ? n_pixels < 32768
                                                                : pith_shape_elements(shape) < INT32_MAX / 256;
    prepare->max_parts = (int)pithi_max_s64(pithi_min_s64(pithi_min_s64(n_units, by_work), 1024), 1);
    prepare->state = kernels;
    prepare->kernel = kernels->pool->head.name;
    return PITH_OK;
}
