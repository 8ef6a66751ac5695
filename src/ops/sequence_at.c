/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_at: the item at `position`, counted from the end if negative. ONNX SequenceAt. */
#include "ops/shared_object.h"

static bool are_alike(const pith_object *sequence)
{
    for (size_t i = 1; i < sequence->n_items; i++) {
        if (!pith_shape_equal(&sequence->items[i].shape, &sequence->items[0].shape)) {
            return false;
        }
    }
    return true;
}

static pith_status infer(pith_infer *infer)
{
    const pith_object *sequence;
    PITH_TRY(pithi_infer_outline(infer, 0, PITH_KIND_SEQUENCE, &sequence));
    int64_t n = (int64_t)sequence->n_items, position = 0;
    PITH_CHECK(infer->ctx, n > 0, PITH_STATUS_ARG, "the sequence is empty, so no position is valid");
    if (infer->inputs[1].data || !are_alike(sequence)) { /* else the shape is known without the position */
        PITH_TRY(pithi_infer_int(infer, 1, &position));
    }
    PITH_CHECK(infer->ctx, position >= -n && position < n, PITH_STATUS_ARG,
               "position %lld is outside [-%lld, %lld), the items of the sequence", (long long)position, (long long)n,
               (long long)n);
    const pith_tensor *item = &sequence->items[position < 0 ? position + n : position];
    infer->outputs[0].dtype = item->dtype;
    infer->outputs[0].shape = item->shape;
    return PITH_OK;
}

static void ref(const pith_run *run)
{
    const pith_object *sequence = pithi_run_object(run, 0, PITH_KIND_SEQUENCE);
    int64_t at = sequence ? pithi_run_position(run, 1, (int64_t)sequence->n_items, 0) : -1;
    if (at >= 0) {
        pithi_run_take_item(run, &sequence->items[at]);
    }
}

static const pith_operand_spec inputs[] = { { "sequence", PITH_DTYPES_OBJECT, PITH_ONE },
                                            { "position", PITH_DTYPES_INDEX, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "item", PITH_DTYPES_ANY_VALUE, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "SequenceAt", 11, NULL } };
static const char *const samples[] = { "seq:f32{f32[2]{1,2} f32[1]{3}} s64[]{-1}",
                                       "seq:f32{f32[1]{1} f32[1]{3}} s32[]{0:2}" };

const pith_op pith_op_sequence_at = {
    .head = { "sequence_at", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
