/* SPDX-License-Identifier: Apache-2.0 */
/* optional_has_element: true unless the input is absent or an empty optional. ONNX OptionalHasElement. */
#include "ops/shared_object.h"

static void ref(const pith_run *run)
{
    bool is_there = pithi_has_operand(run->inputs, run->n_inputs, 0);
    const pith_object *object = is_there ? pith_object_of(&run->inputs[0]) : NULL;
    *(uint8_t *)run->outputs[0].data =
        is_there && (!object || object->type->kind != PITH_KIND_OPTIONAL || object->n_items > 0);
}

static pith_status infer(pith_infer *infer)
{
    infer->outputs[0] = (pith_tensor){ .dtype = PITH_DTYPE_BOOL };
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_ANY_VALUE, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_BOOL, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "OptionalHasElement", 15, NULL } };
static const char *const samples[] = { "opt:f32{f32[1]{2}}", "opt:f32{}", "f32[2]", "-", "seq:f32{}" };

const pith_op pith_op_optional_has_element = {
    .head = { "optional_has_element", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
