/* SPDX-License-Identifier: Apache-2.0 */
/* leaky_relu: y = x < 0 ? alpha x : x. ONNX LeakyRelu. */
#include "ops/shared_unary.h"

typedef struct leaky_relu_attrs {
    float alpha;
} leaky_relu_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(leaky_relu_attrs, alpha, "alpha", 0.01),
};

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    const leaky_relu_attrs *a = attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_LEAKY_RELU, a->alpha, 0.0f);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "LeakyRelu", 1, pithi_map_consumed_inputs },
    { "onnx", "", "LeakyRelu", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67] | alpha=0.25", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]"
};

const pith_op pith_op_leaky_relu = {
    .head = { "leaky_relu", 1, PITH_ATTRS(attrs_table, leaky_relu_attrs) },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
