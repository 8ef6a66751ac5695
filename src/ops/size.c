/* SPDX-License-Identifier: Apache-2.0 */
/* size: the number of elements of x. ONNX Size. */
#include "ops/op.h"
#include "ops/sample.h"

static void ref(const pith_run *run)
{
    *(int64_t *)run->outputs[0].data = pith_shape_elements(&run->inputs[0].shape);
}

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0].dtype = PITH_DTYPE_S64;
    infer->outputs[0].shape = (pith_shape){ 0 };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_STORED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "size", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Size", 1, NULL } };
static const char *const samples[] = { "f32[2,3,4]", "s8[]", "bool[0,4]" };

const pith_op pith_op_size = {
    .head = { "size", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_READS_SHAPE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
