/* SPDX-License-Identifier: Apache-2.0 */
/* sin: y = sine of x radians. ONNX Sin. */
#include "ops/shared_unary.h"

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    (void)attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_SIN, 0.0f, 0.0f);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Sin", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67]", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]"
};

const pith_op pith_op_sin = {
    .head = { "sin", 1, PITH_NO_ATTRS },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
