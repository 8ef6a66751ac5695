/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_erase: the sequence without the item at `position`, by default the last one. ONNX SequenceErase. */
#include "ops/shared_object.h"

static void ref(const pith_run *run)
{
    const pith_object *sequence = pithi_run_object(run, 0, PITH_KIND_SEQUENCE);
    pith_tensor *items;
    if (!sequence) {
        return;
    }
    int64_t n = (int64_t)sequence->n_items;
    int64_t at = pithi_run_position(run, 1, n, n - 1);
    if (at < 0) {
        pithi_run_fault(run, "there is nothing to erase: the sequence is empty");
        return;
    }
    if (pithi_run_new_object(run, sequence->type, (size_t)n - 1, &items)) {
        memcpy(items, sequence->items, (size_t)at * sizeof *items);
        memcpy(items + at, sequence->items + at + 1, (size_t)(n - 1 - at) * sizeof *items);
    }
}

static const pith_operand_spec inputs[] = { { "sequence", PITH_DTYPES_OBJECT, PITH_ONE },
                                            { "position", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "SequenceErase", 11, NULL } };
static const char *const samples[] = { "seq:f32{f32[2]{1,2} f32[1]{3}}", "seq:f32{f32[2]{1,2} f32[1]{3}} s32[]{-2}" };

const pith_op pith_op_sequence_erase = {
    .head = { "sequence_erase", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_object_output, .n_outputs = 1,
    .infer = pithi_infer_object,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
