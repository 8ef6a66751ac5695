/* SPDX-License-Identifier: Apache-2.0 */
/* div: y = a / b, numpy broadcasting; integers truncate towards zero. ONNX Div. */
#include "ops/shared_binary.h"

static double fn_f64(double a, double b) { return a / b; }

/* Division by zero is reported before; the quotient that overflows wraps. */
static int64_t fn_s64(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b; }
static uint64_t fn_u64(uint64_t a, uint64_t b) { return b == 0 ? 0 : a / b; }

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .f64 = fn_f64, .s64 = fn_s64, .u64 = fn_u64 };
    pithi_fault_zero_divisor(run);
    pithi_binary_ref(run, &fns);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_binary_prepare(prepare, PITH_VBINARY_DIV);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Div", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Div", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,3] f32[2,3]{0.5:2}", "f32[2,5,67] f32[67]{-2:-0.5} | activation=3", "f32[3,1,4] f32[2,1]{1:2}",
    "f32[2,3,5,7] f32[3,1,1]{-3:-1}",
    "f32[] f32[33]{0.25:1}", "f32[2,4,1] f32[1,1,1]{4}", "s32[4]{7,-8,100,3} s32[]{3}",
    "u8[3]{1,200,7} u8[3]{255,2,3}", "s64[2,2] s64[2]{-2,5}",
    "f16[5] f16[5]{0.5:2}", "f32[0,4] f32[4]",
    "f32[9] f32[3,9]{1:9} | activation=4 activation_alpha=-0.5 activation_beta=0.5"
};

const pith_op pith_op_div = {
    .head = { "div", 1, PITH_ATTRS(pithi_binary_attrs_table, pithi_binary_attrs) },
    .flags = PITH_OP_INPLACE_ANY,
    PITHI_BINARY_NUMBER,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    PITHI_BINARY_ACTIVATION,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
