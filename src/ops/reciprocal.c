/* SPDX-License-Identifier: Apache-2.0 */
/* reciprocal: y = 1 / x. ONNX Reciprocal. */
#include "ops/shared_unary.h"

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    (void)attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_RECIPROCAL, 0.0f, 0.0f);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Reciprocal", 1, pithi_map_consumed_inputs },
    { "onnx", "", "Reciprocal", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3]{0.1:4}", "f32[5,67]{0.1:4}", "f16[9]{0.1:4}",
    "bf16[3,1]{0.1:4}", "f64[]{0.1:4}", "f32[0,4]{0.1:4}"
};

const pith_op pith_op_reciprocal = {
    .head = { "reciprocal", 1, PITH_NO_ATTRS },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
