/* SPDX-License-Identifier: Apache-2.0 */
/* conv_transpose: y[m](i * stride - pad + k * dilation) += x[c](i) * w[c, m](k), then bias and activation, over 1 to
 * 3 spatial dimensions, in groups. ONNX ConvTranspose. */
#include "ops/sample.h"
#include "ops/shared_conv.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attrs[] = {
    PITHI_CONV_ATTRS,
    PITH_ATTR_OWN_INT(pithi_conv_attrs, residual_behind, "residual_behind", 0),
    PITH_ATTR_INTS(pithi_conv_attrs, output_padding, "output_padding"),
    PITH_ATTR_INTS(pithi_conv_attrs, output_shape, "output_shape"),
};

static void ref(const pith_run *run) { pithi_conv_ref(run, true); }
static pith_status prepare(pith_prepare *prepare) { return pithi_conv_f32_prepare(prepare, true); }
static pith_status infer(pith_infer *infer) { return pithi_conv_infer(infer, true); }
static void cost(const pith_infer *infer, pith_cost *cost) { pithi_conv_cost(infer, cost, true); }

/* ONNX Runtime's ConvTransposeWithDynamicPads has the pads as input 2, in front of the bias. */
static pith_status map_pads(pith_ctx *ctx, pith_source *source, void *attrs_out)
{
    const pith_value *value = source->n_inputs > 2 ? source->inputs[2] : NULL;
    void *items = NULL;
    if (value) {
        PITH_CHECK(ctx, value->constant && value->constant->dtype == PITH_DTYPE_S64, PITH_STATUS_UNSUPPORTED,
                   "the pads must be a constant of type s64, but the graph computes them or has another type");
        const int64_t n_pads = pith_shape_elements(&value->constant->shape);
        PITH_TRY(pithi_arena_array(&source->graph->arena, (size_t)n_pads, sizeof(int64_t), &items));
        for (int64_t i = 0; i < n_pads; i++) {
            ((int64_t *)items)[i] = pithi_tensor_get_s64(value->constant, i);
        }
        ((pithi_conv_attrs *)attrs_out)->pads = (pith_ints){ items, (int)n_pads };
    }
    if (source->n_inputs > 2) {
        source->inputs[2] = source->n_inputs > 3 ? source->inputs[3] : NULL;
        source->n_inputs = source->inputs[2] ? 3 : 2;
    }
    return PITH_OK;
}

static const pith_operand_spec inputs[] = {
    { "x", PITH_DTYPES_FLOAT, PITH_ONE },
    { "w", PITH_DTYPES_FLOAT, PITH_ONE },
    { "bias", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
    { "residual", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
};
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = {
    { "onnx", "", "ConvTranspose", 1, NULL },
    { "onnx", "com.microsoft", "ConvTransposeWithDynamicPads", 1, map_pads },
};
static const char *const samples[] = {
    "f32[1,5,4,6] f32[5,7,3,3] f32[7] | strides=[2,2] pads=[1,1,1,1] output_padding=[1,1]",
    "f32[2,5,6,9] f32[9,20,2,2] f32[20] | channels_last=1 strides=[2,2] activation=3",
    "f32[1,5,4,6] f32[6,7,4,4] - f32[1,10,8,14] | channels_last=1 group=2 strides=[2,2] pads=[1,1,1,1]",
    "f32[1,9,11,24] f32[24,1,3,3] f32[1] | channels_last=1 strides=[2,2] activation=8",
    "f32[1,4,6,5] f32[5,16,2,2] - f32[1,8,12,16] | channels_last=1 strides=[2,2] activation=8 residual_behind=1",
    "f32[1,1,3,3] f32[1,2,3,3] | strides=[3,2] output_shape=[10,8]",
    "f32[1,4,5,3] f32[3,4,3,2] | channels_last=1 auto_pad=SAME_UPPER strides=[2,3]",
    "f32[1,4,5,3] f32[3,4,3,3] | channels_last=1 auto_pad=SAME_LOWER dilations=[2,1] strides=[1,2]",
    "f32[1,3,7] f32[3,2,3] f32[2] | strides=[2] dilations=[2]",
    "f32[1,3,2,3,4] f32[3,2,2,3,3] | strides=[1,2,3] pads=[0,1,0,1,0,2]",
    "f32[1,2,3,3] f32[2,2,1,1] | strides=[3,3]",
    "f32[0,2,3,3] f32[2,2,3,3]",
    "f16[1,2,3,3] f16[2,2,3,3] f16[2]",
};

const pith_op pith_op_conv_transpose = {
    .head = { "conv_transpose", 1, PITH_ATTRS(attrs, pithi_conv_attrs) },
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
