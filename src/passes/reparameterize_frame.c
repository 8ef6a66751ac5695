/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that are made to be folded pad the result of a 1x1 convolution with its bias, so that what follows sees the
 * same at the border as the folded convolution will (ECBSR, DBB). Exporters write that as padding with zeros and
 * assignments to the border; it is the convolution with the padding on its own input. It is recognised by running it
 * on NaNs: those must stay where they are, and around them must be the bias. */
#include <math.h>

#include "passes/reparameterize.h"

#define MAX_CHAIN 16
#define TOLERANCE 1e-6 /* of the largest bias: a normalisation may have been folded into one of the two */

typedef struct chain {
    pith_node *nodes[MAX_CHAIN]; /* a padding, then assignments and transposes in pairs */
    int n_nodes;
} chain;

/* ---- finding -------------------------------------------------------------------------------- */

static bool has_constants_else(const pith_node *node, int operand)
{
    bool fits = node->n_outputs == 1 && node->outputs[0] && pithi_value_has_dims(node->outputs[0]);
    for (int i = 0; i < node->n_inputs && fits; i++) {
        fits = i == operand ? node->inputs[i] != NULL : !node->inputs[i] || node->inputs[i]->constant != NULL;
    }
    return fits;
}

/* Moves no element but in transposes, and changes none in a way that depends on it. */
static bool is_assignment(const pith_node *node, const pith_value *value)
{
    bool is_scatter = pithi_is(node, "scatter_nd") || pithi_is(node, "scatter_elements");
    return node && node->n_inputs > 0 && node->inputs[0] == value && has_constants_else(node, 0) &&
           (pithi_is(node, "transpose") ||
            (is_scatter && pithi_same_text(pithi_attr_choice(node, "reduction"), "none")));
}

/* The convolution whose result is padded with zeros, if it is a point with a bias. */
static pith_node *find_point(const pith_node *pad, pithi_affine *map)
{
    double value = 0.0;
    int operand = 0;
    const pith_value *fill = pithi_node_input(pad, 2);
    pith_node *conv = has_constants_else(pad, 0) ? pithi_sole_producer(pad->inputs[0], "conv") : NULL;
    bool fits = conv && pithi_has_no_activation(conv) && conv->n_inputs <= 3 && pithi_node_input(conv, 2) &&
                pithi_value_has_dims(conv->outputs[0]) && pad->n_inputs <= 3 &&
                pithi_same_text(pithi_attr_choice(pad, "mode"), "constant") &&
                (!fill || (pithi_is_uniform(fill->constant, &value) && value == 0.0)) &&
                pithi_affine_of_node(conv, &operand, map);
    for (int i = 0; fits && i < map->n_axes; i++) {
        fits = map->axes[i].n_taps == 1 && map->axes[i].low == 0 && map->axes[i].extra == 0;
    }
    return fits ? conv : NULL;
}

static bool read_pads(const pith_node *pad, int rank, int64_t pads[2 * PITH_MAX_RANK])
{
    bool fits = pithi_constant_ints(pithi_constant_input(pad, 1), pads, 2 * PITH_MAX_RANK) == 2 * rank;
    for (int i = 0; i < 2 * rank && fits; i++) {
        fits = i % rank < 2 ? pads[i] == 0 : pads[i] >= 0;
    }
    return fits;
}

/* Follows the padded value; true if it ends with its axes in order. */
static bool follow(const pith_graph *graph, pith_node *pad, chain *list)
{
    int64_t order[PITH_MAX_RANK], perm[PITH_MAX_RANK], before[PITH_MAX_RANK];
    int rank = pad->outputs[0]->shape.rank, n_perm = 0;
    bool in_order = true;
    for (int i = 0; i < rank; i++) {
        order[i] = i;
    }
    *list = (chain){ .nodes = { pad }, .n_nodes = 1 };
    while (list->n_nodes < MAX_CHAIN) {
        const pith_value *value = list->nodes[list->n_nodes - 1]->outputs[0];
        pith_node *next = pithi_graph_only_consumer(graph, value);
        if (!is_assignment(next, value)) {
            return in_order && list->n_nodes > 1;
        }
        if (pithi_is(next, "transpose")) {
            if (!pithi_transpose_perm(next, perm, &n_perm) || n_perm != rank) {
                return false;
            }
            memcpy(before, order, sizeof before);
            in_order = true;
            for (int i = 0; i < rank; i++) {
                order[i] = before[perm[i]];
                in_order = in_order && order[i] == i;
            }
        }
        list->nodes[list->n_nodes++] = next;
    }
    return false;
}

/* ---- running -------------------------------------------------------------------------------- */

/* Releases `*tensor` and puts the node's result in its place. */
static pith_status step(pith_ctx *ctx, const pith_node *node, pith_tensor *tensor)
{
    pith_tensor inputs[PITH_MAX_RANK] = { *tensor };
    pith_tensor output = { .dtype = PITH_DTYPE_F32, .shape = node->outputs[0]->shape };
    PITH_TRY(pithi_alloc(ctx, pith_tensor_bytes(&output), &output.data));
    for (int i = 1; i < node->n_inputs && i < PITH_COUNT(inputs); i++) {
        inputs[i] = node->inputs[i] ? *node->inputs[i]->constant : (pith_tensor){ 0 };
    }
    pith_status status = pithi_op_eval(ctx, node, inputs, node->n_inputs, &output, 1);
    pithi_free(ctx, tensor->data);
    *tensor = output;
    return status;
}

static bool is_framed(const pith_tensor *result, const pith_tensor *bias, const int64_t *pads)
{
    const pith_shape *shape = &result->shape;
    int64_t n_channels = shape->dims[1], n_positions = 1, n = pith_shape_elements(shape);
    double largest = 0.0;
    bool fits = true;
    for (int i = 2; i < shape->rank; i++) {
        n_positions *= shape->dims[i];
    }
    for (int64_t i = 0; i < n_channels; i++) {
        largest = fmax(largest, fabs(pithi_tensor_get_f64(bias, i)));
    }
    for (int64_t i = 0; i < n && fits; i++) {
        double element = (double)((const float *)result->data)[i];
        double wanted = pithi_tensor_get_f64(bias, i / n_positions % n_channels);
        int64_t rest = i % n_positions;
        bool is_inside = true;
        for (int axis = shape->rank - 1; axis >= 2; axis--) {
            int64_t at = rest % shape->dims[axis];
            is_inside = is_inside && at >= pads[axis] && at < shape->dims[axis] - pads[shape->rank + axis];
            rest /= shape->dims[axis];
        }
        fits = is_inside ? isnan(element) : fabs(element - wanted) <= TOLERANCE * largest;
    }
    return fits;
}

static pith_status run_chain(pith_ctx *ctx, const chain *list, const pith_node *conv, const int64_t *pads,
                             bool *fits_out)
{
    pith_tensor tensor = { .dtype = PITH_DTYPE_F32, .shape = conv->outputs[0]->shape };
    pith_status status = PITH_OK;
    PITH_TRY(pithi_alloc(ctx, pith_tensor_bytes(&tensor), &tensor.data));
    for (int64_t i = 0; i < pith_shape_elements(&tensor.shape); i++) {
        ((float *)tensor.data)[i] = NAN;
    }
    for (int i = 0; i < list->n_nodes && status == PITH_OK; i++) {
        status = step(ctx, list->nodes[i], &tensor);
    }
    *fits_out = status == PITH_OK && is_framed(&tensor, pithi_constant_input(conv, 2), pads);
    pithi_free(ctx, tensor.data);
    return status;
}

/* ---- rewriting ------------------------------------------------------------------------------ */

static pith_status absorb(pith_graph *graph, pith_node *conv, const chain *list, const int64_t *pads, int rank)
{
    int64_t spatial[2 * PITH_MAX_RANK];
    int n = rank - 2;
    memcpy(spatial, pads + 2, (size_t)n * sizeof *pads);
    memcpy(spatial + n, pads + rank + 2, (size_t)n * sizeof *pads);
    PITH_TRY(pithi_attr_set_ints(&graph->arena, conv, "pads", spatial, 2 * n));
    PITH_TRY(pithi_attr_set_int(graph->ctx, conv, "auto_pad", 0));
    for (int i = 0; i < list->n_nodes; i++) {
        pithi_absorb(graph, conv, list->nodes[i]);
    }
    return PITH_OK;
}

pith_status pithi_reparameterize_frames(pith_graph *graph, int *n_changes)
{
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        int64_t pads[2 * PITH_MAX_RANK];
        pithi_affine map;
        chain list;
        bool fits = false;
        pith_node *conv = pithi_is(node, "pad") ? find_point(node, &map) : NULL;
        if (!conv || !read_pads(node, map.n_axes + 2, pads) || !follow(graph, node, &list)) {
            continue;
        }
        PITH_TRY(run_chain(graph->ctx, &list, conv, pads, &fits));
        if (fits) {
            PITH_TRY(absorb(graph, conv, &list, pads, map.n_axes + 2));
            next = conv->next;
            ++*n_changes;
        }
    }
    return PITH_OK;
}
