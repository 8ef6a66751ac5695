/* SPDX-License-Identifier: Apache-2.0 */
/* random_uniform: numbers that are uniform in [low, high), in a given shape. ONNX RandomUniform. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_random.h"

static const pith_attr_spec table[] = {
    PITHI_RANDOM_ATTRS(1),
    PITH_ATTR_REQUIRED_INTS(pithi_random_attrs, shape, "shape"),
    PITH_ATTR_FLOAT(pithi_random_attrs, low, "low", 0.0),
    PITH_ATTR_FLOAT(pithi_random_attrs, high, "high", 1.0),
};

static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RandomUniform", 1, NULL } };
static const char *const samples[] = { " | shape=[2,3]", " | shape=[7] dtype=11 seed=3 low=-1 high=3", " | shape=[0]" };

const pith_op pith_op_random_uniform = {
    .head = { "random_uniform", 1, PITH_ATTRS(table, pithi_random_attrs) },
    .flags = PITH_OP_RANDOM,
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_random_infer_shape,
    .ref = pithi_random_ref_uniform,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
