/* SPDX-License-Identifier: Apache-2.0 */
/* adam: one step of Adam (Kingma and Ba 2015). ai.onnx.preview.training Adam.
 *   g = norm_coefficient X + G,  V' = alpha V + (1 - alpha) g,  H' = beta H + (1 - beta) g^2
 *   r = T > 0 ? R sqrt(1 - beta^T) / (1 - alpha^T) : R
 *   X' = (1 - norm_coefficient_post) (X - r V' / (sqrt(H') + epsilon)) */
#include "ops/shared_optimizer.h"

typedef struct adam_attrs {
    float alpha, beta, epsilon, norm_coefficient, norm_coefficient_post;
} adam_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_FLOAT(adam_attrs, alpha, "alpha", 0.9),
    PITH_ATTR_FLOAT(adam_attrs, beta, "beta", 0.999),
    PITH_ATTR_FLOAT(adam_attrs, epsilon, "epsilon", 1e-6),
    PITH_ATTR_FLOAT(adam_attrs, norm_coefficient, "norm_coefficient", 0.0),
    PITH_ATTR_FLOAT(adam_attrs, norm_coefficient_post, "norm_coefficient_post", 0.0),
};

static void step(const void *attrs, const pithi_optimizer *o, const double *in, double *out)
{
    const adam_attrs *a = attrs;
    const double alpha = (double)a->alpha, beta = (double)a->beta, t = (double)o->count;
    const double g = (double)a->norm_coefficient * in[0] + in[1];
    const double rate = o->count > 0 ? o->rate * sqrt(1.0 - pow(beta, t)) / (1.0 - pow(alpha, t)) : o->rate;
    out[1] = alpha * in[2] + (1.0 - alpha) * g;
    out[2] = beta * in[3] + (1.0 - beta) * g * g;
    out[0] = (1.0 - (double)a->norm_coefficient_post) * (in[0] - rate * out[1] / (sqrt(out[2]) + (double)a->epsilon));
}

static void ref(const pith_run *run)
{
    pithi_optimizer_ref(run, 2, step);
}

static pith_status infer(pith_infer *infer)
{
    return pithi_optimizer_infer(infer, 2);
}

static const pith_spelling spellings[] = { { "onnx", "ai.onnx.preview.training", "Adam", 1, NULL } };
static const char *const samples[] = {
    "f32[]{0.1} s64[]{3} f32[2,3] f32[2,3] f32[2,3] f32[2,3]{0:2} | norm_coefficient=0.01 alpha=0.8 | 3",
    "f64[]{0.1} s64[]{0} f64[3] f64[3] f64[3] f64[3]{0:2} | norm_coefficient_post=0.1 beta=0.5 epsilon=0.01 | 3",
};

const pith_op pith_op_adam = {
    .head = { "adam", 1, PITH_ATTRS(table, adam_attrs) },
    .inputs = pithi_optimizer_inputs, .n_inputs = PITH_COUNT(pithi_optimizer_inputs),
    .outputs = pithi_optimizer_outputs, .n_outputs = PITH_COUNT(pithi_optimizer_outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
