/* SPDX-License-Identifier: Apache-2.0 */
/* cast_like: x in the dtype of a second operand, whose values don't matter. ONNX CastLike. */
#include "ops/shared_cast.h"

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

/* The map only looks at attributes that don't change the result. */
static pith_status to_source(pith_ctx *ctx, const pith_node *node, pith_source *source)
{
    (void)ctx;
    (void)node;
    (void)source;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_ANY, PITH_ONE }, { "like", PITH_DTYPES_ANY, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "CastLike", 15, pithi_map_cast_rounding } };
static const char *const samples[] = { "f32[2,3]{0:9} s64[1]", "s32[5] f32[]", "f16[3] f64[2,2]", "bool[4] u8[0]" };

const pith_op pith_op_cast_like = {
    .head = { "cast_like", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_y_any, .n_outputs = 1,
    .infer = infer,
    .ref = pithi_cast_ref, .prepare = pithi_cast_prepare, .run = pithi_cast_run,
    .to_source = to_source,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
