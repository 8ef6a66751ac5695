/* SPDX-License-Identifier: Apache-2.0 */
/* A depthwise convolution that makes several outputs of each channel (a channel multiplier, as TensorFlow calls it)
 * reads each channel as often instead: kernels have one output of each, and others take a product for each channel. */
#include "ops/shared_conv.h"
#include "passes/rewrite.h"

/* Of a channel. 56x56 pixels of 32 channels with two outputs each: 0.62 ms became 0.53 of a network around them, on one
 * core (Zen 5); with eight, where products fill half a panel, 0.69 would become 0.88. */
#define MOST_OUTPUTS 2

/* How often each channel is to be repeated; 1: not at all. */
static int64_t find_factor(const pith_node *node)
{
    const bool is_conv = pithi_is(node, "conv");
    const pithi_conv_attrs *attrs = is_conv ? node->attrs : NULL;
    const pith_value *x = is_conv ? node->inputs[0] : NULL;
    const pith_tensor *w = is_conv ? pithi_constant_input(node, 1) : NULL;
    if (!w || !attrs->channels_last || attrs->reads_planes || w->shape.rank != 4 || !pithi_value_has_dims(x) ||
        x->shape.rank != 4 || x->dtype != PITH_DTYPE_F32) {
        return 1;
    }
    const int64_t n_in = x->shape.dims[3], n_out = w->shape.dims[0];
    const bool fits = attrs->group == n_in && n_in > 1 && w->shape.dims[1] == 1 && n_out % n_in == 0;
    return fits && n_out / n_in <= MOST_OUTPUTS ? n_out / n_in : 1;
}

static pith_status put(pith_graph *graph, pith_node *before, const char *op, pith_value **value,
                       const pith_shape *shape)
{
    pith_node *node = NULL;
    pith_value *dims = NULL;
    PITH_TRY(pithi_graph_add_s64s(graph, shape->dims, shape->rank, &dims));
    PITH_TRY(pithi_insert(graph, before, op, (pith_value *[]){ *value, dims }, 2, &node));
    node->outputs[0]->dtype = (*value)->dtype;
    node->outputs[0]->shape = *shape;
    node->outputs[0]->has_shape = true;
    *value = node->outputs[0];
    return PITH_OK;
}

static pith_status repeat(pith_graph *graph, pith_node *node, int64_t factor)
{
    pith_value *x = node->inputs[0];
    pith_shape shape = x->shape;
    shape.dims[shape.rank++] = 1;
    PITH_TRY(put(graph, node, "reshape", &x, &shape));
    shape.dims[4] = factor;
    PITH_TRY(put(graph, node, "expand", &x, &shape));
    shape.rank = 4;
    shape.dims[3] *= factor;
    PITH_TRY(put(graph, node, "reshape", &x, &shape));
    pithi_set_input(node, 0, x);
    ((pithi_conv_attrs *)node->attrs)->group = shape.dims[3];
    return PITH_OK;
}

static pith_status run(pith_graph *graph, pith_pass_stage stage, int *n_changes)
{
    (void)stage;
    for (pith_node *node = graph->first; node; node = node->next) {
        const int64_t factor = find_factor(node);
        if (factor > 1) {
            PITH_TRY(repeat(graph, node, factor));
            ++*n_changes;
        }
    }
    return PITH_OK;
}

const pith_pass pithi_pass_repeat_channels = {
    .name = "repeat_channels",
    .stages = PITH_STAGE_SHAPE,
    .help = "repeats the channels that a depthwise convolution makes several outputs of each of",
    .run = run,
};
