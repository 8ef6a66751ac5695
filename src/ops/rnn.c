/* SPDX-License-Identifier: Apache-2.0 */
/* rnn: h' = f(x W^T + Wb + h R^T + Rb). ONNX RNN. */
#include <math.h>

#include "ops/sample.h"
#include "ops/shared_rnn.h"

static const pith_attr_spec table[] = { PITHI_RNN_ATTRS };

static void ref_step(const pithi_rnn_ref_step *step)
{
    int64_t n = step->shape->hidden_size;
    for (int64_t j = 0; j < n; j++) {
        double sum =
            step->x[j] + pithi_rnn_ref_recurrent(step, 0, j, step->h) + pithi_rnn_ref_recurrent_bias(step, 0, j);
        step->work[j] = pithi_rnn_activate(&step->activations[0], step->clip, sum);
    }
    memcpy(step->h, step->work, (size_t)n * sizeof *step->h);
}

static void after_products(const pithi_rnn_step *step)
{
    float *h = step->h + step->first;
    memcpy(h, step->gates + step->first, (size_t)step->n * sizeof(float));
    pithi_rnn_apply(step, 0, true, h, step->n);
}

static const pithi_rnn_cell cell = { .n_gates = 1, .n_activations = 1, .defaults = { PITHI_RNN_TANH },
                                     .ref_step = ref_step, .n_groups = 1, .group_gates = { 1 },
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

static const pith_operand_spec inputs[] = { PITHI_RNN_INPUTS, PITHI_RNN_NO_CELL, PITHI_RNN_SCALES };
static const pith_operand_spec outputs[] = { { "y", PITH_DTYPES_FLOAT, PITH_OPTIONAL },
                                             { "y_h", PITH_DTYPES_FLOAT, PITH_OPTIONAL } };
static const pith_spelling spellings[] = { { "onnx", "", "RNN", 1, pithi_rnn_map_1 }, { "onnx", "", "RNN", 7, NULL } };
static const char *const samples[] = {
    "f32[5,2,3] f32[1,4,3]{-0.5:0.5} f32[1,4,4]{-0.5:0.5} | | 2",
    "f32[4,1,3] f32[2,33,3]{-0.5:0.5} f32[2,33,33]{-0.3:0.3} f32[2,66] | direction=bidirectional "
    "activations=[Tanh,Relu] clip=1.5 | 2",
    "f32[3,5,2] f32[1,7,2] f32[1,7,7]{-0.5:0.5} f32[1,14] s32[3]{5,2,0} f32[3,1,7] | direction=reverse layout=1 "
    "activations=[ScaledTanh] activation_alpha=[1.5] activation_beta=[0.7] | 2",
    "f32[4,1,3] f32[1,208,3]{-0.5:0.5} f32[1,208,208]{-0.1:0.1} f32[1,416] | | 2",
    "f32[4,2,6] s8[1,9,6]{-128:128} s8[1,9,9]{-128:128} f32[1,18] - - - - f32[1,9]{0.001:0.01} "
    "f32[1,9]{0.001:0.01} | | 2",
    "f16[2,2,3] f16[1,4,3] f16[1,4,4] | activations=[Softsign] | 1",
    "f32[0,2,3] f32[1,4,3] f32[1,4,4] - - f32[1,2,4] | hidden_size=4 | 2",
};

const pith_op pith_op_rnn = {
    .head = { "rnn", 1, PITH_ATTRS(table, pithi_rnn_attrs) },
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
