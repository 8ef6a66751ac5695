/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_nbits: y = activation(a w + bias + residual) on the last dimension of a, with weights that stay packed: see
 * shared_nbits.h. Recipes make it of com.microsoft MatMulNBits, pass fuse_nbits of dequantize_linear -> product. */
#include "ops/sample.h"
#include "ops/shared_nbits.h"

static pith_status infer(pith_infer *infer) { return pithi_nbits_infer(infer, false); }
static void ref(const pith_run *run) { pithi_nbits_ref(run, false); }
static pith_status prepare(pith_prepare *prepare) { return pithi_nbits_prepare(prepare, false); }

static const pith_spelling spellings[] = { { "onnx", "pith", "MatMulNBits", 1, NULL } };
static const char *const samples[] = {
    "f32[3,20] u8[5,2,8]{0:256} - - f32[5,2] | K=20 N=5 block_size=16",
    "f32[2,3,40] u8[6,3,4]{0:256} f32[6] f32[2,3,6] f32[6,3] u8[6]{0:256} | K=40 N=6 bits=2 block_size=16 activation=3",
    "f32[7] s8[7,5]{-9:9} - - f32[5] | form=kn",
    "f32[4,12] s4[5,12]{-8:8} f32[5] - f32[5,3] s4[5,3]{-8:8} | form=nk block_size=4",
    "f32[4,12] u4[12,5]{0:16} - - f32[3,5] f32[3,5] s32[12]{0,1,2,0,1,2,0,1,2,0,1,2} | form=kn block_size=4",
    "f32[2,6] u4[6,3]{0:4} - - - - - f32[4] | form=kn",
    "f32[2,6] bf16[3,6] | form=nk",
    "f16[2,6] f8e4m3fn[6,3] - - f16[]{0.5} | form=kn",
    "f32[0,6] f16[6,3] | form=kn",
};

const pith_op pith_op_matmul_nbits = {
    .head = { "matmul_nbits", 1, PITH_ATTRS(pithi_nbits_attr_table, pithi_nbits_attrs) },
    .inputs = pithi_nbits_inputs, .n_inputs = PITHI_NBITS_INPUTS,
    .outputs = pithi_nbits_outputs, .n_outputs = 1,
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = pithi_nbits_run,
    .cost = pithi_nbits_cost,
    .fused_activation_plus_1 = offsetof(pithi_nbits_attrs, activation) + 1,
    .residual_input_plus_1 = PITHI_NBITS_RESIDUAL + 1,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
