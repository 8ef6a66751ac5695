/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_conv: convolution of quantised operands: y = saturate(round((sum + bias) x_scale w_scale
 * / y_scale) + y_zero), scale and zero point of w for all or each output channel. ONNX QLinearConv.
 */
#include "ops/sample.h"
#include "ops/shared_int_product.h"
#include "ops/shared_s16.h"

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_CHOICE(pithi_qlinear_conv_attrs, conv.auto_pad, "auto_pad", 0,
                     pithi_auto_pad_choices),
    PITH_ATTR_INTS(pithi_qlinear_conv_attrs, conv.dilations, "dilations"),
    PITH_ATTR_INT(pithi_qlinear_conv_attrs, conv.group, "group", 1),
    PITH_ATTR_INTS(pithi_qlinear_conv_attrs, conv.kernel_shape, "kernel_shape"),
    PITH_ATTR_INTS(pithi_qlinear_conv_attrs, conv.pads, "pads"),
    PITH_ATTR_INTS(pithi_qlinear_conv_attrs, conv.strides, "strides"),
    PITH_ATTR_OWN_INT(pithi_qlinear_conv_attrs, conv.channels_last, "channels_last", 0),
    PITHI_LIMITS_ATTRS(pithi_qlinear_conv_attrs, limits),
};

static pith_status infer(pith_infer *infer) { return pithi_int_conv_infer(infer, true); }
static void ref(const pith_run *run) { pithi_int_conv_ref(run, true); }

static bool is_channels_last(const void *attrs)
{
    return ((const pithi_qlinear_conv_attrs *)attrs)->conv.channels_last != 0;
}

static pith_status prepare(pith_prepare *prepare)
{
    if (is_channels_last(prepare->attrs) && pithi_int_is_wide(prepare->inputs, prepare->outputs)) {
        return pithi_s16_conv_prepare(prepare);
    }
    return is_channels_last(prepare->attrs) ? pithi_s8_conv_prepare(prepare, false)
                                            : pithi_int_conv_prepare(prepare, true);
}

static void run_part(const pith_run *run, const pith_part *part)
{
    if (pithi_int_is_wide(run->inputs, run->outputs)) {
        pithi_s16_run(run->state, run->inputs[0].data, run->outputs[0].data, part);
    } else if (is_channels_last(run->attrs)) {
        pithi_s8_conv_run(run, part);
    } else {
        pithi_int_conv_run(run, part, true);
    }
}

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((pithi_qlinear_conv_attrs *)node->attrs)->conv.channels_last = 1;
    return true;
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *w = &infer->inputs[3].shape;
    uint64_t n_taps = (uint64_t)(pith_shape_elements(w) / pithi_max_s64(w->dims[0], 1));
    cost->macs = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) * n_taps;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_8OR16, PITH_ONE },
    { "x_scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "x_zero_point", PITH_DTYPES_8OR16, PITH_ONE },
    { "w", PITH_DTYPES_8BIT, PITH_ONE },
    { "w_scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "w_zero_point", PITH_DTYPES_8BIT, PITH_ONE },
    { "y_scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "y_zero_point", PITH_DTYPES_8OR16, PITH_ONE },
    { "bias", PITH_DTYPES(PITH_DTYPE_S32), PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_8OR16, PITH_ONE } };
/* ONNX Runtime's own version may have channels-last images; the weights are as ever. */
static pith_status map_channels_last(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)ctx;
    const pith_source_attr *channels_last = pithi_source_attr(source, "channels_last");
    ((pithi_qlinear_conv_attrs *)attrs)->conv.channels_last =
        channels_last && channels_last->i != 0;
    return PITH_OK;
}

static const pith_spelling spellings[] = {
    { "onnx", "", "QLinearConv", 10, NULL },
    { "onnx", "com.microsoft", "QLinearConv", 1, map_channels_last },
};
static const char *const samples[] = {
    "u8[1,3,7,6]{0:255} f32[]{0.02} u8[]{127} s8[4,3,3,3]{-128:127} f32[4]{0.01:0.05} s8[4] "
    "f32[]{0.3} "
    "u8[]{100} s32[4]{-900:900} | pads=[1,1,1,1]",
    "s8[2,4,9]{-99:99} f32[]{0.1} s8[]{1} s8[6,2,3]{-99:99} f32[]{0.1} s8[]{0} f32[]{3} s8[]{-4} | "
    "group=2 strides=[2]",
    "u8[1,5,6,4]{0:256} f32[]{0.02} u8[]{127} s8[6,2,3,3]{-128:128} f32[6]{0.01:0.05} s8[6] "
    "f32[]{0.3} "
    "u8[]{100} | channels_last=1 group=2 pads=[1,0,1,2] low=90 high=180",
    "u8[1,1,4,4] f32[]{0.5} u8[]{0} u8[1,1,1,1]{3} f32[]{0.5} u8[]{1} f32[]{0.75} u8[]{2}",
    "u16[2,9,11,7]{0:65536} f32[]{0.0001} u16[]{32000} s8[70,7,3,3]{-128:128} f32[70]{0.01:0.05} s8[70] f32[]{0.001} "
    "u16[]{30000} s32[70]{-9e6:9e6} | channels_last=1 pads=[1,1,1,1]",
    "s16[1,6,5,37]{-32768:32768} f32[]{0.0001} s16[]{-77} u8[66,37,1,1]{0:256} f32[]{0.01} u8[]{99} f32[]{0.3} s8[]{3} "
    "| channels_last=1 strides=[2,1]",
    "u8[1,9,8,6]{0:256} f32[]{0.02} u8[]{100} s8[4,3,2,3]{-128:128} f32[]{0.01} s8[]{0} f32[]{0.0003} u16[]{32768} | "
    "channels_last=1 group=2 dilations=[1,2] low=20000 high=60000",
    "u16[2,7,9,45]{0:65536} f32[]{0.0001} u16[]{40000} s8[45,1,3,3]{-128:128} f32[45]{0.01:0.05} s8[45]{-9:9} "
    "f32[]{0.0005} u16[]{9} s32[45]{-9e5:9e5} | channels_last=1 group=45 pads=[1,1,1,1] strides=[2,1]",
    "s16[1,5,6,9]{-32768:32768} f32[]{0.0001} s16[]{5} s8[9,1,5,2]{-128:128} f32[]{0.01} s8[]{0} f32[]{0.03} u8[]{99} "
    "| channels_last=1 group=9 dilations=[1,2] pads=[2,1,2,1]",
    "u16[2,4,1,8]{0:65536} f32[]{0.0001} u16[]{32000} s8[6,8,1,1]{-128:128} f32[]{0.01} s8[]{0} f32[]{0.001} "
    "u16[]{9} | channels_last=1 pads=[1,0,2,0]",
    "u16[1,3,5,5]{0:65536} f32[]{0.0001} u16[]{32000} s8[4,3,3,3]{-128:128} f32[]{0.01} s8[]{0} f32[]{0.001} s16[]{30}",
};

const pith_op pith_op_qlinear_conv = {
    .head = { "qlinear_conv", 1, PITH_ATTRS(attr_table, pithi_qlinear_conv_attrs) },
    .inputs = inputs,
    .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs,
    .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .takes_window = pithi_s8_conv_takes_window,
    .cost = cost,
    .layout = PITH_LAYOUT_LAST,
    .to_channels_last = to_channels_last,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
