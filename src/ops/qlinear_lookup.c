/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_lookup: y = table[x], the table ordered by the byte of x. What is left of any function
 * between two quantised tensors: pass fuse_qdq evaluates it once for all 256 values. */
#include "ops/shared_lookup.h"

static void ref(const pith_run *run) { pithi_lookup_apply(run, run->inputs[1].data); }

static void run_part(const pith_run *run, const pith_part *part)
{
    const pith_lookup_u8 *kernel = run->state;
    const uint8_t *x = run->inputs[0].data;
    uint8_t *y = run->outputs[0].data;
    int64_t begin, end;
    pithi_part_range(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    kernel->run(run->inputs[1].data, x + begin, y + begin, (size_t)(end - begin));
}

static pith_status prepare(pith_prepare *prepare)
{
    const pith_lookup_u8 *kernel = pithi_lookup_u8(prepare->isa_limit);
    prepare->use_run = true;
    prepare->state = (void *)(uintptr_t)kernel;
    prepare->max_parts = pithi_lookup_parts(&prepare->inputs[0]);
    prepare->kernel = kernel->head.name;
    return PITH_OK;
}

static pith_status infer(pith_infer *infer)
{
    const pith_shape *table = &infer->inputs[1].shape;
    PITH_CHECK(infer->ctx, table->rank == 1 && table->dims[0] == 256, PITH_STATUS_SHAPE,
               "the table must be a list of 256");
    infer->outputs[0].dtype = infer->inputs[1].dtype;
    infer->outputs[0].shape = infer->inputs[0].shape;
    return PITH_OK;
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    (void)node;
    return true;
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_8BIT, PITH_ONE },
                                            { "table", PITH_DTYPES_8BIT, PITH_ONE } };
static const char *const samples[] = { "u8[3,700]{0:256} u8[256]{0:256}",
                                       "s8[2,5,7]{-128:128} u8[256]{0:256}",
                                       "u8[]{9} s8[256]{-128:128}", "u8[0] u8[256]" };

const pith_op pith_op_qlinear_lookup = {
    .head = { "qlinear_lookup", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs,
    .n_inputs = PITH_COUNT(inputs),
    .outputs = pithi_quant_unary_outputs,
    .n_outputs = PITH_COUNT(pithi_quant_unary_outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
