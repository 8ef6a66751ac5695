/* SPDX-License-Identifier: Apache-2.0 */
/* First convolutions read the planes of an image where they lie, instead of a channels-last copy: with few channels the
 * copy, and another one with zeros around, cost as much as half of the convolution. Max pooling beside them (ENet,
 * LEDNet) works on planes too: vectors of three channels are mostly empty. */
#include "ops/shared_conv.h"
#include "passes/rewrite.h"

#define MAX_POOLED_CHANNELS 4

/* The planes of which `value` is a channels-last copy, or NULL. */
static pith_value *planes_of(const pith_value *value)
{
    const pith_node *to_last = value ? value->producer : NULL;
    int64_t perm[PITH_MAX_RANK];
    int rank = 0;
    bool is_copy = pithi_is(to_last, "transpose") && pithi_value_has_dims(to_last->inputs[0]) &&
                   pithi_transpose_perm(to_last, perm, &rank) && rank == 4 && perm[0] == 0 && perm[1] == 2 &&
                   perm[2] == 3 && perm[3] == 1;
    return is_copy ? to_last->inputs[0] : NULL;
}

/* What `conv` would read as planes, or NULL. */
static pith_value *find_planes(const pith_node *conv)
{
    pithi_conv_attrs planes = *(const pithi_conv_attrs *)conv->attrs;
    const pith_tensor *w = pithi_constant_input(conv, 1);
    pith_value *x = planes.channels_last && !planes.reads_planes && w && w->dtype == PITH_DTYPE_F32
                        ? planes_of(conv->inputs[0]) : NULL;
    pithi_conv_geometry g;
    planes.reads_planes = 1;
    return x && pithi_conv_geometry_of(NULL, &planes, &x->shape, &w->shape, false, &g) == PITH_OK &&
                   pithi_conv_takes_planes(&g)
               ? x : NULL;
}

/* The same of max pooling whose result has half of the elements at most: it is transposed then. */
static pith_value *find_pooled_planes(const pith_node *pool)
{
    const int64_t *is_last = pithi_attr_field(pool, "channels_last", PITH_ATTR_KIND_INT);
    const pith_value *y = pithi_node_result(pool);
    pith_value *x = is_last && *is_last && pool->n_outputs == 1 && pithi_value_has_dims(y) ? planes_of(pool->inputs[0])
                                                                                        : NULL;
    return x && x->dtype == PITH_DTYPE_F32 && x->shape.dims[1] <= MAX_POOLED_CHANNELS &&
                   pith_shape_elements(&y->shape) <= pith_shape_elements(&x->shape) / 2
               ? x : NULL;
}

static pith_status pool_planes(pith_graph *graph, pith_node *node, pith_value *planes)
{
    static const int64_t to_last[4] = { 0, 2, 3, 1 };
    const pith_shape *y = &node->outputs[0]->shape;
    pith_node *pool = NULL;
    PITH_TRY(pithi_insert(graph, node, "max_pool", &planes, 1, &pool));
    memcpy(pool->attrs, node->attrs, pithi_op_head(node->op)->attrs_size);
    PITH_TRY(pithi_attr_set_int(graph->ctx, pool, "channels_last", 0));
    pool->outputs[0]->has_shape = true;
    pool->outputs[0]->shape = (pith_shape){ 4, { y->dims[0], y->dims[3], y->dims[1], y->dims[2] } };
    PITH_TRY(pithi_become(graph, node, "transpose", pool->outputs, 1));
    return pithi_attr_set_ints(&graph->arena, node, "perm", to_last, 4);
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        pith_value *planes = pithi_is(node, "conv") ? find_planes(node) : NULL;
        if (planes) {
            ((pithi_conv_attrs *)node->attrs)->reads_planes = 1;
            pithi_set_input(node, 0, planes);
            ++*n_changes;
        }
        planes = pithi_is(node, "max_pool") ? find_pooled_planes(node) : NULL;
        if (planes) {
            PITH_TRY(pool_planes(graph, node, planes));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_read_planes = {
    .name = "read_planes",
    .stages = PITH_STAGE_SHAPE,
    .help = "lets convolutions and pools of few channels read an image's planes in place",
    .run = run,
};
