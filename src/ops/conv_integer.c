/* SPDX-License-Identifier: Apache-2.0 */
/* conv_integer: sums of (x - x_zero) (w - w_zero) over the window in s32. ONNX ConvInteger. */
#include "ops/sample.h"
#include "ops/shared_int_product.h"

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(pithi_conv_attrs, auto_pad, "auto_pad", 0, pithi_auto_pad_choices),
    PITH_ATTR_INTS(pithi_conv_attrs, dilations, "dilations"),
    PITH_ATTR_INT(pithi_conv_attrs, group, "group", 1),
    PITH_ATTR_INTS(pithi_conv_attrs, kernel_shape, "kernel_shape"),
    PITH_ATTR_INTS(pithi_conv_attrs, pads, "pads"),
    PITH_ATTR_INTS(pithi_conv_attrs, strides, "strides"),
};

static pith_status infer(pith_infer *infer) { return pithi_int_conv_infer(infer, false); }
static void ref(const pith_run *run) { pithi_int_conv_ref(run, false); }
static pith_status prepare(pith_prepare *prepare) { return pithi_int_conv_prepare(prepare, false); }
static void run_part(const pith_run *run, const pith_part *part) { pithi_int_conv_run(run, part, false); }

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *w = &infer->inputs[1].shape;
    uint64_t n_taps = (uint64_t)(pith_shape_elements(w) / pithi_max_s64(w->dims[0], 1));
    cost->macs = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) * n_taps;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_8BIT, PITH_ONE },
    { "w", PITH_DTYPES_8BIT, PITH_ONE },
    { "x_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "w_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES(PITH_DTYPE_S32), PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "ConvInteger", 10, NULL } };
static const char *const samples[] = {
    "u8[1,3,7,6]{0:255} s8[4,3,3,3]{-128:127} u8[]{7} s8[4] | pads=[1,1,1,1]",
    "s8[2,4,9]{-9:9} u8[6,2,3]{0:255} | group=2 strides=[2]",
    "u8[1,2,5,6,4] u8[3,2,2,3,2] u8[]{1} u8[]{2} | dilations=[1,2,1] strides=[1,1,2]",
    "u8[1,2,6,5] s8[2,1,3,2]{-9:9} u8[]{3} | group=2 auto_pad=SAME_UPPER",
    "u8[0,1,4,4] u8[1,1,2,2]",
};

const pith_op pith_op_conv_integer = {
    .head = { "conv_integer", 1, PITH_ATTRS(attr_table, pithi_conv_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
