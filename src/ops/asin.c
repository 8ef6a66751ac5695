/* SPDX-License-Identifier: Apache-2.0 */
/* asin: y = arc sine in radians. ONNX Asin. */
#include "ops/shared_unary.h"

static double fn(double x, const void *attrs)
{
    (void)attrs;
    return asin(x);
}

static void ref(const pith_run *run)
{
    pithi_unary_ref(run, fn);
}

static void run(const pith_run *run, const pith_part *part)
{
    pithi_unary_ref_part(run, part, fn);
}

static const pith_spelling spellings[] = {
    { "onnx", "", "Asin", 7, NULL },
};
static const char *const samples[] = {
    "f32[2,3]{-0.9:0.9}", "f32[5,67]{-0.9:0.9}", "f16[9]{-0.9:0.9}",
    "bf16[3,1]{-0.9:0.9}", "f64[]{-0.9:0.9}", "f32[0,4]{-0.9:0.9}"
};

const pith_op pith_op_asin = {
    .head = { "asin", 1, PITH_NO_ATTRS },
    PITHI_UNARY_FLOAT,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
