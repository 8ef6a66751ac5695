/* SPDX-License-Identifier: Apache-2.0 */
/* random_uniform_like: numbers that are uniform in [low, high), in the shape of x. ONNX RandomUniformLike. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_random.h"

static const pith_attr_spec table[] = {
    PITHI_RANDOM_ATTRS(0),
    PITH_ATTR_FLOAT(pithi_random_attrs, low, "low", 0.0),
    PITH_ATTR_FLOAT(pithi_random_attrs, high, "high", 1.0),
};

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_MOVED, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RandomUniformLike", 1, NULL } };
static const char *const samples[] = { "f32[2,3]", "f64[7] | seed=3 low=-1 high=3", "s32[4] | dtype=1", "f32[0]" };

const pith_op pith_op_random_uniform_like = {
    .head = { "random_uniform_like", 1, PITH_ATTRS(table, pithi_random_attrs) },
    .flags = PITH_OP_RANDOM | PITH_OP_READS_SHAPE,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_random_infer_like,
    .ref = pithi_random_ref_uniform,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
