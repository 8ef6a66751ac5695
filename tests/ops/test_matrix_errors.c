/* SPDX-License-Identifier: Apache-2.0 */
/* What convolutions and matrix products refuse while inferring shapes, and what they say. */
#include "ops/sample.h"
#include "support/test.h"

typedef struct refusal {
    const char *op, *sample;
    pith_status status;
    const char *message;
} refusal;

static const refusal refusals[] = {
    { "conv", "f32[1,3] f32[2,3]", PITH_STATUS_SHAPE, "both must be the same, 3 to 5" },
    { "conv", "f32[1,3,4,4] f32[2,3,3]", PITH_STATUS_SHAPE, "rank 4 and weights of rank 3" },
    { "conv", "f32[1,3,4,4] f32[2,4,3,3]", PITH_STATUS_SHAPE, "3 channels, the weights want 4 in each of 1 groups" },
    { "conv", "f32[1,4,4,4] f32[3,2,3,3] | group=2", PITH_STATUS_SHAPE,
      "3 output channels can't be cut into 2 groups" },
    { "conv", "f32[1,4,4,4] f32[3,2,3,3] | group=0", PITH_STATUS_ARG, "group is 0" },
    { "conv", "f32[1,1,2,4] f32[1,1,3,3]", PITH_STATUS_SHAPE, "spans 3 doesn't fit into an input of size 2" },
    { "conv", "f32[1,1,4,4] f32[1,1,3,3] | strides=[1,0]", PITH_STATUS_ARG, "'strides' has entry 0" },
    { "conv", "f32[1,1,4,4] f32[1,1,3,3] | strides=[1]", PITH_STATUS_SHAPE, "'strides' has 1 entries, 2 are wanted" },
    { "conv", "f32[1,1,4,4] f32[1,1,3,3] | pads=[0,-1,0,0]", PITH_STATUS_ARG, "'pads' has entry -1" },
    { "conv", "f32[1,1,4,4] f32[1,1,3,3] | dilations=[1,9999999]", PITH_STATUS_ARG, "'dilations' has entry 9999999" },
    { "conv", "f32[1,1,4,4] f32[1,1,3,3] | kernel_shape=[3,2]", PITH_STATUS_SHAPE,
      "kernel_shape says 2, the weights have 3" },
    { "conv", "f32[1,1,4,4] f16[1,1,3,3]", PITH_STATUS_DTYPE, "input is f32, but weights are f16" },
    { "conv", "f32[1,1,4,4] f32[2,1,3,3] f32[1]", PITH_STATUS_SHAPE, "bias must have rank 1, size 2" },
    { "conv", "f32[1,1,4,4] f32[2,1,3,3] - f32[1,2,4,4]", PITH_STATUS_SHAPE, "residual must have shape and dtype" },
    { "conv_transpose", "f32[1,4,3,3] f32[3,2,3,3]", PITH_STATUS_SHAPE, "4 channels" },
    { "conv_transpose", "f32[1,2,1,1] f32[2,2,1,1] | pads=[1,0,1,0]", PITH_STATUS_SHAPE, "leaves nothing" },
    { "matmul", "f32[2,3] f32[4,5]", PITH_STATUS_SHAPE, "inner sizes 3 (a) and 4 (b) differ" },
    { "matmul", "f32[2,2,3] f32[3,3,5]", PITH_STATUS_SHAPE, "batch dimensions 2 and 3 differ" },
    { "matmul", "f32[] f32[3]", PITH_STATUS_SHAPE, "a scalar is no matrix" },
    { "matmul", "f32[2,3] f64[3,2]", PITH_STATUS_DTYPE, "a is f32, but b is f64" },
    { "matmul", "f32[2,3] f32[3,4] f32[3]", PITH_STATUS_SHAPE, "input 2 can't be broadcast" },
    { "matmul", "f32[2,3] f32[3,4] - f32[4]", PITH_STATUS_SHAPE, "input 3 can't be broadcast" },
    { "gemm", "f32[2,2,3] f32[3,4]", PITH_STATUS_SHAPE, "both must be matrices" },
};

static pith_status attempt(pith_test *test, const pith_node *node)
{
    pith_tensor inputs[4] = { 0 }, output = { 0 };
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            inputs[i] = (pith_tensor){ .dtype = node->inputs[i]->dtype, .shape = node->inputs[i]->shape };
        }
    }
    pith_infer infer = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = &output, .n_outputs = 1 };
    return pithi_op_infer(&infer);
}

void test_matrix_errors(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(refusals); i++) {
        const refusal *r = &refusals[i];
        pith_sample sample = { 0 };
        pith_test_case(test, "%s %s", r->op, r->sample);
        TEST_OK(test, pithi_sample_parse(test->ctx, pithi_op_find(r->op), r->sample, &sample));
        if (sample.graph) {
            TEST_STATUS(test, attempt(test, sample.node), r->status, r->message);
            pithi_graph_destroy(sample.graph);
        }
    }
}
