/* SPDX-License-Identifier: Apache-2.0 */
/* A leaky ReLU with a slope for each channel (PReLU) behind a convolution is applied by the convolution, while the
 * numbers are near. */
#include "ops/shared_conv.h"
#include "kernels/vunary_f32.h"
#include "passes/linear.h"

/* One slope for all channels needs no list. */
static pith_status fuse(pith_graph *graph, pith_node *node, const pithi_linear *conv)
{
    const pith_tensor *slope = pithi_constant_input(node, 1);
    pith_activation activation = { .kind = PITH_VUNARY_LEAKY_RELU };
    if (pith_shape_elements(&slope->shape) == 1) {
        activation.alpha = (float)pithi_channel_item(slope, 0);
    } else {
        const pith_shape shape = { 1, { conv->n_channels } };
        pith_tensor list;
        pith_value *value = NULL;
        PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &list, &value));
        memcpy(list.data, slope->data, (size_t)conv->n_channels * sizeof(float));
        PITH_TRY(pithi_node_resize_inputs(graph, conv->node, PITHI_CONV_SLOPE + 1));
        pithi_set_input(conv->node, PITHI_CONV_SLOPE, value);
    }
    *pithi_activation_of(conv->node) = activation;
    pithi_absorb(graph, conv->node, node);
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        pithi_linear conv;
        if (pithi_is(node, "prelu") && node->n_inputs == 2 && pithi_node_result(node) &&
            pithi_linear_behind(node->inputs[0], &conv) && pithi_is(conv.node, "conv") &&
            pithi_linear_is_channel_constant(&conv, pithi_constant_input(node, 1))) {
            PITH_TRY(fuse(graph, node, &conv));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_prelu = {
    .name = "fuse_prelu",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "applies a leaky ReLU with slopes per channel inside of the convolution before it",
    .run = run,
};
