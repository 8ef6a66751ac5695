/* SPDX-License-Identifier: Apache-2.0 */
/* negative_log_likelihood_loss: -w[t] x[t], x being log probabilities. ONNX NegativeLogLikelihoodLoss. */
#include "ops/sample.h"
#include "ops/shared_loss.h"

static const pith_attr_spec table[] = { PITHI_LOSS_ATTRS };

static double log_probability(const pith_run *run, int64_t n, int64_t c, int64_t d)
{
    return pithi_tensor_get_f64(&run->inputs[0], pithi_loss_at(&run->inputs[0], n, c, d));
}

static void ref(const pith_run *run)
{
    pithi_loss_ref(run, log_probability);
}

static const pith_operand_spec inputs[] = { { "x", PITH_DTYPES_FLOAT, PITH_ONE },
                                            { "target", PITH_DTYPES_INDEX, PITH_ONE },
                                            { "weight", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_operand_spec outputs[] = { { "loss", PITH_DTYPES_FLOAT, PITH_ONE } };
static const pith_spelling spellings[] = { { "onnx", "", "NegativeLogLikelihoodLoss", 12, NULL } };
static const char *const samples[] = {
    "f32[3,5] s64[3]{0:5}",
    "f32[3,5,2] s32[3,2]{0:5} f32[5] | reduction=sum",
    "f32[2,3,2,2] s64[2,2,2]{0,1,2,-7,1,1,0,2} f32[3] | reduction=none ignore_index=-7",
    "f32[0,3] s64[0] | reduction=none",
};

const pith_op pith_op_negative_log_likelihood_loss = {
    .head = { "negative_log_likelihood_loss", 1, PITH_ATTRS(table, pithi_loss_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = pithi_loss_infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
