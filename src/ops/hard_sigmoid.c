/* SPDX-License-Identifier: Apache-2.0 */
/* hard_sigmoid: y = min(max(alpha x + beta, 0), 1). ONNX HardSigmoid. */
#include "ops/shared_unary.h"

typedef struct hard_sigmoid_attrs {
    float alpha, beta;
} hard_sigmoid_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(hard_sigmoid_attrs, alpha, "alpha", 0.2),
    PITH_ATTR_FLOAT(hard_sigmoid_attrs, beta, "beta", 0.5),
};

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    const hard_sigmoid_attrs *a = attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_HARD_SIGMOID, a->alpha, a->beta);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "HardSigmoid", 1, pithi_map_consumed_inputs },
    { "onnx", "", "HardSigmoid", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67] | alpha=0.25 beta=0.4", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]"
};

const pith_op pith_op_hard_sigmoid = {
    .head = { "hard_sigmoid", 1, PITH_ATTRS(attrs_table, hard_sigmoid_attrs) },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
