/* SPDX-License-Identifier: Apache-2.0 */
/* sinh: y = hyperbolic sine. ONNX Sinh. */
#include "ops/shared_unary.h"

static double fn(double x, const void *attrs)
{
    (void)attrs;
    return sinh(x);
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
    { "onnx", "", "Sinh", 9, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67]", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]"
};

const pith_op pith_op_sinh = {
    .head = { "sinh", 1, PITH_NO_ATTRS },
    PITHI_UNARY_FLOAT,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
