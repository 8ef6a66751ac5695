/* SPDX-License-Identifier: Apache-2.0 */
/* mod: y = a - floor(a / b) b with the sign of b, or with fmod a - trunc(a / b) b with the sign of a; numpy
 * broadcasting. ONNX Mod. */
#include "ops/shared_binary.h"

typedef struct mod_attrs {
    int64_t fmod;
} mod_attrs;

static const pith_attr_spec attrs_table[] = { PITH_ATTR_INT(mod_attrs, fmod, "fmod", 0) };

static double floor_f64(double a, double b)
{
    const double remainder = fmod(a, b);
    if (remainder == 0.0) {
        return copysign(0.0, b);
    }
    return (remainder < 0.0) != (b < 0.0) && !isnan(remainder) ? remainder + b : remainder;
}

static double trunc_f64(double a, double b) { return fmod(a, b); }
static int64_t trunc_s64(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; } /* zero is reported before */
static uint64_t mod_u64(uint64_t a, uint64_t b) { return b == 0 ? 0 : a % b; }

static int64_t floor_s64(int64_t a, int64_t b)
{
    const int64_t remainder = trunc_s64(a, b);
    return remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder;
}

static void ref(const pith_run *run)
{
    static const pithi_binary_fns floored = { .f64 = floor_f64, .s64 = floor_s64, .u64 = mod_u64 };
    static const pithi_binary_fns truncated = { .f64 = trunc_f64, .s64 = trunc_s64, .u64 = mod_u64 };
    const mod_attrs *attrs = run->attrs;
    pithi_fault_zero_divisor(run);
    pithi_binary_ref(run, attrs->fmod ? &truncated : &floored);
}

/* Of floats fmodf() is exact, and what is added to it is rounded once. */
static float floor_f32(float a, float b) { return (float)floor_f64((double)a, (double)b); }

PITHI_ROW_FN(row_s32, int32_t, int32_t, floor_s64(a, b))
PITHI_ROW_FN(row_s64, int64_t, int64_t, floor_s64(a, b))
PITHI_ROW_FN(row_f32, float, float, floor_f32(a, b))
PITHI_ROW_FN(row_s32_trunc, int32_t, int32_t, trunc_s64(a, b))
PITHI_ROW_FN(row_s64_trunc, int64_t, int64_t, trunc_s64(a, b))
PITHI_ROW_FN(row_f32_trunc, float, float, fmodf(a, b))

static const pith_spelling spellings[] = { { "onnx", "", "Mod", 10, NULL } };

static pith_status prepare(pith_prepare *prepare)
{
    const mod_attrs *attrs = prepare->attrs;
    switch (prepare->inputs[0].dtype) {
    case PITH_DTYPE_S32: return pithi_row_prepare(prepare, attrs->fmod ? row_s32_trunc : row_s32);
    case PITH_DTYPE_S64: return pithi_row_prepare(prepare, attrs->fmod ? row_s64_trunc : row_s64);
    case PITH_DTYPE_F32: return pithi_row_prepare(prepare, attrs->fmod ? row_f32_trunc : row_f32);
    default: return PITH_OK;
    }
}

static void run_part(const pith_run *run, const pith_part *part)
{
    if (part->index == 0) {
        pithi_fault_zero_divisor(run);
    }
    pithi_rows_run(run, part);
}

static const char *const samples[] = {
    "s64[6]{-4,7,5,4,-7,8} s64[6]{2,-3,8,-2,3,5}", "s64[6]{-4,7,5,4,-7,8} s64[6]{2,-3,8,-2,3,5} | fmod=1",
    "f32[2,9] f32[2,9]{0.5:2} | fmod=1",
    "f32[2,9] f32[]{-0.75}", "u8[3,1] u8[4]{1:9}", "s32[0] s32[]{3}", "s64[70,300]{-90:90} s64[]{-7}",
    "s32[3,40]{-90:90} s32[3,1]{1:9} | fmod=1", "f32[70,300]{-90:90} f32[300]{1:9}", "u64[3] u64[3]{1:9}"
};

const pith_op pith_op_mod = {
    .head = { "mod", 1, PITH_ATTRS(attrs_table, mod_attrs) },
    PITHI_BINARY_NUMBER, /* not in place: zeroes among the divisors are looked for while parts are written */
    .ref = ref, .prepare = prepare, .run = run_part,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
