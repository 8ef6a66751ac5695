/* SPDX-License-Identifier: Apache-2.0 */
/* momentum: one step of gradient descent with momentum, plain or Nesterov's (Sutskever et al. 2013).
 * ai.onnx.preview.training Momentum.
 *   g = norm_coefficient X + G,  V' = alpha V + (T > 0 ? beta : 1) g
 *   X' = X - R V', with Nesterov X - R (g + alpha V') */
#include "ops/shared_optimizer.h"

typedef struct momentum_attrs {
    float alpha, beta, norm_coefficient;
    int64_t mode;
} momentum_attrs;

enum { MODE_STANDARD, MODE_NESTEROV };
static const char *const modes[] = { "standard", "nesterov", NULL };
#define REQUIRED(field, kind, choices) { #field, kind, offsetof(momentum_attrs, field), 0, choices, true, false, false }
static const pith_attr_spec table[] = {
    REQUIRED(alpha, PITH_ATTR_KIND_FLOAT, NULL), REQUIRED(beta, PITH_ATTR_KIND_FLOAT, NULL),
    REQUIRED(norm_coefficient, PITH_ATTR_KIND_FLOAT, NULL), REQUIRED(mode, PITH_ATTR_KIND_CHOICE, modes),
};

static void step(const void *attrs, const pithi_optimizer *o, const double *in, double *out)
{
    const momentum_attrs *a = attrs;
    const double alpha = (double)a->alpha, beta = o->count > 0 ? (double)a->beta : 1.0;
    const double g = (double)a->norm_coefficient * in[0] + in[1];
    out[1] = alpha * in[2] + beta * g;
    out[0] = in[0] - o->rate * (a->mode == MODE_NESTEROV ? g + alpha * out[1] : out[1]);
}

static void ref(const pith_run *run)
{
    pithi_optimizer_ref(run, 1, step);
}

static pith_status infer(pith_infer *infer)
{
    return pithi_optimizer_infer(infer, 1);
}

static const pith_spelling spellings[] = { { "onnx", "ai.onnx.preview.training", "Momentum", 1, NULL } };
static const char *const samples[] = {
    "f32[]{0.1} s64[]{3} f32[2,3] f32[2,3] f32[2,3] | alpha=0.9 beta=0.5 norm_coefficient=0.01 mode=standard | 2",
    "f64[]{0.1} s64[]{0} f64[3] f64[0] f64[3] f64[0] f64[3] f64[0] | alpha=0.9 beta=0.5 mode=nesterov | 4",
};

const pith_op pith_op_momentum = {
    .head = { "momentum", 1, PITH_ATTRS(table, momentum_attrs) },
    .inputs = pithi_optimizer_inputs, .n_inputs = PITH_COUNT(pithi_optimizer_inputs),
    .outputs = pithi_optimizer_outputs, .n_outputs = PITH_COUNT(pithi_optimizer_outputs),
    .infer = infer,
    .ref = ref,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
