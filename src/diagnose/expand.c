/* SPDX-License-Identifier: Apache-2.0 */
/* One form for all quantised networks: float operators between dequantize_linear and quantize_linear. QOperator nodes
 * and nodes that move quantised data are brought to it. */
#include "diagnose/diagnose.h"
#include "graph/object.h"

/* Operands of a QOperator: groups of (value, scale, zero point), then the result's scale and zero point. */
typedef struct operator_form {
    const char *from, *to;
    int first, n_groups; /* n_groups 0: all that follow */
    int result, bias;    /* operand numbers; bias -1: none */
} operator_form;

static const operator_form forms[] = {
    { "qlinear_conv", "conv", 0, 2, 6, 8 },
    { "qlinear_matmul", "matmul", 0, 2, 6, -1 },
    { "qlinear_gemm", "gemm", 0, 2, 7, 6 },
    { "qlinear_add", "add", 0, 2, 6, -1 },
    { "qlinear_mul", "mul", 0, 2, 6, -1 },
    { "qlinear_average_pool", "average_pool", 0, 1, 3, -1 },
    { "qlinear_global_average_pool", "global_average_pool", 0, 1, 3, -1 },
    { "qlinear_leaky_relu", "leaky_relu", 0, 1, 3, -1 },
    { "qlinear_sigmoid", "sigmoid", 0, 1, 3, -1 },
    { "qlinear_softmax", "softmax", 0, 1, 3, -1 },
    { "qlinear_concat", "concat", 2, 0, 0, -1 },
};

static const char *const movers[] = { "max_pool", "reshape",        "transpose",      "flatten",
                                      "squeeze",  "unsqueeze",      "slice",          "gather",
                                      "split",    "depth_to_space", "space_to_depth", "resize" };

/* ---- pairs --------------------------------------------------------------------------------- */

pith_status pithi_diag_dq(pith_graph *graph, pith_node *before, pith_value *const operands[3], int64_t axis,
                          pith_value **result_out)
{
    const pith_op *op = pithi_op_find("dequantize_linear");
    pith_node *node = NULL;
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "the build lacks dequantize_linear");
    PITH_TRY(pithi_graph_add_value(graph, NULL, result_out));
    (*result_out)->dtype = PITH_DTYPE_F32;
    PITH_TRY(pithi_graph_insert_node(graph, before, op, "", operands, operands[2] ? 3 : 2, result_out, 1, &node));
    return axis >= 0 ? pithi_attr_set_int(graph->ctx, node, "axis", axis) : PITH_OK;
}

/* `node` makes a float value in place of the quantised output `index`, which quantize_linear makes of it. */
static pith_status put_q_behind(pith_graph *graph, pith_node *node, int index, pith_value *scale, pith_value *zero)
{
    const pith_op *op = pithi_op_find("quantize_linear");
    pith_value *raw = NULL, *quantised = node->outputs[index];
    PITH_CHECK(graph->ctx, op, PITH_STATUS_INTERNAL, "the build lacks quantize_linear");
    PITH_TRY(pithi_graph_add_value(graph, NULL, &raw));
    raw->dtype = PITH_DTYPE_F32;
    raw->has_shape = quantised->has_shape;
    raw->shape = quantised->shape;
    raw->producer = node;
    node->outputs[index] = raw;
    quantised->producer = NULL;
    pith_value *const operands[] = { raw, scale, zero };
    return pithi_graph_insert_node(graph, node->next, op, "", operands, 3, &quantised, 1, NULL);
}

pith_value *pithi_diag_strip(pith_value *value, pith_value **q_out)
{
    pith_value *unused;
    q_out = q_out ? q_out : &unused;
    *q_out = NULL;
    while (value && value->producer && pithi_is(value->producer, "dequantize_linear")) {
        pith_value *quantised = value->producer->inputs[0];
        if (!quantised->producer || !pithi_is(quantised->producer, "quantize_linear")) {
            break;
        }
        *q_out = *q_out ? *q_out : quantised;
        value = quantised->producer->inputs[0];
    }
    return value;
}

/* ---- constants ----------------------------------------------------------------------------- */

static pith_status evaluate(pithi_arena *arena, const pith_node *node, const pith_tensor *inputs, int output,
                            pith_tensor *tensor_out)
{
    void *block = NULL;
    PITH_TRY(pithi_arena_array(arena, (size_t)node->n_outputs, sizeof(pith_tensor), &block));
    pith_tensor *outputs = block;
    pith_infer infer = { .ctx = arena->ctx,
                         .node = node,
                         .attrs = node->attrs,
                         .inputs = inputs,
                         .n_inputs = node->n_inputs,
                         .outputs = outputs,
                         .n_outputs = node->n_outputs };
    PITH_TRY_AT(arena->ctx, pithi_op_infer(&infer), "constant node '%s'", node->name);
    for (int i = 0; i < node->n_outputs; i++) {
        PITH_TRY(pithi_arena_alloc(arena, pith_tensor_bytes(&outputs[i]) + 1, &outputs[i].data));
    }
    PITH_TRY(pithi_op_eval(arena->ctx, node, inputs, node->n_inputs, outputs, node->n_outputs));
    *tensor_out = outputs[output];
    return PITH_OK;
}

pith_status pithi_diag_constant(pithi_arena *arena, const pith_value *value, pith_tensor *tensor_out, bool *is_constant)
{
    const pith_node *node = value->producer;
    void *block = NULL;
    *is_constant = value->constant != NULL;
    if (value->constant) {
        *tensor_out = *value->constant;
        return PITH_OK;
    }
    if (!node || !node->op || node->n_bodies > 0 || node->op->flags & (PITH_OP_RANDOM | PITH_OP_CONTROL) ||
        pithi_dtype_has_pointers(value->dtype)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(arena, (size_t)node->n_inputs + 1, sizeof(pith_tensor), &block));
    for (int i = 0; i < node->n_inputs; i++) {
        bool known = true;
        if (node->inputs[i]) {
            PITH_TRY(pithi_diag_constant(arena, node->inputs[i], (pith_tensor *)block + i, &known));
        }
        if (!known) {
            return PITH_OK;
        }
    }
    *is_constant = true;
    int output = 0;
    while (node->outputs[output] != value) {
        output++;
    }
    return evaluate(arena, node, block, output, tensor_out);
}

/* Constants that a file writes as nodes. */
static pith_status fold_constant_nodes(pith_graph *graph)
{
    for (pith_node *node = graph->first, *next = NULL; node; node = next) {
        next = node->next;
        bool is_constant = false;
        void *copy = NULL;
        if (node->n_inputs > 0 || node->n_outputs != 1 || !pithi_is(node, "constant")) {
            continue;
        }
        PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_tensor), &copy));
        PITH_TRY(pithi_diag_constant(&graph->arena, node->outputs[0], copy, &is_constant));
        if (is_constant) {
            pith_value *value = node->outputs[0];
            pithi_graph_remove_node(graph, node);
            value->constant = copy;
        }
    }
    return PITH_OK;
}

/* ---- QOperator ----------------------------------------------------------------------------- */

/* Attributes of the same name and kind. */
static void take_attrs(const pith_node *from, pith_node *to)
{
    const pith_op_head *head = pithi_op_head(to->op);
    for (int i = 0; i < head->n_attrs; i++) {
        const pith_attr_spec *spec = &head->attrs[i];
        const void *source = pithi_attr_field(from, spec->name, spec->kind);
        void *target = pithi_attr_field(to, spec->name, spec->kind);
        size_t n_bytes = spec->kind == PITH_ATTR_KIND_FLOAT                                        ? sizeof(float)
                         : spec->kind == PITH_ATTR_KIND_INTS                                       ? sizeof(pith_ints)
                         : spec->kind == PITH_ATTR_KIND_INT || spec->kind == PITH_ATTR_KIND_CHOICE ? sizeof(int64_t)
                                                                                                   : 0;
        if (source && target && n_bytes > 0) {
            memcpy(target, source, n_bytes);
        }
    }
}

/* int32 with the scale of the sums. */
static pith_status expand_bias(pith_graph *graph, pith_node *node, const operator_form *form, pith_value **bias_out)
{
    const pith_tensor *x_scale = pithi_constant_input(node, 1), *w_scale = pithi_constant_input(node, 4);
    pith_value *bias = pithi_node_input(node, form->bias), *scale = NULL;
    pith_tensor to;
    *bias_out = NULL;
    if (!bias) {
        return PITH_OK;
    }
    int64_t n = pith_shape_elements(&w_scale->shape);
    const pith_shape shape = { .rank = n > 1, .dims = { n } };
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &to, &scale));
    for (int64_t i = 0; i < n; i++) {
        pithi_tensor_set_f64(&to, i, pithi_tensor_get_f64(x_scale, 0) * pithi_tensor_get_f64(w_scale, i));
    }
    pith_value *const operands[3] = { bias, scale, NULL };
    return pithi_diag_dq(graph, node, operands, 0, bias_out);
}

static bool has_constant_scales(const pith_node *node, const operator_form *form, int n_groups)
{
    for (int i = 0; i < n_groups; i++) {
        if (!pithi_constant_input(node, form->first + 3 * i + 1)) {
            return false;
        }
    }
    return pithi_constant_input(node, form->result) && pithi_constant_input(node, form->result + 1);
}

static int64_t weights_axis(const operator_form *form, const pith_node *node)
{
    bool is_transposed = pithi_same_text(form->to, "gemm") && pithi_attr_int(node, "transB") != 0;
    return pithi_same_text(form->to, "conv") || is_transposed ? 0 : 1;
}

int pithi_diag_operand(const pith_node *node, const pith_value *value)
{
    for (int i = 0; i < PITH_COUNT(forms); i++) {
        const int n_groups = forms[i].n_groups ? forms[i].n_groups : (node->n_inputs - forms[i].first) / 3;
        for (int k = 0; pithi_is(node, forms[i].from) && k < n_groups; k++) {
            if (node->inputs[forms[i].first + 3 * k] == value) {
                return forms[i].first + 3 * k;
            }
        }
    }
    return pithi_is(node, "dequantize_linear") && node->inputs[0] == value ? 0 : -1;
}

static pith_status expand_node(pith_graph *graph, pith_node *node, const operator_form *form)
{
    const pith_node old = *node;
    int n_groups = form->n_groups ? form->n_groups : (node->n_inputs - form->first) / 3;
    void *block = NULL;
    if (!has_constant_scales(node, form, n_groups)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_arena_array(&graph->arena, (size_t)n_groups + 1, sizeof(pith_value *), &block));
    pith_value **inputs = block, *scale = node->inputs[form->result], *zero = node->inputs[form->result + 1];
    for (int i = 0; i < n_groups; i++) {
        pith_value *const *operands = &node->inputs[form->first + 3 * i];
        bool per_channel = pith_shape_elements(&operands[1]->constant->shape) > 1;
        PITH_TRY(pithi_diag_dq(graph, node, operands, per_channel ? weights_axis(form, node) : -1, &inputs[i]));
    }
    if (form->bias >= 0) {
        PITH_TRY(expand_bias(graph, node, form, &inputs[n_groups]));
    }
    bool has_bias = inputs[n_groups] != NULL;
    PITH_TRY(pithi_become(graph, node, form->to, inputs, n_groups + has_bias));
    take_attrs(&old, node);
    return put_q_behind(graph, node, 0, scale, zero);
}

/* ---- nodes that move quantised data -------------------------------------------------------- */

static const pith_node *rounding_of(const pith_value *value)
{
    const pith_node *node = value ? value->producer : NULL;
    return pithi_is(node, "quantize_linear") && pithi_constant_input(node, 1) &&
                   pith_shape_elements(&node->inputs[1]->constant->shape) == 1 && node->n_inputs > 2
               ? node
               : NULL;
}

bool pithi_diag_moves(const pith_node *node)
{
    for (int i = 0; i < PITH_COUNT(movers); i++) {
        if (pithi_is(node, movers[i])) {
            return true;
        }
    }
    return false;
}

static pith_status expand_mover(pith_graph *graph, pith_node *node)
{
    const pith_node *q = rounding_of(pithi_node_input(node, 0));
    if (!q || !pithi_diag_moves(node)) {
        return PITH_OK;
    }
    pith_value *const operands[3] = { node->inputs[0], q->inputs[1], q->inputs[2] };
    PITH_TRY(pithi_diag_dq(graph, node, operands, -1, &node->inputs[0]));
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] && (i == 0 || pithi_is(node, "split"))) {
            PITH_TRY(put_q_behind(graph, node, i, operands[1], operands[2]));
        }
    }
    return PITH_OK;
}

/* ---- the whole ----------------------------------------------------------------------------- */

pith_status pithi_diag_expand(pithi_diagnosis *job)
{
    pith_graph *twin = job->twin;
    PITH_TRY(fold_constant_nodes(twin));
    PITH_TRY(pithi_diag_type_inputs(job));
    for (pith_node *node = twin->first, *next = NULL; node; node = next) {
        next = node->next;
        for (int i = 0; i < PITH_COUNT(forms); i++) {
            if (pithi_is(node, forms[i].from)) {
                PITH_TRY_AT(twin->ctx, expand_node(twin, node, &forms[i]), "node '%s'", node->name);
                break;
            }
        }
        PITH_TRY(expand_mover(twin, node));
    }
    PITH_TRY(pithi_diag_type_outputs(job));
    pithi_quant_number(twin);
    pithi_graph_count_uses(twin);
    return PITH_OK;
}
