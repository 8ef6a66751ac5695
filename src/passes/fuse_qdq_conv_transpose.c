/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: a quantised transposed convolution of stride s as an ordinary one of stride 1 whose outputs are the
 * s x s positions of the result modulo s, side by side as channels, and depth_to_space behind it. In one dimension,
 * with window k, pads p, q and T = k / s rounded up:
 *
 *   y[o] = sum_i x[i] w[o + p - i s];  o + p = s q + r:  z[s q + r] = sum_t x[q - t] w[r + s t],  0 <= t < T
 *
 * Taps with r + s t >= k are zeros. z has s (T + n - 1) elements, y is z without the first p and the last s T - k + q -
 * output_padding ones. (The float operator runs s x s convolutions; this one computes up to s T / k times as much in
 * each dimension, all of it in one product.) */
#include "passes/fuse_qdq.h"

typedef struct shape_of_it {
    int64_t stride, n_in, n_out, kernel[2], taps[2], begin[2], end[2]; /* begin, end: cut off the result */
} geometry;

static int64_t item_or(const pith_ints *list, int index, int64_t otherwise)
{
    return index < list->n_items ? list->items[index] : otherwise;
}

static bool read_geometry(const pith_node *node, const pith_shape *w, geometry *g)
{
    const pith_ints strides = pithi_attr_ints(node, "strides"), pads = pithi_attr_ints(node, "pads"),
                    more = pithi_attr_ints(node, "output_padding"), dilations = pithi_attr_ints(node, "dilations");
    *g = (geometry){ .stride = item_or(&strides, 0, 1), .n_in = w->dims[0], .n_out = w->dims[1] };
    bool fits = item_or(&strides, 1, 1) == g->stride && g->stride > 1 && g->stride <= 8 &&
                pithi_attr_int(node, "group") == 1 && pithi_attr_ints(node, "output_shape").n_items == 0 &&
                pithi_same_text(pithi_attr_choice(node, "auto_pad"), "NOTSET");
    for (int i = 0; i < 2 && fits; i++) {
        g->kernel[i] = w->dims[2 + i];
        g->taps[i] = pithi_div_up(g->kernel[i], g->stride);
        g->begin[i] = item_or(&pads, i, 0);
        g->end[i] = g->stride * g->taps[i] - g->kernel[i] + item_or(&pads, 2 + i, 0) - item_or(&more, i, 0);
        fits = item_or(&dilations, i, 1) == 1 && g->begin[i] >= 0 && g->end[i] >= 0;
    }
    return fits;
}

/* [stride row][stride column][output][input][tap row][tap column], the taps turned round. */
static void spread_weights(const geometry *g, const pith_tensor *from, const pith_tensor *zeros, pith_tensor *to)
{
    int64_t n = pith_shape_elements(&to->shape), n_zeros = zeros ? pith_shape_elements(&zeros->shape) : 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t tw = i % g->taps[1], th = i / g->taps[1] % g->taps[0], rest = i / g->taps[1] / g->taps[0];
        int64_t in = rest % g->n_in, out = rest / g->n_in % g->n_out, position = rest / g->n_in / g->n_out;
        int64_t kh = position / g->stride + g->stride * (g->taps[0] - 1 - th);
        int64_t kw = position % g->stride + g->stride * (g->taps[1] - 1 - tw);
        bool is_there = kh < g->kernel[0] && kw < g->kernel[1];
        int64_t zero = n_zeros ? pithi_tensor_get_s64(zeros, n_zeros == 1 ? 0 : out) : 0;
        pithi_tensor_set_s64(to, i, is_there ? pithi_tensor_get_s64(from, ((in * g->n_out + out) * g->kernel[0] + kh) *
                                                                                    g->kernel[1] + kw)
                                             : zero);
    }
}

/* A list with an element for each output, once for each position. One element of scales holds for all. */
static pith_status repeat_list(pith_graph *graph, const geometry *g, bool is_scale, pith_value **value)
{
    const pith_tensor *from = *value ? (*value)->constant : NULL;
    if (!from || (is_scale && pith_shape_elements(&from->shape) == 1)) {
        return PITH_OK;
    }
    const pith_shape shape = { .rank = 1, .dims = { g->stride * g->stride * g->n_out } };
    pith_tensor to;
    PITH_TRY(pithi_graph_new_constant(graph, NULL, from->dtype, &shape, &to, value));
    for (int64_t i = 0; i < shape.dims[0]; i++) {
        pithi_tensor_copy_elements(&to, i, from, i % g->n_out, 1);
    }
    return PITH_OK;
}

static pith_status new_value(pith_graph *graph, pith_dtype dtype, pith_value **value_out)
{
    PITH_TRY(pithi_graph_add_value(graph, NULL, value_out));
    (*value_out)->dtype = dtype;
    (*value_out)->n_uses = 1;
    return PITH_OK;
}

/* Cuts the borders off: `last` reads what `node`, which made the result, now makes. */
static pith_status insert_slice(pith_graph *graph, const geometry *g, pith_node *node)
{
    pith_value *result = node->outputs[0], *whole = NULL, *lists[3] = { NULL };
    const int64_t starts[] = { g->begin[0], g->begin[1] }, axes[] = { 2, 3 };
    const int64_t ends[] = { g->end[0] ? -g->end[0] : INT64_MAX, g->end[1] ? -g->end[1] : INT64_MAX };
    const pith_op *slice = pithi_op_find("slice");
    PITH_CHECK(graph->ctx, slice, PITH_STATUS_INTERNAL, "the build lacks slice");
    PITH_TRY(new_value(graph, result->dtype, &whole));
    PITH_TRY(pithi_graph_add_s64s(graph, starts, 2, &lists[0]));
    PITH_TRY(pithi_graph_add_s64s(graph, ends, 2, &lists[1]));
    PITH_TRY(pithi_graph_add_s64s(graph, axes, 2, &lists[2]));
    node->outputs[0] = whole;
    whole->producer = node;
    result->producer = NULL;
    pith_value *inputs[] = { whole, lists[0], lists[1], lists[2] };
    return pithi_graph_insert_node(graph, node->next, slice, "", inputs, PITH_COUNT(inputs), &result, 1, NULL);
}

/* depth_to_space behind the convolution that q has become, and the cut behind that. */
static pith_status insert_behind(pithi_qdq_nest *n, const geometry *g)
{
    const pith_op *depth_to_space = pithi_op_find("depth_to_space");
    pith_value *result = n->q.value, *deep = NULL;
    pith_node *node = NULL;
    PITH_CHECK(n->graph->ctx, depth_to_space, PITH_STATUS_INTERNAL, "the build lacks depth_to_space");
    PITH_TRY(new_value(n->graph, n->q.dtype, &deep));
    n->q.node->outputs[0] = deep;
    deep->producer = n->q.node;
    result->producer = NULL;
    PITH_TRY(pithi_graph_insert_node(n->graph, n->q.node->next, depth_to_space, "", &deep, 1, &result, 1, &node));
    PITH_TRY(pithi_attr_set_int(n->graph->ctx, node, "blocksize", g->stride));
    bool has_border = g->begin[0] || g->begin[1] || g->end[0] || g->end[1];
    return has_border ? insert_slice(n->graph, g, node) : PITH_OK;
}

pith_status pithi_qdq_conv_transpose(pithi_qdq_nest *n, bool *changed)
{
    const pith_node *node = n->node;
    pithi_qdq x, w;
    pith_value *bias = NULL;
    pith_tensor to;
    geometry g;
    bool fits = pithi_has_no_activation(node) && !pithi_node_input(node, 3) && !pithi_attr_int(node, "channels_last") &&
                pithi_qdq_activation(node->inputs[0], &x) && pithi_qdq_weights(node->inputs[1], 4, 1, &w) &&
                read_geometry(node, &w.value->constant->shape, &g) &&
                pithi_qdq_bias(pithi_node_input(node, 2), &x, &w, g.n_out, &bias);
    if (!fits) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, &x));
    PITH_TRY(pithi_qdq_need_byte_weights(n->graph, &w));
    PITH_TRY(pithi_qdq_need_integer_bias(n->graph, &x, &w, &bias));
    const pith_shape shape = { .rank = 4,
                               .dims = { g.stride * g.stride * g.n_out, g.n_in, g.taps[0], g.taps[1] } };
    pith_value *inputs[] = { x.value, x.scale, x.zero, NULL, w.scale, w.zero, n->q.scale, n->q.zero, bias };
    PITH_TRY(pithi_graph_new_constant(n->graph, NULL, w.dtype, &shape, &to, &inputs[3]));
    spread_weights(&g, w.value->constant, w.zero->constant, &to);
    PITH_TRY(repeat_list(n->graph, &g, true, &inputs[4]));
    PITH_TRY(repeat_list(n->graph, &g, true, &inputs[5]));
    PITH_TRY(repeat_list(n->graph, &g, false, &inputs[8]));
    PITH_TRY(insert_behind(n, &g));
    PITH_TRY(pithi_qdq_become(n, "qlinear_conv", inputs, bias ? 9 : 8));
    const int64_t pads[] = { g.taps[0] - 1, g.taps[1] - 1, g.taps[0] - 1, g.taps[1] - 1 };
    PITH_TRY(pithi_attr_set_ints(&n->graph->arena, n->q.node, "pads", pads, 4));
    *changed = true;
    return pithi_qdq_set_limits(n);
}
