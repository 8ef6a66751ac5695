/* SPDX-License-Identifier: Apache-2.0 */
/* silu: y = x sigmoid(alpha x). ONNX Swish; com.microsoft QuickGelu (alpha 1.702). */
#include "ops/shared_unary.h"

typedef struct silu_attrs {
    float alpha;
} silu_attrs;

static const pith_attr_spec attrs_table[] = { PITH_ATTR_FLOAT(silu_attrs, alpha, "alpha", 1.0) };

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    const silu_attrs *a = attrs;
    return pithi_activation_set(activation_out, PITH_VUNARY_SILU, a->alpha, 0.0f);
}

static pith_status map_quick_gelu(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    (void)source;
    ((silu_attrs *)attrs)->alpha = 1.702f;
    return PITH_OK;
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Swish", 24, NULL },
    { "onnx", "com.microsoft", "QuickGelu", 1, map_quick_gelu },
};
static const char *const samples[] = { "f32[2,3]", "f32[5,67]{-9:9} | alpha=1.702", "f16[9]", "f64[]", "f32[0,4]" };

const pith_op pith_op_silu = {
    .head = { "silu", 1, PITH_ATTRS(attrs_table, silu_attrs) },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
