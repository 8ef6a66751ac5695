/* SPDX-License-Identifier: Apache-2.0 */
/* A gate for each channel in front of a 1x1 convolution (squeeze and excitation, Hu et al. 2018) is multiplied into the
 * convolution's weights in each run, where those are far fewer than the pixels' numbers. */
#include "ops/shared_conv.h"
#include "passes/rewrite.h"

#define RATIO 16 /* pixels to output channels, at least: weights are packed anew as well, and that takes longer */

static bool is_plain_pointwise(const pith_node *conv)
{
    const pithi_conv_attrs *a = conv->attrs;
    const pith_tensor *w = pithi_constant_input(conv, 1);
    return a->channels_last && !a->reads_planes && a->group == 1 && w && w->dtype == PITH_DTYPE_F32 &&
           w->shape.rank == 4 && w->shape.dims[2] == 1 && w->shape.dims[3] == 1 && pithi_node_result(conv) &&
           pithi_value_has_dims(conv->inputs[0]) && pithi_value_has_dims(conv->outputs[0]);
}

/* Which operand of the product is the gate, -1: neither, or there are several pictures. */
static int find_gate(const pith_node *product, int64_t n_channels)
{
    const pith_shape *y = &product->outputs[0]->shape;
    for (int i = 0; i < 2 && y->dims[0] == 1; i++) {
        const pith_value *gate = product->inputs[i], *x = product->inputs[1 - i];
        const pith_shape wanted = { 4, { 1, 1, 1, n_channels } };
        if (pithi_value_has_dims(gate) && pithi_value_has_dims(x) && !gate->constant && !x->constant &&
            pith_shape_equal(&gate->shape, &wanted) && pith_shape_equal(&x->shape, y)) {
            return i;
        }
    }
    return -1;
}

static pith_status fold(pith_graph *graph, pith_node *conv, pith_node *product, int gate)
{
    const pith_shape column = { 4, { 1, product->inputs[gate]->shape.dims[3], 1, 1 } };
    pith_node *view = NULL, *scaled = NULL;
    pith_value *dims = NULL, *x = product->inputs[1 - gate];
    PITH_TRY(pithi_graph_add_s64s(graph, column.dims, column.rank, &dims));
    PITH_TRY(pithi_insert(graph, conv, "reshape", (pith_value *[]){ product->inputs[gate], dims }, 2, &view));
    view->outputs[0]->shape = column;
    view->outputs[0]->has_shape = true;
    PITH_TRY(pithi_insert(graph, conv, "mul", (pith_value *[]){ conv->inputs[1], view->outputs[0] }, 2, &scaled));
    scaled->outputs[0]->shape = conv->inputs[1]->constant->shape;
    scaled->outputs[0]->has_shape = true;
    pithi_set_input(conv, 1, scaled->outputs[0]);
    pithi_set_input(conv, 0, x);
    pithi_graph_remove_node(graph, product);
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first; node; node = node->next) {
        pith_node *product = pithi_is(node, "conv") && is_plain_pointwise(node)
                                 ? pithi_sole_producer(node->inputs[0], "mul") : NULL;
        if (!product || product->n_inputs != 2 || !pithi_has_no_activation(product) ||
            product->outputs[0]->shape.rank != 4) {
            continue;
        }
        const pith_shape *y = &node->outputs[0]->shape, *w = &node->inputs[1]->constant->shape;
        const int gate = find_gate(product, w->dims[1]);
        if (gate >= 0 && y->dims[1] * y->dims[2] >= RATIO * w->dims[0]) {
            PITH_TRY(fold(graph, node, product, gate));
            pithi_graph_count_uses(graph);
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fold_gate = {
    .name = "fold_gate",
    .stages = PITH_STAGE_SHAPE,
    .help = "multiplies gates of channels into the weights of the 1x1 convolution behind them",
    .run = run,
};
