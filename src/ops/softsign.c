/* SPDX-License-Identifier: Apache-2.0 */
/* softsign: y = x / (1 + |x|). ONNX Softsign. */
#include "ops/shared_unary.h"

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    (void)attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_SOFTSIGN, 0.0f, 0.0f);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Softsign", 1, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67]", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]"
};

const pith_op pith_op_softsign = {
    .head = { "softsign", 1, PITH_NO_ATTRS },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
