/* SPDX-License-Identifier: Apache-2.0 */
/* random_normal_like: normally distributed numbers, in the shape of x. ONNX RandomNormalLike. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_random.h"

static const pith_attr_spec table[] = {
    PITHI_RANDOM_ATTRS(0),
    PITH_ATTR_FLOAT(pithi_random_attrs, mean, "mean", 0.0),
    PITH_ATTR_FLOAT(pithi_random_attrs, scale, "scale", 1.0),
};

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RandomNormalLike", 1, NULL } };
static const char *const samples[] = { "f32[2,3]", "f64[7] | seed=3 mean=2.5 scale=0.5", "s32[4] | dtype=1", "f32[0]" };

const pith_op pith_op_random_normal_like = {
    .head = { "random_normal_like", 1, PITH_ATTRS(table, pithi_random_attrs) },
    .flags = PITH_OP_RANDOM | PITH_OP_READS_SHAPE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_random_infer_like,
    .ref = pithi_random_ref_normal,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
