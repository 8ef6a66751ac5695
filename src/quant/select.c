/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes compute in integers, and which values are quantised for them: what pass fuse_qdq makes integer operators
 * of, by the same table. A value gets one scale for all of its users. */
#include "passes/fuse_qdq.h"
#include "quant/quant.h"

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
    } else if (pithi_is(node, "conv_transpose")) {
        weights_out->out_axis = 1;
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
        return (rank == 3 || rank == 4) && has_plain_bias(node, weights.n_out);
    }
    if (pithi_is(node, "conv_transpose")) {
        return rank == 4 && pithi_attr_int(node, "group") == 1 && has_plain_bias(node, weights.n_out);
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
        value = user && quant->roles[user->index] == PITHI_QUANT_FUNCTION ? pithi_node_result(user) : NULL;
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

/* It computes more than functions of elements, or is worth bytes: what follows concatenations that aren't results. */
static bool is_worth_bytes(const pith_node *node)
{
    switch (pithi_qdq_role_of(node)) {
    case PITHI_QDQ_PRODUCT: return true;
    case PITHI_QDQ_UNARY: return !pithi_is(node, "softmax");
    case PITHI_QDQ_MOVE: return pithi_qdq_rounds(node) || pithi_is(node, "max_pool");
    case PITHI_QDQ_REPEAT: return true;
    default: return false;
    }
}

static pith_status find_followed(pithi_quant *quant)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(&quant->arena, quant->graph->n_values, sizeof(bool), &block));
    quant->is_followed = block;
    for (const pith_node *node = quant->graph->last; node; node = node->previous) {
        bool follows = is_worth_bytes(node);
        for (int i = 0; i < node->n_outputs; i++) {
            follows = follows || (node->outputs[i] && quant->is_followed[node->outputs[i]->index]);
        }
        for (int i = 0; i < node->n_inputs && follows; i++) {
            if (node->inputs[i]) {
                quant->is_followed[node->inputs[i]->index] = true;
            }
        }
    }
    return PITH_OK;
}

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

/* A concatenation behind which no product comes only gathers results, such as boxes and scores: it is left float, so
 * each operand keeps a scale of its own, and what must become float anyway does so in front of it. */
static bool is_tail(const pithi_quant *quant, const pith_node *concat)
{
    return !quant->options->no_mix && !quant->is_followed[concat->outputs[0]->index];
}

static pithi_quant_role role_of(const pithi_quant *quant, const pith_node *node)
{
    const pith_value *result = pithi_node_result(node);
    if (!result || result->dtype != PITH_DTYPE_F32 || is_kept_float(quant, node)) {
        return PITHI_QUANT_FLOAT;
    }
    switch (pithi_qdq_role_of(node)) {
    case PITHI_QDQ_PRODUCT:
        if (is_product(node)) {
            return PITHI_QUANT_PRODUCT;
        }
        return pithi_is(node, "matmul") && reads_quantised(quant, node, 2) ? PITHI_QUANT_BINARY : PITHI_QUANT_FLOAT;
    case PITHI_QDQ_BINARY: return reads_quantised(quant, node, 2) ? PITHI_QUANT_BINARY : PITHI_QUANT_FLOAT;
    case PITHI_QDQ_CONCAT:
        return reads_quantised(quant, node, node->n_inputs) && !is_tail(quant, node) ? PITHI_QUANT_CONCAT
                                                                                      : PITHI_QUANT_FLOAT;
    case PITHI_QDQ_UNARY:
        if (pithi_is(node, "softmax") && pithi_graph_is_output(quant->graph, result)) {
            return PITHI_QUANT_FLOAT; /* 1 / 256 would make equals of classes, and costs as much */
        }
        return is_quantised(quant, node->inputs[0]) ? PITHI_QUANT_POOL : PITHI_QUANT_FLOAT;
    case PITHI_QDQ_FUNCTION:
        return pithi_qdq_argument(node) == 0 && is_quantised(quant, node->inputs[0]) ? PITHI_QUANT_FUNCTION
                                                                                      : PITHI_QUANT_FLOAT;
    case PITHI_QDQ_MOVE:
    case PITHI_QDQ_REPEAT: return is_quantised(quant, node->inputs[0]) ? PITHI_QUANT_MOVE : PITHI_QUANT_FLOAT;
    default: return PITHI_QUANT_FLOAT;
    }
}

bool pithi_quant_is_recurrent(const pithi_quant *quant, const pith_node *node)
{
    const pith_tensor *w = pithi_constant_input(node, 1), *r = pithi_constant_input(node, 2);
    return (pithi_is(node, "lstm") || pithi_is(node, "gru") || pithi_is(node, "rnn")) && w && r &&
           w->dtype == PITH_DTYPE_F32 && r->dtype == PITH_DTYPE_F32 &&
           pith_shape_elements(&w->shape) > 0 && pith_shape_elements(&r->shape) > 0 &&
           w->shape.rank == 3 && r->shape.rank == 3 && !is_kept_float(quant, node);
}

pithi_quant_weights pithi_quant_recurrent_weights(const pith_node *node, int which)
{
    const pith_tensor *tensor = node->inputs[1 + which]->constant;
    return (pithi_quant_weights){ .tensor = tensor, .out_axis = 1, .in_axis = 2, .n_out = tensor->shape.dims[1],
                                  .groups = 1, .has_own_rows = tensor->shape.dims[0] > 1 };
}

int pithi_quant_all_weights(const pithi_quant *quant, const pith_node *node, pithi_quant_weights weights_out[2])
{
    if (quant->roles[node->index] == PITHI_QUANT_PRODUCT) {
        return pithi_quant_weights_of(node, weights_out) ? 1 : 0;
    }
    const int n = pithi_quant_is_recurrent(quant, node) ? 2 : 0;
    for (int i = 0; i < n; i++) {
        weights_out[i] = pithi_quant_recurrent_weights(node, i);
    }
    return n;
}

/* ---- values -------------------------------------------------------------------------------- */

enum { UNREAD = -1, READ_OTHERWISE = -2 }; /* pithi_quant_tensor.read_as */

static void add_tensor(pithi_quant *quant, const pith_value *value, int source)
{
    if (quant->tensor_of[value->index] < 0) {
        int number = quant->n_tensors++;
        quant->tensor_of[value->index] = number;
        quant->tensors[number].value = value->index;
        quant->tensors[number].source = source >= 0 ? source : number;
        quant->tensors[number].shares = -1;
        quant->tensors[number].read_as = UNREAD;
    }
}

static bool is_made_by(const pithi_quant *quant, const pith_value *value, pithi_quant_role role)
{
    return value->producer && quant->roles[value->producer->index] == role;
}

/* relu and clip behind a product or a sum become limits of its result, if that goes nowhere else. */
static bool is_limit(const pithi_quant *quant, const pith_node *node)
{
    const pith_value *input = node->inputs[0];
    return (pithi_is(node, "relu") || pithi_is(node, "clip")) && input->n_uses == 1 &&
           (is_made_by(quant, input, PITHI_QUANT_PRODUCT) || is_made_by(quant, input, PITHI_QUANT_BINARY) ||
            pithi_quant_is_bias(quant, input->producer));
}

/* A row added to a matmul with constant weights is its bias. */
bool pithi_quant_is_bias(const pithi_quant *quant, const pith_node *node)
{
    const pith_tensor *row = pithi_is(node, "add") && node->n_inputs == 2 ? pithi_constant_input(node, 1) : NULL;
    const pith_node *matmul = row ? node->inputs[0]->producer : NULL;
    pithi_quant_weights weights;
    return pithi_is(matmul, "matmul") && node->inputs[0]->n_uses == 1 && row->dtype == PITH_DTYPE_F32 &&
           row->shape.rank == 1 && is_made_by(quant, node->inputs[0], PITHI_QUANT_PRODUCT) &&
           pithi_quant_weights_of(matmul, &weights) && row->shape.dims[0] == weights.n_out && weights.n_out > 1;
}

const pith_tensor *pithi_quant_bias_of(const pithi_quant *quant, const pith_graph *graph, const pith_node *node)
{
    if (!pithi_is(node, "matmul")) {
        return pithi_constant_input(node, 2);
    }
    const pith_node *add = pithi_graph_only_consumer(graph, node->outputs[0]);
    return add && quant->roles[add->index] == PITHI_QUANT_FUNCTION && pithi_quant_is_bias(quant, add)
               ? pithi_constant_input(add, 1)
               : NULL;
}

bool pithi_quant_may_shift(const pithi_quant *quant, const pith_graph *graph, const pith_node *node)
{
    return !pithi_is(node, "matmul") || pithi_quant_bias_of(quant, graph, node);
}

/* Functions of functions of one quantised tensor become one table, in which nothing is rounded in between. */
static const pith_value *argument_of(const pithi_quant *quant, const pith_value *value)
{
    while (!is_quantised(quant, value) && is_made_by(quant, value, PITHI_QUANT_FUNCTION)) {
        value = value->producer->inputs[0];
    }
    return value;
}

/* A step of such a table, if the node that reads it is the next one. */
static bool is_inner(const pithi_quant *quant, const pith_value *value)
{
    return value->n_uses == 1 && !value->constant && is_made_by(quant, value, PITHI_QUANT_FUNCTION) &&
           !pithi_quant_is_bias(quant, value->producer) &&
           is_quantised(quant, argument_of(quant, value->producer->inputs[0]));
}

/* x sigmoid(x) and its like; the step comes first then. */
static bool is_function_of_both(const pithi_quant *quant, pith_node *node)
{
    for (int i = 0; i < 2 && node->n_inputs == 2 && !pithi_is(node, "matmul"); i++) {
        pith_value *step = node->inputs[i], *x = node->inputs[1 - i];
        bool may_swap = i == 0 || pithi_is(node, "mul") || pithi_is(node, "add");
        if (may_swap && is_inner(quant, step) && argument_of(quant, step->producer->inputs[0]) == x) {
            node->inputs[0] = step;
            node->inputs[1] = x;
            return true;
        }
    }
    return false;
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

/* Constants come second where the order doesn't matter. */
static void order_operands(pith_node *node)
{
    if ((pithi_is(node, "add") || pithi_is(node, "mul")) && node->n_inputs == 2 && pithi_constant_input(node, 0)) {
        pith_value *constant = node->inputs[0];
        node->inputs[0] = node->inputs[1];
        node->inputs[1] = constant;
    }
}

static void take_node(pithi_quant *quant, pith_node *node)
{
    order_operands(node);
    pithi_quant_role role = role_of(quant, node);
    if (role == PITHI_QUANT_BINARY && (pithi_quant_is_bias(quant, node) || is_function_of_both(quant, node))) {
        role = PITHI_QUANT_FUNCTION;
    }
    quant->roles[node->index] = role;
    if (role == PITHI_QUANT_FLOAT) {
        return;
    }
    pith_value *input = node->inputs[0];
    if (role == PITHI_QUANT_PRODUCT) {
        add_tensor(quant, input, -1);
    }
    int source = role == PITHI_QUANT_MOVE ? quant->tensors[quant->tensor_of[input->index]].source : -1;
    if (role == PITHI_QUANT_FUNCTION &&
        (is_limit(quant, node) || pithi_quant_is_bias(quant, node) || is_inner(quant, input))) {
        drop_tensor(quant, input);
    }
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i]) {
            add_tensor(quant, node->outputs[i], source);
        }
    }
    quant->tensors[quant->tensor_of[node->outputs[0]->index]].is_probability = pithi_is(node, "softmax");
}

/* ---- concatenations ------------------------------------------------------------------------ */

/* Whoever reads the tensor, in whatever order of elements, is the concatenation. */
static bool is_read_by(const pithi_quant *quant, int source, const pith_node *concat)
{
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        bool moves = quant->roles[node->index] == PITHI_QUANT_MOVE;
        for (int i = 0; i < node->n_inputs; i++) {
            const pith_value *value = node->inputs[i];
            int number = value && !value->constant ? quant->tensor_of[value->index] : -1;
            if (number >= 0 && quant->tensors[number].source == source && node != concat && !(moves && i == 0)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < quant->graph->n_outputs; i++) {
        int number = quant->tensor_of[quant->graph->outputs[i]->index];
        if (number >= 0 && quant->tensors[number].source == source) {
            return false;
        }
    }
    return true;
}

static void share_ranges(pithi_quant *quant, const pith_node *concat)
{
    const int result = quant->tensors[quant->tensor_of[concat->outputs[0]->index]].source;
    for (int i = 0; i < concat->n_inputs; i++) {
        const pith_value *value = concat->inputs[i];
        if (value && !value->constant) {
            const int source = quant->tensors[quant->tensor_of[value->index]].source;
            pithi_quant_tensor *tensor = &quant->tensors[source];
            bool shares = source != result && !tensor->is_probability && is_read_by(quant, source, concat);
            tensor->shares = shares ? result : -1;
        }
    }
}

/* ---- tables -------------------------------------------------------------------------------- */

/* Tensors that nothing but one table reads: what their rounding costs is what it does to the table's results. */
static void find_tables(pithi_quant *quant)
{
    for (const pith_node *node = quant->graph->first; node; node = node->next) {
        const bool is_table = quant->roles[node->index] == PITHI_QUANT_FUNCTION;
        const int result = is_table ? quant->result_of[node->index] : -1;
        for (int i = 0; i < node->n_inputs; i++) {
            const pith_value *value = node->inputs[i];
            const int number = value && !value->constant ? quant->tensor_of[value->index] : -1;
            int *read_as = number >= 0 ? &quant->tensors[number].read_as : NULL;
            if (read_as) {
                *read_as = result >= 0 && (*read_as == UNREAD || *read_as == result) ? result : READ_OTHERWISE;
            }
        }
    }
    for (size_t i = 0; i < quant->graph->n_outputs; i++) {
        const int number = quant->tensor_of[quant->graph->outputs[i]->index];
        if (number >= 0) {
            quant->tensors[number].read_as = READ_OTHERWISE;
        }
    }
    for (int i = 0; i < quant->n_tensors; i++) {
        pithi_quant_tensor *tensor = &quant->tensors[i];
        tensor->read_as = tensor->source == i ? tensor->read_as : READ_OTHERWISE;
    }
}

pith_status pithi_quant_select(pithi_quant *quant)
{
    pith_graph *graph = quant->graph;
    void *node_roles = NULL, *tensor_of = NULL, *tensors = NULL, *shifts = NULL, *layers = NULL,
         *results = NULL;
    pithi_graph_count_uses(graph);
    pithi_quant_number(graph);
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(pithi_quant_role), &node_roles));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(float *), &shifts));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(pithi_quant_layer), &layers));
    PITH_TRY(pithi_arena_array(&quant->arena, graph->n_values, sizeof(int), &tensor_of));
    PITH_TRY(pithi_arena_array(&quant->arena, graph->n_values, sizeof(pithi_quant_tensor), &tensors));
    PITH_TRY(pithi_arena_array(&quant->arena, (size_t)graph->n_nodes, sizeof(int), &results));
    quant->roles = node_roles;
    quant->result_of = results;
    quant->bias_shifts = shifts;
    quant->layers = layers;
    quant->tensor_of = tensor_of;
    quant->tensors = tensors;
    quant->n_nodes = graph->n_nodes;
    for (size_t i = 0; i < graph->n_values; i++) {
        quant->tensor_of[i] = -1;
    }
    PITH_TRY(find_followed(quant));
    for (pith_node *node = graph->first; node; node = node->next) {
        take_node(quant, node);
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        quant->result_of[node->index] = pithi_quant_find_result(quant, node);
    }
    for (const pith_node *node = graph->first; node; node = node->next) {
        if (quant->roles[node->index] == PITHI_QUANT_CONCAT) {
            share_ranges(quant, node);
        }
    }
    find_tables(quant);
    bool is_any = quant->n_tensors > 0;
    for (const pith_node *node = graph->first; node && !is_any; node = node->next) {
        is_any = pithi_quant_is_recurrent(quant, node);
    }
    PITH_CHECK(quant->ctx, is_any, PITH_STATUS_UNSUPPORTED,
               "nothing to quantise: the network has no convolution or product with constant float32 weights (is it "
               "quantised already, or are all nodes in the list that stays float?)");
    return PITH_OK;
}
