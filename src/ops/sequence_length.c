/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_length: number of items of a sequence. ONNX SequenceLength. */
#include "ops/shared_object.h"

static void ref(const pith_run *run)
{
    const pith_object *sequence = pithi_run_object(run, 0, PITH_KIND_SEQUENCE);
    *(int64_t *)run->outputs[0].data = sequence ? (int64_t)sequence->n_items : 0;
}

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0] = (pith_tensor){ .dtype = PITH_DTYPE_S64 };
    return PITH_OK;
}

static const pith_operand_spec outputs[] = { { "length", PITH_DTYPES(PITH_DTYPE_S64), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "SequenceLength", 11, NULL } };
static const char *const samples[] = { "seq:f32{f32[2]{1,2} f32[1]{3}}", "seq:s64{}" };

const pith_op pith_op_sequence_length = {
    .head = { "sequence_length", 1, PITH_NO_ATTRS },
    .inputs = pithi_object_input, .n_inputs = 1,
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
