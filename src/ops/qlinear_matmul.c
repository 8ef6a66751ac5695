/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_matmul: matmul of quantised operands: y = saturate(round((sum + bias) a_scale b_scale / y_scale) + y_zero).
 * ONNX QLinearMatMul, which has no bias. */
#include "ops/sample.h"
#include "ops/shared_int_product.h"

static const pith_attr_spec attr_table[] = {
    PITH_ATTR_OWN_INT(pithi_int_matmul_attrs, trans_b, "trans_b", 0),
    PITHI_LIMITS_ATTRS(pithi_int_matmul_attrs, limits),
};

static pith_status infer(pith_infer *infer) { return pithi_int_matmul_infer(infer, true); }
static void ref(const pith_run *run) { pithi_int_matmul_ref(run, true); }
static pith_status prepare(pith_prepare *prepare)
{
    return pithi_int_matmul_prepare(prepare, true);
}
static void run_part(const pith_run *run, const pith_part *part)
{
    pithi_int_matmul_run(run, part, true);
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    const pith_shape *a = &infer->inputs[0].shape;
    cost->macs = (uint64_t)pith_shape_elements(&infer->outputs[0].shape) *
                 (uint64_t)(a->rank ? a->dims[a->rank - 1] : 1);
}

#define DTYPES (PITH_DTYPES_8BIT | PITH_DTYPES_F8)
#define SIDES (PITH_DTYPES_8OR16 | PITH_DTYPES_F8)
static const pith_operand_spec inputs[] = {
    { "a", SIDES, PITH_ONE },
    { "a_scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "a_zero_point", SIDES, PITH_ONE },
    { "b", DTYPES, PITH_ONE },
    { "b_scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "b_zero_point", DTYPES, PITH_ONE },
    { "y_scale", PITH_DTYPES_FLOAT, PITH_ONE },
    { "y_zero_point", SIDES, PITH_ONE },
    { "bias", PITH_DTYPES(PITH_DTYPE_S32), PITH_OPTIONAL }, /* pith's own; with constant matrices b only */
};
static const pith_operand_spec outputs[] = { { "y", SIDES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "QLinearMatMul", 10, NULL } };
static const char *const samples[] = {
    "u8[5,7]{0:255} f32[]{0.02} u8[]{120} s8[7,33]{-128:127} f32[]{0.03} s8[]{-3} f32[]{0.1} "
    "u8[]{100}",
    "s8[2,3,4]{-99:99} f32[1]{0.1} s8[1]{1} s8[4,6]{-99:99} f32[6]{0.01:0.2} s8[6] f32[1]{0.9} "
    "s8[1]{5}",
    "u8[2,5,7]{0:255} f32[]{0.02} u8[]{120} s8[7,33]{-128:127} f32[33]{0.01:0.03} s8[33] f32[]{0.1} "
    "u8[]{100} s32[33]{-900:900}",
    "u8[2,3,5,66]{0:255} f32[]{0.02} u8[]{120} u8[2,3,19,66]{0:255} f32[]{0.03} u8[]{99} f32[]{0.9} u8[]{100} | "
    "trans_b=1 low=40 high=180",
    "u8[2,49,35]{0:255} f32[]{0.02} u8[]{120} s8[2,35,40]{-128:127} f32[]{0.03} s8[] f32[]{0.9} u8[]{100}",
    "u16[2,5,70]{0:65536} f32[]{0.0002} u16[]{120} s8[70,133]{-128:127} f32[133]{0.01:0.03} s8[133] f32[]{0.001} "
    "u16[]{30000} s32[133]{-900:900} | low=20000 high=60000",
    "s16[60,9]{-32768:32768} f32[]{0.0002} s16[]{120} u8[9,3]{0:256} f32[]{0.01} u8[]{7} f32[]{0.3} s8[]{3}",
    "u16[7,700]{0:65536} f32[]{0.0002} u16[]{33000} u8[700,70]{0:256} f32[]{0.01} u8[]{99} f32[]{0.02} u16[]{30000} "
    "s32[70]{-9e6:9e6}",
    "s16[50,700]{-32768:32768} f32[]{0.0002} s16[]{-30} s8[700,3]{-128:128} f32[]{0.01} s8[]{0} f32[]{3} s8[]{3}",
    "u8[3,9]{0:256} f32[]{0.02} u8[]{120} s8[9,30]{-128:127} f32[]{0.01} s8[]{0} f32[]{0.0003} s16[]{3}",
    "u8[3,4] f32[3]{0.1:0.2} u8[3] u8[4,5] f32[]{0.1} u8[]{50} f32[3]{2:5} u8[3]",
    "f8e4m3fn[3,4] f32[]{0.5} f8e4m3fn[]{0} f8e5m2[4,5] f32[5] f8e5m2[5]{0,0,0,0,1} f32[]{0.1} f8e4m3fnuz[]{0}",
    "f8e4m3fn[2,3,4] f16[]{0.5} f8e4m3fn[]{0} s8[4,5] f16[]{0.1} s8[]{3} f16[]{0.5} s8[]{1}",
};

const pith_op pith_op_qlinear_matmul = {
    .head = { "qlinear_matmul", 1, PITH_ATTRS(attr_table, pithi_int_matmul_attrs) },
    .inputs = inputs,
    .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs,
    .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .prepare = prepare,
    .run = run_part,
    .cost = cost,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
