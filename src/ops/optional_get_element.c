/* SPDX-License-Identifier: Apache-2.0 */
/* optional_get_element: what an optional holds; any other value as it is. ONNX OptionalGetElement. */
#include "ops/shared_object.h"

static const pith_tensor *element_of(const pith_tensor *x, const pith_object *object)
{
    bool is_optional = object && object->type->kind == PITH_KIND_OPTIONAL;
    return !is_optional ? x : object->n_items > 0 ? &object->items[0] : NULL;
}

static void ref(const pith_run *run)
{
    const pith_tensor *element = element_of(&run->inputs[0], pith_object_of(&run->inputs[0]));
    if (element) {
        pithi_run_take_item(run, element);
    } else {
        pithi_run_fault(run, "the optional is empty");
    }
}

static pith_status infer(pith_infer *infer)
{
    const pith_tensor *x = &infer->inputs[0];
    if (x->dtype == PITH_DTYPE_OBJECT && !pith_object_of(x)) {
        return pithi_infer_need_value(infer, 0);
    }
    const pith_tensor *element = element_of(x, pith_object_of(x));
    PITH_CHECK(infer->ctx, element, PITH_STATUS_ARG,
               "the optional is empty; ask OptionalHasElement before taking its element");
    infer->outputs[0].dtype = element->dtype;
    infer->outputs[0].shape = element->shape;
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_ANY_VALUE, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY_VALUE, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "OptionalGetElement", 15, NULL } };
static const char *const samples[] = { "opt:f32{f32[2]{2,1}}", "f32[2,3]", "seq:s64{s64[1]{5}}" };

const pith_op pith_op_optional_get_element = {
    .head = { "optional_get_element", 1, PITH_NO_ATTRS },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
