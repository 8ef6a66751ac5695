/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and dtypes of a whole graph, in topological order. Shape arithmetic becomes constants on the
 * way, since the shapes behind it depend on its values. */
#include "graph/object.h"
#include "passes/rewrite.h"

/* A folded result is kept with the graph; larger ones are left to fold_constants, which weighs them. */
#define MAX_SMALL_BYTES ((size_t)64 * 1024)
/* What folding may cost in memory: a small constant must not be spread into a huge one. */
#define MAX_GROWTH_BYTES ((size_t)1024 * 1024)
/* What one walk may compute before anything is run; what goes beyond stays a node of the graph. */
#define MAX_FOLDED_OPERATIONS ((uint64_t)2000 * 1000 * 1000)

typedef struct walker {
    pith_graph *graph;
    pith_tensor *inputs, *outputs; /* operands of the node at hand */
    size_t inputs_capacity, outputs_capacity;
    bool fold_large, checks_declared;
    int n_folded;
    uint64_t n_operations; /* spent on folding */
} walker;

static bool is_known(const pith_value *value)
{
    if (value->constant) {
        return true;
    }
    bool known = value->has_shape && value->dtype != PITH_DTYPE_NONE;
    for (int i = 0; known && i < value->shape.rank; i++) {
        known = value->shape.dims[i] >= 0;
    }
    return known;
}

static void forget_outputs(const walker *walk, const pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        if (node->outputs[i] && node->outputs[i]->has_shape) {
            node->outputs[i]->has_shape = false;
            walk->graph->settled = 0;
        }
    }
}

/* Operands of the node from values; *ready_out tells whether all shapes are known. */
static pith_status gather_operands(walker *walk, const pith_node *node, bool *ready_out)
{
    pith_ctx *ctx = walk->graph->ctx;
    void *inputs = walk->inputs, *outputs = walk->outputs;
    pith_status status =
        pithi_grow(ctx, &inputs, &walk->inputs_capacity, (size_t)node->n_inputs + 1, sizeof(pith_tensor));
    walk->inputs = inputs;
    PITH_TRY(status);
    status = pithi_grow(ctx, &outputs, &walk->outputs_capacity, (size_t)node->n_outputs + 1, sizeof(pith_tensor));
    walk->outputs = outputs;
    PITH_TRY(status);

    *ready_out = true;
    for (int i = 0; i < node->n_inputs; i++) {
        const pith_value *value = node->inputs[i];
        walk->inputs[i] = (pith_tensor){ 0 };
        if (value && value->constant) {
            walk->inputs[i] = *value->constant;
        } else if (value) {
            *ready_out &= is_known(value);
            walk->inputs[i].dtype = value->dtype;
            walk->inputs[i].shape = value->shape;
            walk->inputs[i].data = value->outline ? value->outline->data : NULL;
        }
    }
    for (int i = 0; i < node->n_outputs; i++) {
        walk->outputs[i] = (pith_tensor){ 0 };
    }
    return PITH_OK;
}

/* What the file says of a value must not contradict what follows. Values have not been inferred before. */
static pith_status check_declared(const walker *walk, const pith_node *node)
{
    pith_ctx *ctx = walk->graph->ctx;
    for (int i = 0; i < node->n_outputs; i++) {
        const pith_value *value = node->outputs[i];
        const pith_tensor *is = &walk->outputs[i];
        char declared[PITHI_SHAPE_TEXT_BYTES], inferred[PITHI_SHAPE_TEXT_BYTES];
        if (!value || is->dtype == PITH_DTYPE_NONE) {
            continue;
        }
        PITH_CHECK(ctx, value->dtype == PITH_DTYPE_NONE || value->dtype == is->dtype, PITH_STATUS_FORMAT,
                   "the file declares '%.80s' as %s, but it is %s; mend or delete its value_info", value->name,
                   pith_dtype_name(value->dtype), pith_dtype_name(is->dtype));
        bool agrees = !value->has_shape || value->shape.rank == is->shape.rank;
        for (int k = 0; value->has_shape && agrees && k < is->shape.rank; k++) {
            agrees = value->shape.dims[k] < 0 || value->shape.dims[k] == is->shape.dims[k];
        }
        PITH_CHECK(ctx, agrees, PITH_STATUS_FORMAT,
                   "the file declares '%.80s' with shape %s, but it has %s; mend or delete its value_info", value->name,
                   pithi_shape_text(&value->shape, declared), pithi_shape_text(&is->shape, inferred));
    }
    return PITH_OK;
}

static void set_outputs(const walker *walk, const pith_node *node)
{
    for (int i = 0; i < node->n_outputs; i++) {
        pith_value *value = node->outputs[i];
        const pith_tensor *is = &walk->outputs[i];
        const bool has_shape = is->dtype != PITH_DTYPE_NONE;
        if (value && (value->dtype != is->dtype || value->has_shape != has_shape ||
                      !pith_shape_equal(&value->shape, &is->shape))) {
            value->dtype = is->dtype;
            value->shape = is->shape;
            value->has_shape = has_shape;
            walk->graph->settled = 0;
        }
    }
}

/* Weights that a file keeps quantised are only spread to floats when nothing else is left to do with
 * them, so shape inference leaves them. */
static bool is_small(const walker *walk, const pith_node *node)
{
    size_t n_inputs = 0, n_outputs = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        n_inputs += node->inputs[i] && node->inputs[i]->constant ? pith_tensor_bytes(&walk->inputs[i]) : 0;
    }
    for (int i = 0; i < node->n_outputs; i++) {
        n_outputs += node->outputs[i] ? pith_tensor_bytes(&walk->outputs[i]) : 0;
    }
    bool is_stored_weight = pithi_same_text(node->op->head.name, "dequantize_linear");
    if (node->op->flags & PITH_OP_VIEW) {
        return true;
    }
    if (pithi_same_text(node->op->head.name, "quantize_linear")) {
        return true; /* weights that the graph quantises: they only shrink */
    }
    if (is_stored_weight && walk->graph->keeps_stored) {
        return false;
    }
    /* What no pass wants to read as it is stored (fuse_nbits) would else be spread in every run. */
    return walk->fold_large ? is_stored_weight || n_outputs <= n_inputs + MAX_GROWTH_BYTES
                            : n_outputs <= MAX_SMALL_BYTES && !is_stored_weight;
}

static bool is_affordable(walker *walk, const pith_infer *infer)
{
    pith_cost cost;
    pithi_op_cost(infer, &cost);
    if (cost.macs >= MAX_FOLDED_OPERATIONS || cost.flops >= MAX_FOLDED_OPERATIONS ||
        walk->n_operations + 2 * cost.macs + cost.flops > MAX_FOLDED_OPERATIONS) {
        return false;
    }
    walk->n_operations += 2 * cost.macs + cost.flops;
    return true;
}

static bool is_foldable(const walker *walk, const pith_node *node)
{
    if (node->op->flags & (PITH_OP_RANDOM | PITH_OP_CONTROL) || node->n_bodies > 0) {
        return false;
    }
    for (int i = 0; i < node->n_inputs && !(node->op->flags & PITH_OP_READS_SHAPE); i++) {
        if (node->inputs[i] && !node->inputs[i]->constant) {
            return false;
        }
    }
    for (int i = 0; i < node->n_outputs && (node->op->flags & PITH_OP_HEAP); i++) {
        if (pithi_dtype_has_pointers(walk->outputs[i].dtype)) {
            return false;
        }
    }
    return is_small(walk, node);
}

/* The node's outputs become constants and the node goes. A view shares the bytes of its input. */
static pith_status fold(walker *walk, pith_node *node)
{
    pith_graph *graph = walk->graph;
    bool is_view = (node->op->flags & PITH_OP_VIEW) != 0;
    for (int i = 0; i < node->n_outputs; i++) {
        pith_tensor *output = &walk->outputs[i];
        if (!node->outputs[i]) {
            *output = (pith_tensor){ 0 };
        } else if (is_view && i == 0) {
            output->data = walk->inputs[0].data;
        } else {
            size_t n_bytes = pith_tensor_bytes(output);
            PITH_TRY(pithi_arena_alloc_raw(&graph->arena, n_bytes ? n_bytes : 1, &output->data));
        }
    }
    if (!is_view) {
        PITH_TRY(pithi_op_eval(graph->ctx, node, walk->inputs, node->n_inputs, walk->outputs, node->n_outputs));
    }
    for (int i = 0; i < node->n_outputs; i++) {
        void *copy = NULL;
        if (node->outputs[i]) {
            PITH_TRY(pithi_arena_alloc(&graph->arena, sizeof(pith_tensor), &copy));
            memcpy(copy, &walk->outputs[i], sizeof(pith_tensor));
            node->outputs[i]->constant = copy;
        }
    }
    pithi_graph_remove_node(graph, node);
    walk->n_folded++;
    return PITH_OK;
}

static pith_status infer_node(walker *walk, pith_node *node)
{
    bool is_ready = false;
    if (!node->op || node->op->flags & PITH_OP_CONTROL) {
        forget_outputs(walk, node);
        return PITH_OK;
    }
    PITH_TRY(gather_operands(walk, node, &is_ready));
    if (!is_ready) {
        forget_outputs(walk, node);
        return PITH_OK;
    }
    pith_infer infer = { .ctx = walk->graph->ctx, .node = node, .attrs = node->attrs, .inputs = walk->inputs,
                         .n_inputs = node->n_inputs, .outputs = walk->outputs, .n_outputs = node->n_outputs };
    pith_status status = pithi_op_infer(&infer);
    if (status == PITHI_STATUS_NEEDS_VALUE) {
        forget_outputs(walk, node);
        return PITH_OK;
    }
    PITH_TRY(status);
    if (walk->checks_declared) {
        PITH_TRY(check_declared(walk, node));
    }
    set_outputs(walk, node);
    return is_foldable(walk, node) && is_affordable(walk, &infer) ? fold(walk, node) : PITH_OK;
}

static pith_status walk_graph(walker *walk)
{
    pith_graph *graph = walk->graph;
    pith_status status = PITH_OK;
    for (pith_node *node = graph->first, *next; node && status == PITH_OK; node = next) {
        next = node->next;
        status = infer_node(walk, node);
        if (status != PITH_OK) {
            pithi_add_place(graph->ctx, "node '%s' (%s)", node->name, node->source_op);
        }
    }
    pithi_free(graph->ctx, walk->inputs);
    pithi_free(graph->ctx, walk->outputs);
    return status;
}

pith_status pithi_graph_infer(pith_graph *graph)
{
    walker walk = { .graph = graph };
    return walk_graph(&walk);
}

pith_status pithi_graph_infer_declared(pith_graph *graph)
{
    walker walk = { .graph = graph, .checks_declared = true };
    return walk_graph(&walk);
}

pith_status pithi_graph_infer_all(pith_graph *graph, pithi_infer_report *report, void *user)
{
    walker walk = { .graph = graph, .checks_declared = true };
    pith_status status = PITH_OK;
    for (pith_node *node = graph->first, *next; node && status == PITH_OK; node = next) {
        next = node->next;
        status = infer_node(&walk, node);
        if (status != PITH_OK && status != PITH_STATUS_NOMEM) {
            forget_outputs(&walk, node);
            status = report(user, node, pith_ctx_error(graph->ctx));
            pith_ctx_clear_error(graph->ctx);
        }
    }
    pithi_free(graph->ctx, walk.inputs);
    pithi_free(graph->ctx, walk.outputs);
    return status;
}

pith_status pithi_graph_fold(pith_graph *graph, int *n_folded)
{
    walker walk = { .graph = graph, .fold_large = true };
    pith_status status = walk_graph(&walk);
    *n_folded += walk.n_folded;
    return status;
}
