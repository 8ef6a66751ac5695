/* SPDX-License-Identifier: Apache-2.0 */
/* A depthwise convolution and the 1x1 convolutions around it become one operator that works in bands of rows, where
 * what passes between them is too large to stay in L2. */
#include "passes/separable.h"

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

bool pithi_is_large_image(const pith_value *value)
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

bool pithi_runs_in_bands(const pith_node *node) { return is_depthwise(node) && has_short_rows(node); }

static bool has_residual(const pith_node *node) { return pithi_node_input(node, 3) != NULL; }

/* The 1x1 convolution in front that only this one reads. */
static pith_node *find_expand(const pith_node *depthwise)
{
    pith_node *node = pithi_sole_producer(depthwise->inputs[0], "conv");
    const bool fits = node && is_pointwise(node) && !has_residual(node) && pithi_is_large_image(depthwise->inputs[0]);
    return fits ? node : NULL;
}

static bool is_expanding(const pith_node *expand)
{
    const pith_tensor *w = weights_of(expand);
    return w && w->shape.dims[0] >= EXPANSION * w->shape.dims[1];
}

pith_status pithi_fuse_separable(pith_graph *graph, pith_node *expand, pith_node *depthwise, pith_node *last)
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
    fused.conv.residual_behind = ((const pithi_conv_attrs *)last->attrs)->residual_behind;
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
        bool fits = only_expanded ? expand && is_expanding(expand)
                                  : expand || (projects && pithi_is_large_image(node->inputs[0]));
        if (fits) {
            PITH_TRY(pithi_fuse_separable(graph, expand, depthwise, node));
            pithi_graph_count_uses(graph);
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
        pith_node *expand = pithi_runs_in_bands(node) ? find_expand(node) : NULL;
        if (expand) {
            PITH_TRY(pithi_fuse_separable(graph, expand, node, node));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_separable = {
    .name = "fuse_separable",
    .stages = PITH_STAGE_SHAPE,
    .help = "runs depthwise convolutions and the 1x1 ones around them in bands that stay in the cache",
    .run = run,
};
