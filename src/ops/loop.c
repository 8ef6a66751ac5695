/* SPDX-License-Identifier: Apache-2.0 */
/* loop: repeats a body while a condition holds, at most a number of times; carries states, stacks scan
 * outputs. ONNX Loop: inputs trip count, condition (both optional), initial states; body inputs iteration number,
 * condition, states; body outputs condition, states, scan outputs. Expanded by the executor. */
#include "ops/shared_control.h"

static pith_status infer(pith_infer *infer)
{
    for (int i = 0; i < 2 && i < infer->n_inputs; i++) {
        if (infer->inputs[i].dtype != PITH_DTYPE_NONE && !infer->inputs[i].data) {
            return pithi_infer_need_value(infer, i);
        }
    }
    return PITH_OK;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    return pithi_control_map_body(ctx, source);
}

static const pith_operand_spec inputs[] = { { "trip_count", PITH_DTYPES(PITH_DTYPE_S64), PITH_OPTIONAL },
                                            { "cond", PITH_DTYPES_BOOL, PITH_OPTIONAL },
                                            { "initial", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "finals_and_scans", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "Loop", 1, map } };

const pith_op pith_op_loop = {
    .head = { "loop", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_CONTROL,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_control_ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
};
