/* SPDX-License-Identifier: Apache-2.0 */
/* Layer and root-mean-square normalisations over the last dimension, which exporters write as means, squares and
 * roots in several orders. Like functions of one number (fuse_patterns) they are recognised by computing them: three
 * rows of different spread are sent through the nodes and through the operator with the constants found there. */
#include <math.h>

#include "passes/cone.h"

#define N_ROWS 3
#define MAX_ROW 4096
#define MAX_CONSTANTS 4
#define TOLERANCE 2e-5 /* of the largest number; float32 through a dozen nodes */

typedef struct candidate {
    pith_graph *graph;
    pithi_cone cone;
    const pith_value *vectors[MAX_CONSTANTS]; /* one number per element of a row */
    double scalars[MAX_CONSTANTS];
    int n_vectors, n_scalars;
    float *rows;              /* probes, then one block per node, then what the operator gives */
    pith_tensor root, result, wanted, ones;
} candidate;

/* ---- which nodes ------------------------------------------------------------------------------ */

static bool is_mean_of_rows(const pith_node *node)
{
    int64_t axis = 0;
    const pith_value *input = node->n_inputs == 2 ? node->inputs[0] : NULL;
    return input && pithi_is(node, "reduce_mean") && pithi_node_result(node) && pithi_attr_int(node, "keepdims") &&
           input->has_shape && pithi_constant_ints(pithi_constant_input(node, 1), &axis, 1) == 1 &&
           (axis == -1 || axis == input->shape.rank - 1);
}

static bool is_row_constant(const pith_tensor *constant)
{
    for (int i = 0; i + 1 < constant->shape.rank; i++) {
        if (constant->shape.dims[i] != 1) {
            return false;
        }
    }
    return constant->dtype == PITH_DTYPE_F32;
}

static bool accepts(const pith_node *node)
{
    bool fits = is_mean_of_rows(node);
    if (!fits && pithi_cone_is_elementwise(node)) {
        fits = true;
        for (int i = 0; fits && i < node->n_inputs; i++) {
            const pith_tensor *constant = pithi_constant_input(node, i);
            fits = !constant || is_row_constant(constant);
        }
    }
    return fits;
}

static bool add_vector(candidate *c, const pith_value *value)
{
    for (int i = 0; i < c->n_vectors; i++) {
        if (c->vectors[i] == value) {
            return true;
        }
    }
    if (c->n_vectors < MAX_CONSTANTS) {
        c->vectors[c->n_vectors++] = value;
        return true;
    }
    return false;
}

/* Constants of the nodes; false if they are no normalisation for sure. */
static bool collect(candidate *c)
{
    int n_means = 0;
    c->n_vectors = c->n_scalars = 0;
    for (int i = 0; i < c->cone.n_nodes; i++) {
        const pith_node *node = c->cone.nodes[i];
        bool is_mean = pithi_is(node, "reduce_mean");
        n_means += is_mean;
        for (int k = 0; k < node->n_inputs && !is_mean; k++) {
            const pith_tensor *constant = pithi_constant_input(node, k);
            if (constant && pith_shape_elements(&constant->shape) == 1) {
                c->scalars[c->n_scalars] = pithi_tensor_get_f64(constant, 0);
                c->n_scalars += c->n_scalars + 1 < MAX_CONSTANTS;
            } else if (constant && !add_vector(c, node->inputs[k])) {
                return false;
            }
        }
    }
    return n_means >= 1 && n_means <= 2 && c->n_vectors <= 2 && c->cone.n_nodes >= 4;
}

/* ---- probing ---------------------------------------------------------------------------------- */

/* Rows of spread 1, 0.001 and 30, with means; any numbers without pattern will do. */
static void make_rows(float *rows, int64_t n)
{
    static const double spreads[N_ROWS] = { 1.0, 1e-3, 30.0 }, means[N_ROWS] = { 0.5, 1e-3, -20.0 };
    uint32_t state = 12345;
    for (int64_t i = 0; i < N_ROWS * n; i++) {
        state = state * 1664525u + 1013904223u; /* Knuth's LCG, by way of Numerical Recipes */
        rows[i] = (float)(((double)(state >> 8) / 8388608.0 - 1.0) * spreads[i / n] + means[i / n]);
    }
}

static pith_status setup(candidate *c, const pith_shape *shape)
{
    void *block = NULL;
    int64_t n = shape->dims[shape->rank - 1], n_probe = N_ROWS * n;
    pith_shape probe = { .rank = shape->rank }, row = { 1, { n } };
    for (int i = 0; i < shape->rank; i++) {
        probe.dims[i] = i == shape->rank - 1 ? n : i == shape->rank - 2 ? N_ROWS : 1;
    }
    PITH_TRY(pithi_alloc_array(c->graph->ctx, (size_t)(n_probe * (PITHI_CONE_NODES + 2) + n), sizeof(float), &block));
    c->rows = block;
    c->root = (pith_tensor){ PITH_DTYPE_F32, probe, c->rows };
    c->wanted = (pith_tensor){ PITH_DTYPE_F32, probe, c->rows + n_probe * (PITHI_CONE_NODES + 1) };
    c->ones = (pith_tensor){ PITH_DTYPE_F32, row, c->rows + n_probe * (PITHI_CONE_NODES + 2) };
    make_rows(c->rows, n);
    for (int64_t i = 0; i < n; i++) {
        ((float *)c->ones.data)[i] = 1.0f;
    }
    return PITH_OK;
}

static bool evaluate(candidate *c)
{
    int64_t n_probe = pith_shape_elements(&c->root.shape);
    pith_tensor results[PITHI_CONE_NODES];
    for (int i = 0; i < c->cone.n_nodes; i++) {
        results[i] = (pith_tensor){ PITH_DTYPE_F32, c->root.shape, c->rows + n_probe * (i + 1) };
    }
    bool done = pithi_cone_evaluate(c->graph->ctx, &c->cone, &c->root, results, n_probe);
    c->result = results[0];
    return done;
}

static bool agree(const pith_tensor *a, const pith_tensor *b)
{
    const float *x = a->data, *y = b->data;
    int64_t count = pith_shape_elements(&a->shape);
    double largest = 1e-3;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fabs((double)y[i]));
    }
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs((double)x[i] - (double)y[i]) <= TOLERANCE * largest)) {
            return false;
        }
    }
    return true;
}

/* ---- trying ----------------------------------------------------------------------------------- */

typedef struct trial {
    const char *op_name;
    const pith_value *scale, *bias; /* NULL: ones, none */
    double epsilon;
} trial;

static pith_tensor row_of(const candidate *c, const pith_value *value)
{
    pith_tensor tensor = value ? *value->constant : c->ones;
    tensor.shape = c->ones.shape;
    return tensor;
}

static pith_status make_node(candidate *c, const trial *t, pith_node *node_out)
{
    pith_ctx *ctx = c->graph->ctx;
    *node_out = (pith_node){ .op = pithi_op_find(t->op_name), .name = "", .source_op = t->op_name };
    PITH_TRY(pithi_attrs_new(pithi_op_head(node_out->op), &c->graph->arena, &node_out->attrs));
    PITH_TRY(pithi_attr_set_int(ctx, node_out, "axis", -1));
    return pithi_attr_set_float(ctx, node_out, "epsilon", (float)t->epsilon);
}

static pith_status try_one(candidate *c, const trial *t, bool *found, pith_node *node_out)
{
    PITH_TRY(make_node(c, t, node_out));
    pith_tensor inputs[3] = { c->root, row_of(c, t->scale), { 0 } };
    if (t->bias) {
        inputs[2] = row_of(c, t->bias);
    }
    PITH_TRY(pithi_op_eval(c->graph->ctx, node_out, inputs, t->bias ? 3 : 2, &c->wanted, 1));
    *found = agree(&c->result, &c->wanted);
    return PITH_OK;
}

/* Every way to use the constants: which vector is the scale and which the bias, which number is epsilon. */
static pith_status try_all(candidate *c, trial *t, bool *found, pith_node *node_out)
{
    const pith_value *a = c->n_vectors > 0 ? c->vectors[0] : NULL, *b = c->n_vectors > 1 ? c->vectors[1] : NULL;
    const trial ways[] = {
        { "layer_normalization", a, b, 0 }, { "layer_normalization", b, a, 0 }, { "rms_normalization", a, NULL, 0 },
    };
    *found = false;
    for (int i = 0; i <= c->n_scalars && !*found; i++) {
        double epsilon = i < c->n_scalars ? c->scalars[i] : 0.0;
        for (int way = 0; way < PITH_COUNT(ways) && !*found && epsilon >= 0.0 && epsilon < 0.1; way++) {
            if (pithi_op_find(ways[way].op_name) && !(b && way == 2)) {
                *t = ways[way];
                t->epsilon = epsilon;
                PITH_TRY(try_one(c, t, found, node_out));
            }
        }
    }
    return PITH_OK;
}

/* ---- the pass --------------------------------------------------------------------------------- */

static pith_status row_constant(candidate *c, const pith_value *value, pith_value **row_out)
{
    pith_tensor copy;
    if (value) {
        return pithi_reshaped_constant(c->graph, value->constant, &c->ones.shape, row_out);
    }
    PITH_TRY(pithi_graph_new_constant(c->graph, NULL, PITH_DTYPE_F32, &c->ones.shape, &copy, row_out));
    memcpy(copy.data, c->ones.data, pith_tensor_bytes(&copy));
    return PITH_OK;
}

static pith_status replace(candidate *c, const trial *t, const pith_node *function)
{
    pith_node *node = c->cone.nodes[0];
    pith_value *inputs[3] = { c->cone.frontier[0] };
    PITH_TRY(row_constant(c, t->scale, &inputs[1]));
    if (t->bias) {
        PITH_TRY(row_constant(c, t->bias, &inputs[2]));
    }
    PITH_TRY(pithi_become(c->graph, node, t->op_name, inputs, t->bias ? 3 : 2));
    node->attrs = function->attrs;
    for (int i = 0; i < c->cone.n_nodes; i++) {
        c->cone.nodes[i]->index = -1; /* nobody reads the others any more */
    }
    return PITH_OK;
}

static bool has_rows(const pith_value *root, const pith_value *result)
{
    bool known = pithi_value_has_dims(root) && pithi_value_has_dims(result) && root->shape.rank >= 2 &&
                 root->dtype == PITH_DTYPE_F32 && pith_shape_equal(&root->shape, &result->shape);
    int64_t n = known ? root->shape.dims[root->shape.rank - 1] : 0;
    return n >= 2 && n <= MAX_ROW;
}

static pith_status check(candidate *c, bool *found)
{
    trial t = { 0 };
    pith_node function = { 0 };
    pith_status status = PITH_OK;
    *found = false;
    if (!collect(c) || !has_rows(c->cone.frontier[0], c->cone.nodes[0]->outputs[0])) {
        return PITH_OK;
    }
    PITH_TRY_GOTO(setup(c, &c->cone.frontier[0]->shape), done);
    if (evaluate(c)) {
        PITH_TRY_GOTO(try_all(c, &t, found, &function), done);
    }
    if (*found) {
        PITH_TRY_GOTO(replace(c, &t, &function), done);
    }
done:
    pithi_free(c->graph->ctx, c->rows);
    c->rows = NULL;
    return status;
}

static pith_status visit(pith_graph *graph, pith_node *node, int *n_changes)
{
    candidate c = { .graph = graph };
    bool found = false;
    if (node->index < 0 || !accepts(node) || !pithi_cone_add(&c.cone, node)) {
        return PITH_OK;
    }
    do {
        if (c.cone.n_frontier == 1) {
            PITH_TRY(check(&c, &found));
        }
    } while (!found && pithi_cone_expand(&c.cone, accepts));
    *n_changes += found;
    return PITH_OK;
}

static bool has_means(const pith_graph *graph)
{
    const pith_node *node = graph->first;
    while (node && !pithi_is(node, "reduce_mean")) {
        node = node->next;
    }
    return node != NULL;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    if (!has_means(graph)) {
        return PITH_OK;
    }
    pithi_cone_prepare(graph);
    for (pith_node *node = graph->last; node; node = node->previous) { /* scale and bias before what they scale */
        PITH_TRY(visit(graph, node, n_changes));
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_normalization = {
    .name = "fuse_normalization",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "recognises layer and root-mean-square normalisation",
    .run = run,
};
