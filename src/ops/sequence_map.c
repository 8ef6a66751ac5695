/* SPDX-License-Identifier: Apache-2.0 */
/* sequence_map: runs a body for every item of a sequence and makes sequences of its outputs. Further inputs that are
 * sequences give their item of the same number, others go in as they are. ONNX SequenceMap. Expanded by the
 * executor. */
#include "ops/shared_control.h"

static pith_status infer(pith_infer *infer)
{
    (void)infer; /* the executor sees the sequences */
    return PITH_OK;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    return pithi_control_map_body(ctx, source);
}

static const pith_operand_spec inputs[] = { { "sequence_and_others", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "sequences", PITH_DTYPES_OBJECT, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "SequenceMap", 17, map } };

const pith_op pith_op_sequence_map = {
    .head = { "sequence_map", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_CONTROL,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_control_ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
};
