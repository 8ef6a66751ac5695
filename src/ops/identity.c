/* SPDX-License-Identifier: Apache-2.0 */
/* identity: y = x. ONNX Identity. */
#include "ops/op.h"
#include "ops/sample.h"

static void ref(const pith_run *run)
{
    memmove(run->outputs[0].data, run->inputs[0].data, pith_tensor_bytes(&run->inputs[0]));
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_ANY_VALUE, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY_VALUE, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Identity", 1, NULL } };
static const char *const samples[] = { "f32[2,3]", "s64[]", "bool[0,4]" };

const pith_op pith_op_identity = {
    .head = { "identity", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_VIEW,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_infer_same,
    .ref = ref,
    .layout = PITH_LAYOUT_FREE,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
