/* SPDX-License-Identifier: Apache-2.0 */
/* if: the outputs of one of two bodies, chosen by a condition. ONNX If. The executor puts the body in the
 * place of the node once the condition is known; bodies[0] is then_branch, bodies[1] else_branch. */
#include "ops/shared_control.h"

static pith_status infer(pith_infer *infer)
{
    return infer->inputs[0].data ? PITH_OK : pithi_infer_need_value(infer, 0);
}

/* The importer takes bodies in the order of the attributes, the file may have any. */
static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    pith_source_attr *then_branch = pithi_source_attr(source, "then_branch");
    pith_source_attr *else_branch = pithi_source_attr(source, "else_branch");
    PITH_CHECK(ctx, then_branch && else_branch, PITH_STATUS_FORMAT,
               "attributes 'then_branch' and 'else_branch' are needed");
    if (else_branch < then_branch) {
        pith_source_attr first = *else_branch;
        *else_branch = *then_branch;
        *then_branch = first;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = { { "cond", PITH_DTYPES_BOOL, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "outputs", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "If", 1, map } };

const pith_op pith_op_if = {
    .head = { "if", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_CONTROL,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_control_ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
};
