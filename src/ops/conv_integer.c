/* SPDX-License-Identifier: Apache-2.0 */
/* conv_integer: sums of (x - x_zero) (w - w_zero) over the window in s32. ONNX ConvInteger. With factors (pith's own,
 * pass fuse_dynamic) the result is float32 as that of matmul_integer. */
#include "ops/sample.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s8.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(pithi_conv_attrs, auto_pad, "auto_pad", 0, pithi_auto_pad_choices),
    PITH_ATTR_INTS(pithi_conv_attrs, dilations, "dilations"),
    PITH_ATTR_INT(pithi_conv_attrs, group, "group", 1),
    PITH_ATTR_INTS(pithi_conv_attrs, kernel_shape, "kernel_shape"),
    PITH_ATTR_INTS(pithi_conv_attrs, pads, "pads"),
    PITH_ATTR_INTS(pithi_conv_attrs, strides, "strides"),
    PITH_ATTR_OWN_INT(pithi_conv_attrs, channels_last, "channels_last", 0),
    PITHI_ACTIVATION_ATTRS(pithi_conv_attrs, activation),
};

static pith_status infer(pith_infer *infer) { return pithi_int_conv_infer(infer, false); }
static void ref(const pith_run *run) { pithi_int_conv_ref(run, false); }
static bool is_channels_last(const void *attrs) { return ((const pithi_conv_attrs *)attrs)->channels_last != 0; }

static pith_status prepare(pith_prepare *prepare)
{
    return is_channels_last(prepare->attrs) ? pithi_s8_conv_prepare(prepare, true)
                                            : pithi_int_conv_prepare(prepare, false);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    if (is_channels_last(run->attrs)) {
        pithi_s8_conv_run(run, part);
    } else {
        pithi_int_conv_run(run, part, false);
    }
}

/* Tiles of products are for channels-last images with weights that are known, rows of planes for what else there is. */
static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    pithi_conv_attrs *attrs = node->attrs;
    const pith_shape *w = &node->inputs[1]->shape;
    (void)graph;
    for (int i = 1; i <= 5 && i < node->n_inputs; i += 2) { /* weights, their zero points and factors */
        if (node->inputs[i] && !node->inputs[i]->constant) {
            return false;
        }
    }
    if (w->rank > 4 || (attrs->group > 1 && w->dims[1] == 1)) {
        return false;
    }
    attrs->channels_last = 1;
    return true;
}

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
    PITHI_INT_FLOAT_INPUTS,
};
static const pith_operand_spec outputs[] = {
    { "y", PITH_DTYPES(PITH_DTYPE_S32) | PITH_DTYPES(PITH_DTYPE_F32), PITH_ONE },
};
static const pith_spelling spellings[] = { { "onnx", "", "ConvInteger", 10, NULL } };
static const char *const samples[] = {
    "u8[1,3,7,6]{0:255} s8[4,3,3,3]{-128:127} u8[]{7} s8[4] | pads=[1,1,1,1]",
    "s8[2,4,9]{-9:9} u8[6,2,3]{0:255} | group=2 strides=[2]",
    "u8[1,2,5,6,4] u8[3,2,2,3,2] u8[]{1} u8[]{2} | dilations=[1,2,1] strides=[1,1,2]",
    "u8[1,2,6,5] s8[2,1,3,2]{-9:9} u8[]{3} | group=2 auto_pad=SAME_UPPER",
    "u8[0,1,4,4] u8[1,1,2,2]",
    "u8[2,2,3,4]{0:255} s8[3,2,1,2]{1,-2,3,90,-5,6,-70,8,-9,10,0,127} u8[]{99} s8[3]{1,-2,3} | pads=[1,0,1,1]",
    "u8[2,7,6,3]{0:255} u8[20,3,3,3]{0:255} u8[]{99} u8[20]{0:255} f32[]{0.01} f32[20]{0.01:0.02} f32[20] "
    "f32[2,4,3,20] | channels_last=1 strides=[2,2] pads=[1,1,1,1] activation=3",
    "s8[1,9,8,10]{-128:127} s8[300,5,1,1]{-128:127} s8[]{9} - f32[]{0.01} f32[]{0.02} | channels_last=1 group=2",
    "u8[1,3,7,6]{0:255} s8[4,3,3,3]{-128:127} u8[]{7} - f32[]{0.01} f32[4]{0.01:0.02} f32[4] f32[1,4,5,4] | "
    "activation=10",
    "s8[1,6,5,8]{-128:127} u8[9,8,3,2]{0:255} s8[]{-9} u8[9]{0:255} | channels_last=1 pads=[1,0,1,1]",
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
    .fused_activation_plus_1 = offsetof(pithi_conv_attrs, activation) + 1,
    .residual_input_plus_1 = PITHI_INT_RESIDUAL + 1,
    .layout = PITH_LAYOUT_LAST,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
