/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes compute in integers, and which values are quantised for them. Follows what pass fuse_qdq makes integer
 * operators of; a value gets one scale for all of its users. */
#include "quant/quant.h"

static const struct {
    const char *op;
    pithi_quant_role role;
} roles[] = {
    { "conv", PITHI_QUANT_PRODUCT },          { "gemm", PITHI_QUANT_PRODUCT },
    { "matmul", PITHI_QUANT_PRODUCT },        { "add", PITHI_QUANT_BINARY },
    { "mul", PITHI_QUANT_BINARY },            { "average_pool", PITHI_QUANT_POOL },
    { "global_average_pool", PITHI_QUANT_POOL }, { "concat", PITHI_QUANT_CONCAT },
    { "relu", PITHI_QUANT_FUNCTION },         { "clip", PITHI_QUANT_FUNCTION },
    { "leaky_relu", PITHI_QUANT_FUNCTION },   { "sigmoid", PITHI_QUANT_FUNCTION },
    { "hard_sigmoid", PITHI_QUANT_FUNCTION }, { "hard_swish", PITHI_QUANT_FUNCTION },
    { "tanh", PITHI_QUANT_FUNCTION },         { "gelu", PITHI_QUANT_FUNCTION },
    { "elu", PITHI_QUANT_FUNCTION },          { "selu", PITHI_QUANT_FUNCTION },
    { "mish", PITHI_QUANT_FUNCTION },         { "softplus", PITHI_QUANT_FUNCTION },
    { "abs", PITHI_QUANT_FUNCTION },          { "neg", PITHI_QUANT_FUNCTION },
    { "reshape", PITHI_QUANT_MOVE },          { "transpose", PITHI_QUANT_MOVE },
    { "flatten", PITHI_QUANT_MOVE },          { "squeeze", PITHI_QUANT_MOVE },
    { "unsqueeze", PITHI_QUANT_MOVE },        { "slice", PITHI_QUANT_MOVE },
    { "depth_to_space", PITHI_QUANT_MOVE },   { "space_to_depth", PITHI_QUANT_MOVE },
};

void pithi_quant_number(pith_graph *graph)
{
    int n = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        graph->values[i]->index = (int)i;
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        node->index = n++;
    }
}

/* ---- weights ------------------------------------------------------------------------------- */

bool pithi_quant_weights_of(const pith_node *node, pithi_quant_weights *weights_out)
{
    const pith_tensor *tensor = pithi_constant_input(node, 1);
    *weights_out = (pithi_quant_weights){ .tensor = tensor, .groups = 1 };
    if (!tensor || tensor->dtype != PITH_DTYPE_F32 || pith_shape_elements(&tensor->shape) == 0) {
        return false;
    }
    if (pithi_is(node, "conv")) {
        weights_out->in_axis = 1;
        weights_out->groups = pithi_attr_int(node, "group");
    } else if (pithi_is(node, "gemm")) {
        bool trans_b = pithi_attr_int(node, "transB") != 0;
        weights_out->out_axis = trans_b ? 0 : 1;
        weights_out->in_axis = trans_b ? 1 : 0;
    } else {
        weights_out->out_axis = 1;
    }
    weights_out->n_out = tensor->shape.dims[weights_out->out_axis];
    return true;
}

static bool is_plain_gemm(const pith_node *node)
{
    return pithi_attr_float(node, "alpha") == 1.0f && pithi_attr_int(node, "transA") == 0 &&
           (pithi_attr_float(node, "beta") == 1.0f || !pithi_node_input(node, 2));
}

/* The bias is absent, or a constant with one element for each output channel. */
static bool has_plain_bias(const pith_node *node, int64_t n_out)
{
    const pith_value *bias = pithi_node_input(node, 2);
    return !bias || (bias->constant && bias->constant->dtype == PITH_DTYPE_F32 &&
                     pith_shape_elements(&bias->constant->shape) == n_out &&
                     bias->constant->shape.rank > 0 &&
                     bias->constant->shape.dims[bias->constant->shape.rank - 1] == n_out);
}

static bool is_product(const pith_node *node)
{
    pithi_quant_weights weights;
    if (!pithi_quant_weights_of(node, &weights) || !node->inputs[0] || node->inputs[0]->constant) {
        return false;
    }
    int rank = weights.tensor->shape.rank;
    if (pithi_is(node, "conv")) {
        return rank == 4 && has_plain_bias(node, weights.n_out);
    }
    if (pithi_is(node, "gemm")) {
        return is_plain_gemm(node) && has_plain_bias(node, weights.n_out);
    }
    return rank == 2;
}

/* ---- formats ------------------------------------------------------------------------------- */

pithi_activation_format pithi_quant_format_of(const pithi_quant *quant, const pith_value *value)
{
    int number = value && !value->constant ? quant->tensor_of[value->index] : -1;
    return number < 0 ? PITHI_ACTIVATION_F32 : quant->tensors[quant->tensors[number].source].format;
}

pithi_activation_format pithi_quant_result_format(const pithi_quant *quant, const pith_node *node)
{
    const pith_value *value = pithi_node_result(node);
    for (int i = 0; value && quant->tensor_of[value->index] < 0 && i < quant->n_nodes; i++) {
        const pith_node *user = pithi_graph_only_consumer(quant->graph, value);
        value = pithi_is(user, "relu") || pithi_is(user, "clip") ? pithi_node_result(user) : NULL;
    }
    return pithi_quant_format_of(quant, value);
}

bool pithi_quant_is_integer(const pithi_quant *quant, const pith_node *node)
{
    const pithi_quant_role role = quant->roles[node->index];
    const pithi_weight_format *format = &quant->layers[node->index].format;
    pithi_quant_weights weights;
    if (role == PITHI_QUANT_FUNCTION && quant->tensor_of[node->inputs[0]->index] < 0) { /* part of the node before */
        return pithi_quant_is_integer(quant, node->inputs[0]->producer);
    }
    bool has_float = role == PITHI_QUANT_FLOAT || pithi_quant_result_format(quant, node) == PITHI_ACTIVATION_F32;
    for (int i = 0; i < node->n_inputs && !has_float; i++) {
        const pith_value *input = node->inputs[i];
        bool is_operand = i == 0 || role == PITHI_QUANT_BINARY || role == PITHI_QUANT_CONCAT;
        has_float = input && !input->constant && is_operand &&
                    pithi_quant_format_of(quant, input) == PITHI_ACTIVATION_F32;
    }
    if (role == PITHI_QUANT_PRODUCT && !has_float && pithi_quant_weights_of(node, &weights)) {
        has_float = format->kind != PITHI_WEIGHT_INT || pithi_quant_scales_of(&weights, format).block > 0;
    }
    return !has_float;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static bool is_kept_float(const pithi_quant *quant, const pith_node *node)
{
    const char *list = quant->options->keep_float;
    return (node->name[0] && pithi_list_has(list, node->name)) || pithi_list_has(list, node->source_op);
}

static bool is_quantised(const pithi_quant *quant, const pith_value *value)
{
    return value && quant->tensor_of[value->index] >= 0;
}

/* Activations that the node reads are quantised already; constants will be. */
static bool reads_quantised(const pithi_quant *quant, const pith_node *node, int n_operands)
{
    bool any = false;
    for (int i = 0; i < n_operands && i < node->n_inputs; i++) {
        const pith_value *input = node->inputs[i];
        bool is_constant = input && input->constant && input->constant->dtype == PITH_DTYPE_F32;
        if (!is_constant && !is_quantised(quant, input)) {
            return false;
        }
        any = any || !is_constant;
    }
    return any;
}

static pithi_quant_role role_of(const pithi_quant *quant, const pith_node *node)
{
    pithi_quant_role role = PITHI_QUANT_FLOAT;
    for (int i = 0; i < PITH_COUNT(roles); i++) {
        role = pithi_is(node, roles[i].op) ? roles[i].role : role;
    }
    bool is_single = node->n_outputs >= 1 && node->outputs[0] && node->outputs[0]->dtype == PITH_DTYPE_F32;
    if (!is_single || is_kept_float(quant, node)) {
        return PITHI_QUANT_FLOAT;
    }
    switch (role) {
    case PITHI_QUANT_PRODUCT: return is_product(node) ? role : PITHI_QUANT_FLOAT;
    case PITHI_QUANT_BINARY:
        return node->n_inputs == 2 && reads_quantised(quant, node, 2) ? role : PITHI_QUANT_FLOAT;
    case PITHI_QUANT_CONCAT: return reads_quantised(quant, node, node->n_inputs) ? role : PITHI_QUANT_FLOAT;
    case PITHI_QUANT_FLOAT: return role;
    default: return is_quantised(quant, node->inputs[0]) ? role : PITHI_QUANT_FLOAT;
    }
}

/* ---- values -------------------------------------------------------------------------------- */

static void add_tensor(pithi_quant *quant, const pith_value *value, int source)
{
    if (quant->tensor_of[value->index] < 0) {
        int number = quant->n_tensors++;
        quant->tensor_of[value->index] = number;
        quant->tensors[number].value = value->index;
        quant->tensors[number].source = source >= 0 ? source : number;
    }
}

/* relu and clip behind a product or a sum become limits of its result, if that goes nowhere else. */
static bool is_limit(const pith_node *node)
{
    return pithi_is(node, "relu") || pithi_is(node, "clip");
}

static bool takes_limits(pithi_quant_role role)
{
    return role == PITHI_QUANT_PRODUCT || role == PITHI_QUANT_BINARY;
}

/* The tensor of a value that turned out to be inside of an integer operator is given up again. It is the newest one, or
 * lies among the last few. */
static void drop_tensor(pithi_quant *quant, const pith_value *value)
{
    int number = quant->tensor_of[value->index];
    int last = --quant->n_tensors;
    quant->tensor_of[value->index] = -1;
    for (int i = number; i < last; i++) {
        quant->tensors[i] = quant->tensors[i + 1];
        quant->tensors[i].source -= quant->tensors[i].source > number;
        quant->tensor_of[quant->tensors[i].value]--;
    }
}

static void take_node(pithi_quant *quant, pith_node *node)
{
    pithi_quant_role role = role_of(quant, node);
    quant->roles[node->index] = role;
    if (role == PITHI_QUANT_FLOAT) {
        return;
    }
    pith_value *input = node->inputs[0];
    if (role == PITHI_QUANT_PRODUCT) {
        add_tensor(quant, input, -1);
    }
    int source = role == PITHI_QUANT_MOVE ? quant->tensors[quant->tensor_of[input->index]].source : -1;
    bool absorbs = is_limit(node) && input->producer && input->n_uses == 1 &&
                   takes_limits(quant->roles[input->producer->index]);
    if (absorbs) {
        drop_tensor(quant, input);
    }
    add_tensor(quant, node->outputs[0], source);
}

pith_status pithi_quant_select(pithi_quant *quant)
{
    pith_graph *graph = quant->graph;
    void *node_roles = NULL, *tensor_of = NULL, *tensors = NULL, *shifts = NULL, *layers = NULL;
    pithi_graph_count_uses(graph);
    pithi_quant_number(graph);
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(pithi_quant_role), &node_roles));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(float *), &shifts));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(pithi_quant_layer), &layers));
    PITH_TRY(pithi_arena_array(&quant->arena, graph->n_values, sizeof(int), &tensor_of));
    PITH_TRY(pithi_arena_array(&quant->arena, graph->n_values, sizeof(pithi_quant_tensor), &tensors));
    quant->roles = node_roles;
    quant->bias_shifts = shifts;
    quant->layers = layers;
    quant->tensor_of = tensor_of;
    quant->tensors = tensors;
    quant->n_nodes = graph->n_nodes;
    for (size_t i = 0; i < graph->n_values; i++) {
        quant->tensor_of[i] = -1;
    }
    for (pith_node *node = graph->first; node; node = node->next) {
        take_node(quant, node);
    }
    PITH_CHECK(quant->ctx, quant->n_tensors > 0, PITH_STATUS_UNSUPPORTED,
               "nothing to quantise: the network has no convolution or product with constant float32 weights (is it "
               "quantised already, or are all nodes in the list that stays float?)");
    return PITH_OK;
}
