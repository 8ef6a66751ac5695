/* SPDX-License-Identifier: Apache-2.0 */
/* gelu: y = x (1 + erf(x / sqrt 2)) / 2, or its approximation by tanh. ONNX Gelu; Hendrycks and Gimpel 2016.
 * com.microsoft Gelu, FastGelu (tanh, with bias) and BiasGelu. */
#include "ops/shared_source.h"
#include "ops/shared_unary.h"

typedef struct gelu_attrs {
    int64_t approximate;
} gelu_attrs;

enum { EXACT, TANH };
static const char *const approximations[] = { "none", "tanh", NULL };
static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_CHOICE(gelu_attrs, approximate, "approximate", EXACT, approximations),
};

static bool as_activation(const void *attrs, pith_activation *activation_out)
{
    const gelu_attrs *a = attrs;
    return pithi_activation_set(activation_out, a->approximate == TANH ? PITH_VUNARY_GELU_TANH : PITH_VUNARY_GELU,
                                0.0f, 0.0f);
}

/* An optional second input is added first. */
static pith_status map_bias(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    if (source->n_inputs > 1 && source->inputs[1]) {
        PITH_TRY(pithi_source_add_inputs(ctx, source, 1, NULL));
    }
    source->n_inputs = 1;
    return PITH_OK;
}

static pith_status map_fast_gelu(pith_ctx *ctx, pith_source *source, void *attrs)
{
    ((gelu_attrs *)attrs)->approximate = TANH;
    return map_bias(ctx, source, attrs);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Gelu", 20, NULL },
    { "onnx", "com.microsoft", "Gelu", 1, NULL },
    { "onnx", "com.microsoft", "FastGelu", 1, map_fast_gelu },
    { "onnx", "com.microsoft", "BiasGelu", 1, map_bias },
};
static const char *const samples[] = { "f32[2,3]", "f32[5,67]{-6:6}", "f32[5,67]{-6:6} | approximate=tanh", "f16[9]",
                                       "f64[]", "f32[0,4]" };

const pith_op pith_op_gelu = {
    .head = { "gelu", 1, PITH_ATTRS(attrs_table, gelu_attrs) },
    PITHI_UNARY_FLOAT,
    .as_activation = as_activation,
    .ref = pithi_unary_activation_ref,
    PITHI_UNARY_KERNEL,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
