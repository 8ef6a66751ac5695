/* SPDX-License-Identifier: Apache-2.0 */
/* matmul_integer: sums of (a - a_zero) (b - b_zero) in s32. ONNX MatMulInteger. With factors (pith's own, pass
 * fuse_dynamic) the result is float32: y = activation(sum * (a_factor * b_factor) + offset + residual), every operation
 * rounded. */
#include "ops/sample.h"
#include "ops/shared_int_product.h"
#include "ops/shared_unary.h"

static const pith_attr_spec attr_table[] = { PITHI_ACTIVATION_ATTRS(pithi_int_matmul_attrs, activation) };

static pith_status infer(pith_infer *infer) { return pithi_int_matmul_infer(infer, false); }
static void ref(const pith_run *run) { pithi_int_matmul_ref(run, false); }
static pith_status prepare(pith_prepare *prepare) { return pithi_int_matmul_prepare(prepare, false); }
static void run_part(const pith_run *run, const pith_part *part) { pithi_int_matmul_run(run, part, false); }

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *a = &infer->inputs[0].shape;
    cost->macs = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) *
                 (uint64_t)(a->rank ? a->dims[a->rank - 1] : 1);
}

static const pith_operand_spec inputs[] = {
    { "a", PITH_DTYPES_8BIT, PITH_ONE },
    { "b", PITH_DTYPES_8BIT, PITH_ONE },
    { "a_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    { "b_zero_point", PITH_DTYPES_8BIT, PITH_OPTIONAL },
    PITHI_INT_FLOAT_INPUTS,
};
#define SUMS (PITH_DTYPES(PITH_DTYPE_S32) | PITH_DTYPES(PITH_DTYPE_F32))
static const pith_operand_spec outputs[] = { { "y", SUMS, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "MatMulInteger", 10, NULL } };
static const char *const samples[] = {
    "u8[5,7]{0:255} s8[7,33]{-128:127} u8[]{12} s8[]{-3}", "s8[2,1,3,4]{-9:9} u8[3,4,6] s8[3]{1,2,3} u8[6]",
    "u8[3,4]{0:9} u8[4,2] - u8[2]{1,2}", "u8[4] s8[4,3]", "s8[40,60]{-9:9} s8[60,50]{-9:9}", "u8[2,0] u8[0,3]",
    "u8[5,7]{0:255} s8[7,33]{-128:127} u8[]{12} s8[]{-3} f32[]{0.02} f32[33]{0.01:0.03} f32[33]",
    "u8[2,50,70]{0:255} s8[70,150]{-128:127} u8[]{12} - f32[1]{0.02} f32[1]{0.01}",
    "u8[2,9,30]{0:255} u8[30,40]{0:255} u8[]{130} u8[40]{0:255} f32[]{0.02} f32[40]{0.01:0.03} - f32[2,9,40]",
    "u8[9,30]{0:255} u8[30,40]{0:255} u8[]{130} u8[]{99} f32[]{0.002} f32[]{0.01} f32[40] f32[9,40] | activation=7",
};

const pith_op pith_op_matmul_integer = {
    .head = { "matmul_integer", 1, PITH_ATTRS(attr_table, pithi_int_matmul_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .cost = cost,
    .fused_activation_plus_1 = offsetof(pithi_int_matmul_attrs, activation) + 1,
    .residual_input_plus_1 = PITHI_INT_RESIDUAL + 1,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
