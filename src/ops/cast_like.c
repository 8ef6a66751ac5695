/* SPDX-License-Identifier: Apache-2.0 */
/* cast_like: x in the dtype of a second operand, whose values don't matter. ONNX CastLike. */
#include "ops/shared_cast.h"

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static const pith_attr_spec attrs_table[] = { PITHI_CAST_ROUNDING_ATTRS };
static const pith_operand_spec inputs[] = { { "x", PITHI_CAST_DTYPES, PITH_ONE },
                                            { "like", PITHI_CAST_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_CAST_DTYPES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "CastLike", 15, NULL } };
static const char *const samples[] = { "f32[2,3]{0:9} s64[1]", "s32[5] f32[]", "f16[3] f64[2,2]", "bool[4] u8[0]",
                                       "f32[3]{-1e6:1e6} f8e5m2fnuz[1] | saturate=0", "f32[5] s4[1]" };

const pith_op pith_op_cast_like = {
    .head = { "cast_like", 1, PITH_ATTRS(attrs_table, pithi_cast_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_cast_ref, .prepare = pithi_cast_prepare, .run = pithi_cast_run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
