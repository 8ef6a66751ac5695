/* SPDX-License-Identifier: Apache-2.0 */
/* gru: gated recurrent unit (Cho et al. 2014), ONNX GRU. Per step, with f and g activations:
 *   z = f(x Wz^T + Wbz + h Rz^T + Rbz),  r = f(x Wr^T + Wbr + h Rr^T + Rbr)
 *   n = g(x Wh^T + Wbh + (r * h) Rh^T + Rbh)       linear_before_reset 0
 *   n = g(x Wh^T + Wbh + r * (h Rh^T + Rbh))       linear_before_reset 1
 *   h' = (1 - z) * n + z * h */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_rnn.h"

static const pith_attr_spec table[] = {
    PITHI_RNN_ATTRS,
    PITH_ATTR_INT(pithi_rnn_attrs, linear_before_reset, "linear_before_reset", 0),
};

static double ref_new(const pithi_rnn_ref_step *step, int64_t j, const double *r, const double *reset_h, bool is_late)
{
    double sum =
        pithi_rnn_ref_recurrent_bias(step, 2, j) + pithi_rnn_ref_recurrent(step, 2, j, is_late ? step->h : reset_h);
    sum = step->x[2 * step->shape->hidden_size + j] + (is_late ? r[j] * sum : sum);
    return pithi_rnn_activate(&step->activations[1], step->clip, sum);
}

static void ref_step(const pithi_rnn_ref_step *step)
{
    int64_t n = step->shape->hidden_size;
    double *z = step->work, *r = z + n, *reset_h = r + n, *fresh = reset_h + n;
    bool is_late = ((const pithi_rnn_attrs *)step->run->attrs)->linear_before_reset != 0;
    for (int64_t j = 0; j < 2 * n; j++) {
        double sum = step->x[j] + pithi_rnn_ref_recurrent_bias(step, (int)(j / n), j % n) +
                     pithi_rnn_ref_recurrent(step, (int)(j / n), j % n, step->h);
        step->work[j] = pithi_rnn_activate(&step->activations[0], step->clip, sum);
    }
    for (int64_t j = 0; j < n; j++) {
        reset_h[j] = r[j] * step->h[j];
    }
    for (int64_t j = 0; j < n; j++) {
        fresh[j] = ref_new(step, j, r, reset_h, is_late);
    }
    for (int64_t j = 0; j < n; j++) {
        step->h[j] = (1.0 - z[j]) * fresh[j] + z[j] * step->h[j];
    }
}

/* After the products of z and r: r * h is what the third product takes (not with linear_before_reset). */
static void after_gates(const pithi_rnn_step *step)
{
    float *z = step->gates + step->first, *r = z + pithi_rnn_hidden_size(step->run);
    pithi_rnn_apply(step, 0, true, z, step->n);
    pithi_rnn_apply(step, 0, true, r, step->n);
    pithi_rnn_combine(step, PITH_VBINARY_MUL, r, step->h + step->first, step->extra + step->first);
}

/* After the product of n, which with linear_before_reset lies in `extra`, apart from x Wh^T + Wbh. */
static void after_new(const pithi_rnn_step *step)
{
    const int64_t hidden = pithi_rnn_hidden_size(step->run), n = step->n;
    float *z = step->gates + step->first, *r = z + hidden, *fresh = r + hidden;
    float *extra = step->extra + step->first, *h = step->h + step->first;
    if (((const pithi_rnn_attrs *)step->run->attrs)->linear_before_reset) {
        pithi_rnn_combine(step, PITH_VBINARY_MUL, r, extra, extra);
        pithi_rnn_combine(step, PITH_VBINARY_ADD, fresh, extra, fresh);
    }
    pithi_rnn_apply(step, 1, true, fresh, n);
    pithi_rnn_combine(step, PITH_VBINARY_MUL, z, h, h);
    pithi_rnn_invert(step, z, z);
    pithi_rnn_combine(step, PITH_VBINARY_MUL, z, fresh, fresh);
    pithi_rnn_combine(step, PITH_VBINARY_ADD, fresh, h, h);
}

static const pithi_rnn_cell cell = { .n_gates = 3, .n_activations = 2,
                                     .defaults = { PITHI_RNN_SIGMOID, PITHI_RNN_TANH }, .ref_step = ref_step,
                                     .n_groups = 2, .group_gates = { 2, 1 },
                                     .after_group = { after_gates, after_new } };

static void ref(const pith_run *run)
{
    pithi_rnn_ref(run, &cell);
}

static pith_status prepare(pith_prepare *prepare)
{
    return pithi_rnn_prepare(prepare, &cell);
}

static pith_status infer(pith_infer *infer)
{
    return pithi_rnn_infer(infer, cell.n_gates, cell.n_activations);
}

static void cost(const pith_infer *infer, pith_cost *cost)
{
    pithi_rnn_cost(infer, cell.n_gates, cost);
}

static const pith_operand_spec inputs[] = { PITHI_RNN_INPUTS, PITHI_RNN_NO_CELL, PITHI_RNN_SCALES };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "y_h", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "GRU", 1, pithi_rnn_map_1 }, { "onnx", "", "GRU", 7, NULL } };
static const char *const samples[] = {
    "f32[5,2,3] f32[1,12,3]{-0.5:0.5} f32[1,12,4]{-0.5:0.5} | | 2",
    "f32[5,2,3] f32[1,12,3]{-0.5:0.5} f32[1,12,4]{-0.5:0.5} f32[1,24] - f32[1,2,4] | linear_before_reset=1 | 2",
    "f32[4,1,3] f32[2,99,3]{-0.5:0.5} f32[2,99,33]{-0.3:0.3} f32[2,198] | direction=bidirectional clip=1.5 | 2",
    "f32[3,5,2] f32[1,21,2] f32[1,21,7]{-0.5:0.5} f32[1,42] s32[3]{5,2,0} f32[3,1,7] | direction=reverse layout=1 "
    "activations=[HardSigmoid,Softplus] linear_before_reset=1 | 2",
    "f32[4,1,3] f32[1,384,3]{-0.5:0.5} f32[1,384,128]{-0.1:0.1} f32[1,768] | | 2",
    "f32[5,1,3] f32[1,384,3]{-0.5:0.5} f32[1,384,128]{-0.1:0.1} f32[1,768] | linear_before_reset=1 | 2",
    "f32[5,2,5] s8[1,12,5]{-128:128} s8[1,12,4]{-128:128} f32[1,24] - - - - f32[1,12]{0.001:0.01} "
    "f32[1,12]{0.001:0.01} | | 2",
    "f32[4,2,9] s8[2,99,9]{-128:128} s8[2,99,33]{-128:128} f32[2,198] - f32[2,2,33]{-3:3} - - f32[2,99]{0.0005:0.001} "
    "f32[2,99]{0.0005:0.001} | direction=bidirectional linear_before_reset=1 | 2",
    "f32[3,1,8] s8[1,384,8]{-128:128} s8[1,384,128]{-128:128} f32[1,768] - - - - f32[1,384]{0.001:0.002} "
    "f32[1,384]{0.0002:0.0005} | linear_before_reset=1 | 2",
    "f32[3,1,8] s8[1,384,8]{-128:128} s8[1,384,128]{-128:128} f32[1,768] - - - - f32[1,384]{0.001:0.002} "
    "f32[1,384]{0.0002:0.0005} | | 2",
    "f64[2,2,3] f64[1,12,3] f64[1,12,4] | activations=[Affine,Elu] activation_alpha=[0.3,0.9] activation_beta=[0.5] | "
    "1",
    "f32[0,2,3] f32[1,12,3] f32[1,12,4] - - f32[1,2,4] | | 2",
};

const pith_op pith_op_gru = {
    .head = { "gru", 1, PITH_ATTRS(table, pithi_rnn_attrs) },
    .inputs = inputs, .n_inputs = PITH_COUNT(inputs),
    .outputs = outputs, .n_outputs = PITH_COUNT(outputs),
    .infer = infer,
    .ref = ref, .ref_bytes = pithi_rnn_ref_bytes,
    .prepare = prepare, .run = pithi_rnn_run,
    .packed_inputs = 1u << PITHI_RNN_W | 1u << PITHI_RNN_R,
    .cost = cost,
    .spellings = spellings, .n_spellings = PITH_COUNT(spellings),
    .samples = samples, .n_samples = PITH_COUNT(samples),
};
