/* SPDX-License-Identifier: Apache-2.0 */
/* Pass fuse_qdq: operators from one quantised tensor to another of the same dtype. */
#include <math.h>

#include "passes/fuse_qdq.h"

/* Means take 16 bits, the others have tables or kernels for bytes. */
static bool takes_dtypes(const pithi_qdq_nest *n, const pithi_qdq *x)
{
    const bool is_mean = pithi_is(n->node, "average_pool") || pithi_is(n->node, "global_average_pool") ||
                         pithi_is(n->node, "reduce_mean");
    const bool is_wide = pithi_is_16bit(x->dtype) || pithi_is_16bit(n->q.dtype);
    return is_wide ? is_mean : x->dtype == n->q.dtype;
}

/* Operands are x, x_scale, x_zero, y_scale, y_zero and `more`. */
static pith_status become_unary(pithi_qdq_nest *n, const char *op_name, pith_value *const *more, int n_more,
                                bool *changed)
{
    pithi_qdq x;
    pith_value *inputs[8] = { NULL };
    if (!pithi_qdq_activation(n->node->inputs[0], &x) || !takes_dtypes(n, &x)) {
        return PITH_OK;
    }
    PITH_TRY(pithi_qdq_need_zero(n->graph, &x));
    if (pithi_is_16bit(n->q.dtype) && !pithi_is_16bit(x.dtype)) {
        PITH_TRY(pithi_qdq_widen(n->graph, n->q.node, &x));
    }
    pith_value *operands[] = { x.value, x.scale, x.zero, n->q.scale, n->q.zero };
    memcpy(inputs, operands, sizeof operands);
    for (int i = 0; i < n_more; i++) {
        inputs[PITH_COUNT(operands) + i] = more[i];
    }
    PITH_TRY(pithi_qdq_become(n, op_name, inputs, PITH_COUNT(operands) + n_more));
    *changed = true;
    return PITH_OK;
}

static pith_status copy_int(pithi_qdq_nest *n, const pith_node *from, const char *name)
{
    return pithi_attr_set_int(n->graph->ctx, n->q.node, name, pithi_attr_int(from, name));
}

/* The integer softmax takes 1 / y_scale for a whole number. */
static pith_status fuse_softmax(pithi_qdq_nest *n, bool *changed)
{
    const pith_node *softmax = n->node;
    double levels = 1.0 / (double)pithi_qdq_scale(&n->q, 0);
    if (fabs(levels - floor(levels)) > 1e-3) {
        return PITH_OK;
    }
    PITH_TRY(become_unary(n, "qlinear_softmax", NULL, 0, changed));
    if (*changed) {
        PITH_TRY(copy_int(n, softmax, "axis"));
        PITH_TRY(pithi_attr_set_int(n->graph->ctx, n->q.node, "opset", pithi_attr_int(softmax, "flatten") ? 11 : 13));
    }
    return PITH_OK;
}

static pith_status fuse_average_pool(pithi_qdq_nest *n, bool *changed)
{
    const pith_node *pool = n->node;
    PITH_TRY(become_unary(n, "qlinear_average_pool", NULL, 0, changed));
    return *changed ? pithi_qdq_copy_window(n, pool, false) : PITH_OK;
}

/* A mean over the spatial dimensions; without keepdims they are dropped behind it. */
static pith_status fuse_reduce_mean(pithi_qdq_nest *n, bool *changed)
{
    const pith_node *mean = n->node;
    pith_value *result = n->q.value, *axes = mean->inputs[1], *kept = NULL;
    bool is_last = false;
    pithi_qdq x;
    if (!pithi_qdq_mean_axes(mean, &is_last) || !pithi_qdq_activation(mean->inputs[0], &x) || x.dtype != n->q.dtype) {
        return PITH_OK;
    }
    if (!pithi_attr_int(mean, "keepdims")) {
        const pith_op *squeeze = pithi_op_find("squeeze");
        PITH_CHECK(n->graph->ctx, squeeze, PITH_STATUS_INTERNAL, "the build lacks squeeze");
        PITH_TRY(pithi_graph_add_value(n->graph, NULL, &kept));
        result->producer = NULL;
        n->q.node->outputs[0] = kept;
        kept->producer = n->q.node;
        kept->n_uses = 1;
        n->q.value = kept;
        PITH_TRY(pithi_graph_insert_node(n->graph, n->q.node->next, squeeze, "", (pith_value *[]){ kept, axes }, 2,
                                         &result, 1, NULL));
        axes->n_uses++;
        result->dtype = n->q.dtype;
    }
    PITH_TRY(become_unary(n, "qlinear_global_average_pool", NULL, 0, changed));
    return *changed ? pithi_attr_set_int(n->graph->ctx, n->q.node, "channels_last", is_last) : PITH_OK;
}

static pith_status fuse_norm(pithi_qdq_nest *n, bool *changed)
{
    const pith_node *norm = n->node;
    pith_value *more[] = { norm->inputs[1], pithi_node_input(norm, 2) };
    PITH_TRY(become_unary(n, "qlinear_layer_normalization", more, more[1] ? 2 : 1, changed));
    return *changed ? pithi_attr_set_float(n->graph->ctx, n->q.node, "epsilon", pithi_attr_float(norm, "epsilon"))
                    : PITH_OK;
}

/* The slopes as a list: one, or one for each channel. */
static pith_status fuse_prelu(pithi_qdq_nest *n, bool *changed)
{
    const pith_tensor *slope = pithi_constant_input(n->node, 1);
    const pith_shape shape = { .rank = 1, .dims = { pith_shape_elements(&slope->shape) } };
    pith_value *list = NULL;
    PITH_TRY(pithi_reshaped_constant(n->graph, slope, &shape, &list));
    return become_unary(n, "qlinear_prelu", &list, 1, changed);
}

pith_status pithi_qdq_unary(pithi_qdq_nest *n, bool *changed)
{
    static const struct {
        const char *name;
        pith_status (*fuse)(pithi_qdq_nest *n, bool *changed);
    } operators[] = {
        { "average_pool", fuse_average_pool }, { "layer_normalization", fuse_norm },
        { "prelu", fuse_prelu },               { "reduce_mean", fuse_reduce_mean },
        { "softmax", fuse_softmax },
    };
    if (pithi_qdq_is_limited(n) || !pithi_has_no_activation(n->node)) { /* they have no limits */
        return PITH_OK;
    }
    for (int i = 0; i < PITH_COUNT(operators); i++) {
        if (pithi_is(n->node, operators[i].name)) {
            return operators[i].fuse(n, changed);
        }
    }
    return become_unary(n, "qlinear_global_average_pool", NULL, 0, changed);
}
