/* SPDX-License-Identifier: Apache-2.0 */
/* squeeze: drops dimensions of size 1, those in `axes` or all of them. ONNX Squeeze. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

static pith_status infer(pith_infer *infer)
{
    const pith_shape *from = &infer->inputs[0].shape;
    pith_shape *to = &infer->outputs[0].shape;
    int axes[PITH_MAX_RANK], n_axes;
    bool drop_all = !pithi_has_operand(infer->inputs, infer->n_inputs, 1);
    unsigned dropped = 0;
    PITH_TRY(pithi_infer_axes(infer, 1, from->rank, 0, axes, &n_axes));
    for (int i = 0; i < n_axes; i++) {
        PITH_CHECK(infer->ctx, from->dims[axes[i]] == 1, PITH_STATUS_SHAPE,
                   "axis %d has size %lld, only size 1 can be dropped", axes[i],
                   (long long)from->dims[axes[i]]);
        dropped |= 1u << axes[i];
    }
    to->rank = 0;
    for (int i = 0; i < from->rank; i++) {
        if (!(dropped & 1u << i) && !(drop_all && from->dims[i] == 1)) {
            to->dims[to->rank++] = from->dims[i];
        }
    }
    infer->outputs[0].dtype = infer->inputs[0].dtype;
    return PITH_OK;
}

/* Before opset 13 the axes were an attribute. */
static pith_status map_1(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx, (void)attrs;
    return pithi_source_attr_to_input(source, "axes", 1);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STORED, PITH_ONE },
                                            { "axes", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Squeeze", 1, map_1 }, { "onnx", "", "Squeeze", 13, NULL } };
static const char *const samples[] = { "f32[1,3,1,5]", "s16[1,3,1,5] s64[1]{-2}", "f32[1,0,1] s64[2]{0,2}", "bool[1]" };

const pith_op pith_op_squeeze = {
    .head = { "squeeze", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_VIEW,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_copy_same,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
