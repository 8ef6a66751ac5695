/* SPDX-License-Identifier: Apache-2.0 */
/* conv_nbits: a convolution of 1x1 kernels, stride 1, no padding, with weights that stay packed (shared_nbits.h). Pass
 * fuse_nbits makes it of dequantize_linear -> conv. */
#include "ops/sample.h"
#include "ops/shared_nbits.h"

static pith_status infer(pith_infer *infer) { return pithi_nbits_infer(infer, true); }
static void ref(const pith_run *run) { pithi_nbits_ref(run, true); }
static pith_status prepare(pith_prepare *prepare) { return pithi_nbits_prepare(prepare, true); }

static bool to_channels_last(pith_graph *graph, pith_node *node)
{
    (void)graph;
    ((pithi_nbits_attrs *)node->attrs)->channels_last = 1;
    return true;
}

static const pith_spelling spellings[] = { { "onnx", "pith", "ConvNBits", 1, NULL } };
static const char *const samples[] = {
    "f32[2,6,3,4] s4[5,6,1,1]{-8:8} f32[5] f32[2,5,3,4] f32[5] | form=nk activation=3",
    "f32[2,3,4,6] s8[5,6,1,1]{-9:9} f32[5] f32[2,3,4,5] f32[]{0.5} | form=nk channels_last=1",
    "f32[1,4,7] u4[3,4,1]{0:16} - - f32[3,2] u4[3,2]{0:16} | form=nk block_size=2",
};

const pith_op pith_op_conv_nbits = {
    .head = { "conv_nbits", 1, PITH_ATTRS(pithi_nbits_attr_table, pithi_nbits_attrs) },
    .inputs = pithi_nbits_inputs, .n_inputs = PITHI_NBITS_INPUTS,
    .outputs = pithi_nbits_outputs, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = pithi_nbits_run,
    .cost = pithi_nbits_cost,
    .fused_activation_plus_1 = offsetof(pithi_nbits_attrs, activation) + 1,
    .residual_input_plus_1 = PITHI_NBITS_RESIDUAL + 1,
    .layout = PITH_LAYOUT_LAST,
    .to_channels_last = to_channels_last,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
