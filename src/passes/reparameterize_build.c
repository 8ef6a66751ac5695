/* SPDX-License-Identifier: Apache-2.0 */
/* Affine maps as convolutions in a graph. */
#include <math.h>

#include "passes/reparameterize.h"

/* Takes out the nodes that nobody reads any more, from `value` backwards. */
static void prune(pith_graph *graph, pith_value *value)
{
    pith_node *node = value && value->n_uses == 0 ? value->producer : NULL;
    for (int i = 0; node && i < node->n_outputs; i++) {
        if (node->outputs[i] && node->outputs[i]->n_uses > 0) {
            return;
        }
    }
    if (!node) {
        return;
    }
    pithi_graph_remove_node(graph, node);
    for (int i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i]) {
            node->inputs[i]->n_uses--;
            prune(graph, node->inputs[i]);
        }
    }
}

bool pithi_reparameterize_is_finite(const pithi_affine *map)
{
    int64_t n = pithi_affine_weights(map);
    bool finite = true;
    for (int64_t i = 0; i < n && finite; i++) {
        finite = isfinite((float)map->weights[i]);
    }
    for (int64_t i = 0; i < map->n_out && finite; i++) {
        finite = isfinite((float)map->bias[i]);
    }
    return finite;
}

pith_status pithi_reparameterize_constants(pith_graph *graph, const pithi_affine *map, pith_value *values[2])
{
    pith_tensor weights, bias;
    int64_t n_taps = pithi_affine_taps(map), width = map->n_in / map->group;
    pith_shape shape = { 2 + map->n_axes, { map->n_out, width } };
    const pith_shape bias_shape = { 1, { map->n_out } };
    for (int i = 0; i < map->n_axes; i++) {
        shape.dims[2 + i] = map->axes[i].n_taps;
    }
    PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &shape, &weights, &values[0]));
    float *to = weights.data;
    for (int64_t o = 0; o < map->n_out; o++) {
        for (int64_t k = 0; k < n_taps; k++) {
            for (int64_t c = 0; c < width; c++) {
                to[(o * width + c) * n_taps + k] = (float)map->weights[(o * n_taps + k) * width + c];
            }
        }
    }
    values[1] = NULL;
    if (map->has_bias) {
        PITH_TRY(pithi_graph_new_constant(graph, NULL, PITH_DTYPE_F32, &bias_shape, &bias, &values[1]));
        for (int64_t o = 0; o < map->n_out; o++) {
            ((float *)bias.data)[o] = (float)map->bias[o];
        }
    }
    return PITH_OK;
}

pith_status pithi_reparameterize_set_windows(pith_graph *graph, pith_node *conv, const pithi_affine *map)
{
    int64_t kernel[PITHI_AFFINE_AXES], strides[PITHI_AFFINE_AXES], steps[PITHI_AFFINE_AXES];
    int64_t pads[2 * PITHI_AFFINE_AXES];
    int n = map->n_axes;
    for (int i = 0; i < n; i++) {
        const pithi_affine_axis *axis = &map->axes[i];
        kernel[i] = axis->n_taps;
        strides[i] = axis->stride;
        steps[i] = axis->step;
        pads[i] = -axis->low;
        pads[n + i] = axis->extra + axis->low + (axis->n_taps - 1) * axis->step;
    }
    PITH_TRY(pithi_attr_set_ints(&graph->arena, conv, "kernel_shape", kernel, n));
    PITH_TRY(pithi_attr_set_ints(&graph->arena, conv, "strides", strides, n));
    PITH_TRY(pithi_attr_set_ints(&graph->arena, conv, "dilations", steps, n));
    PITH_TRY(pithi_attr_set_ints(&graph->arena, conv, "pads", pads, 2 * n));
    PITH_TRY(pithi_attr_set_int(graph->ctx, conv, "auto_pad", 0));
    return pithi_attr_set_int(graph->ctx, conv, "group", map->group);
}

pith_status pithi_reparameterize_become(pith_graph *graph, pith_node *node, const char *op_name,
                                        pith_value *const *inputs, int n_inputs)
{
    pith_value **old = node->inputs;
    int n_old = node->n_inputs;
    const pith_activation *from = pithi_activation_of(node);
    pith_activation kept = from ? *from : (pith_activation){ 0 };
    PITH_TRY(pithi_become(graph, node, op_name, inputs, n_inputs));
    pith_activation *to = pithi_activation_of(node);
    if (to) {
        *to = kept;
    }
    for (int i = 0; i < n_old; i++) {
        prune(graph, old[i]);
    }
    return PITH_OK;
}

pith_status pithi_reparameterize_become_conv(pith_graph *graph, pith_node *node, pith_value *source,
                                             const pithi_affine *map)
{
    pith_value *inputs[3] = { source };
    PITH_TRY(pithi_reparameterize_constants(graph, map, inputs + 1));
    if (!pithi_is(node, "conv")) {
        PITH_TRY(pithi_reparameterize_become(graph, node, "conv", inputs, inputs[2] ? 3 : 2));
        return pithi_reparameterize_set_windows(graph, node, map);
    }
    if (inputs[2] && node->n_inputs < 3) {
        PITH_TRY(pithi_node_resize_inputs(graph, node, 3));
    }
    for (int i = 0; i < 3 && i < node->n_inputs; i++) {
        pith_value *old = node->inputs[i];
        pithi_set_input(node, i, inputs[i]);
        prune(graph, old);
    }
    return pithi_reparameterize_set_windows(graph, node, map);
}
