/* SPDX-License-Identifier: Apache-2.0 */
/* bernoulli: 1 with the probability that x gives, else 0. ONNX Bernoulli. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_random.h"

static const pith_attr_spec table[] = { PITHI_RANDOM_ATTRS(0) };

static void ref(const pith_run *run)
{
    pith_tensor *y = &run->outputs[0];
    for (int64_t i = 0; i < pith_shape_elements(&y->shape); i++) {
        bool is_one = pithi_random_uniform(run, i) < pithi_tensor_get_f64(&run->inputs[0], i);
        pithi_tensor_set_s64(y, i, is_one);
    }
}

static pith_status infer(pith_infer *infer)
{
    return pithi_random_infer(infer, &infer->inputs[0].shape);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_ANY, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "Bernoulli", 15, NULL } };
static const char *const samples[] = { "f32[2,3]{0:1}", "f64[7]{0:1} | dtype=6 seed=5", "f32[3]{0,1,0.5} | dtype=9",
                                       "f32[0]" };

const pith_op pith_op_bernoulli = {
    .head = { "bernoulli", 1, PITH_ATTRS(table, pithi_random_attrs) },
    .flags = PITH_OP_RANDOM,
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
