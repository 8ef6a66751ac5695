/* SPDX-License-Identifier: Apache-2.0 */
/* Networks with open dimensions have no shapes before these are given, but the weights of a convolution tell the rank
 * and the channels of what it reads and makes, and these are all that folding needs. */
#include "passes/linear.h"
#include "passes/reparameterize.h"

static void learn(pith_value *value, int rank, int64_t n_channels)
{
    bool is_f32 = value && (value->dtype == PITH_DTYPE_NONE || value->dtype == PITH_DTYPE_F32);
    if (!is_f32 || value->constant || value->has_shape) {
        return;
    }
    value->dtype = PITH_DTYPE_F32;
    value->has_shape = true;
    value->shape.rank = rank;
    for (int i = 0; i < rank; i++) {
        value->shape.dims[i] = i == 1 ? n_channels : -1;
    }
}

static void learn_from_weights(const pith_node *conv)
{
    const pith_tensor *weights = pithi_constant_input(conv, PITHI_LINEAR_WEIGHTS);
    int64_t group = pithi_attr_int(conv, "group");
    if (weights && weights->dtype == PITH_DTYPE_F32 && weights->shape.rank >= 3 && group >= 1 &&
        weights->shape.dims[1] <= INT32_MAX / group && !pithi_attr_int(conv, "channels_last")) {
        learn(conv->inputs[0], weights->shape.rank, weights->shape.dims[1] * group);
        learn(conv->outputs[0], weights->shape.rank, weights->shape.dims[0]);
    }
}

static bool knows_channels(const pith_value *value)
{
    return value && !value->constant && value->has_shape && value->dtype == PITH_DTYPE_F32 && value->shape.rank >= 3 &&
           value->shape.dims[1] >= 0;
}

/* A sum of like ones, a concatenation of channels. */
static void learn_from_parts(const pith_node *node)
{
    bool is_concat = pithi_is(node, "concat") && pithi_attr_int(node, "axis") == 1;
    bool is_sum = pithi_is(node, "add") || pithi_is(node, "sub") || pithi_is(node, "sum");
    int64_t n_channels = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *x = node->inputs[i], *first = node->inputs[0];
        if (!knows_channels(x) || x->shape.rank != first->shape.rank ||
            (is_sum && x->shape.dims[1] != first->shape.dims[1])) {
            return;
        }
        n_channels += i == 0 || is_concat ? x->shape.dims[1] : 0;
    }
    if (is_concat || is_sum) {
        learn(node->outputs[0], node->inputs[0]->shape.rank, n_channels);
    }
}

void pithi_reparameterize_learn_ranks(const pith_graph *graph)
{
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (pithi_is(node, "conv") && pithi_node_result(node)) {
            learn_from_weights(node);
        }
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        pithi_affine map;
        int operand = 0;
        if (!node->op || !pithi_node_result(node) || node->n_inputs < 1) {
            continue;
        }
        bool is_function = node->op->as_activation && node->n_inputs == 1 && knows_channels(node->inputs[0]);
        if (is_function || (!pithi_is(node, "conv") && pithi_affine_of_node(node, &operand, &map))) {
            const pith_shape *shape = &node->inputs[operand]->shape;
            learn(node->outputs[0], shape->rank, shape->dims[1]);
        } else {
            learn_from_parts(node);
        }
    }
}
