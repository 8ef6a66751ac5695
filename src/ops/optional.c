/* SPDX-License-Identifier: Apache-2.0 */
/* optional: an optional that holds the input, or an empty one of `type`. ONNX Optional. */
#include "ops/shared_object.h"

typedef struct optional_attrs {
    const pith_type *type; /* of the element */
} optional_attrs;

static const pith_attr_spec attr_table[] = { PITH_ATTR_TYPE(optional_attrs, type, "type") };

static void ref(const pith_run *run)
{
    const optional_attrs *attrs = run->attrs;
    bool has_element = pithi_has_operand(run->inputs, run->n_inputs, 0);
    const pith_object *held = has_element ? pith_object_of(&run->inputs[0]) : NULL;
    pith_type type = { PITH_KIND_OPTIONAL, PITH_DTYPE_NONE, attrs->type };
    pith_tensor *items;
    if (has_element) {
        type.element = held ? held->type : pith_type_tensor(run->inputs[0].dtype);
    }
    if (pithi_run_new_object(run, &type, has_element, &items) && has_element) {
        (void)pithi_run_item(run, &run->inputs[0], items);
    }
}

static pith_status infer(pith_infer *infer)
{
    const optional_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->type || pithi_has_operand(infer->inputs, infer->n_inputs, 0), PITH_STATUS_FORMAT,
               "an Optional without input needs attribute 'type'");
    return pithi_infer_object(infer);
}

static const pith_operand_spec inputs[] = { { "element", PITH_DTYPES_ANY_VALUE, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "Optional", 15, NULL } };
static const char *const samples[] = { "f32[2,3]", "- | type=f32", "seq:f32{f32[1]{2}}" };

const pith_op pith_op_optional = {
    .head = { "optional", 1, PITH_ATTRS(attr_table, optional_attrs) },
    .flags = PITH_OP_HEAP,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_object_output, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
