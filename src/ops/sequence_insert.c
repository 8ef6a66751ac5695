/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_insert: the sequence with a tensor put in front of `position`, or at its end. The other items are shared
 * with the input. ONNX SequenceInsert. */
#include "ops/shared_object.h"

static bool fits(const pith_run *run, const pith_object *sequence)
{
    const pith_type *element = sequence->type->element;
    char text[PITH_TYPE_TEXT_BYTES];
    if (element->kind == PITH_KIND_TENSOR && element->dtype == run->inputs[1].dtype) {
        return true;
    }
    pithi_run_fault(run, "a tensor of %s can't go into a %s", pith_dtype_name(run->inputs[1].dtype),
                    pith_type_text(sequence->type, text));
    return false;
}

static void ref(const pith_run *run)
{
    const pith_object *sequence = pithi_run_object(run, 0, PITH_KIND_SEQUENCE);
    pith_tensor *items;
    if (!sequence || !fits(run, sequence)) {
        return;
    }
    int64_t n = (int64_t)sequence->n_items;
    int64_t at = pithi_run_position(run, 2, n + 1, n);
    bool has_position = pithi_has_operand(run->inputs, run->n_inputs, 2);
    at -= has_position && at >= 0 && pithi_tensor_get_s64(&run->inputs[2], 0) < 0; /* -1 is in front of the last */
    if (at < 0) {
        pithi_run_fault(run, "the position is in front of the first item");
        return;
    }
    if (pithi_run_new_object(run, sequence->type, (size_t)n + 1, &items)) {
        memcpy(items, sequence->items, (size_t)at * sizeof *items);
        memcpy(items + at + 1, sequence->items + at, (size_t)(n - at) * sizeof *items);
        (void)pithi_run_item(run, &run->inputs[1], &items[at]);
    }
}

static const pith_operand_spec inputs[] = { { "sequence", PITH_DTYPES_OBJECT, PITH_ONE },
                                            { "tensor", PITH_DTYPES_ANY_VALUE & ~PITH_DTYPES_OBJECT, PITH_ONE },
                                            { "position", PITH_DTYPES_INDEX, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "SequenceInsert", 11, NULL } };
static const char *const samples[] = { "seq:f32{f32[2]{1,2} f32[1]{3}} f32[2,2]",
                                       "seq:f32{f32[2]{1,2}} f32[] s64[]{-1}",
                                       "seq:s64{} s64[3] s32[]{0}" };

const pith_op pith_op_sequence_insert = {
    .head = { "sequence_insert", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_object_output, .n_outputs = 1,
    .infer = pithi_infer_object,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
