/* SPDX-License-Identifier: Apache-2.0 */
/* adagrad: one step of Adagrad (Duchi, Hazan and Singer 2011). ai.onnx.preview.training Adagrad.
 *   r = R / (1 + T decay_factor),  g = norm_coefficient X + G,  H' = H + g^2,  X' = X - r g / (sqrt(H') + epsilon) */
#include "ops/shared_optimizer.h"

typedef struct adagrad_attrs {
    float norm_coefficient, decay_factor, epsilon;
} adagrad_attrs;

static const pith_attr_spec table[] = {
    PITH_ATTR_FLOAT(adagrad_attrs, norm_coefficient, "norm_coefficient", 0.0),
    PITH_ATTR_FLOAT(adagrad_attrs, decay_factor, "decay_factor", 0.0),
    PITH_ATTR_FLOAT(adagrad_attrs, epsilon, "epsilon", 1e-6),
};

static void step(const void *attrs, const pithi_optimizer *o, const double *in, double *out)
{
    const adagrad_attrs *a = attrs;
    const double rate = o->rate / (1.0 + (double)o->count * (double)a->decay_factor);
    const double g = (double)a->norm_coefficient * in[0] + in[1];
    out[1] = in[2] + g * g;
    out[0] = in[0] - rate * g / (sqrt(out[1]) + (double)a->epsilon);
}

static void ref(const pith_run *run)
{
    pithi_optimizer_ref(run, 1, step);
}

static pith_status infer(pith_infer *infer)
{
    return pithi_optimizer_infer(infer, 1);
}

static const pith_spelling spellings[] = { { "onnx", "ai.onnx.preview.training", "Adagrad", 1, NULL } };
static const char *const samples[] = {
    "f32[]{0.1} s64[]{3} f32[2,3] f32[2,3] f32[2,3]{0:2} | norm_coefficient=0.01 decay_factor=0.1 | 2",
    "f64[1]{0.1} s64[]{0} f64[3] f64[2] f64[3] f64[2] f64[3]{0:2} f64[2]{0:2} | epsilon=0.001 | 4",
};

const pith_op pith_op_adagrad = {
    .head = { "adagrad", 1, PITH_ATTRS(table, adagrad_attrs) },
    .inputs = pithi_optimizer_inputs, .n_inputs = PITH_COUNT(pithi_optimizer_inputs),
    .outputs = pithi_optimizer_outputs, .n_outputs = PITH_COUNT(pithi_optimizer_outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
