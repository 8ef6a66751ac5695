/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear_add: sum of quantised operands with broadcasting. com.microsoft QLinearAdd, with ONNX
 * Runtime's order of roundings on x86 (measured on all pairs of 8-bit values), all in float32:
 *
 *   ra = a_scale / y_scale, rb = b_scale / y_scale, offset = y_zero - fma(ra, a_zero, rb * b_zero)
 *   y = saturate(round_half_even(fma(a, ra, fma(b, rb, offset)))) */
#include <math.h>

#include "ops/shared_qlinear_binary.h"

static pith_s16_terms terms_of(const pithi_qlinear_binary *binary)
{
    const float ra = binary->a.scale / binary->y.scale, rb = binary->b.scale / binary->y.scale;
    const float zeros = fmaf(ra, (float)binary->a.zero, rb * (float)binary->b.zero);
    return (pith_s16_terms){ ra, rb, (float)binary->y.zero - zeros };
}

static float value(const pithi_qlinear_binary *binary, int32_t a, int32_t b)
{
    const pith_s16_terms t = terms_of(binary);
    return fmaf((float)a, t.a_scale, fmaf((float)b, t.b_scale, t.offset));
}

static void ref(const pith_run *run) { pithi_qlinear_binary_ref(run, value); }

static void add_row(const pithi_rows *rows, const void *const *operands, void *y, int64_t n)
{
    const pithi_qlinear_rows *state = rows->user;
    const pithi_qlinear_binary *binary = &state->binary;
    const pith_s16_terms terms = terms_of(binary);
    if (state->wide) {
        pithi_qlinear_wide_row(rows, operands, y, n, false, &terms);
        return;
    }
    pith_qadd_s8_row row = pithi_qlinear_row(rows, operands, y, n);
    row.a_scale = terms.a_scale;
    row.b_scale = terms.b_scale;
    row.offset = terms.offset;
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
    "u16[2,3,7,9]{0:65536} f32[]{0.0002} u16[]{31000} u16[2,3,7,9]{0:65536} f32[]{0.0003} u16[]{100} f32[]{0.0004} "
    "u16[]{30000}",
    "s16[2,4,700]{-32768:32768} f32[]{0.0002} s16[]{-70} u8[4,1]{0:256} f32[]{0.03} u8[]{100} f32[]{0.05} s8[]{-30} | "
    "low=-100 high=90",
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
