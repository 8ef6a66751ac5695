/* SPDX-License-Identifier: Apache-2.0 */
/* shrink: y = x < -lambd ? x + bias : x > lambd ? x - bias : 0. ONNX Shrink. */
#include "ops/shared_unary.h"

typedef struct shrink_attrs {
    float bias, lambd;
} shrink_attrs;

static const pith_attr_spec attrs_table[] = {
    PITH_ATTR_FLOAT(shrink_attrs, bias, "bias", 0.0),
    PITH_ATTR_FLOAT(shrink_attrs, lambd, "lambd", 0.5),
};

static double fn(double x, const void *attrs)
{
    const shrink_attrs *a = attrs;
    const double bias = (double)a->bias, lambd = (double)a->lambd;
    return x < -lambd ? x + bias : x > lambd ? x - bias : isnan(x) ? x : 0.0;
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
    { "onnx", "", "Shrink", 9, NULL },
};
static const char *const samples[] = {
    "f32[2,3]", "f32[5,67] | bias=0.5 lambd=0.75", "f16[9]",
    "bf16[3,1]", "f64[]", "f32[0,4]", "s32[5]{0,-1,7,-128,2}"
};

const pith_op pith_op_shrink = {
    .head = { "shrink", 1, PITH_ATTRS(attrs_table, shrink_attrs) },
    PITHI_UNARY_NUMBER,
    .ref = ref, .prepare = pithi_unary_prepare_parts, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
