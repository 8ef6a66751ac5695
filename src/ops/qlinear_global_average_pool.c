/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_global_average_pool: mean of each channel's image, from quantised to quantised.
 * com.microsoft QLinearGlobalAveragePool; with n pixels, sums exact, the rest rounded to float32
 * step by step:
 *
 *   y = saturate(round_half_even(sum (x - x_zero) * (x_scale / (y_scale n))) + y_zero) */
#include "ops/shared_global_pool.h"
#include "ops/shared_qlinear_pool.h"

static void run_all(const pith_run *run, const pith_part *part)
{
    pithi_qlinear_global_pool(
        run, ((const pithi_global_pool_attrs *)run->attrs)->channels_last != 0, part);
}

static void ref(const pith_run *run) { run_all(run, NULL); }

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_qlinear_global_pool_prepare(
        prepare, ((const pithi_global_pool_attrs *)prepare->attrs)->channels_last != 0);
}

static pith_status infer(pith_infer *infer)
{
    PITH_TRY(pithi_quant_unary_infer(infer));
    const pith_dtype dtype = infer->outputs[0].dtype; /* may differ from that of x */
    PITH_TRY(pithi_global_pool_infer(infer));
    infer->outputs[0].dtype = dtype;
    return PITH_OK;
}

static pith_status map_channels_last(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    ((pithi_global_pool_attrs *)attrs)->channels_last = pithi_qlinear_is_channels_last(source);
    return PITH_OK;
}

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearGlobalAveragePool", 1,
                                             map_channels_last } };
static const char *const samples[] = {
    "u8[2,3,7,6]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{120}",
    "s8[2,7,6,5]{-128:128} f32[]{0.05} s8[]{28} f32[]{0.05} s8[]{-12} | channels_last=1",
    "s8[1,4,9]{-128:128} f32[]{0.05} - f32[]{0.02} -",
    "u16[2,3,7,6]{0:65536} f32[]{0.0005} u16[]{32000} f32[]{0.0004} u16[]{31000}",
    "s16[2,7,6,75]{-32768:32768} f32[]{0.0005} s16[]{28} f32[]{0.1} u8[]{90} | channels_last=1",
    "u8[0,4,9,2]{0:256} f32[]{0.05} - f32[]{0.02} -",
};

const pith_op pith_op_qlinear_global_average_pool = {
    .head = { "qlinear_global_average_pool", 1,
              PITH_ATTRS(pithi_global_pool_attrs_table, pithi_global_pool_attrs) },
    .inputs = pithi_quant_wide_inputs,
    .n_inputs = PITH_COUNT(pithi_quant_wide_inputs),
    .outputs = pithi_quant_wide_outputs,
    .n_outputs = PITH_COUNT(pithi_quant_wide_outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_all,
    .layout = PITH_LAYOUT_LAST,
    .to_channels_last = pithi_global_pool_to_channels_last,
    .to_source = pithi_qlinear_pool_to_source,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
