/* SPDX-License-Identifier: Apache-2.0 */
/* Exporters write one function in many ways (x * clip(x + 3, 0, 6) / 6, x * hard_sigmoid(x), ... are all hard_swish).
 * Instead of a pattern per spelling, the elementwise nodes between one value and a result are evaluated on a grid of
 * probes and compared with the functions that pith has a kernel for. A handful of operations with constants that agrees
 * with one of them on the whole range, its kinks and its far ends, to the precision of float32, is that function. */
#include <math.h>

#include "passes/cone.h"

/* The first probes give parameters and tell most functions apart; only what agrees there sees the others. */
static const float quick[] = { 1e30f, -1e30f, -1.0f, -0.5f, 0.0f, 0.5f, 1.0f, -3.125f, 2.75f, -6.5f, 60.0f };
enum { AT_MOST, AT_LEAST, AT_MINUS_1, AT_MINUS_HALF, AT_0, AT_HALF, AT_1 };
static const float far[] = { 9.5f, 12.0f, 20.0f, 60.0f, 1e3f, 1e6f };

#define N_QUICK PITH_COUNT(quick)
#define N_GRID 129 /* -8 to 8 by eighths: all kinks in use lie on it or are met by both neighbours */
#define N_PROBES (N_QUICK + N_GRID + 2 * PITH_COUNT(far))
#define MAX_FUNCTIONS 16
#define MAX_BENDS 6    /* operations besides sums and products in any spelling of a function */
#define TOLERANCE 2e-6 /* the nodes round to float32 one after the other */

typedef struct prober {
    pith_graph *graph;
    float probes[N_PROBES];
    float results[PITHI_CONE_NODES][N_PROBES];
    float wanted[MAX_FUNCTIONS][N_PROBES]; /* of each known function */
    bool has_wanted[MAX_FUNCTIONS];        /* once made, it holds for a function without parameters */
} prober;

/* All constants are numbers that fit values of any shape. */
static bool accepts(const pith_node *node)
{
    bool fits = pithi_cone_is_elementwise(node);
    for (int i = 0; fits && i < node->n_inputs; i++) {
        const pith_tensor *constant = pithi_constant_input(node, i);
        fits = !constant || (constant->shape.rank <= 1 && pith_shape_elements(&constant->shape) == 1);
    }
    return fits;
}

/* ---- probing ---------------------------------------------------------------------------------- */

static void make_probes(float *probes)
{
    memcpy(probes, quick, sizeof quick);
    for (int i = 0; i < N_GRID; i++) {
        probes[N_QUICK + i] = (float)(i - N_GRID / 2) / 8.0f;
    }
    for (int i = 0; i < PITH_COUNT(far); i++) {
        probes[N_QUICK + N_GRID + 2 * i] = far[i];
        probes[N_QUICK + N_GRID + 2 * i + 1] = -far[i];
    }
}

static pith_tensor probe_tensor(float *data, int n_probes)
{
    return (pith_tensor){ PITH_DTYPE_F32, { 1, { n_probes } }, data };
}

static bool evaluate(prober *probe, const pithi_cone *cone, int n_probes)
{
    const pith_tensor root = probe_tensor(probe->probes, n_probes);
    pith_tensor results[PITHI_CONE_NODES];
    for (int i = 0; i < cone->n_nodes; i++) {
        results[i] = probe_tensor(probe->results[i], n_probes);
    }
    return pithi_cone_evaluate(probe->graph->ctx, cone, &root, results, n_probes);
}

static double at(const prober *probe, int index) { return (double)probe->results[0][index]; }

/* ---- known functions ---------------------------------------------------------------------------- */

typedef struct known {
    const char *op_name;
    const char *attr_names[2];
    const char *choice; /* of attribute 0 */
    /* Parameters from the probes; false if the function can't be this one. NULL: it has none. */
    bool (*estimate)(const prober *probe, double *parameters);
} known;

static bool estimate_clip(const prober *probe, double *limits)
{
    limits[0] = at(probe, AT_LEAST);
    limits[1] = at(probe, AT_MOST);
    return limits[0] < limits[1] && limits[0] > -1e30 && limits[1] < 1e30;
}

static bool estimate_leaky_relu(const prober *probe, double *slope)
{
    *slope = -at(probe, AT_MINUS_1);
    return *slope > 0.0 && *slope < 1.0;
}

/* The number that was meant, where rounding has blurred it. */
static double nearest(double estimate, double meant)
{
    return fabs(estimate - meant) < 1e-5 * meant ? meant : estimate;
}

static bool estimate_hard_sigmoid(const prober *probe, double *slope_and_offset)
{
    slope_and_offset[0] = nearest(nearest(at(probe, AT_HALF) - at(probe, AT_MINUS_HALF), 1.0 / 6.0), 0.2);
    slope_and_offset[1] = nearest(at(probe, AT_0), 0.5);
    return slope_and_offset[0] > 0.0 && slope_and_offset[1] > 0.0 && slope_and_offset[1] < 1.0;
}

static bool estimate_silu(const prober *probe, double *slope)
{
    double y = at(probe, AT_1);
    *slope = y > 0.5 && y < 1.0 ? nearest(nearest(-log(1.0 / y - 1.0), 1.0), 1.702) : 0.0;
    return *slope > 0.0;
}

static const known functions[] = {
    { "relu", { NULL }, NULL, NULL },
    { "clip", { "min", "max" }, NULL, estimate_clip },
    { "leaky_relu", { "alpha" }, NULL, estimate_leaky_relu },
    { "sigmoid", { NULL }, NULL, NULL },
    { "hard_sigmoid", { "alpha", "beta" }, NULL, estimate_hard_sigmoid },
    { "hard_swish", { NULL }, NULL, NULL },
    { "silu", { "alpha" }, NULL, estimate_silu },
    { "gelu", { "approximate" }, "none", NULL },
    { "gelu", { "approximate" }, "tanh", NULL },
    { "mish", { NULL }, NULL, NULL },
    { "softplus", { NULL }, NULL, NULL },
};

static pith_status set_attrs(pith_ctx *ctx, pith_node *node, const known *function, const double *parameters)
{
    for (int k = 0; function->choice && k < 2; k++) {
        PITH_TRY(pithi_attr_set_int(ctx, node, function->attr_names[0], k));
        if (pithi_same_text(pithi_attr_choice(node, function->attr_names[0]), function->choice)) {
            return PITH_OK;
        }
    }
    for (int i = 0; i < 2 && function->attr_names[i] && !function->choice; i++) {
        PITH_TRY(pithi_attr_set_float(ctx, node, function->attr_names[i], (float)parameters[i]));
    }
    return PITH_OK;
}

static bool agree(const float *a, const float *b, int n_probes)
{
    for (int i = 0; i < n_probes; i++) {
        double gap = fabs((double)a[i] - (double)b[i]);
        if (!(gap <= TOLERANCE * fmax(1.0, fabs((double)b[i])))) {
            return false;
        }
    }
    return true;
}

static pith_status make_function(prober *probe, int index, const double *parameters, pith_node *node_out)
{
    pith_graph *graph = probe->graph;
    const known *function = &functions[index];
    *node_out = (pith_node){ .op = pithi_op_find(function->op_name), .name = "", .source_op = function->op_name };
    PITH_TRY(pithi_attrs_new(pithi_op_head(node_out->op), &graph->arena, &node_out->attrs));
    PITH_TRY(set_attrs(graph->ctx, node_out, function, parameters));
    if (!probe->has_wanted[index] || function->estimate) {
        pith_tensor input = probe_tensor(probe->probes, N_PROBES);
        pith_tensor output = probe_tensor(probe->wanted[index], N_PROBES);
        PITH_TRY(pithi_op_eval(graph->ctx, node_out, &input, 1, &output, 1));
        probe->has_wanted[index] = true;
    }
    return PITH_OK;
}

/* *node_out: a node outside of the graph that does on the first `n_probes` probes what the cone does. */
static pith_status recognise(prober *probe, int n_probes, pith_node *node_out, bool *found)
{
    *found = false;
    for (int i = 0; i < PITH_COUNT(functions) && !*found; i++) {
        double parameters[2] = { 0 };
        bool is_fixed = probe->has_wanted[i] && !functions[i].estimate;
        bool is_known_apart = is_fixed && !agree(probe->results[0], probe->wanted[i], n_probes);
        if (is_known_apart || (functions[i].estimate && !functions[i].estimate(probe, parameters)) ||
            !pithi_op_find(functions[i].op_name)) {
            continue;
        }
        PITH_TRY(make_function(probe, i, parameters, node_out));
        *found = agree(probe->results[0], probe->wanted[i], n_probes);
    }
    return PITH_OK;
}

/* ---- the pass --------------------------------------------------------------------------------- */

/* All functions in question bend somewhere; sums and products alone (as in normalisations) are none of them. */
static bool is_arithmetic(const pith_node *node)
{
    static const char *const names[] = { "add", "sub", "mul", "div", "neg", "pow", "sqrt", "reciprocal" };
    for (int i = 0; i < PITH_COUNT(names) && pithi_has_no_activation(node); i++) {
        if (pithi_is(node, names[i])) {
            return true;
        }
    }
    return false;
}

static int count_operands(const pith_node *node)
{
    int n_present = 0;
    for (int i = 0; i < node->n_inputs; i++) {
        n_present += node->inputs[i] != NULL;
    }
    return n_present;
}

/* In every spelling a constant or a second path from the value takes part. */
static bool may_be_function(const pithi_cone *cone)
{
    const pith_value *from = cone->frontier[0], *to = cone->nodes[0]->outputs[0];
    bool keeps_shape = !from->has_shape || !to->has_shape || pith_shape_equal(&from->shape, &to->shape);
    bool is_chain = true;
    for (int i = 0; i < cone->n_nodes; i++) {
        is_chain = is_chain && count_operands(cone->nodes[i]) == 1;
    }
    return cone->n_frontier == 1 && keeps_shape && !is_chain;
}

/* Looks at the first probes, then at all. */
static pith_status check(prober *probe, const pithi_cone *cone, pith_node *function, bool *found)
{
    *found = may_be_function(cone);
    for (int n_probes = N_QUICK; *found && n_probes <= N_PROBES; n_probes += N_PROBES - N_QUICK) {
        *found = evaluate(probe, cone, n_probes);
        if (*found) {
            PITH_TRY(recognise(probe, n_probes, function, found));
        }
    }
    return PITH_OK;
}

static pith_status visit(prober *probe, pith_node *node, int *n_changes)
{
    pithi_cone cone = { .n_nodes = 0 };
    pith_node function = { 0 };
    bool found = false;
    int n_bends = 0;
    if (!accepts(node) || !pithi_cone_add(&cone, node)) {
        return PITH_OK;
    }
    do {
        n_bends += !is_arithmetic(cone.nodes[cone.n_nodes - 1]);
        if (n_bends > 0) {
            PITH_TRY(check(probe, &cone, &function, &found));
        }
    } while (!found && n_bends <= MAX_BENDS && pithi_cone_expand(&cone, accepts));
    if (found) {
        ++*n_changes;
        PITH_TRY(pithi_become(probe->graph, node, function.source_op, &cone.frontier[0], 1));
        node->attrs = function.attrs;
    }
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    void *block = NULL;
    pith_status status = PITH_OK;
    PITH_TRY(pithi_alloc(graph->ctx, sizeof(prober), &block));
    prober *probe = block;
    probe->graph = graph;
    make_probes(probe->probes);
    pithi_cone_prepare(graph);
    for (pith_node *node = graph->first; node && status == PITH_OK; node = node->next) {
        status = visit(probe, node, n_changes);
    }
    pithi_free(graph->ctx, block);
    return status;
}

const pith_pass pithi_pass_fuse_patterns = {
    .name = "fuse_patterns",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "recognises functions that exporters wrote as several nodes",
    .run = run,
};
