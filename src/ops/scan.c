/* SPDX-License-Identifier: Apache-2.0 */
/* scan: runs a body over slices of its last num_scan_inputs inputs, carrying the states that come before
 * them; stacks scan outputs. ONNX Scan since opset 9 (opset 8 had a batch axis and is refused). Expanded by
 * the executor: the shapes alone say how often. */
#include "ops/shared_control.h"

static pith_status infer(pith_infer *infer)
{
    const pithi_scan_attrs *attrs = infer->attrs;
    PITH_CHECK(infer->ctx, attrs->num_scan_inputs >= 1 && attrs->num_scan_inputs <= infer->n_inputs, PITH_STATUS_FORMAT,
               "num_scan_inputs is %lld, but must lie in 1..%d, the number of inputs",
               (long long)attrs->num_scan_inputs, infer->n_inputs);
    return PITH_OK;
}

static pith_status map(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    return pithi_control_map_body(ctx, source);
}

static const pith_attr_spec table[] = {
    PITH_ATTR_INT(pithi_scan_attrs, num_scan_inputs, "num_scan_inputs", 0),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_input_axes, "scan_input_axes"),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_input_directions, "scan_input_directions"),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_output_axes, "scan_output_axes"),
    PITH_ATTR_INTS(pithi_scan_attrs, scan_output_directions, "scan_output_directions"),
};
static const pith_operand_spec inputs[] = { { "states_and_scans", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_operand_spec outputs[] = { { "finals_and_scans", PITH_DTYPES_ANY_VALUE, PITH_VARIADIC } };
static const pith_spelling spellings[] = { { "onnx", "", "Scan", 9, map } };

const pith_op pith_op_scan = {
    .head = { "scan", 1, PITH_ATTRS(table, pithi_scan_attrs) },
    .flags = PITH_OP_CONTROL,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = pithi_control_ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
};
