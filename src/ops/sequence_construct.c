/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_construct: a sequence of the inputs, which have one dtype and any shapes. ONNX SequenceConstruct. */
#include "ops/shared_object.h"

static void ref(const pith_run *run)
{
    pith_tensor *items;
    size_t n_items = (size_t)run->n_inputs;
    if (pithi_run_new_object(run, pith_type_sequence(run->inputs[0].dtype), n_items, &items)) {
        for (size_t i = 0; i < n_items && pithi_run_item(run, &run->inputs[i], &items[i]); i++) {
        }
    }
}

static pith_status infer(pith_infer *infer)
{
    for (int i = 1; i < infer->n_inputs; i++) {
        PITH_CHECK(infer->ctx, infer->inputs[i].dtype == infer->inputs[0].dtype, PITH_STATUS_DTYPE,
                   "tensors of a sequence have one dtype, but input %d is %s and input 0 is %s", i,
                   pith_dtype_name(infer->inputs[i].dtype), pith_dtype_name(infer->inputs[0].dtype));
    }
    return pithi_infer_object(infer);
}

static const pith_operand_spec inputs[] = { { "inputs", PITH_DTYPES_ANY_VALUE & ~PITH_DTYPES_OBJECT, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "SequenceConstruct", 11, NULL } };
static const char *const samples[] = { "f32[2,3] f32[0] f32[]", "string[2]" };

const pith_op pith_op_sequence_construct = {
    .head = { "sequence_construct", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_object_output, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
