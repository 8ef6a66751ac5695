/* SPDX-License-Identifier: Apache-2.0 */
/* gemm: y = activation(alpha op(a) op(b) + beta c + residual) for matrices; c is broadcast. ONNX Gemm. */
#include "ops/sample.h"
#include "ops/shared_gemm_product.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attrs[] = {
    PITH_ATTR_INT(pithi_product_attrs, trans_a, "transA", 0),
    PITH_ATTR_INT(pithi_product_attrs, trans_b, "transB", 0),
    PITH_ATTR_FLOAT(pithi_product_attrs, alpha, "alpha", 1),
    PITH_ATTR_FLOAT(pithi_product_attrs, beta, "beta", 1),
    PITHI_ACTIVATION_ATTRS(pithi_product_attrs, activation),
    PITH_ATTR_OWN_INT(pithi_product_attrs, residual_behind, "residual_behind", 0),
};

static pith_status infer(pith_infer *infer)
{
    int a = infer->inputs[0].shape.rank, b = infer->inputs[1].shape.rank;
    PITH_CHECK(infer->ctx, a == 2 && b == 2, PITH_STATUS_SHAPE,
               "a has rank %d and b rank %d, both must be matrices", a, b);
    return pithi_product_infer(infer);
}

/* Before opset 7 broadcasting of c had to be asked for; shapes that fit mean the same either way. */
static pith_status map_with_broadcast(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    (void)ctx;
    (void)attrs_out;
    pithi_source_attr(source, "broadcast");
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "a", PITH_DTYPES_NUMBER, PITH_ONE },
    { "b", PITH_DTYPES_NUMBER, PITH_ONE },
    { "c", PITH_DTYPES_NUMBER, PITH_OPTIONAL },
    { "residual", PITH_DTYPES_NUMBER, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Gemm", 1, map_with_broadcast },
    { "onnx", "", "Gemm", 7, NULL },
};
static const char *const samples[] = {
    "f32[5,7] f32[7,70] f32[70]",
    "f32[7,5] f32[33,7] f32[5,33] f32[5,33] | transA=1 transB=1 activation=3",
    "f32[20,7] f32[7,18] f32[20,1] | alpha=0.5 beta=-2",
    "f32[20,7] f32[7,18] f32[] | beta=0.25",
    "f32[1,40] f32[200,40] f32[1,200] | transB=1",
    "f32[1,130] f32[530,130] f32[530] | transB=1 alpha=0.5",
    "f32[1,130] f32[130,530] f32[530] f32[1,530] | activation=3",
    "f32[19,13] f32[13,37] f32[19,37] f32[19,37] | activation=9 activation_alpha=1 residual_behind=1",
    "f32[3,4] f32[4,5] - | alpha=2",
    "f32[1,260] f32[16200,260] f32[16200] | transB=1 beta=0.5 activation=3",
    "f32[3,0] f32[0,4] f32[4]",
    "s32[3,4] s32[4,2] s32[2]",
    "f16[3,4] f16[4,5] f16[5]",
};

const pith_op pith_op_gemm = {
    .head = { "gemm", 1, PITH_ATTRS(attrs, pithi_product_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_product_ref,
    .prepare = pithi_product_prepare,
    .run = pithi_product_run,
    .packed_inputs = 1u << 1,
    .cost = pithi_product_cost,
    .fused_activation_plus_1 = offsetof(pithi_product_attrs, activation) + 1,
    .residual_input_plus_1 = 4,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
