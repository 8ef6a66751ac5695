/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_mul: product of quantised operands with broadcasting. com.microsoft QLinearMul, in ONNX
 * Runtime's order of float32 roundings:
 *
 *   y = saturate(round_half_even((a - a_zero) (b - b_zero) * (a_scale b_scale / y_scale) + y_zero))
 */
#include "ops/shared_qlinear_binary.h"

static float value(const pithi_qlinear_binary *binary, int32_t a, int32_t b)
{
    float scale = binary->a.scale * binary->b.scale / binary->y.scale;
    float product = (float)((int64_t)(a - binary->a.zero) * (b - binary->b.zero)) * scale;
    return product + (float)binary->y.zero;
}

static void ref(const pith_run *run) { pithi_qlinear_binary_ref(run, value); }

static void mul_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    const pithi_qlinear_rows *state = rows->user;
    const pithi_qlinear_binary *binary = &state->binary;
    if (state->wide) { /* the float32 product of two exact floats is that of the integers, rounded */
        const pith_s16_terms terms = { binary->a.scale * binary->b.scale / binary->y.scale, 0.0f,
                                       (float)binary->y.zero };
        pithi_qlinear_wide_row(rows, operands, y, n, true, &terms);
        return;
    }
    pith_qadd_s8_row row = pithi_qlinear_row(rows, operands, y, n);
    row.a_base -= binary->a.zero;
    row.b_base -= binary->b.zero;
    row.a_scale = binary->a.scale * binary->b.scale / binary->y.scale;
    row.offset = (float)binary->y.zero;
    state->kernel->product(&row);
}

static pith_status prepare(pith_prepare *prepare) { return pithi_qlinear_binary_prepare(prepare, mul_row); }

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearMul", 1, NULL } };
static const char *const samples[] = {
    "u8[2,3,7,9]{0:256} f32[]{0.02} u8[]{127} u8[2,3,7,9]{0:256} f32[]{0.03} u8[]{100} f32[]{0.04} "
    "u8[]{90}",
    "s8[2,5,33]{-128:128} f32[]{0.05} s8[]{3} s8[33]{-128:128} f32[]{0.25} s8[]{-7} f32[]{0.5} "
    "s8[]{-128}",
    "s8[3,1]{-128:128} f32[1]{0.5} - s8[1,70]{-128:128} f32[]{0.25} - f32[]{1}",
    "u8[2,4,5,5]{0:256} f32[]{0.1} u8[]{5} u8[2,4,1,1]{0:256} f32[]{0.2} u8[]{3} f32[]{0.2} "
    "u8[]{9} | low=9 high=200",
    "u8[1,70,9,24]{0:256} f32[]{0.1} u8[]{5} u8[1,1,1,24]{0:256} f32[]{0.2} u8[]{3} f32[]{0.2} u8[]{9}",
    "s8[33]{-128:128} f32[]{0.1} s8[]{5} u8[300,33]{0:256} f32[]{0.2} u8[]{3} f32[]{3} s8[]{9}",
    "u16[2,3,7,9]{0:65536} f32[]{0.0002} u16[]{31000} u16[2,3,1,1]{0:65536} f32[]{0.0003} u16[]{100} f32[]{0.0004} "
    "u16[]{30000}",
    "u8[2,4,700]{0:256} f32[]{0.02} u8[]{70} s16[700]{-32768:32768} f32[]{0.0003} s16[]{100} f32[]{0.05} s8[]{-30} | "
    "low=-100 high=90",
    "u8[0,4] f32[]{1} u8[]{0} u8[4] f32[]{1} u8[]{0} f32[]{1} u8[]{0}",
};

const pith_op pith_op_qlinear_mul = {
    .head = { "qlinear_mul", 1,
              PITH_ATTRS(pithi_qlinear_binary_attrs_table, pithi_qlinear_binary_attrs) },
    .inputs = pithi_qlinear_binary_inputs,
    .n_inputs = PITH_COUNT(pithi_qlinear_binary_inputs),
    .outputs = pithi_qlinear_binary_outputs,
    .n_outputs = PITH_COUNT(pithi_qlinear_binary_outputs),
    .infer = pithi_qlinear_binary_infer,
    .ref = ref,
    .prepare = prepare,
    .run = pithi_qlinear_binary_run,
    .layout = PITH_LAYOUT_FOLLOWS,
    .to_channels_last = pithi_qlinear_binary_to_channels_last,
    .spellings = spellings,
    .n_spellings = PITH_COUNT(spellings),
    .samples = samples,
    .n_samples = PITH_COUNT(samples),
};
