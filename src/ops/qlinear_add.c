/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_add: sum of quantised operands with broadcasting. com.microsoft QLinearAdd, with ONNX
 * Runtime's order of roundings on x86 (measured on all pairs of 8-bit values), all in float32:
 *
 *   ra = a_scale / y_scale, rb = b_scale / y_scale, offset = y_zero - fma(ra, a_zero, rb * b_zero)
 *   y = saturate(round_half_even(fma(a, ra, fma(b, rb, offset)))) */
#include <math.h>

#include "ops/shared_qlinear_binary.h"

static float value(const pithi_qlinear_binary *binary, int32_t a, int32_t b)
{
    float ra = binary->a.scale / binary->y.scale, rb = binary->b.scale / binary->y.scale;
    float offset =
        (float)binary->y.zero - fmaf(ra, (float)binary->a.zero, rb * (float)binary->b.zero);
    return fmaf((float)a, ra, fmaf((float)b, rb, offset));
}

static void ref(const pith_run *run) { pithi_qlinear_binary_ref(run, value); }

static void add_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    const pithi_qlinear_rows *state = rows->user;
    const pithi_qlinear_binary *binary = &state->binary;
    pith_qadd_s8_row row = pithi_qlinear_row(rows, operands, y, n);
    row.a_scale = binary->a.scale / binary->y.scale;
    row.b_scale = binary->b.scale / binary->y.scale;
    row.offset = (float)binary->y.zero -
                 fmaf(row.a_scale, (float)binary->a.zero, row.b_scale * (float)binary->b.zero);
    state->kernel->sum(&row);
}

static pith_status prepare(pith_prepare *prepare) { return pithi_qlinear_binary_prepare(prepare, add_row); }

static const pith_spelling spellings[] = { { "onnx", "com.microsoft", "QLinearAdd", 1, NULL } };
static const char *const samples[] = {
    "u8[2,3,7,9]{0:256} f32[]{0.02} u8[]{127} u8[2,3,7,9]{0:256} f32[]{0.03} u8[]{100} f32[]{0.04} "
    "u8[]{90}",
    "s8[2,5,33]{-128:128} f32[]{0.5} s8[]{3} s8[33]{-128:128} f32[]{0.25} s8[]{-7} f32[]{0.5} "
    "s8[]{-128}",
    "s8[3,1]{-128:128} f32[1]{0.5} - s8[1,70]{-128:128} f32[]{0.25} - f32[]{1}",
    "u8[4,5]{0:256} f32[]{0.1} u8[]{5} s8[]{-128:128} f32[]{0.2} s8[]{3} f32[]{0.2} u8[]{9} | "
    "low=9 high=200",
    "u8[0,4] f32[]{1} u8[]{0} u8[4] f32[]{1} u8[]{0} f32[]{1} u8[]{0}",
};

const pith_op pith_op_qlinear_add = {
    .head = { "qlinear_add", 1,
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
