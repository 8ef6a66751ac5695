/* SPDX-License-Identifier: Apache-2.0 */
/* conv: y[m](o) = activation(bias[m] + sum over c, k of x[c](o * stride - pad + k * dilation) * w[m, c](k) + residual)
 * over 1 to 3 spatial dimensions, in groups. ONNX Conv, com.microsoft FusedConv. */
#include "ops/sample.h"
#include "ops/shared_conv.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attrs[] = {
    PITHI_CONV_ATTRS,
    PITH_ATTR_OWN_INT(pithi_conv_attrs, residual_behind, "residual_behind", 0),
    PITH_ATTR_OWN_INT(pithi_conv_attrs, reads_planes, "reads_planes", 0),
};

static void ref(const pith_run *run) { pithi_conv_ref(run, false); }
static pith_status prepare(pith_prepare *prepare) { return pithi_conv_f32_prepare(prepare, false); }
static pith_status infer(pith_infer *infer) { return pithi_conv_infer(infer, false); }
static void cost(const pith_infer *infer, pith_cost *cost) { pithi_conv_cost(infer, cost, false); }

/* com.microsoft FusedConv: a residual as input 3, and an activation by name. */
static pith_status map_fused(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    static const struct {
        const char *name;
        pith_vunary kind;
        float alpha, beta;
    } kinds[] = {
        { "Relu", PITH_VUNARY_RELU, 0, 0 },       { "Sigmoid", PITH_VUNARY_SIGMOID, 0, 0 },
        { "Tanh", PITH_VUNARY_TANH, 0, 0 },       { "LeakyRelu", PITH_VUNARY_LEAKY_RELU, 0.01f, 0 },
        { "Clip", PITH_VUNARY_CLIP, 0, 0 },       { "HardSigmoid", PITH_VUNARY_HARD_SIGMOID, 0.2f, 0.5f },
    };
    pith_activation *activation = &((pithi_conv_attrs *)attrs_out)->activation;
    const pith_source_attr *name = pithi_source_attr(source, "activation");
    const pith_source_attr *values = pithi_source_attr(source, "activation_params");
    if (!name) {
        return PITH_OK;
    }
    PITH_CHECK(ctx, name->kind == PITH_SOURCE_STRING && (!values || values->kind == PITH_SOURCE_FLOATS),
               PITH_STATUS_FORMAT, "attribute 'activation' must be a string, 'activation_params' a list of floats");
    for (int i = 0; i < PITH_COUNT(kinds); i++) {
        if (pithi_same_text(kinds[i].name, name->s)) {
            *activation = (pith_activation){ .kind = kinds[i].kind, .alpha = kinds[i].alpha, .beta = kinds[i].beta };
            activation->alpha = values && values->n_items > 0 ? values->floats[0] : activation->alpha;
            activation->beta = values && values->n_items > 1 ? values->floats[1] : activation->beta;
            return PITH_OK;
        }
    }
    PITH_FAIL(ctx, PITH_STATUS_UNSUPPORTED, "attribute 'activation' is '%s', which pith can't fuse into conv", name->s);
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_FLOAT, PITH_ONE },
    { "w", PITH_DTYPES_FLOAT, PITH_ONE },
    { "bias", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "residual", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "slope", PITH_DTYPES_FLOAT, PITH_OPTIONAL }, /* [M], of the activation leaky ReLU: one for each channel */
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "Conv", 1, NULL },
    { "onnx", "com.microsoft", "FusedConv", 1, map_fused },
};
static const char *const samples[] = {
    "f32[1,3,9,11] f32[5,3,3,3] f32[5] | pads=[1,1,1,1] strides=[2,2]",
    "f32[2,7,6,5] f32[50,7,1,1] f32[50] f32[2,50,6,5] | activation=3",
    "f32[2,9,7,8] f32[17,8,1,1] | channels_last=1 activation=4 activation_alpha=-0.5 activation_beta=1",
    "f32[1,13,14,6] f32[37,6,3,3] f32[37] f32[1,13,14,37] | channels_last=1 auto_pad=SAME_UPPER",
    "f32[1,12,11,6] f32[20,3,3,2] - | channels_last=1 group=2 dilations=[2,3] pads=[2,0,1,3] strides=[1,2]",
    "f32[1,10,9,70] f32[140,35,2,2] f32[140] | channels_last=1 group=2",
    "f32[2,9,8,19] f32[19,1,3,3] f32[19] | channels_last=1 group=19 auto_pad=SAME_LOWER activation=3",
    "f32[1,40,9,7] f32[40,1,5,5] - f32[1,40,5,4] | group=40 pads=[2,2,2,2] strides=[2,2]",
    "f32[1,3,3,18] f32[18,1,4,2] | channels_last=1 group=18 pads=[1,2,2,0] dilations=[1,2]",
    "f32[1,6,8] f32[4,3,3] f32[4] | group=2 pads=[1,1] dilations=[2]",
    "f32[2,5,6,7,4] f32[6,4,3,2,3] | channels_last=1 pads=[1,0,1,1,1,2] strides=[2,1,1]",
    "f32[1,7,6,5] f32[9,5,3,3] f32[9] - f32[9]{-1:1} | channels_last=1 pads=[1,1,1,1] activation=5",
    "f32[1,19,17,16] f32[18,16,3,3] f32[18] f32[1,19,17,18] f32[18]{-1:1} | channels_last=1 pads=[1,1,1,1] "
    "activation=5",
    "f32[1,6,9,20] f32[70,10,1,1] - - f32[70]{-1:1} | channels_last=1 group=2 activation=5",
    "f32[2,21,8,7] f32[21,1,3,3] f32[21] - f32[21]{-1:1} | group=21 pads=[1,1,1,1] activation=5",
    "f64[1,2,4,4] f64[3,2,3,3] - - f64[3] | activation=5",
    "f32[2,9,7,8] f32[17,8,1,1] f32[17] f32[2,9,7,17] | channels_last=1 activation=9 activation_alpha=1 "
    "residual_behind=1",
    "f32[1,19,17,16] f32[18,16,3,3] f32[18] f32[1,19,17,18] f32[18]{-1:1} | channels_last=1 pads=[1,1,1,1] "
    "activation=5 residual_behind=1",
    "f32[2,21,8,7] f32[21,1,3,3] f32[21] f32[2,21,8,7] | group=21 pads=[1,1,1,1] activation=3 residual_behind=1",
    "f32[1,3,17,70] f32[16,3,3,3] - f32[1,17,70,16] | channels_last=1 reads_planes=1 pads=[1,1,1,1] activation=8 "
    "residual_behind=1",
    "f32[1,9,7,40] f32[3,40,1,1] f32[3] f32[1,9,7,3] | channels_last=1 activation=10 residual_behind=1",
    "f64[1,2,4,4] f64[3,2,3,3] - f64[1,3,2,2] | activation=3 residual_behind=1",
    "f32[0,3,5,5] f32[2,3,3,3]",
    "f32[1,2,4,4] f32[6,1,3,3] | group=2 auto_pad=VALID",
    "f16[1,2,4,4] f16[3,2,3,3] f16[3]",
    "f64[1,4,4,2] f64[3,2,3,3] | channels_last=1 activation=3",
    "f32[1,3,17,70] f32[16,3,3,3] f32[16] | channels_last=1 reads_planes=1 strides=[2,2] pads=[1,1,1,1] activation=3",
    "f32[2,2,9,40] f32[37,2,5,3] - f32[2,9,41,37] f32[37]{-1:1} | channels_last=1 reads_planes=1 pads=[2,2,2,1] "
    "activation=5",
    "f64[1,2,4,4] f64[3,2,3,3] | channels_last=1 reads_planes=1",
};

const pith_op pith_op_conv = {
    .head = { "conv", 1, PITH_ATTRS(attrs, pithi_conv_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = pithi_conv_f32_run,
    .packed_inputs = 1u << 1,
    .takes_window = pithi_conv_f32_takes_window,
    .cost = cost,
    .fused_activation_plus_1 = offsetof(pithi_conv_attrs, activation) + 1,
    .residual_input_plus_1 = 4,
    .layout = PITH_LAYOUT_LAST,
    .to_channels_last = pithi_conv_to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
