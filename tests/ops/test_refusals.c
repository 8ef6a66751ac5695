/* SPDX-License-Identifier: Apache-2.0 */
/* What operators refuse, and what they say: while inferring shapes, and for indices met in a run. */
#include <stdlib.h>

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
    { "reshape", "f32[2,3] s64[2]{-1,-1}", PITH_STATUS_SHAPE, "one of them may be -1" },
    { "reshape", "f32[2,3] s64[2]{4,-1}", PITH_STATUS_SHAPE, "6 elements of [2,3] don't fit the shape [4,?]" },
    { "reshape", "f32[0,3] s64[2]{0,-1}", PITH_STATUS_SHAPE, "-1 has no value" },
    { "reshape", "f32[2] s64[3]{1,2,0}", PITH_STATUS_SHAPE, "keeps dimension 2" },
    { "reshape", "f32[1] s64[2]{4611686018427387904,4}", PITH_STATUS_LIMIT, "too large" },
    { "squeeze", "f32[2,3] s64[1]{0}", PITH_STATUS_SHAPE, "only size 1 can be dropped" },
    { "unsqueeze", "f32[2] s64[2]{0,0}", PITH_STATUS_SHAPE, "axis 0 is named twice" },
    { "transpose", "f32[2,3] | perm=[0,0]", PITH_STATUS_SHAPE, "named twice" },
    { "transpose", "f32[2,3] | perm=[0]", PITH_STATUS_SHAPE, "perm names 1 axes" },
    { "slice", "f32[4] s64[1]{0} s64[1]{2} - s64[1]{0}", PITH_STATUS_SHAPE, "step 0 is 0" },
    { "slice", "f32[4] s64[1]{0} s64[1]{2} s64[1]{1}", PITH_STATUS_SHAPE, "axis 1 is outside [-1, 1)" },
    { "concat", "f32[2,3] f32[3,3] | axis=1", PITH_STATUS_SHAPE, "they may differ on axis 1 only" },
    { "concat", "f32[2] s32[2] | axis=0", PITH_STATUS_DTYPE, "input 1 is s32" },
    { "split", "f32[5] s64[2]{2,2} | | 2", PITH_STATUS_SHAPE, "add up to 4" },
    { "split", "f32[5] s64[2]{6,-1} | | 2", PITH_STATUS_SHAPE, "size 6 of piece 0" },
    { "expand", "f32[2] s64[1]{3}", PITH_STATUS_SHAPE, "neither is 1" },
    { "expand", "f32[2] s64[2]{-1,2}", PITH_STATUS_SHAPE, "negative dimension -1" },
    { "tile", "f32[2] s64[2]{1,2}", PITH_STATUS_SHAPE, "2 repeats for an input of rank 1" },
    { "pad", "f32[2] s64[2]{-1,-2}", PITH_STATUS_SHAPE, "pads -1 and -2" },
    { "pad", "f32[0] s64[2]{1,1} | mode=edge", PITH_STATUS_SHAPE, "nothing left to take the padding from" },
    { "gather", "f32[3,2] s64[2]{1,3}", PITH_STATUS_ARG, "index 3 at position 1 is outside [-3, 3)" },
    { "gather", "f32[0,2] s64[1]{0}", PITH_STATUS_SHAPE, "no index is valid" },
    { "gather_elements", "f32[3] s64[1]{-4}", PITH_STATUS_ARG, "index -4 at position 0" },
    { "gather_nd", "f32[2,2] s64[1,2]{0,2}", PITH_STATUS_ARG, "index 2 at position 1" },
    { "scatter_nd", "f32[4] s64[1,1]{4} f32[1]", PITH_STATUS_ARG, "index 4 at position 0" },
    { "scatter_elements", "f32[4] s64[1]{9} f32[1]", PITH_STATUS_ARG, "index 9 at position 0" },
    { "reverse_sequence", "f32[2,1] s64[1]{3}", PITH_STATUS_ARG, "sequence length 3" },
    { "top_k", "f32[3] s64[1]{4}", PITH_STATUS_SHAPE, "k is 4, but axis 0 has 3 elements" },
    { "range", "s64[]{0} s64[]{4} s64[]{0}", PITH_STATUS_ARG, "delta is 0" },
    { "range", "f32[]{0} f32[]{3e30} f32[]{1}", PITH_STATUS_LIMIT, "3e+30 elements" },
    { "resize", "f32[1,1,2,2] - f32[2]{2,2}", PITH_STATUS_SHAPE, "input 2 has 2 items, but 4 are needed" },
    { "resize", "f32[1,2] - f32[2]{2,2} s64[2]{2,4}", PITH_STATUS_FORMAT, "exactly one is needed" },
    { "resize", "f32[2] - f32[1]{-1}", PITH_STATUS_SHAPE, "can't be resized" },
    { "depth_to_space", "f32[1,6,2,2] | blocksize=2", PITH_STATUS_SHAPE, "blocks of 2 x 2" },
    { "quantize_linear", "f32[2,3] f32[2]{1,1} | axis=1", PITH_STATUS_SHAPE, "one for each index of axis 1" },
    { "quantize_linear", "f32[2] f32[]{1} | output_dtype=99", PITH_STATUS_UNSUPPORTED,
      "attribute 'output_dtype' is 99" },
    { "dequantize_linear", "u8[2] f32[]{1} s8[]{0}", PITH_STATUS_DTYPE, "the zero point is s8" },
    { "matmul_integer", "u8[2,3] u8[3,4] u8[0,1]", PITH_STATUS_SHAPE, "zero point of the left operand has 0 elements" },
    { "conv_integer", "u8[1,1,4,4] u8[1,1,2,2] - u8[0,1]", PITH_STATUS_SHAPE,
      "zero point of the right operand has 0 elements" },
    { "matmul_integer", "u8[2,3] u8[3,4] - - f32[0,1] f32[]", PITH_STATUS_SHAPE,
      "factor of the left operand has 0 elements" },
    { "qlinear_matmul", "u8[2,3] f32[0,1] u8[] u8[3,4] f32[] u8[] f32[] u8[]", PITH_STATUS_SHAPE,
      "scale of the left operand has 0 elements" },
    { "non_max_suppression", "f32[1,2,4] f32[1,1,3]", PITH_STATUS_SHAPE, "boxes must be" },
    { "one_hot", "s64[2] s64[]{-1} f32[2]", PITH_STATUS_SHAPE, "depth is -1" },
    { "region_reduce", "f32[1048576,1] f32[1,1048576] | program=[64,0,1,-1] reduce=1 reduced=1", PITH_STATUS_LIMIT,
      "[1048576,1048576]" },
    { "region_reduce", "f32[4,1] f32[1,4097] | program=[64,0,1,-1] reduce=1 reduced=1", PITH_STATUS_SHAPE,
      "4097 elements are reduced to one" },
    { "grid_sample", "f32[1,1,2,2] f32[1,2,2,3]", PITH_STATUS_SHAPE, "the grid must be" },
};

static pith_status attempt(pith_test *test, pith_sample *sample)
{
    pith_tensor inputs[8] = { 0 }, outputs[8] = { 0 };
    const pith_node *node = sample->node;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        if (value) {
            inputs[i] = value->constant ? *value->constant : (pith_tensor){ value->dtype, value->shape, NULL };
        }
    }
    pith_infer infer = { .ctx = test->ctx, .node = node, .attrs = node->attrs, .inputs = inputs,
                         .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs };
    pith_status status = pithi_op_infer(&infer);
    if (status != PITH_OK) {
        return status;
    }
    void *blocks[16] = { NULL };
    for (int i = 0; i < node->n_inputs; i++) {
        blocks[i] = inputs[i].data ? NULL : calloc(1, pith_tensor_bytes(&inputs[i]) + 1);
        inputs[i].data = inputs[i].data || inputs[i].dtype == PITH_DTYPE_NONE ? inputs[i].data : blocks[i];
    }
    for (int i = 0; i < node->n_outputs; i++) {
        outputs[i].data = blocks[8 + i] = calloc(1, pith_tensor_bytes(&outputs[i]) + 1);
    }
    status = pithi_op_eval(test->ctx, node, inputs, node->n_inputs, outputs, node->n_outputs);
    for (int i = 0; i < PITH_COUNT(blocks); i++) {
        free(blocks[i]);
    }
    return status;
}

void test_refusals(pith_test *test)
{
    for (int i = 0; i < PITH_COUNT(refusals); i++) {
        const refusal *r = &refusals[i];
        pith_sample sample;
        pith_test_case(test, "%s %s", r->op, r->sample);
        pith_status parsed = pithi_sample_parse(test->ctx, pithi_op_find(r->op), r->sample, &sample);
        TEST_OK(test, parsed);
        if (parsed == PITH_OK) {
            TEST_STATUS(test, attempt(test, &sample), r->status, r->message);
            pithi_graph_destroy(sample.graph);
        }
    }
}
