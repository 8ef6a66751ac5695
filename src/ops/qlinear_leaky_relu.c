/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_leaky_relu: y = quantised (x < 0 ? alpha x : x) of a quantised x. com.microsoft
 * QLinearLeakyRelu. */
#include "ops/shared_lookup.h"

typedef struct leaky_attrs {
    float alpha;
} leaky_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_FLOAT(leaky_attrs, alpha, "alpha", 0.01) };

static float function(const void *attrs, float x)
{
    return x < 0.0f ? ((const leaky_attrs *)attrs)->alpha * x : x;
}

static void ref(const pith_run *run)
{
    uint8_t table[256];
    pithi_lookup_fill(run, function, table);
    pithi_lookup_apply(run, table);
}

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearLeakyRelu", 1,
                                             NULL } };
static const char *const samples[] = {
    "u8[3,70]{0:256} f32[]{0.05} u8[]{128} f32[]{0.04} u8[]{30}",
    "s8[2,5,7]{-128:128} f32[1]{0.1} - f32[]{0.1} - | alpha=0.5",
    "s8[0] f32[]{1} s8[]{1} f32[]{1} s8[]{1}",
};

const pith_op pith_op_qlinear_leaky_relu = {
    .head = { "qlinear_leaky_relu", 1, PITH_ATTRS(attr_table, leaky_attrs) },
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
