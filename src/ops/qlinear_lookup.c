/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_lookup: y = table[x], the table ordered by the bits of x. What is left of any function between two quantised
 * tensors: pass fuse_qdq evaluates it once for all 256, or 65536, values. */
#include "ops/shared_lookup.h"

static void ref(const pith_run *run)
{
    const pith_tensor *x = &run->inputs[0];
    const int64_t mask = pithi_is_16bit(x->dtype) ? 0xffff : 0xff;
    for (int64_t i = 0; i < pith_shape_elements(&x->shape); i++) {
        const int64_t at = pithi_tensor_get_s64(x, i) & mask;
        pithi_tensor_set_s64(&run->outputs[0], i, pithi_tensor_get_s64(&run->inputs[1], at));
    }
}

#define LOOK_UP(x_type, y_type)                                                                                        \
    for (int64_t i = begin; i < end; i++) {                                                                            \
        ((y_type *)y)[i] = ((const y_type *)table)[((const x_type *)x)[i]];                                            \
    }

static void run_wide(const pith_run *run, int64_t begin, int64_t end)
{
    const void *x = run->inputs[0].data, *table = run->inputs[1].data;
    void *y = run->outputs[0].data;
    if (!pithi_is_16bit(run->inputs[0].dtype)) {
        LOOK_UP(uint8_t, uint16_t)
    } else if (pithi_is_16bit(run->outputs[0].dtype)) {
        LOOK_UP(uint16_t, uint16_t)
    } else {
        LOOK_UP(uint16_t, uint8_t)
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    const pith_lookup_u8 *kernel = run->state;
    const uint8_t *x = run->inputs[0].data;
    uint8_t *y = run->outputs[0].data;
    int64_t begin, end;
    pithi_part_range(part, pith_shape_elements(&run->outputs[0].shape), &begin, &end);
    if (pithi_is_16bit(run->inputs[0].dtype) || pithi_is_16bit(run->outputs[0].dtype)) {
        run_wide(run, begin, end);
        return;
    }
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
    const int n_values = pithi_is_16bit(infer->inputs[0].dtype) ? 65536 : 256;
    PITH_CHECK(infer->ctx, table->rank == 1 && table->dims[0] == n_values, PITH_STATUS_SHAPE,
               "the table must be a list of %d", n_values);
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

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_8OR16, PITH_ONE },
                                            { "table", PITH_DTYPES_8OR16, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_8OR16, PITH_ONE } };
static const char *const samples[] = { "u8[3,700]{0:256} u8[256]{0:256}",
                                       "s8[2,5,7]{-128:128} u8[256]{0:256}",
                                       "u8[]{9} s8[256]{-128:128}", "u8[0] u8[256]",
                                       "u16[3,70]{0:65536} s16[65536]{-32768:32768}",
                                       "s16[50]{-99:99} u8[65536]{0:256}",
                                       "s8[2,5,7]{-128:128} u16[256]{0:65536}" };

const pith_op pith_op_qlinear_lookup = {
    .head = { "qlinear_lookup", 1, PITH_NO_ATTRS },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs,
    .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs,
    .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = to_channels_last,
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
