/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_average_pool: mean of each window, from quantised to quantised. com.microsoft
 * QLinearAveragePool with the arithmetic of ONNX Runtime. Where one window is the whole image, as
 * qlinear_global_average_pool. Else in float32: values (x - x_zero) x_scale are summed with the
 * index rising, divided by the number of taps, and
 *
 *   y = saturate(round_half_even(mean / y_scale + y_zero)).
 *
 * Of 16 bits always as qlinear_global_average_pool, n being the number of taps. */
#include <math.h>

#include "ops/shared_index.h"
#include "ops/shared_pool.h"
#include "ops/shared_qlinear_pool.h"

static const pith_attr_spec attr_table[] = {
    PITHI_POOL_ATTRS,
    PITH_ATTR_INT(pithi_pool_attrs, count_include_pad, "count_include_pad", 0),
};

static bool is_global(const pithi_pool_geometry *g)
{
    bool covers = g->n_spatial <= 3;
    for (int i = 0; i < g->n_spatial && covers; i++) {
        covers = g->kernel[i] == g->in[i] && g->pad_begin[i] == 0 && g->out[i] == 1 &&
                 g->dilations[i] == 1;
    }
    return covers;
}

/* Sum (of integers where x has 16 bits) and number of the taps of an output pixel that lie in the
 * image; counts_out[1] has those in the padding too. */
static double sum_window(const pith_run *run, const pithi_pool_geometry *g,
                        const pithi_quant_pair *x, int64_t image, int64_t channel, int64_t pixel,
                        int64_t counts_out[2])
{
    const bool is_wide = pithi_is_16bit(run->inputs[0].dtype);
    double sum = 0.0;
    counts_out[0] = counts_out[1] = 0;
    for (int64_t tap = 0; tap < g->n_taps; tap++) {
        int64_t at = 0, step = 1, o = pixel, k = tap;
        bool is_inside = true, is_padded = true;
        for (int i = g->n_spatial - 1; i >= 0;
             o /= g->out[i], k /= g->kernel[i], step *= g->in[i], i--) {
            int64_t p = o % g->out[i] * g->strides[i] - g->pad_begin[i] +
                        k % g->kernel[i] * g->dilations[i];
            is_inside &= p >= 0 && p < g->in[i];
            is_padded &= p < g->in[i] + g->pad_end[i];
            at += p * step;
        }
        counts_out[1] += is_padded;
        if (is_inside) {
            counts_out[0]++;
            int64_t index =
                pithi_qlinear_pool_index(g->is_last, g->n_channels, g->n_in, image, channel, at);
            const int32_t number = (int32_t)pithi_tensor_get_s64(&run->inputs[0], index) - x->zero;
            sum = is_wide ? sum + (double)number : (double)((float)sum + (float)number * x->scale);
        }
    }
    return sum;
}

static void ref(const pith_run *run)
{
    const pithi_pool_attrs *attrs = run->attrs;
    pithi_pool_geometry g;
    pithi_quant_pair x, y;
    pithi_pool_geometry_of(attrs, &run->inputs[0].shape, &g);
    pithi_quant_unary_pairs(run, &x, &y);
    if (is_global(&g)) {
        pithi_qlinear_global_pool(run, g.is_last, NULL);
        return;
    }
    for (int64_t i = 0; i < g.n_batch * g.n_channels * g.n_out; i++) {
        int64_t image = i / (g.n_channels * g.n_out), channel = i / g.n_out % g.n_channels,
                pixel = i % g.n_out, counts[2];
        const float sum = (float)sum_window(run, &g, &x, image, channel, pixel, counts);
        const float count = (float)counts[attrs->count_include_pad ? 1 : 0];
        float value = sum / count / y.scale + (float)y.zero;
        if (pithi_is_16bit(run->inputs[0].dtype)) {
            value = rintf(sum * (x.scale / (y.scale * count))) + (float)y.zero;
        }
        int64_t at =
            pithi_qlinear_pool_index(g.is_last, g.n_channels, g.n_out, image, channel, pixel);
        pithi_tensor_set_s64(
            &run->outputs[0], at,
            pithi_quantize((double)value, 0, run->outputs[0].dtype));
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    pithi_pool_geometry g;
    pithi_pool_geometry_of(run->attrs, &run->inputs[0].shape, &g);
    if (is_global(&g)) {
        pithi_qlinear_global_pool(run, g.is_last, part);
    } else {
        pithi_pool_run(run, part);
    }
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_run run = { .inputs = prepare->inputs, .n_inputs = prepare->n_inputs };
    pithi_pool_geometry g;
    pithi_quant_pair x, y;
    int64_t low, high;
    pithi_pool_geometry_of(prepare->attrs, &prepare->inputs[0].shape, &g);
    if (is_global(&g)) {
        return pithi_qlinear_global_pool_prepare(prepare, g.is_last);
    }
    for (int i = 1; i < prepare->n_inputs; i++) {
        if (prepare->inputs[i].dtype != PITH_DTYPE_NONE && !prepare->inputs[i].data) {
            return PITH_OK;
        }
    }
    pithi_quant_unary_pairs(&run, &x, &y);
    pithi_quant_range(prepare->outputs[0].dtype, &low, &high);
    const pith_pool_u8_mean mean = { .x_scale = x.scale, .y_scale = y.scale, .x_zero = x.zero, .y_zero = y.zero,
                                     .low = (int32_t)low, .high = (int32_t)high };
    return pithi_pool_prepare_mean(prepare, &mean);
}

static pith_status infer(pith_infer *infer)
{
    PITH_TRY(pithi_quant_unary_infer(infer));
    const pith_dtype dtype = infer->outputs[0].dtype; /* may differ from that of x */
    PITH_TRY(pithi_pool_infer(infer));
    infer->outputs[0].dtype = dtype;
    return PITH_OK;
}

static pith_status map_channels_last(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    ((pithi_pool_attrs *)attrs)->channels_last = pithi_qlinear_is_channels_last(source);
    return PITH_OK;
}

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearAveragePool", 1,
                                             map_channels_last } };
static const char *const samples[] = {
    "u8[2,3,7,6]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{120} | kernel_shape=[3,2] "
    "strides=[2,1] pads=[1,0,1,1]",
    "s8[2,3,7,6]{-128:128} f32[]{0.05} s8[]{28} f32[]{0.05} s8[]{-12} | kernel_shape=[7,6]",
    "s8[2,7,6,5]{-128:128} f32[]{0.05} - f32[]{0.05} - | kernel_shape=[7,6] channels_last=1",
    "u8[1,6,7,9]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{120} | kernel_shape=[3,3] "
    "strides=[2,2] ceil_mode=1 pads=[1,1,1,1] channels_last=1 count_include_pad=1",
    "u8[1,3,9]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{120} | kernel_shape=[3] "
    "auto_pad=SAME_UPPER",
    "s8[2,7,6,37]{-128:128} f32[]{0.05} s8[]{28} f32[]{0.04} s8[]{-12} | kernel_shape=[3,3] pads=[1,1,1,1] "
    "channels_last=1",
    "u16[2,7,6,67]{0:65536} f32[]{0.0005} u16[]{32000} f32[]{0.0004} u16[]{31000} | kernel_shape=[3,3] "
    "pads=[1,1,1,1] channels_last=1", "s16[2,7,6,5]{-32768:32768} f32[]{0.0005} - f32[]{0.0005} - | "
    "kernel_shape=[7,6] channels_last=1",
    "s16[1,6,5,9]{-32768:32768} f32[]{0.0005} s16[]{-3} f32[]{0.09} s8[]{5} | kernel_shape=[2,3] channels_last=1 "
    "strides=[2,2] count_include_pad=1 pads=[1,1,0,1]",
    "u8[1,12,11,17]{0:256} f32[]{0.05} u8[]{128} f32[]{0.02} u8[]{120} | kernel_shape=[6,5] strides=[1,1] "
    "channels_last=1",
};

const pith_op pith_op_qlinear_average_pool = {
    .head = { "qlinear_average_pool", 1, PITH_ATTRS(attr_table, pithi_pool_attrs) },
    .inputs = pithi_quant_wide_inputs,
    .n_inputs = PITH_COUNT(pithi_quant_wide_inputs),
    .outputs = pithi_quant_wide_outputs,
    .n_outputs = PITH_COUNT(pithi_quant_wide_outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .cost = pithi_pool_cost,
    .layout = PITH_LAYOUT_LAST,
    .to_channels_last = pithi_pool_to_channels_last,
    .to_source = pithi_qlinear_pool_to_source,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
