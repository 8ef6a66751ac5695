/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_sigmoid: y = quantised 1 / (1 + e^-x) of a quantised x. com.microsoft QLinearSigmoid. */
#include <math.h>

#include "ops/shared_lookup.h"

static float function(const void *attrs, float x)
{
    (void)attrs;
    return (float)(1.0 / (1.0 + exp(-(double)x)));
}

static void ref(const pith_run *run)
{
    uint8_t table[256];
    pithi_lookup_fill(run, function, table);
    pithi_lookup_apply(run, table);
}

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearSigmoid", 1, NULL } };
static const char *const samples[] = {
    "u8[3,70]{0:256} f32[]{0.05} u8[]{128} f32[]{0.00390625} u8[]{0}",
    "s8[2,5,7]{-128:128} f32[1]{0.1} - f32[]{0.01} -",
    "s8[0] f32[]{1} s8[]{1} f32[]{1} s8[]{1}",
};

const pith_op pith_op_qlinear_sigmoid = {
    .head = { "qlinear_sigmoid", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = pithi_quant_unary_inputs,
    .n_inputs = PITH_COUNT(pithi_quant_unary_inputs),
    .outputs = pithi_quant_unary_outputs,
    .n_outputs = PITH_COUNT(pithi_quant_unary_outputs),
    .infer = pithi_quant_unary_infer,
    .ref = ref,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
