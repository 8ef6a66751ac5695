/* SPDX-License-Identifier: Apache-2.0 */
/* acosh: y = inverse hyperbolic cosine. ONNX Acosh. */
#include "ops/shared_unary.h"

static double fn(double x, const void *attrs)
{
    (void)attrs;
    return acosh(x);
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
    { "onnx", "", "Acosh", 9, NULL },
};
static const char *const samples[] = {
    "f32[2,3]{1:5}", "f32[5,67]{1:5}", "f16[9]{1:5}",
    "bf16[3,1]{1:5}", "f64[]{1:5}", "f32[0,4]{1:5}"
};

const pith_op pith_op_acosh = {
    .head = { "acosh", 1, PITH_NO_ATTRS },
    PITHI_UNARY_FLOAT,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
