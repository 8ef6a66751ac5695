/* SPDX-License-Identifier: Apache-2.0 */
/* A constant added per channel behind a linear operator becomes its bias, or goes into the one it has. */
#include "passes/linear.h"

static pith_status fuse(pith_graph *graph, pith_node *node, int operand, const pithi_linear *linear)
{
    const pith_tensor *constant = pithi_constant_input(node, 1 - operand);
    double sign = pithi_is(node, "sub") ? -1.0 : 1.0;
    void *block = NULL;
    PITH_TRY(pithi_alloc_array(graph->ctx, (size_t)linear->n_channels + 1, sizeof(double), &block));
    double *offsets = block;
    for (int64_t i = 0; i < linear->n_channels; i++) {
        offsets[i] = sign * pithi_channel_item(constant, i);
    }
    pith_status status = pithi_linear_scale(graph, linear, NULL, offsets);
    pithi_free(graph->ctx, block);
    PITH_TRY(status);
    const pith_activation *from = pithi_activation_of(node);
    pith_activation *to = pithi_activation_of(linear->node);
    if (from && to) {
        *to = *from;
    }
    pithi_absorb(graph, linear->node, node);
    return PITH_OK;
}

/* How many operands of a sum or difference may be the linear one. */
static int count_operands(const pith_node *node)
{
    if (node->n_inputs != 2 || !pithi_node_result(node)) {
        return 0;
    }
    return pithi_is(node, "add") ? 2 : pithi_is(node, "sub") ? 1 : 0;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    pithi_graph_count_uses(graph);
    for (pith_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        int n_operands = count_operands(node);
        for (int i = 0; i < n_operands; i++) {
            pithi_linear linear;
            if (pithi_linear_behind(node->inputs[i], &linear) && pithi_linear_takes_offset(&linear) &&
                pithi_linear_is_channel_constant(&linear, pithi_constant_input(node, 1 - i))) {
                PITH_TRY(fuse(graph, node, i, &linear));
                ++*n_changes;
                break;
            }
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_fuse_bias = {
    .name = "fuse_bias",
    .stages = PITH_STAGE_MODEL | PITH_STAGE_SHAPE,
    .help = "makes constants added per channel the bias before them",
    .run = run,
};
