/* SPDX-License-Identifier: Apache-2.0 */
/* unsqueeze: puts dimensions of size 1 at `axes`, which count in the result. ONNX Unsqueeze. */
#include "ops/sample.h"
#include "ops/shared_copy.h"
#include "ops/shared_index.h"

static pith_status infer(pith_infer *infer)
{
    const pith_shape *from = &infer->inputs[0].shape;
    pith_shape *to = &infer->outputs[0].shape;
    int64_t items[PITH_MAX_RANK];
    int axes[PITH_MAX_RANK], n_axes;
    PITH_TRY(pithi_infer_ints(infer, 1, items, &n_axes));
    int rank = from->rank + n_axes;
    PITH_CHECK(infer->ctx, rank <= PITH_MAX_RANK, PITH_STATUS_UNSUPPORTED,
               "the result has rank %d, pith handles up to %d", rank, PITH_MAX_RANK);
    PITH_TRY(pithi_infer_axes(infer, 1, rank, 0, axes, &n_axes));
    unsigned added = 0;
    for (int i = 0; i < n_axes; i++) {
        added |= 1u << axes[i];
    }
    to->rank = rank;
    for (int i = 0, k = 0; i < rank; i++) {
        to->dims[i] = added & 1u << i ? 1 : from->dims[k++];
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
                                            { "axes", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Unsqueeze", 1, map_1 },
                                           { "onnx", "", "Unsqueeze", 13, NULL } };
static const char *const samples[] = { "f32[3,5] s64[2]{0,-1}", "s64[] s64[1]{0}", "f32[0,2] s64[3]{2,0,1}" };

const pith_op pith_op_unsqueeze = {
    .head = { "unsqueeze", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_VIEW,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_copy_same,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
