/* SPDX-License-Identifier: Apache-2.0 */
/* mul: y = a b, numpy broadcasting. ONNX Mul; SwiGLU is a mul whose first operand passes silu. */
#include "ops/shared_binary.h"
#include "ops/shared_source.h"

static double fn_f64(double a, double b) { return a * b; }
static int64_t fn_s64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); } /* wraps */

static void ref(const pith_run *run)
{
    static const pithi_binary_fns fns = { .f64 = fn_f64, .s64 = fn_s64 };
    pithi_binary_ref(run, &fns);
}

PITHI_ROW_FN(row_s64, int64_t, int64_t, (uint64_t)a * (uint64_t)b)
PITHI_ROW_FN(row_s32, int32_t, int32_t, (uint32_t)a * (uint32_t)b)

static pith_status prepare(pith_prepare *prepare)
{
    const pith_dtype dtype = prepare->inputs[0].dtype;
    if (dtype == PITH_DTYPE_S64 || dtype == PITH_DTYPE_S32) {
        return pithi_row_prepare(prepare, dtype == PITH_DTYPE_S64 ? row_s64 : row_s32);
    }
    return pithi_binary_prepare(prepare, PITH_VBINARY_MUL);
}

/* Y = Swish_alpha(A) * B. */
static pith_status map_swiglu(pith_ctx *ctx, pith_source *source, void *attrs)
{
    (void)attrs;
    const pith_source_attr *alpha = pithi_source_attr(source, "alpha");
    pith_node *silu = NULL;
    PITH_TRY(pithi_source_unary_input(ctx, source, 0, pithi_op_find("silu"), &silu));
    if (alpha) {
        *(float *)pithi_attr_field(silu, "alpha", PITH_ATTR_KIND_FLOAT) = alpha->f;
    }
    return PITH_OK;
}

static const pith_spelling spellings[] = {
    { "onnx", "", "SwiGLU", 28, map_swiglu },
    { "onnx", "", "Mul", 1, pithi_map_legacy_broadcast },
    { "onnx", "", "Mul", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,3] f32[2,3]", "f32[2,5,67] f32[67] | activation=3", "f32[3,1,4] f32[2,1]", "f32[2,3,5,7] f32[3,1,1]",
    "f32[] f32[33]", "f32[2,4,1] f32[1,1,1]", "s32[4]{7,-8,100,3} s32[]{3}", "u8[3]{1,200,7} u8[3]{255,2,3}",
    "s64[2,2] s64[2]{2,5}",
    "f16[5] f16[5]{0.5:2}", "f32[0,4] f32[4]",
    "f32[9] f32[3,9] | activation=4 activation_alpha=-0.5 activation_beta=0.5",
    "f32[3,32,8,4] f32[3,32,1,4] | activation=3", "f32[7,1,5] f32[1,150,1]", "f32[600,3] f32[600,1]",
};

const pith_op pith_op_mul = {
    .head = { "mul", 1, PITH_ATTRS(pithi_binary_attrs_table, pithi_binary_attrs) },
    .flags = PITH_OP_INPLACE_ANY | PITH_OP_COMMUTATIVE,
    PITHI_BINARY_NUMBER,
    .ref = ref, .prepare = prepare, .run = pithi_rows_run,
    PITHI_BINARY_ACTIVATION,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
