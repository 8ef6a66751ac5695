/* SPDX-License-Identifier: Apache-2.0 */
/* binarizer: y = x > threshold ? 1 : 0, in x's dtype. ai.onnx.ml Binarizer. */
#include "ops/shared_ml.h"
#include "ops/shared_unary.h"

typedef struct binarizer_attrs {
    float threshold;
} binarizer_attrs;

static const pith_attr_spec table[] = { PITH_ATTR_FLOAT(binarizer_attrs, threshold, "threshold", 0.0) };

static double above(double x, const void *attrs)
{
    return x > (double)((const binarizer_attrs *)attrs)->threshold ? 1.0 : 0.0;
}

static void ref(const pith_run *run)
{
    pithi_unary_ref(run, above);
}

static void run(const pith_run *run, const pith_part *part)
{
    pithi_unary_ref_part(run, part, above);
}

static const pith_operand_spec inputs[] = { { "x", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITHI_ML_DTYPES, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "ai.onnx.ml", "Binarizer", 1, NULL } };
static const char *const samples[] = { "f32[3,5] | threshold=0.5", "s64[7]{-3:3}", "f64[]", "s32[0,2]" };

const pith_op pith_op_binarizer = {
    .head = { "binarizer", 1, PITH_ATTRS(table, binarizer_attrs) },
    .flags = PITH_OP_INPLACE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_infer_same,
    .ref = ref,
    .prepare = pithi_unary_prepare_parts, .run = run,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
