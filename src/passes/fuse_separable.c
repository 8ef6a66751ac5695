/* SPDX-License-Identifier: Apache-2.0 */
/* A depthwise convolution, the 1x1 convolutions around it and the max pooling behind become one operator that works in
 * bands of rows, where what passes between them is too large to stay in L2. */
#include "ops/separable_conv.h"
#include "passes/rewrite.h"

#define MIN_BYTES ((int64_t)768 << 10) /* of what lies between; smaller images stay in the cache anyway */
#define EXPANSION 3 /* of channels, at least, in an inverted residual */
#define MAX_ROWS_BYTES ((int64_t)512 << 10) /* of the rows that one output row sees */
#define HUGE_ROWS_BYTES ((int64_t)640 << 10) /* of the same, in an image of HUGE_BYTES, which may not even stay in L3 */
#define HUGE_BYTES ((int64_t)8 << 20)

static bool has_defaults(const pithi_conv_attrs *a)
{
    const pith_ints *lists[] = { &a->strides, &a->dilations, &a->pads };
    for (int i = 0; i < PITH_COUNT(lists); i++) {
        for (int k = 0; k < lists[i]->n_items; k++) {
            if (lists[i]->items[k] != (i == 2 ? 0 : 1)) {
                return false;
            }
        }
    }
    return true;
}

/* A channels-last float32 conv over two dimensions with constant weights. */
static const pith_tensor *weights_of(const pith_node *node)
{
    const pithi_conv_attrs *attrs = pithi_is(node, "conv") ? node->attrs : NULL;
    if (!attrs || !attrs->channels_last || attrs->reads_planes) {
        return NULL;
    }
    const pith_tensor *w = pithi_constant_input(node, 1);
    const pith_value *bias = pithi_node_input(node, 2), *x = node->inputs[0], *y = pithi_node_result(node);
    bool is_known = y && pithi_value_has_dims(x) && pithi_value_has_dims(y) && x->dtype == PITH_DTYPE_F32;
    const pith_value *slope = pithi_node_input(node, PITHI_CONV_SLOPE);
    bool are_constant = (!bias || bias->constant) && (!slope || slope->constant);
    return is_known && w && w->shape.rank == 4 && are_constant ? w : NULL;
}

static bool is_pointwise(const pith_node *node)
{
    const pith_tensor *w = weights_of(node);
    const pithi_conv_attrs *a = node ? node->attrs : NULL;
    return w && w->shape.dims[2] == 1 && w->shape.dims[3] == 1 && a->group == 1 && has_defaults(a);
}

static bool is_depthwise(const pith_node *node)
{
    const pith_tensor *w = weights_of(node);
    const pithi_conv_attrs *a = node ? node->attrs : NULL;
    return w && w->shape.dims[1] == 1 && a->group > 1 && a->group == w->shape.dims[0] &&
           node->inputs[0]->shape.dims[3] == a->group;
}

static bool is_large(const pith_value *value)
{
    return pith_shape_elements(&value->shape) / pithi_max_s64(value->shape.dims[0], 1) * (int64_t)sizeof(float) >=
           MIN_BYTES;
}

/* Bands of a few rows fit into the cache. */
static bool has_short_rows(const pith_node *depthwise)
{
    const pith_shape *x = &depthwise->inputs[0]->shape, *w = &depthwise->inputs[1]->shape;
    const pith_ints *dilations = &((const pithi_conv_attrs *)depthwise->attrs)->dilations;
    int64_t dilation = dilations->n_items ? dilations->items[0] : 1;
    int64_t row_bytes = x->dims[2] * x->dims[3] * (int64_t)sizeof(float);
    int64_t most = row_bytes * x->dims[1] >= HUGE_BYTES ? HUGE_ROWS_BYTES : MAX_ROWS_BYTES;
    return x->dims[1] > 0 && row_bytes * ((w->dims[2] - 1) * pithi_min_s64(dilation, x->dims[1]) + 1) <= most;
}

static bool has_residual(const pith_node *node) { return pithi_node_input(node, 3) != NULL; }

/* The 1x1 convolution in front that only this one reads. */
static pith_node *find_expand(const pith_node *depthwise)
{
    pith_node *node = pithi_sole_producer(depthwise->inputs[0], "conv");
    return node && is_pointwise(node) && !has_residual(node) && is_large(depthwise->inputs[0]) ? node : NULL;
}

static bool is_expanding(const pith_node *expand)
{
    const pith_tensor *w = weights_of(expand);
    return w && w->shape.dims[0] >= EXPANSION * w->shape.dims[1];
}

/* Side of the windows of a max pooling that don't overlap, in front of which `node` alone stands; else 1. */
static int64_t pool_behind(const pith_graph *graph, const pith_node *node, pith_node **pool_out)
{
    const pith_value *y = pithi_node_result(node);
    pith_node *pool = y && y->n_uses == 1 ? pithi_graph_only_consumer(graph, y) : NULL;
    if (!pithi_is(pool, "max_pool") || !pithi_node_result(pool) || pithi_graph_is_output(graph, y) ||
        (pool->n_outputs > 1 && pool->outputs[1])) {
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

/* `last` becomes the operator; depthwise may be the same node. */
static pith_status fuse(pith_graph *graph, pith_node *expand, pith_node *depthwise, pith_node *last)
{
    pith_node *project = last != depthwise ? last : NULL;
    pith_value *inputs[11] = { expand ? expand->inputs[0] : depthwise->inputs[0], depthwise->inputs[1],
                              pithi_node_input(depthwise, 2), pithi_node_input(last, 3) };
    pithi_separable_attrs fused = { .conv = *(const pithi_conv_attrs *)depthwise->attrs, .pool = 1 };
    if (expand) {
        inputs[4] = expand->inputs[1];
        inputs[5] = pithi_node_input(expand, 2);
        inputs[8] = pithi_node_input(expand, PITHI_CONV_SLOPE);
        fused.expand = ((const pithi_conv_attrs *)expand->attrs)->activation;
    }
    inputs[9] = pithi_node_input(depthwise, PITHI_CONV_SLOPE);
    if (project) {
        inputs[6] = project->inputs[1];
        inputs[7] = pithi_node_input(project, 2);
        inputs[10] = pithi_node_input(project, PITHI_CONV_SLOPE);
        fused.depthwise = fused.conv.activation;
        fused.conv.activation = ((const pithi_conv_attrs *)project->attrs)->activation;
    }
    fused.conv.kernel_shape = (pith_ints){ 0 };
    fused.conv.group = 1;
    const bool has_slopes = inputs[8] || inputs[9] || inputs[10];
    PITH_TRY(pithi_become(graph, last, "separable_conv", inputs, has_slopes ? PITH_COUNT(inputs) : 8));
    *(pithi_separable_attrs *)last->attrs = fused;
    return PITH_OK;
}

/* Depthwise convolutions with the 1x1 ones behind and, where there is one, in front; or only those whose image is
 * expanded in front (an inverted residual): what passes within them is largest. */
static pith_status fuse_projections(pith_graph *graph, bool only_expanded, int *n_changes)
{
    for (pith_node *node = graph->first; node; node = node->next) {
        pith_node *depthwise = is_pointwise(node) ? pithi_sole_producer(node->inputs[0], "conv") : NULL;
        bool projects = depthwise && is_depthwise(depthwise) && !has_residual(depthwise) && has_short_rows(depthwise);
        pith_node *expand = projects ? find_expand(depthwise) : NULL;
        bool fits = only_expanded ? expand && is_expanding(expand) : expand || (projects && is_large(node->inputs[0]));
        if (fits) {
            PITH_TRY(fuse(graph, expand, depthwise, node));
            pithi_graph_count_uses(graph);
            ++*n_changes;
        }
    }
    return PITH_OK;
}

/* Max pooling becomes part of the operator in front of it, or of one that a depthwise convolution becomes. */
static pith_status fuse_pools(pith_graph *graph, int *n_changes)
{
    for (pith_node *node = graph->first, *pool = NULL; node; node = node->next) {
        const pith_value *y = pithi_node_result(node);
        const bool is_separable = pithi_is(node, "separable_conv");
        const bool has_pool = is_separable && ((const pithi_separable_attrs *)node->attrs)->pool > 1;
        if ((!is_separable && !(is_depthwise(node) && has_short_rows(node))) || !pithi_value_has_dims(y) ||
            !is_large(y) || has_residual(node) || has_pool) {
            continue;
        }
        const int64_t side = pool_behind(graph, node, &pool);
        if (side > 1) {
            PITH_TRY(is_separable ? PITH_OK : fuse(graph, NULL, node, node));
            ((pithi_separable_attrs *)node->attrs)->pool = side;
            pithi_absorb(graph, node, pool);
            ++*n_changes;
        }
    }
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    PITH_TRY(fuse_projections(graph, true, n_changes));
    PITH_TRY(fuse_projections(graph, false, n_changes));
    for (pith_node *node = graph->first; node; node = node->next) {
        pith_node *expand = is_depthwise(node) && has_short_rows(node) ? find_expand(node) : NULL;
        if (expand) {
            PITH_TRY(fuse(graph, expand, node, node));
            ++*n_changes;
        }
    }
    pithi_graph_count_uses(graph);
    return fuse_pools(graph, n_changes);
}

const pith_pass pithi_pass_fuse_separable = {
    .name = "fuse_separable",
    .stages = PITH_STAGE_SHAPE,
    .help = "runs depthwise convolutions and the 1x1 ones around them in bands that stay in the cache",
    .run = run,
};
