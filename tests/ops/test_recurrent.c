/* SPDX-License-Identifier: Apache-2.0 */
/* rnn, gru and lstm against final states that ONNX Runtime 1.30 gave, for what the ONNX backend cases leave out:
 * directions, clip, lists of activations with parameters, coupled gates, sequence lengths. */
#include <math.h>
#include <stdlib.h>

#include "ops/sample.h"
#include "support/test.h"

#define MAX_OPERANDS 8
#define MAX_STATES 16

typedef struct golden {
    const char *op, *sample;
    float states[MAX_STATES]; /* Y_h, then Y_c */
} golden;

static const golden goldens[] = {
    { "rnn",
      "f32[3,2,2] f32[1,2,2] f32[1,2,2] f32[1,4] s32[2]{3,1} f32[1,2,2]"
      " | direction=reverse activations=[Affine] activation_alpha=[0.7] activation_beta=[0.1] clip=0.8 | 2",
      { -0.02915662f, -0.1793303f, 0.07943086f, -0.2533309f } },
    { "rnn",
      "f32[3,2,2] f32[2,2,2] f32[2,2,2] f32[2,4]"
      " | direction=bidirectional activations=[LeakyRelu,ScaledTanh] activation_alpha=[0.2,1.3] activation_beta=[0.6] "
      "| 2",
      { -0.1494415f, 0.1716505f, 0.2167009f, -0.1396303f, 0.1825861f, -0.2329716f, -0.1166793f, -0.03641565f } },
    { "gru",
      "f32[3,2,2] f32[1,6,2] f32[1,6,2] f32[1,12] - f32[1,2,2]"
      " | linear_before_reset=1 clip=0.5 | 2",
      { 0.3979692f, -0.4198415f, 0.3995496f, 0.1892079f } },
    { "gru",
      "f32[3,2,2] f32[2,6,2] f32[2,6,2] f32[2,12] s32[2]{2,3}"
      " | direction=bidirectional activations=[HardSigmoid,Softsign,Sigmoid,Elu] activation_alpha=[0.3,0.8] "
      "activation_beta=[0.4] | 2",
      { 0.3862638f, -0.368477f, 0.2488595f, -0.08111387f, -0.3058138f, 0.1913619f, -0.2556077f, 0.1462601f } },
    { "lstm",
      "f32[3,2,2] f32[1,8,2] f32[1,8,2] f32[1,16] s32[2]{3,2} f32[1,2,2] f32[1,2,2] f32[1,6]"
      " | direction=reverse clip=0.4 input_forget=1 | 3",
      { -0.06348856f, -0.09550579f, 0.02110335f, -0.08902377f, -0.1478616f, -0.2426357f, 0.0526344f, -0.1870716f } },
    { "lstm",
      "f32[3,2,2] f32[2,8,2] f32[2,8,2] f32[2,16] - - - f32[2,6]"
      " | direction=bidirectional activations=[Sigmoid,Softplus,Relu,HardSigmoid,Tanh,ThresholdedRelu] "
      "activation_alpha=[0.3,0.1] activation_beta=[0.45] | 3",
      { 0.3737431f, 0.1633029f, 0.3257817f, 0.1893151f, 0.0f, 0.0f, 0.0f, 0.0f, 0.8459136f, 0.5139347f, 0.6003457f,
        0.6473317f, -0.1963906f, -0.0419794f, -0.3969394f, 0.09069116f } },
};

/* The inputs: 0.6 sin(1.3 i + 0.9 k) for element i of input k. */
static pith_tensor make_input(const pith_value *value, int k)
{
    pith_tensor tensor = { .dtype = value->dtype, .shape = value->shape };
    tensor.data = calloc(1, pith_tensor_bytes(&tensor) + 1);
    if (value->constant) {
        memcpy(tensor.data, value->constant->data, pith_tensor_bytes(&tensor));
        return tensor;
    }
    for (int64_t i = 0; i < pith_shape_elements(&tensor.shape); i++) {
        pithi_tensor_set_f64(&tensor, i, 0.6 * sin(1.3 * (double)i + 0.9 * k));
    }
    return tensor;
}

static void check_states(pith_test *test, const golden *wanted, const pith_tensor *outputs, int n_outputs)
{
    int at = 0;
    for (int i = 1; i < n_outputs; i++) {
        for (int64_t k = 0; k < pith_shape_elements(&outputs[i].shape); k++, at++) {
            double is = pithi_tensor_get_f64(&outputs[i], k), must = (double)wanted->states[at];
            TEST_CHECK_MESSAGE(test, fabs(is - must) < 1e-6, "state %d is %.7g, not %.7g", at, is, must);
        }
    }
}

static void check_golden(pith_test *test, const golden *wanted)
{
    pith_sample sample;
    pith_tensor inputs[MAX_OPERANDS] = { 0 }, outputs[MAX_OPERANDS] = { 0 };
    pith_test_case(test, "%s %s", wanted->op, strchr(wanted->sample, '|') + 2);
    pith_status status = pithi_sample_parse(test->ctx, pithi_op_find(wanted->op), wanted->sample, &sample);
    TEST_OK(test, status);
    if (status != PITH_OK) {
        return;
    }
    const pith_node *node = sample.node;
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            inputs[i] = make_input(node->inputs[i], i);
        }
    }
    pith_infer infer = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs };
    TEST_OK(test, pithi_op_infer(&infer));
    for (int i = 0; i < node->n_outputs; i++) {
        outputs[i].data = calloc(1, pith_tensor_bytes(&outputs[i]) + 1);
    }
    TEST_OK(test, pithi_op_eval(test->ctx, node, inputs, node->n_inputs, outputs, node->n_outputs));
    check_states(test, wanted, outputs, node->n_outputs);
    for (int i = 0; i < MAX_OPERANDS; i++) {
        free(inputs[i].data);
        free(outputs[i].data);
    }
    pithi_graph_destroy(sample.graph);
}

void test_recurrent(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(goldens); i++) {
        check_golden(test, &goldens[i]);
    }
}
