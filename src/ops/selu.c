/* SPDX-License-Identifier: Apache-2.0 */
/* selu: y = gamma (x > 0 ? x : alpha (e^x - 1)). ONNX Selu. */
#include "ops/shared_unary.h"

typedef struct selu_attrs {
    float alpha, gamma;
} selu_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(selu_attrs, alpha, "alpha", 1.67326319217681884765625),
    PITH_ATTR_FLOAT(selu_attrs, gamma, "gamma", 1.05070102214813232421875),
};

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    const selu_attrs *a = attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_SELU, a->alpha, a->gamma);
}

/* Opset 1 had rounded constants as defaults. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    selu_attrs *a = attrs;
    a->alpha = 1.6732f;
    a->gamma = 1.0507f;
    return pithi_map_consumed_inputs(ctx, source, attrs);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Selu", 1, map_1 },
    { "onnx", "", "Selu", 6, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67] | alpha=0.25 gamma=2", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]"
};

const pith_op pith_op_selu = {
    .head = { "selu", 1, PITH_ATTRS(attrs_table, selu_attrs) },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
