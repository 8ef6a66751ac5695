/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of 8-bit images: [N, C, spatial...]. Padding counts as the zero point, that is as 0.
 */
#include "ops/shared_index.h"
#include "ops/shared_int_product.h"

#define PART_MACS 20000

pithi_int_product pithi_int_conv_operands(const pith_tensor *inputs, int n_inputs, pith_tensor *outputs,
                                          const void *attrs, bool is_qlinear)
{
    pithi_int_product product = pithi_int_operands(inputs, n_inputs, outputs, is_qlinear);
    if (is_qlinear) {
        product.limits = ((const pithi_qlinear_conv_attrs *)attrs)->limits;
    } else {
        product.activation = &((const pithi_conv_attrs *)attrs)->activation;
    }
    return product;
}

static pith_status geometry_of(pith_ctx *ctx, const pithi_int_product *product,
                               const pithi_conv_attrs *attrs, pithi_conv_geometry *geometry)
{
    return pithi_conv_geometry_of(ctx, attrs, &product->a->shape, &product->b->shape, false,
                                  geometry);
}

pith_status pithi_int_conv_infer(pith_infer *infer, bool is_qlinear)
{
    pithi_int_product product =
        pithi_int_operands(infer->inputs, infer->n_inputs, infer->outputs, is_qlinear);
    pithi_conv_geometry g;
    PITH_TRY(geometry_of(infer->ctx, &product, infer->attrs, &g));
    pith_shape shape = { .rank = g.n_spatial + 2, .dims = { g.batch } };
    shape.dims[g.channels_last ? shape.rank - 1 : 1] = g.out_channels;
    for (int i = 0; i < g.n_spatial; i++) {
        shape.dims[(g.channels_last ? 1 : 2) + i] = g.out[3 - g.n_spatial + i];
    }
    infer->outputs[0].shape = shape;
    return pithi_int_check(infer, &product, 1, g.out_channels);
}

/* Offset of input pixel (d, h) of column 0 for output row `row` ([d, h] flattened) and tap (kd,
 * kh); -1: padding. */
static int64_t input_row(const pithi_conv_geometry *g, int64_t row, int64_t kd, int64_t kh)
{
    int64_t d = row / g->out[1] * g->stride[0] + kd * g->dilation[0] - g->pad[0];
    int64_t h = row % g->out[1] * g->stride[1] + kh * g->dilation[1] - g->pad[1];
    bool is_inside = d >= 0 && d < g->in[0] && h >= 0 && h < g->in[1];
    return is_inside ? (d * g->in[1] + h) * g->in[2] : -1;
}

/* Sum of all taps of output channel m at output pixel `pixel` of an image. */
static int64_t sum_taps(const pithi_conv_geometry *g, const pithi_int_product *product,
                        int64_t image, int64_t m, int64_t pixel)
{
    int64_t n_channels = g->in_channels / g->group, image_size = g->in[0] * g->in[1] * g->in[2];
    int64_t n_taps = g->kernel[0] * g->kernel[1] * g->kernel[2],
            zero = pithi_int_zero(product->a_zero, 0);
    int64_t first = m / (g->out_channels / g->group) * n_channels, sum = 0;
    for (int64_t k = 0; k < n_channels * n_taps; k++) {
        int64_t tap = k % n_taps, kw = tap % g->kernel[2], channel = first + k / n_taps;
        int64_t row = input_row(g, pixel / g->out[2], tap / g->kernel[2] / g->kernel[1],
                                tap / g->kernel[2] % g->kernel[1]);
        int64_t w = pixel % g->out[2] * g->stride[2] + kw * g->dilation[2] - g->pad[2];
        if (row >= 0 && w >= 0 && w < g->in[2]) {
            int64_t at = g->channels_last
                             ? (image * image_size + row + w) * g->in_channels + channel
                             : (image * g->in_channels + channel) * image_size + row + w;
            int64_t weight = pithi_tensor_get_s64(product->b, m * n_channels * n_taps + k);
            sum += (pithi_tensor_get_s64(product->a, at) - zero) *
                   (weight - pithi_int_zero(product->b_zero, m));
        }
    }
    return sum;
}

void pithi_int_conv_ref(const pith_run *run, bool is_qlinear)
{
    pithi_int_product product =
        pithi_int_conv_operands(run->inputs, run->n_inputs, run->outputs, run->attrs, is_qlinear);
    pithi_conv_geometry g;
    if (geometry_of(NULL, &product, run->attrs, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    int64_t n_out = g.out[0] * g.out[1] * g.out[2];
    for (int64_t i = 0; i < g.batch * g.out_channels * n_out; i++) {
        int64_t m = g.channels_last ? i % g.out_channels : i / n_out % g.out_channels;
        int64_t pixel = g.channels_last ? i / g.out_channels % n_out : i % n_out;
        int64_t sum = sum_taps(&g, &product, i / n_out / g.out_channels, m, pixel);
        pithi_int_finish(&product, i, 0, m, sum);
    }
}

/* ---- by rows of the output ---------------------------------------------------------------- */

/* sums[i] += weight * (x[i * stride] - zero) */
static void add_taps(int32_t *sums, int32_t weight, const void *x, bool is_signed, int64_t stride,
                     int32_t zero, int64_t n)
{
    if (is_signed) {
        for (int64_t i = 0; i < n; i++) {
            sums[i] += weight * (((const int8_t *)x)[i * stride] - zero);
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            sums[i] += weight * (((const uint8_t *)x)[i * stride] - zero);
        }
    }
}

/* All columns of one row that tap kw reaches inside the image. */
static void add_kernel_row(const pithi_conv_geometry *g, const pithi_int_product *product,
                           const char *x, const pith_tensor *w, int64_t weight_index,
                           int32_t weight_zero, int32_t *sums)
{
    for (int64_t kw = 0; kw < g->kernel[2]; kw++) {
        int64_t shift = kw * g->dilation[2] - g->pad[2], stride = g->stride[2];
        int64_t first = shift < 0 ? pithi_div_up(-shift, stride) : 0;
        int64_t end =
            g->in[2] > shift ? pithi_min_s64(pithi_div_up(g->in[2] - shift, stride), g->out[2]) : 0;
        if (first < end) {
            int32_t weight = (int32_t)pithi_tensor_get_s64(w, weight_index + kw) - weight_zero;
            add_taps(sums + first, weight, x + first * stride + shift,
                     product->a->dtype == PITH_DTYPE_S8, stride, pithi_int_zero(product->a_zero, 0),
                     end - first);
        }
    }
}

static void run_row(const pithi_conv_geometry *g, const pithi_int_product *product, int64_t index,
                    int32_t *sums)
{
    int64_t n_rows = g->out[0] * g->out[1], n_channels = g->in_channels / g->group;
    int64_t m = index / n_rows % g->out_channels, image = index / n_rows / g->out_channels;
    int64_t first_channel = image * g->in_channels + m / (g->out_channels / g->group) * n_channels;
    int64_t n_kernel_rows = g->kernel[0] * g->kernel[1];
    memset(sums, 0, (size_t)g->out[2] * sizeof *sums);
    for (int64_t k = 0; k < n_channels * n_kernel_rows; k++) {
        int64_t tap = k % n_kernel_rows, channel = first_channel + k / n_kernel_rows;
        int64_t row = input_row(g, index % n_rows, tap / g->kernel[1], tap % g->kernel[1]);
        if (row >= 0) {
            const char *x =
                (const char *)product->a->data + channel * g->in[0] * g->in[1] * g->in[2] + row;
            add_kernel_row(g, product, x, product->b,
                           (m * n_channels * n_kernel_rows + k) * g->kernel[2],
                           pithi_int_zero(product->b_zero, m), sums);
        }
    }
    for (int64_t i = 0; i < g->out[2]; i++) {
        pithi_int_finish(product, index * g->out[2] + i, 0, m, sums[i]);
    }
}

void pithi_int_conv_run(const pith_run *run, const pith_part *part, bool is_qlinear)
{
    pithi_int_product product =
        pithi_int_conv_operands(run->inputs, run->n_inputs, run->outputs, run->attrs, is_qlinear);
    pithi_conv_geometry g;
    int64_t begin, end;
    if (geometry_of(NULL, &product, run->attrs, &g) != PITH_OK) {
        return; /* infer has checked it */
    }
    pithi_part_range(part, g.batch * g.out_channels * g.out[0] * g.out[1], &begin, &end);
    for (int64_t index = begin; index < end; index++) {
        run_row(&g, &product, index, part->scratch);
    }
}

pith_status pithi_int_conv_prepare(pith_prepare *prepare, bool is_qlinear)
{
    pith_tensor y = prepare->outputs[0];
    pithi_int_product product =
        pithi_int_conv_operands(prepare->inputs, prepare->n_inputs, &y, prepare->attrs, is_qlinear);
    pithi_conv_geometry g;
    PITH_TRY(geometry_of(prepare->ctx, &product, prepare->attrs, &g));
    if (g.channels_last || pithi_int_is_wide(prepare->inputs, prepare->outputs)) {
        return PITH_OK; /* conv_s8 has it, or the reference */
    }
    int64_t n_rows = g.batch * g.out_channels * g.out[0] * g.out[1];
    int64_t row_macs = g.out[2] * g.in_channels / g.group * g.kernel[0] * g.kernel[1] * g.kernel[2];
    prepare->use_run = true;
    prepare->scratch_bytes = (size_t)g.out[2] * sizeof(int32_t);
    prepare->max_parts = (int)pithi_max_s64(
        pithi_min_s64(pithi_min_s64(n_rows * row_macs / PART_MACS, n_rows), 1024), 1);
    prepare->kernel = "int_rows";
    return PITH_OK;
}
