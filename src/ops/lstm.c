/* SPDX-License-Identifier: Apache-2.0 */
/* lstm: long short-term memory (Hochreiter and Schmidhuber 1997; peepholes: Gers et al. 2002), ONNX LSTM.
 * Gates lie in the order i, o, f, c. Per step, with activations f, g, h and s = x W^T + Wb + h R^T + Rb:
 *   i = f(s_i + Pi * C),  f = f(s_f + Pf * C)  (input_forget: f = 1 - i)
 *   C' = f * C + i * g(s_c),  o = f(s_o + Po * C'),  h' = o * h(C')
 * clip bounds the arguments of f and g, not that of h (as ONNX Runtime reads it). */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_rnn.h"

static const pith_attr_spec table[] = {
    PITHI_RNN_ATTRS,
    PITH_ATTR_INT(pithi_rnn_attrs, input_forget, "input_forget", 0),
};

enum { GATE_I, GATE_O, GATE_F, GATE_C, N_GATES };

/* Peephole weight of gate i, o or f. */
static double ref_peephole(const pithi_rnn_ref_step *step, int gate, int64_t j)
{
    const pith_tensor *p = pithi_rnn_input(step->run->inputs, step->run->n_inputs, PITHI_RNN_P);
    int64_t n = step->shape->hidden_size;
    return p ? pithi_tensor_get_f64(p, (3 * step->direction + gate) * n + j) : 0.0;
}

static void ref_step(const pithi_rnn_ref_step *step)
{
    int64_t n = step->shape->hidden_size;
    double *sums = step->work;
    const pithi_rnn_activation *f = &step->activations[0], *g = &step->activations[1], *h = &step->activations[2];
    bool is_coupled = ((const pithi_rnn_attrs *)step->run->attrs)->input_forget != 0;
    for (int64_t j = 0; j < N_GATES * n; j++) {
        sums[j] = step->x[j] + pithi_rnn_ref_recurrent_bias(step, (int)(j / n), j % n) +
                  pithi_rnn_ref_recurrent(step, (int)(j / n), j % n, step->h);
    }
    for (int64_t j = 0; j < n; j++) {
        double c = step->c[j];
        double in = pithi_rnn_activate(f, step->clip, sums[GATE_I * n + j] + ref_peephole(step, GATE_I, j) * c);
        double keep = is_coupled
                          ? 1.0 - in
                          : pithi_rnn_activate(f, step->clip, sums[GATE_F * n + j] + ref_peephole(step, GATE_F, j) * c);
        c = keep * c + in * pithi_rnn_activate(g, step->clip, sums[GATE_C * n + j]);
        double out = pithi_rnn_activate(f, step->clip, sums[GATE_O * n + j] + ref_peephole(step, GATE_O, j) * c);
        step->c[j] = c;
        step->h[j] = out * pithi_rnn_activate(h, INFINITY, c);
    }
}

/* gate += peephole weights * c */
static void add_peephole(const pithi_rnn_step *step, int gate)
{
    const pith_tensor *p = pithi_rnn_input(step->run->inputs, step->run->n_inputs, PITHI_RNN_P);
    int64_t n = pithi_rnn_hidden_size(step->run);
    const float *weights = p ? (const float *)p->data + (3 * step->direction + gate) * n : NULL;
    float *sums = step->gates + gate * n;
    for (int64_t j = step->first; j < step->first + step->n && weights; j++) {
        sums[j] += weights[j] * step->c[j];
    }
}

static void after_products(const pithi_rnn_step *step)
{
    const int64_t hidden = pithi_rnn_hidden_size(step->run), n = step->n;
    float *gates = step->gates + step->first, *c = step->c + step->first, *h = step->h + step->first;
    float *i = gates + GATE_I * hidden, *o = gates + GATE_O * hidden, *f = gates + GATE_F * hidden;
    float *fresh = gates + GATE_C * hidden;
    add_peephole(step, GATE_I);
    add_peephole(step, GATE_F);
    pithi_rnn_apply(step, 0, true, i, n);
    pithi_rnn_apply(step, 0, true, f, n);
    pithi_rnn_apply(step, 1, true, fresh, n);
    if (((const pithi_rnn_attrs *)step->run->attrs)->input_forget) {
        pithi_rnn_invert(step, i, f);
    }
    pithi_rnn_combine(step, PITH_VBINARY_MUL, f, c, c);
    pithi_rnn_combine(step, PITH_VBINARY_MUL, i, fresh, fresh);
    pithi_rnn_combine(step, PITH_VBINARY_ADD, c, fresh, c);
    add_peephole(step, GATE_O);
    pithi_rnn_apply(step, 0, true, o, n);
    memcpy(h, c, (size_t)n * sizeof(float));
    pithi_rnn_apply(step, 2, false, h, n);
    pithi_rnn_combine(step, PITH_VBINARY_MUL, h, o, h);
}

static const pithi_rnn_cell cell = { .n_gates = N_GATES, .n_activations = 3,
                                     .defaults = { PITHI_RNN_SIGMOID, PITHI_RNN_TANH, PITHI_RNN_TANH },
                                     .ref_step = ref_step, .n_groups = 1, .group_gates = { N_GATES },
                                     .after_group = { after_products } };

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

static const pith_operand_spec inputs[] = { PITHI_RNN_INPUTS, { "initial_c", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                            { "p", PITH_DTYPES_FLOAT, PITH_OPTIONAL }, PITHI_RNN_SCALES };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "y_h", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "y_c", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "LSTM", 1, pithi_rnn_map_1 },
                                           { "onnx", "", "LSTM", 7, NULL } };
static const char *const samples[] = {
    "f32[5,2,3] f32[1,16,3]{-0.5:0.5} f32[1,16,4]{-0.5:0.5} | | 3",
    "f32[4,1,3] f32[2,132,3]{-0.5:0.5} f32[2,132,33]{-0.3:0.3} f32[2,264] - f32[2,1,33] f32[2,1,33] | "
    "direction=bidirectional | 3",
    "f32[5,3,2] f32[1,28,2] f32[1,28,7]{-0.5:0.5} f32[1,56] s32[3]{5,2,0} f32[1,3,7] f32[1,3,7] f32[1,21] | "
    "direction=reverse clip=1.2 | 3",
    "f32[3,5,2] f32[1,28,2] f32[1,28,7]{-0.5:0.5} f32[1,56] s32[3]{5,2,1} - - f32[1,21] | layout=1 input_forget=1 "
    "activations=[HardSigmoid,Softsign,LeakyRelu] | 3",
    "f32[5,1,3] f32[1,448,3]{-0.5:0.5} f32[1,448,112]{-0.2:0.2} f32[1,896] s32[1]{4} f32[1,1,112] f32[1,1,112] "
    "f32[1,336] | direction=reverse | 3",
    "f32[2,19,9] f32[1,68,9]{-0.5:0.5} f32[1,68,17]{-0.5:0.5} f32[1,136] | | 1",
    "bf16[2,2,3] bf16[1,16,3] bf16[1,16,4] | activations=[ThresholdedRelu,Relu,Tanh] activation_alpha=[0.5] | 1",
    "f32[5,2,5] s8[1,16,5]{-128:128} s8[1,16,4]{-128:128} - - - - - f32[1,16]{0.001:0.01} f32[1,16]{0.001:0.01} | | 3",
    "f32[4,3,9]{-40:70} s8[2,132,9]{-128:128} s8[2,132,33]{-128:128} f32[2,264] s32[3]{4,0,3} f32[2,3,33] f32[2,3,33] "
    "f32[2,99] f32[2,132]{0:0.0003} f32[2,132]{0.001:0.002} | direction=bidirectional clip=1.2 | 3",
    "f32[3,1,8] s8[1,448,8]{-128:128} s8[1,448,112]{-128:128} f32[1,896] - - - - f32[1,448]{0.001:0.002} "
    "f32[1,448]{0.0005:0.001} | | 3",
    "f32[0,2,3] f32[1,16,3] f32[1,16,4] - - f32[1,2,4] f32[1,2,4] | | 3",
};

const pith_op pith_op_lstm = {
    .head = { "lstm", 1, PITH_ATTRS(table, pithi_rnn_attrs) },
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
