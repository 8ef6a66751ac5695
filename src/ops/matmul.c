/* SPDX-License-Identifier: Apache-2.0 */
/* matmul: y = activation(alpha a b + bias + residual) on the last two dimensions, the others broadcast; a vector
 * is a row on the left and a column on the right. ONNX MatMul, com.microsoft FusedMatMul. */
#include "ops/sample.h"
#include "ops/shared_gemm_product.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attrs[] = {
    PITH_ATTR_OWN_INT(pithi_product_attrs, trans_a, "trans_a", 0),
    PITH_ATTR_OWN_INT(pithi_product_attrs, trans_b, "trans_b", 0),
    PITH_ATTR_FLOAT(pithi_product_attrs, alpha, "alpha", 1),
    PITH_ATTR_OWN_FLOAT(pithi_product_attrs, beta, "beta", 1), /* of the bias */
    PITHI_ACTIVATION_ATTRS(pithi_product_attrs, activation),
    PITH_ATTR_OWN_INT(pithi_product_attrs, residual_behind, "residual_behind", 0),
};

static pith_status read_flag(pith_ctx *ctx, pith_source *source, const char *name, int64_t *flag)
{
    const pith_source_attr *attr = pithi_source_attr(source, name);
    PITH_CHECK(ctx, !attr || attr->kind == PITH_SOURCE_INT, PITH_STATUS_FORMAT, "attribute '%s' must be an int", name);
    *flag = attr ? attr->i : 0;
    return PITH_OK;
}

/* transBatchA/B move the first dimension in front of the last one; no exporter is known to use that. */
static pith_status map_fused(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    pithi_product_attrs *product = attrs_out;
    int64_t batch_a = 0, batch_b = 0;
    PITH_TRY(read_flag(ctx, source, "transA", &product->trans_a));
    PITH_TRY(read_flag(ctx, source, "transB", &product->trans_b));
    PITH_TRY(read_flag(ctx, source, "transBatchA", &batch_a));
    PITH_TRY(read_flag(ctx, source, "transBatchB", &batch_b));
    PITH_CHECK(ctx, !batch_a && !batch_b, PITH_STATUS_UNSUPPORTED, "transBatchA and transBatchB must be 0");
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "a", PITH_DTYPES_NUMBER, PITH_ONE },
    { "b", PITH_DTYPES_NUMBER, PITH_ONE },
    { "bias", PITH_DTYPES_NUMBER, PITH_OPTIONAL },
    { "residual", PITH_DTYPES_NUMBER, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_NUMBER, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "MatMul", 1, NULL },
    { "onnx", "com.microsoft", "FusedMatMul", 1, map_fused },
};
static const char *const samples[] = {
    "f32[5,7] f32[7,70]",
    "f32[3,17,9] f32[9,33] f32[33] f32[3,17,33] | activation=3",
    "f32[2,1,13,6] f32[3,6,20] | alpha=0.5",
    "f32[2,6,13] f32[2,20,6] f32[20] | trans_a=1 trans_b=1 beta=0.5",
    "f32[2,3,30,8] f32[2,3,8,50] f32[30,1] f32[2,3,30,50] | activation=4 activation_alpha=-1 activation_beta=2",
    "f32[2,31,8] f32[8,50] f32[50] f32[2,31,50] | activation=3 residual_behind=1",
    "f32[1,200] f32[200,300] - f32[1,300] | activation=8 residual_behind=1",
    "f32[6] f32[6] f32[]",
    "f32[4,3,6] f32[6] f32[3]",
    "f32[6] f32[2,6,5] | trans_b=0",
    "f32[1,9] f32[300,9] | trans_b=1",
    "f32[3,0] f32[0,4] f32[4]",
    "f32[0,2,3] f32[3,4]",
    "s32[3,4] s32[4,2]",
    "u64[2,3,4] u64[4,5]",
    "f16[3,4] f16[4,5]",
    "f64[3,4] f64[4,5] f64[5] f64[3,5]",
};

const pith_op pith_op_matmul = {
    .head = { "matmul", 1, PITH_ATTRS(attrs, pithi_product_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_product_infer,
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
