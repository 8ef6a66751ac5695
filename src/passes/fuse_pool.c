/* SPDX-License-Identifier: Apache-2.0 */
/* Max pooling of windows side by side becomes part of the separable convolution in front of it, or of one that a
 * depthwise convolution becomes. The operator applies its residual and its function in front of the maximum, so nothing
 * that comes behind may be fused into it afterwards. */
#include "passes/separable.h"

/* Side of the windows of a max pooling that don't overlap, in front of which `node` alone stands; else 1. */
static int64_t pool_behind(const pith_graph *graph, const pith_node *node, pith_node **pool_out)
{
    const pith_value *y = node->outputs[0];
    pith_node *pool = pithi_sole_reader(graph, node);
    if (!pithi_is(pool, "max_pool") || !pithi_node_result(pool) || (pool->n_outputs > 1 && pool->outputs[1])) {
        return 1;
    }
    const pith_ints *kernel = pithi_attr_field(pool, "kernel_shape", PITH_ATTR_KIND_INTS);
    const pith_ints *lists[] = { pithi_attr_field(pool, "strides", PITH_ATTR_KIND_INTS),
                                 pithi_attr_field(pool, "pads", PITH_ATTR_KIND_INTS),
                                 pithi_attr_field(pool, "dilations", PITH_ATTR_KIND_INTS) };
    const int64_t *is_last = pithi_attr_field(pool, "channels_last", PITH_ATTR_KIND_INT);
    const int64_t side = kernel->n_items == 2 ? kernel->items[0] : 1;
    const pith_shape *to = &pool->outputs[0]->shape, *from = &y->shape;
    bool fits = *is_last && side > 1 && kernel->items[1] == side && side <= PITHI_SEPARABLE_MAX_POOL &&
                lists[0]->n_items == 2 && pithi_value_has_dims(pool->outputs[0]) && from->rank == 4 &&
                to->dims[1] == from->dims[1] / side && to->dims[2] == from->dims[2] / side;
    for (int list = 0; list < PITH_COUNT(lists) && fits; list++) {
        for (int i = 0; i < lists[list]->n_items; i++) {
            fits &= lists[list]->items[i] == (list == 0 ? side : list == 1 ? 0 : 1);
        }
    }
    *pool_out = pool;
    return fits ? side : 1;
}

static bool takes_pool(const pith_node *node)
{
    const pith_value *y = pithi_node_result(node);
    const bool is_separable = pithi_is(node, "separable_conv");
    const bool has_pool = is_separable && ((const pithi_separable_attrs *)node->attrs)->pool > 1;
    return (is_separable || pithi_runs_in_bands(node)) && pithi_value_has_dims(y) && pithi_is_large_image(y) &&
           !pithi_node_input(node, 3) && !has_pool;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first, *pool = NULL; node; node = node->next) {
        const int64_t side = takes_pool(node) ? pool_behind(graph, node, &pool) : 1;
        if (side > 1) {
            PITH_TRY(pithi_is(node, "conv") ? pithi_fuse_separable(graph, NULL, node, node) : PITH_OK);
            ((pithi_separable_attrs *)node->attrs)->pool = side;
            pithi_absorb(graph, node, pool);
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_pool = {
    .name = "fuse_pool",
    .stages = PITH_STAGE_SHAPE,
    .help = "pools the bands of separable convolutions while they are in the cache",
    .run = run,
};
