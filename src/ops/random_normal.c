/* SPDX-License-Identifier: Apache-2.0 */
/* random_normal: normally distributed numbers, in a given shape. ONNX RandomNormal. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_random.h"

static const pith_attr_spec table[] = {
    PITHI_RANDOM_ATTRS(1),
    PITH_ATTR_REQUIRED_INTS(pithi_random_attrs, shape, "shape"),
    PITH_ATTR_FLOAT(pithi_random_attrs, mean, "mean", 0.0),
    PITH_ATTR_FLOAT(pithi_random_attrs, scale, "scale", 1.0),
};

static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "RandomNormal", 1, NULL } };
static const char *const samples[] = { " | shape=[2,3]", " | shape=[7] dtype=11 seed=3 mean=2.5 scale=0.5",
                                       " | shape=[0]" };

const pith_op pith_op_random_normal = {
    .head = { "random_normal", 1, PITH_ATTRS(table, pithi_random_attrs) },
    .flags = PITH_OP_RANDOM,
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_random_infer_shape,
    .ref = pithi_random_ref_normal,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
